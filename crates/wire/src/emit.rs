//! Records written as datagrams.

use core::fmt;

use crate::{Datagram, Extended, Flags, MAX_PRINT_CHUNK, Prefix, PrintkTime, Sequence};

/// Where bytes are written to.
pub trait Sink {
    /// Takes the next bytes.
    fn write(&mut self, bytes: &[u8]);
}

impl<F: FnMut(&[u8])> Sink for F {
    fn write(&mut self, bytes: &[u8]) {
        self(bytes);
    }
}

/// A sink of fixed room.
#[derive(Debug)]
pub struct SliceSink<'b> {
    room: &'b mut [u8],
    written: usize,
    overflowed: bool,
}

impl<'b> SliceSink<'b> {
    /// An empty sink that writes into `room` from its beginning.
    pub fn new(room: &'b mut [u8]) -> SliceSink<'b> {
        SliceSink { room, written: 0, overflowed: false }
    }

    /// What was written.
    pub fn as_bytes(&self) -> &[u8] {
        self.room.get(..self.written).unwrap_or_default()
    }

    /// Forgets all but the first `length` bytes.
    pub fn truncate(&mut self, length: usize) {
        self.written = self.written.min(length);
    }

    /// How many more bytes it takes.
    pub fn free(&self) -> usize {
        self.room.len() - self.written
    }

    /// Whether there was more to write than room for it; what fitted is there.
    pub fn overflowed(&self) -> bool {
        self.overflowed
    }
}

impl Sink for SliceSink<'_> {
    fn write(&mut self, bytes: &[u8]) {
        let free = self.room.get_mut(self.written..).unwrap_or_default();
        let fits = bytes.len().min(free.len());
        if let (Some(to), Some(from)) = (free.get_mut(..fits), bytes.get(..fits)) {
            to.copy_from_slice(from);
        }
        self.written += fits;
        self.overflowed |= fits < bytes.len();
    }
}

/// What is formatted; what has no room is cut, which is no error here.
impl fmt::Write for SliceSink<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.write(text.as_bytes());
        Ok(())
    }
}

/// A message as printk hands it to netconsole, to be sent.
///
/// ```
/// use netconsole_wire::{Flags, MAX_PRINT_CHUNK, Message, Prefix, PrintkTime, Sequence};
/// let message = Message {
///     release: None,
///     prefix: Prefix(6),
///     seq: Sequence(416),
///     time: PrintkTime(1_758_426),
///     flags: Flags::None,
///     caller: None,
///     body: b"usb 1-1: new device\n SUBSYSTEM=usb\n",
/// };
/// let sent = message.emit(MAX_PRINT_CHUNK, |datagram: &[u8]| {
///     assert_eq!(datagram, b"6,416,1758426,-;usb 1-1: new device\n SUBSYSTEM=usb\n");
/// });
/// assert_eq!(sent, Ok(1));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// `uname -r`, where the target has `release` on.
    pub release: Option<&'a [u8]>,
    /// Facility and level.
    pub prefix: Prefix,
    /// printk's number.
    pub seq: Sequence,
    /// When it was printed.
    pub time: PrintkTime,
    /// Whether it is a piece of a line.
    pub flags: Flags,
    /// `T<task>` or `C<cpu>`.
    pub caller: Option<&'a [u8]>,
    /// The text with its escapes ([`crate::escape`]), a newline, the dictionary.
    pub body: &'a [u8],
}

/// The header leaves no room for a byte of the body, so the message can't be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeaderTooLong;

