//! Records written as datagrams.

use crate::{Datagram, Extended};

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

impl Datagram<'_> {
    /// Writes the bytes that this was read from.
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
        for number in [header.prefix.0 as u64, header.seq.0, header.time.0] {
            decimal(number, out);
            out.write(b",");
        }
        out.write(&[header.flags.as_byte()]);
        out.write(header.keys);
        out.write(b";");
        out.write(self.body);
    }
}

/// Writes a number in decimal.
fn decimal(number: u64, out: &mut impl Sink) {
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
