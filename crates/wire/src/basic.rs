//! The basic format: the text that a serial console would get.

use crate::notice::{self, Notice};
use crate::scan::{find, fixed_number, line_end, number, whole_number, without_newline};
use crate::{Fields, Format, MAX_PRINT_CHUNK, Prefix, PrintkTime, Record, Text};

/// A datagram of headerless text, 1 to 1000 bytes long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Basic<'a> {
    /// All of it.
    pub bytes: &'a [u8],
}

/// A line of a serial console, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BasicLine<'a> {
    /// The line is printk's own word about its neighbours; it has no text then.
    pub notice: Option<Notice>,
    /// `<N>`, with the sender's boot argument `console_msg_format=syslog`.
    pub prefix: Option<Prefix>,
    /// `[    1.234567]`, where the sender has `printk.time` on.
    pub time: Option<PrintkTime>,
    /// `[  T123]`, where the sender's kernel has `CONFIG_PRINTK_CALLER`.
    pub caller: Option<&'a [u8]>,
    /// What was printed, without the newline.
    pub text: &'a [u8],
}

/// The lines of a text; a newline at its end begins no further line.
#[derive(Clone, Debug)]
pub struct Lines<'a> {
    rest: &'a [u8],
}

impl<'a> Basic<'a> {
    /// Each line.
    ///
    /// ```
    /// use netconsole_wire::{Datagram, PrintkTime, parse};
    /// let Datagram::Basic(basic) = parse(b"[    1.500000] usb 1-1: new device\n") else { panic!() };
    /// let line = basic.lines().next().unwrap();
    /// assert_eq!(line.time, Some(PrintkTime(1_500_000)));
    /// assert_eq!(line.text, b"usb 1-1: new device");
    /// ```
    pub fn lines(&self) -> Lines<'a> {
        lines(self.bytes)
    }

    /// Whether netconsole cut it here, so that the next datagram goes on: exactly as long as a
    /// datagram can be, and no newline at the end (`drivers/net/netconsole.c`, `send_msg_udp`).
    pub fn is_cut(&self) -> bool {
        self.bytes.len() == MAX_PRINT_CHUNK && self.bytes.last() != Some(&b'\n')
    }
}

/// The lines of a text of any length, say one joined from datagrams that were cut.
pub fn lines(text: &[u8]) -> Lines<'_> {
    Lines { rest: text }
}

impl<'a> Iterator for Lines<'a> {
    type Item = BasicLine<'a>;

    #[inline]
    fn next(&mut self) -> Option<BasicLine<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        let (line, rest) = self.rest.split_at_checked(line_end(self.rest))?;
        if let Some((notice, rest)) = notice::glued(self.rest) {
            self.rest = rest;
            return Some(BasicLine::notice(notice));
        }
        self.rest = rest.get(1..).unwrap_or_default();
        Some(basic_line(line))
    }
}

/// Takes one line apart; a newline at its end is left out.
///
/// Each part counts only where it stands as the kernel prints it (`kernel/printk/printk.c`,
/// `info_print_prefix`): `<%u>`, `[%5lu.%06lu]`, `[%6s]`, and one space after the last two.
#[inline]
pub fn basic_line(bytes: &[u8]) -> BasicLine<'_> {
    let line = without_newline(bytes);
    if let Some(notice) = notice::line(line) {
        return BasicLine::notice(notice);
    }
    let (prefix, rest) = optional(syslog_prefix(line), line);
    let (time, after_time) = optional(time(rest), rest);
    let (caller, after_caller) = optional(caller(after_time), after_time);
    let columns = time.is_some() || caller.is_some();
    let (time, caller, text) = match after_caller.strip_prefix(b" ") {
        Some(text) if columns => (time, caller, text),
        _ => (None, None, rest),
    };
    BasicLine { notice: None, prefix, time, caller, text }
}

/// Whether bytes begin with what the kernel puts before each line, or are a notice: so they are
/// not the rest of a line that was cut.
pub fn starts_like_a_line(bytes: &[u8]) -> bool {
    let line = basic_line(bytes.get(..line_end(bytes)).unwrap_or(bytes));
    line.notice.is_some() || line.prefix.is_some() || line.time.is_some() || line.caller.is_some()
}

impl<'a> BasicLine<'a> {
    fn notice(notice: Notice) -> BasicLine<'a> {
        BasicLine { notice: Some(notice), prefix: None, time: None, caller: None, text: &[] }
    }

    /// The record of this line.
    #[inline]
    pub fn record(&self, incomplete: bool) -> Record<'a> {
        Record {
            format: Format::Basic,
            release: None,
            prefix: self.prefix,
            seq: None,
            time: self.time,
            continued: false,
            caller: self.caller,
            text: Text::Plain(self.text),
            fields: Fields::EMPTY,
            incomplete,
        }
    }
}

/// `<N>` and what follows it.
pub(crate) fn syslog_prefix(bytes: &[u8]) -> Option<(Prefix, &[u8])> {
    match number(bytes.strip_prefix(b"<")?)? {
        (prefix, [b'>', rest @ ..]) => Some((Prefix::new(prefix)?, rest)),
        _ => None,
    }
}

/// `[%5lu.%06lu]` and what follows it.
fn time(bytes: &[u8]) -> Option<(PrintkTime, &[u8])> {
    let (padding, bytes) = padding(bytes.strip_prefix(b"[")?);
    let (seconds, rest) = number(bytes)?;
    let digits = bytes.len() - rest.len();
    if padding != SECONDS_WIDTH.saturating_sub(digits) {
        return None;
    }
    match fixed_number(rest.strip_prefix(b".")?, 6)? {
        (micros, [b']', rest @ ..]) => {
            let time = seconds.checked_mul(1_000_000)?.checked_add(micros as u64)?;
            Some((PrintkTime(time), rest))
        }
        _ => None,
    }
}

/// `[%6s]`, or a wider column, and what follows it.
fn caller(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (padding, bytes) = padding(bytes.strip_prefix(b"[")?);
    let (caller, rest) = bytes.split_at_checked(find(bytes, b']')?)?;
    let [b'T' | b'C', id @ ..] = caller else { return None };
    whole_number(id)?;
    (padding + caller.len() >= CALLER_WIDTH).then_some((caller, rest.get(1..)?))
}

/// How many spaces stand first, and what follows them.
fn padding(bytes: &[u8]) -> (usize, &[u8]) {
    let trimmed = match bytes.iter().position(|byte| *byte != b' ') {
        Some(at) => bytes.get(at..).unwrap_or_default(),
        None => &[],
    };
    (bytes.len() - trimmed.len(), trimmed)
}

fn optional<'a, T>(found: Option<(T, &'a [u8])>, bytes: &'a [u8]) -> (Option<T>, &'a [u8]) {
    match found {
        Some((value, rest)) => (Some(value), rest),
        None => (None, bytes),
    }
}

const SECONDS_WIDTH: usize = 5;
const CALLER_WIDTH: usize = 6;
