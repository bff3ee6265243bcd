//! A raw line of a file to the kernel's lines in it.

use memchr::memchr;

use crate::{Caller, Line};

/// What is remembered from line to line.
#[derive(Debug, Default)]
pub(super) struct Splitter {
    number: u64,
    /// The last line was a `MESSAGE` without `=`: eight bytes of length come first
    /// (systemd's journal export format).
    binary: bool,
}

impl Splitter {
    /// Gives each of the kernel's lines in `raw`: a serial console can hold several, when two
    /// CPUs wrote at once.
    pub(super) fn split(&mut self, raw: &[u8], each: &mut dyn FnMut(Line<'_>)) {
        self.number += 1;
        let raw = self.of_journal(raw);
        for part in raw.split(|byte| *byte == b'\r').filter(|part| !part.is_empty()) {
            pieces(part, Line { at: self.number, ..Line::default() }, each);
        }
    }

    fn of_journal<'a>(&mut self, raw: &'a [u8]) -> &'a [u8] {
        let binary = std::mem::replace(&mut self.binary, raw == b"MESSAGE");
        if binary {
            return raw.get(8..).unwrap_or_default();
        }
        raw.strip_prefix(b"MESSAGE=").unwrap_or(raw)
    }
}

/// getty's prompt, which a kernel's line follows on a serial console.
const LOGIN: &[u8] = b" login: ";

/// Takes a line apart where a time stamp stands in its middle.
fn pieces(raw: &[u8], line: Line<'_>, each: &mut dyn FnMut(Line<'_>)) {
    let (mut line, mut rest) = (line, raw);
    if let Some((known, text)) = kmsg(rest) {
        each(Line { text, at: line.at, ..known });
        return;
    }
    rest = without_level(rest, &mut line);
    while let Some((at, length, time)) = next_stamp(rest) {
        let before = &rest[..at];
        if !before.trim_ascii().is_empty() && !is_syslog(before) {
            each(Line { text: before_stamp(before, &mut line), ..line });
        }
        line.time = Some(time);
        line.caller = None;
        rest = &rest[at + length..];
        rest = after_stamp(rest, &mut line);
    }
    if line.time.is_none()
        && let Some(at) = memchr::memmem::find(&rest[..rest.len().min(80)], LOGIN)
    {
        rest = &rest[at + LOGIN.len()..];
    }
    let mut text = if line.time.is_none() { without_date(rest) } else { rest };
    if text.len() < rest.len() && text.starts_with(b"[") {
        text = after_stamp(text, &mut line);
    }
    each(Line { text, ..line });
}

/// `6,123,4567890,-,caller=T12;text`: /dev/kmsg and netconsole's extended format
/// (kernel/printk/printk.c: `info_print_ext_header`).
fn kmsg(raw: &[u8]) -> Option<(Line<'static>, &[u8])> {
    let end = memchr(b';', raw.get(..raw.len().min(120))?)?;
    let header = std::str::from_utf8(&raw[..end]).ok()?;
    let mut fields = header.split(',');
    let prefix: u32 = fields.next()?.parse().ok()?;
    let _sequence: u64 = fields.next()?.parse().ok()?;
    let time = fields.next()?.parse().ok()?;
    let caller = fields.find_map(|field| field.strip_prefix("caller="));
    let line = Line {
        level: Some((prefix & 7) as u8),
        time: Some(time),
        caller: caller.and_then(|caller| Caller::parse(caller.as_bytes())),
        ..Line::default()
    };
    Some((line, &raw[end + 1..]))
}

/// `<6>` of syslog(2) and pstore.
fn without_level<'a>(raw: &'a [u8], line: &mut Line<'_>) -> &'a [u8] {
    let Some(rest) = raw.strip_prefix(b"<") else { return raw };
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if digits == 0 || digits > 3 || rest.get(digits) != Some(&b'>') {
        return raw;
    }
    let number = rest[..digits].iter().fold(0_u32, |sum, digit| sum * 10 + u32::from(digit - b'0'));
    line.level = Some((number & 7) as u8);
    &rest[digits + 1..]
}

