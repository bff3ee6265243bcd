//! A record: one message of one kernel, whatever format brought it.

/// Facility and level in one number, as printk and syslog write them: `(facility << 3) | level`.
///
/// Range 0..=2047 on the wire (`include/linux/printk.h`; a u8 facility and three bits of level).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix(pub u16);

impl Prefix {
    /// The greatest that can stand on the wire.
    pub const MAX: Prefix = Prefix(2047);

    /// The number as read from the wire, if it can stand there.
    pub(crate) fn new(number: u64) -> Option<Prefix> {
        (number <= Prefix::MAX.0 as u64).then_some(Prefix(number as u16))
    }

    /// Severity 0 (emergency) ..= 7 (debug), RFC 5424 section 6.2.1.
    pub fn level(self) -> u8 {
        (self.0 & 7) as u8
    }

    /// Facility; 0 is the kernel itself, 1 what user space writes to /dev/kmsg by default.
    pub fn facility(self) -> u8 {
        (self.0 >> 3) as u8
    }
}

/// printk's record number: a u64 from 0 at boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sequence(pub u64);

/// The sender's claim: microseconds of its monotonic clock since its boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PrintkTime(pub u64);

/// What a datagram was written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// netconsole's extended format: a header with number and time, text, dictionary.
    Extended,
    /// The text of a serial console.
    Basic,
    /// BSD syslog, RFC 3164.
    Rfc3164,
    /// Syslog, RFC 5424.
    Rfc5424,
    /// Headerless, and empty or longer than any netconsole datagram.
    Raw,
}

impl Format {
    /// Whether it is one of syslog's: a daemon wrote it, perhaps for many machines.
    pub fn is_syslog(self) -> bool {
        matches!(self, Format::Rfc3164 | Format::Rfc5424)
    }

    /// The name used in JSON and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Format::Extended => "extended",
            Format::Basic => "basic",
            Format::Rfc3164 => "rfc3164",
            Format::Rfc5424 => "rfc5424",
            Format::Raw => "raw",
        }
    }
}

/// The bytes of a text or a value, and whether `\xNN` in them is an escape to undo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Text<'a> {
    /// As printk escapes them: bytes below 0x20, from 0x7f on, and `\` stand as `\xNN`
    /// (`kernel/printk/printk.c`, `append_char`, `msg_add_ext_text`).
    Escaped(&'a [u8]),
    /// Exact bytes; a backslash is a backslash.
    Plain(&'a [u8]),
}

impl<'a> Text<'a> {
    /// The bytes as they stand on the wire.
    pub fn bytes(&self) -> &'a [u8] {
        match self {
            Text::Escaped(bytes) | Text::Plain(bytes) => bytes,
        }
    }

    /// The exact bytes: escapes undone where there are any.
    pub fn unescaped(&self) -> impl Iterator<Item = u8> + Clone + use<'a> {
        let (escaped, plain) = match self {
            Text::Escaped(bytes) => (*bytes, &[][..]),
            Text::Plain(bytes) => (&[][..], *bytes),
        };
        crate::unescape(escaped).chain(plain.iter().copied())
    }
}

/// One message of one machine.
///
/// Borrowed from a datagram or from a reassembled message; `fields` yields the unknown header
/// keys and then the dictionary, in wire order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// What it was written in.
    pub format: Format,
    /// The sender's `uname -r`, where the header carries it.
    pub release: Option<&'a [u8]>,
    /// Facility and level.
    pub prefix: Option<Prefix>,
    /// printk's number (extended only).
    pub seq: Option<Sequence>,
    /// printk's time.
    pub time: Option<PrintkTime>,
    /// `c`: a piece of a continued line (extended only).
    pub continued: bool,
    /// `T<tid>` or `C<cpu>`.
    pub caller: Option<&'a [u8]>,
    /// The message without its final newline.
    pub text: Text<'a>,
    /// Unknown header keys and the dictionary.
    pub fields: crate::Fields<'a>,
    /// Some of it never came: a fragment or the rest of a cut line is missing.
    pub incomplete: bool,
}

impl<'a> Record<'a> {
    /// The record of a headerless datagram that no format claims; one final newline is left out.
    pub fn raw(payload: &'a [u8]) -> Record<'a> {
        Record {
            format: Format::Raw,
            release: None,
            prefix: None,
            seq: None,
            time: None,
            continued: false,
            caller: None,
            text: Text::Plain(crate::scan::without_newline(payload)),
            fields: crate::Fields::EMPTY,
            incomplete: false,
        }
    }
}
