//! A record of printk's ring, as syslog(2) gives it, back to what it was made of.

use netconsole_wire::{
    Flags, Message, Prefix, PrintkTime, Sequence, Sink, SliceSink, basic_line, escape,
};

/// The extended message of a record: its text `<6>[    1.234567] text\n`, with the same in front of
/// each further line (`kernel/printk/printk.c`, `record_print_text`), is taken apart; the body is
/// put together in `room`.
///
/// The dictionary (`SUBSYSTEM`, `DEVICE`) is not there, nor whether it was a piece of a line: the
/// kernel keeps that from those who dump. Where `printk.time` is off, the time is 0.
pub(crate) fn message<'b>(seq: u64, text: &'b [u8], room: &'b mut [u8]) -> Message<'b> {
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    let mut lines = text.split(|byte| *byte == b'\n');
    let first = lines.next().unwrap_or_default();
    let line = basic_line(first);
    let head = first.strip_suffix(line.text).unwrap_or_default();
    let (last, body_room) = (room.len().saturating_sub(1), room);
    let mut body = SliceSink::new(body_room.get_mut(..last).unwrap_or_default());
    escape(line.text, &mut body);
    for further in lines {
        body.write(br"\x0a");
        escape(further.strip_prefix(head).unwrap_or(further), &mut body);
    }
    let length = body.as_bytes().len();
    if let Some(end) = body_room.get_mut(length) {
        *end = b'\n';
    }
    Message {
        release: None,
        prefix: line.prefix.unwrap_or(Prefix(6)),
        seq: Sequence(seq),
        time: line.time.unwrap_or(PrintkTime(0)),
        flags: Flags::None,
        caller: line.caller,
        body: body_room.get(..=length).unwrap_or_default(),
    }
}

/// The text of a serial console: without `<6>` in front of each line.
pub(crate) fn plain<'b>(text: &[u8], room: &'b mut [u8]) -> &'b [u8] {
    let mut out = SliceSink::new(room);
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        out.write(without_prefix(line));
    }
    let length = out.as_bytes().len();
    room.get(..length).unwrap_or_default()
}

fn without_prefix(line: &[u8]) -> &[u8] {
    let rest = line.strip_prefix(b"<").unwrap_or_default();
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    match rest.get(digits..) {
        Some([b'>', text @ ..]) if digits > 0 => text,
        _ => line,
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use netconsole_wire::{MAX_PRINT_CHUNK, Message};

    use super::*;

    fn sent(message: &Message<'_>) -> Vec<u8> {
        let mut all = Vec::new();
        let sent = message.emit(MAX_PRINT_CHUNK, |datagram: &[u8]| all.extend_from_slice(datagram));
        assert_eq!(sent, Ok(1));
        all
    }

    /// As a kernel sends the same record live, but for the dictionary.
    #[test]
    fn a_record_is_the_message_that_it_was() {
        for (text, datagram) in [
            (&b"<6>[    1.758426] usb 1-1: new\n"[..], &b"6,416,1758426,-;usb 1-1: new\n"[..]),
            (b"<12>[   22.085407] a\\b\tc\xc3\n", b"12,416,22085407,-;a\\x5cb\\x09c\\xc3\n"),
            (b"<0>[12345.000001][  T123] x\n", b"0,416,12345000001,-,caller=T123;x\n"),
            (b"<4>[    1.000000] a\n<4>[    1.000000] b\n", b"4,416,1000000,-;a\\x0ab\n"),
            (b"<4>[    1.000000] a\n<4>[    1.000000] \n", b"4,416,1000000,-;a\\x0a\n"),
            (b"<6>no time\n<6>two\n", b"6,416,0,-;no time\\x0atwo\n"),
            (b"<6>[    1.000000] \n", b"6,416,1000000,-;\n"),
            (b"", b"6,416,0,-;\n"),
        ] {
            let mut room = [0; 200];
            assert_eq!(sent(&message(416, text, &mut room)), datagram);
        }
    }

    #[test]
    fn a_room_that_is_too_small_cuts_the_text() {
        let mut room = [0; 4];
        assert_eq!(message(1, b"<6>abcdef\n", &mut room).body, b"abc\n");
        assert_eq!(message(1, b"<6>abcdef\n", &mut []).body, b"");
    }

    #[test]
    fn the_basic_text_has_no_level() {
        let mut room = [0; 60];
        let text = b"<6>[    1.000000] a\n<6>[    1.000000] <b\n";
        assert_eq!(plain(text, &mut room), b"[    1.000000] a\n[    1.000000] <b\n");
        assert_eq!(plain(b"<>a\n<x>\n5\n", &mut room), b"<>a\n<x>\n5\n");
    }
}