/// The next `[   12.345678]`: where, how long, and the time in microseconds.
fn next_stamp(text: &[u8]) -> Option<(usize, usize, u64)> {
    let mut at = 0;
    loop {
        at += memchr(b'[', text.get(at..)?)?;
        if let Some((length, time)) = stamp(&text[at..]) {
            return Some((at, length, time));
        }
        at += 1;
    }
}

fn stamp(text: &[u8]) -> Option<(usize, u64)> {
    let inner = text.get(1..)?;
    let blanks = inner.iter().take_while(|byte| **byte == b' ').count();
    let seconds = digits(&inner[blanks..])?;
    let dot = 1 + blanks + seconds.0;
    if text.get(dot) != Some(&b'.') {
        return None;
    }
    let micros = digits(&text[dot + 1..])?;
    let end = dot + 1 + micros.0;
    let whole = micros.0 == 6 && text.get(end) == Some(&b']');
    whole.then(|| (end + 1, seconds.1.saturating_mul(1_000_000).saturating_add(micros.1)))
}

fn digits(text: &[u8]) -> Option<(usize, u64)> {
    let count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let value = text[..count]
        .iter()
        .try_fold(0_u64, |sum, digit| sum.checked_mul(10)?.checked_add(u64::from(digit - b'0')))?;
    (count > 0).then_some((count, value))
}

/// `[  T123]` or `[    C1]` behind the stamp, and the blank.
fn after_stamp<'a>(text: &'a [u8], line: &mut Line<'_>) -> &'a [u8] {
    let inner = text.strip_prefix(b"[").or_else(|| text.strip_prefix(b" ["));
    if let Some(inner) = inner
        && let Some(end) = memchr(b']', &inner[..inner.len().min(16)])
        && let Some(caller) = Caller::parse(inner[..end].trim_ascii())
    {
        line.caller = Some(caller);
        let rest = &inner[end + 1..];
        return rest.strip_prefix(b" ").unwrap_or(rest);
    }
    text.strip_prefix(b" ").unwrap_or(text)
}

/// What a log daemon writes before a kernel's line.
fn is_syslog(before: &[u8]) -> bool {
    before.trim_ascii_end().ends_with(b"kernel:") || before.trim_ascii_end().ends_with(b":")
}

/// The piece of a line before a stamp in it: the end of another's line, or a console's noise.
fn before_stamp<'a>(before: &'a [u8], line: &mut Line<'_>) -> &'a [u8] {
    if line.time.is_none() { without_date(before) } else { before }
}

/// Without `Nov 28 04:02:11 host kernel: `, an ISO date of the same, `[Tue Nov 28 04:02:11 2017] `
/// of `dmesg -T`, or `2018/01/09 14:28:48 `.
fn without_date(text: &[u8]) -> &[u8] {
    const MARK: &[u8] = b" kernel: ";
    let head = &text[..text.len().min(120)];
    if let Some(at) = memchr::memmem::find(head, MARK)
        && has_clock(&text[..at])
    {
        return &text[at + MARK.len()..];
    }
    if text.starts_with(b"[")
        && let Some(end) = memchr(b']', head)
        && has_clock(&text[1..end])
        && end < 40
    {
        return text[end + 1..].trim_ascii_start();
    }
    let shape = |byte: &u8| if byte.is_ascii_digit() { b'0' } else { *byte };
    let start: Vec<u8> = text.iter().take(20).map(shape).collect();
    if start == b"0000/00/00 00:00:00 " { &text[20..] } else { text }
}

/// Whether `04:02` or `+0.000012` stands in it: in `[ BUG: Invalid wait context ]` neither does.
fn has_clock(text: &[u8]) -> bool {
    let clock = |three: &[u8]| {
        matches!(three, [a, b':', b] if a.is_ascii_digit() && b.is_ascii_digit())
            || matches!(three, [b'+', a, _] if a.is_ascii_digit())
    };
    text.windows(3).any(clock)
}
