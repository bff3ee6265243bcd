//! A raw line of a file to the kernel's lines in it.

use std::borrow::Cow;

use memchr::memchr;

use super::date::{is_delta, is_prefix, is_programs, without_date, without_host};
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
        let plain = without_colours(raw);
        let raw = self.of_journal(&plain);
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

/// Without the colours of `dmesg --color` and of terminals.
fn without_colours(raw: &[u8]) -> Cow<'_, [u8]> {
    if memchr(0x1b, raw).is_none() {
        return Cow::Borrowed(raw);
    }
    let mut plain = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = memchr(0x1b, rest) {
        let (before, code) = rest.split_at(at);
        let argument = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b';' | b'[');
        let end = 1 + code[1..].iter().take_while(|byte| argument(byte)).count();
        plain.extend_from_slice(before);
        if code.get(end) != Some(&b'm') {
            plain.extend_from_slice(&code[..end]);
        }
        rest = &code[(end + usize::from(code.get(end) == Some(&b'm')))..];
    }
    plain.extend_from_slice(rest);
    Cow::Owned(plain)
}

/// getty's prompt, which a kernel's line follows on a serial console.
const LOGIN: &[u8] = b" login: ";

/// Takes a line apart where a time stamp stands in its middle.
fn pieces(raw: &[u8], line: Line<'_>, each: &mut dyn FnMut(Line<'_>)) {
    let (mut line, mut rest) = (line, raw);
    if is_programs(raw) {
        return;
    }
    if let Some((prefix, known, text)) = kmsg(rest) {
        if prefix <= 7 {
            each(Line { text, at: line.at, ..known });
        }
        return;
    }
    rest = without_level(rest, &mut line);
    while let Some((at, length, time)) = next_stamp(rest) {
        let before = &rest[..at];
        if !before.trim_ascii().is_empty() && !is_prefix(before) {
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
    let mut text = if line.time.is_none() { without_date(rest) } else { without_host(rest) };
    if line.time.is_none() && text.starts_with(b"[") {
        text = after_stamp(text, &mut line);
    }
    each(Line { text, ..line });
}

/// `6,123,4567890,-,caller=T12;text`: /dev/kmsg and netconsole's extended format
/// (kernel/printk/printk.c: `info_print_ext_header`); with its first number, which is more than 7 of
/// a program's.
fn kmsg(raw: &[u8]) -> Option<(u32, Line<'static>, &[u8])> {
    let end = memchr(b';', raw.get(..raw.len().min(120))?)?;
    let header = std::str::from_utf8(&raw[..end]).ok()?;
    let mut fields = header.split(',');
    // netconsole's `release`.
    let first = fields.next()?;
    let prefix = if first.contains('.') { fields.next()? } else { first };
    let prefix: u32 = prefix.parse().ok()?;
    let _sequence: u64 = fields.next()?.parse().ok()?;
    let time = fields.next()?.parse().ok()?;
    let caller = fields.find_map(|field| field.strip_prefix("caller="));
    let line = Line {
        level: Some((prefix & 7) as u8),
        time: Some(time),
        caller: caller.and_then(|caller| Caller::parse(caller.as_bytes())),
        ..Line::default()
    };
    Some((prefix, line, &raw[end + 1..]))
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
    let mut end = dot + 1 + micros.0;
    if text[end..].starts_with(b" <") {
        let length = memchr(b']', &text[end..text.len().min(end + 20)])?;
        end += if is_delta(&text[end + 1..end + length]) { length } else { 0 };
    }
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

/// The piece of a line before a stamp in it: the end of another's line, or a console's noise.
fn before_stamp<'a>(before: &'a [u8], line: &mut Line<'_>) -> &'a [u8] {
    if line.time.is_none() { without_date(before) } else { before }
}