impl Message<'_> {
    /// Writes the message as datagrams of at most `max` bytes (and never more than
    /// [`MAX_PRINT_CHUNK`]), in fragments if it must, and says how many
    /// (`drivers/net/netconsole.c`, `send_ext_msg_udp`, `send_fragmented_body`).
    pub fn emit(&self, max: usize, send: impl Sink) -> Result<usize, HeaderTooLong> {
        let mut buffer = [0; MAX_PRINT_CHUNK];
        let (room, _) = buffer.split_at_mut(max.min(MAX_PRINT_CHUNK));
        self.emit_within(room, send)
    }

    /// Like [`Message::emit`], each datagram put together in `room`, which it fills at most: for
    /// those who have little stack.
    pub fn emit_within(
        &self,
        room: &mut [u8],
        mut send: impl Sink,
    ) -> Result<usize, HeaderTooLong> {
        let mut datagram = SliceSink::new(room);
        self.emit_header(&mut datagram);
        if self.body.len() >= datagram.free() {
            return self.emit_fragments(datagram, &mut send);
        }
        datagram.write(b";");
        datagram.write(self.body);
        send.write(datagram.as_bytes());
        Ok(1)
    }

    /// Sends the body in pieces, each behind the header that `datagram` holds.
    fn emit_fragments(
        &self,
        mut datagram: SliceSink<'_>,
        send: &mut impl Sink,
    ) -> Result<usize, HeaderTooLong> {
        let header_length = datagram.as_bytes().len();
        let mut count = 0;
        let mut rest = self.body;
        loop {
            datagram.truncate(header_length);
            self.emit_fragment_key(rest, &mut datagram);
            let (piece, after) = rest.split_at(datagram.free().min(rest.len()));
            if datagram.overflowed() || piece.is_empty() {
                return Err(HeaderTooLong);
            }
            datagram.write(piece);
            send.write(datagram.as_bytes());
            count += 1;
            rest = after;
            if rest.is_empty() {
                return Ok(count);
            }
        }
    }

    fn emit_header(&self, out: &mut impl Sink) {
        if let Some(release) = self.release {
            out.write(release);
            out.write(b",");
        }
        emit_numbers(self.prefix, self.seq, self.time, out);
        out.write(&[self.flags.as_byte()]);
        if let Some(caller) = self.caller {
            out.write(b",caller=");
            out.write(caller);
        }
    }

    /// Writes the key that says where the body's `rest` begins.
    fn emit_fragment_key(&self, rest: &[u8], out: &mut impl Sink) {
        out.write(b",ncfrag=");
        emit_decimal((self.body.len() - rest.len()) as u64, out);
        out.write(b"/");
        emit_decimal(self.body.len() as u64, out);
        out.write(b";");
    }
}

impl Datagram<'_> {
    /// Writes the bytes that this was read from.
    ///
    /// ```
    /// use netconsole_wire::{SliceSink, parse};
    /// let payload = b"5.4.0-rc1,6,1,0,-,caller=T1;text\n";
    /// let mut room = [0; 64];
    /// let mut out = SliceSink::new(&mut room);
    /// parse(payload).emit(&mut out);
    /// assert_eq!(out.as_bytes(), payload);
    /// ```
    pub fn emit(&self, out: &mut impl Sink) {
        match self {
            Datagram::Extended(extended) => extended.emit(out),
            Datagram::Syslog(syslog) => out.write(syslog.payload()),
            Datagram::Basic(basic) => out.write(basic.bytes),
            Datagram::Raw(bytes) => out.write(bytes),
        }
    }
}

impl Extended<'_> {
    fn emit(&self, out: &mut impl Sink) {
        let header = &self.header;
        out.write(self.notices.before);
        if let Some(release) = header.release {
            out.write(release);
            out.write(b",");
        }
        out.write(self.notices.after);
        emit_numbers(header.prefix, header.seq, header.time, out);
        out.write(&[header.flags.as_byte()]);
        out.write(header.keys);
        out.write(b";");
        out.write(self.body);
    }
}

fn emit_numbers(prefix: Prefix, seq: Sequence, time: PrintkTime, out: &mut impl Sink) {
    for number in [prefix.0 as u64, seq.0, time.0] {
        emit_decimal(number, out);
        out.write(b",");
    }
}

/// Writes a number in decimal.
fn emit_decimal(number: u64, out: &mut impl Sink) {
    let mut digits = [0; 20];
    let mut rest = number;
    let mut used = 0;
    for slot in digits.iter_mut().rev() {
        *slot = b'0' + (rest % 10) as u8;
        rest /= 10;
        used += 1;
        if rest == 0 {
            break;
        }
    }
    out.write(digits.get(digits.len() - used..).unwrap_or_default());
}
