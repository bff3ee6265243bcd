//! Syslog on the same socket: RFC 3164 and RFC 5424.

use core::ops::RangeInclusive;

use crate::basic::{basic_line, syslog_prefix};
use crate::scan::{fixed_number, split_once, without_newline};
use crate::{Fields, Format, Prefix, Record, Text};

/// A message of a syslog client.
///
/// The parts of the other dialect are always `None`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Syslog<'a> {
    payload: &'a [u8],
    /// [`Format::Rfc3164`] or [`Format::Rfc5424`].
    pub format: Format,
    /// `<PRI>`, at most 191.
    pub prefix: Prefix,
    /// As it came; of RFC 3164 without year and zone.
    pub timestamp: Option<&'a [u8]>,
    /// The sender's name for itself.
    pub hostname: Option<&'a [u8]>,
    /// The program: TAG of RFC 3164, APP-NAME of RFC 5424.
    pub tag: Option<&'a [u8]>,
    /// The process: what stands in brackets after the TAG, or PROCID.
    pub pid: Option<&'a [u8]>,
    /// MSGID of RFC 5424.
    pub msgid: Option<&'a [u8]>,
    /// STRUCTURED-DATA of RFC 5424 with its brackets.
    pub structured_data: Option<&'a [u8]>,
    /// The message without its final newline.
    pub text: &'a [u8],
}

/// A field's name and value.
pub(crate) type Part<'a> = (&'static [u8], &'a [u8]);

impl<'a> Syslog<'a> {
    /// Reads either dialect; `None` if it is neither.
    pub(crate) fn parse(payload: &'a [u8]) -> Option<Syslog<'a>> {
        let (prefix, rest) = syslog_prefix(payload)?;
        if prefix > MAX_PRI {
            return None;
        }
        match rest.strip_prefix(b"1 ").and_then(|rest| Syslog::rfc5424(payload, prefix, rest)) {
            Some(syslog) => Some(syslog),
            None => Syslog::rfc3164(payload, prefix, rest),
        }
    }

    fn rfc3164(payload: &'a [u8], prefix: Prefix, bytes: &'a [u8]) -> Option<Syslog<'a>> {
        let (timestamp, rest) = date(bytes)?;
        let (hostname, rest) = hostname(without_newline(rest.strip_prefix(b" ")?));
        let (tag, pid, text) = tag(rest);
        Some(Syslog {
            payload,
            format: Format::Rfc3164,
            prefix,
            timestamp: Some(timestamp),
            hostname,
            tag,
            pid,
            msgid: None,
            structured_data: None,
            text,
        })
    }

    fn rfc5424(payload: &'a [u8], prefix: Prefix, bytes: &'a [u8]) -> Option<Syslog<'a>> {
        let (timestamp, rest) = token(bytes)?;
        if timestamp != b"-" {
            is_rfc3339(timestamp)?;
        }
        let (hostname, rest) = token(rest)?;
        let (app_name, rest) = token(rest)?;
        let (procid, rest) = token(rest)?;
        let (msgid, rest) = token(rest)?;
        let (structured_data, rest) = structured_data(without_newline(rest))?;
        let text = match rest {
            [] => rest,
            [b' ', text @ ..] => text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text),
            _ => return None,
        };
        Some(Syslog {
            payload,
            format: Format::Rfc5424,
            prefix,
            timestamp: not_nil(timestamp),
            hostname: not_nil(hostname),
            tag: not_nil(app_name),
            pid: not_nil(procid),
            msgid: not_nil(msgid),
            structured_data: not_nil(structured_data),
            text,
        })
    }

    /// The whole datagram.
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// The record of this message. A kernel's line that a log daemon forwards has the kernel's own
    /// time and caller in its text, as the daemon read it (rsyslog's `imklog`).
    pub fn record(&self) -> Record<'a> {
        let line = Some(basic_line(self.text))
            .filter(|line| self.is_kernel() && line.notice.is_none() && line.prefix.is_none());
        Record {
            format: self.format,
            release: None,
            prefix: Some(self.prefix),
            seq: None,
            time: line.and_then(|line| line.time),
            continued: false,
            caller: line.and_then(|line| line.caller),
            text: Text::Plain(line.map_or(self.text, |line| line.text)),
            fields: Fields::syslog(self),
            incomplete: false,
        }
    }

    fn is_kernel(&self) -> bool {
        self.prefix.facility() == 0 && self.tag == Some(b"kernel")
    }

    /// Its parts as fields.
    pub(crate) fn parts(&self) -> [Option<Part<'a>>; 6] {
        let names: [&'static [u8]; 6] = match self.format {
            Format::Rfc5424 => {
                [b"timestamp", b"hostname", b"app_name", b"procid", b"msgid", b"structured_data"]
            }
            _ => [b"timestamp", b"hostname", b"tag", b"pid", b"", b""],
        };
        let [timestamp, hostname, tag, pid, msgid, structured_data] = names;
        [
            self.timestamp.map(|value| (timestamp, value)),
            self.hostname.map(|value| (hostname, value)),
            self.tag.map(|value| (tag, value)),
            self.pid.map(|value| (pid, value)),
            self.msgid.map(|value| (msgid, value)),
            self.structured_data.map(|value| (structured_data, value)),
        ]
    }
}

/// `Mmm dd hh:mm:ss`, or a time of RFC 3339, which rsyslog's forward format has in its place.
fn date(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    if let Some((date, rest)) = bytes.split_at_checked(BSD_DATE_LENGTH)
        && is_bsd_date(date).is_some()
    {
        return Some((date, rest));
    }
    let (date, _) = token(bytes)?;
    is_rfc3339(date)?;
    bytes.split_at_checked(date.len())
}

/// Whether these bytes are `Mmm dd hh:mm:ss`, the day padded with a space or a zero.
fn is_bsd_date(date: &[u8]) -> Option<()> {
    let (month, rest) = date.split_at_checked(4)?;
    if !MONTHS.contains(&month) {
        return None;
    }
    let rest = match rest {
        [b' ', rest @ ..] => within(rest, 1, 1..=9)?,
        _ => within(rest, 2, 1..=31)?,
    };
    clock(rest.strip_prefix(b" ")?)?.is_empty().then_some(())
}

/// Whether these bytes are a time of RFC 3339 as RFC 5424 section 6.2.3 narrows it.
fn is_rfc3339(time: &[u8]) -> Option<()> {
    let (_, rest) = fixed_number(time, 4)?;
    let rest = within(rest.strip_prefix(b"-")?, 2, 1..=12)?;
    let rest = within(rest.strip_prefix(b"-")?, 2, 1..=31)?;
    let rest = clock(rest.strip_prefix(b"T")?)?;
    let zone = match rest {
        [b'.', fraction @ ..] => {
            let digits = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
            fraction.get(digits..).filter(|_| (1..=9).contains(&digits))?
        }
        _ => rest,
    };
    match zone {
        b"Z" => Some(()),
        [b'+' | b'-', zone @ ..] => {
            let minutes = within(zone, 2, 0..=23)?.strip_prefix(b":")?;
            within(minutes, 2, 0..=59)?.is_empty().then_some(())
        }
        _ => None,
    }
}

/// What follows `hh:mm:ss`.
fn clock(bytes: &[u8]) -> Option<&[u8]> {
    let rest = within(bytes, 2, 0..=23)?;
    let rest = within(rest.strip_prefix(b":")?, 2, 0..=59)?;
    within(rest.strip_prefix(b":")?, 2, 0..=60)
}

/// What follows a number of `width` digits in `range`.
fn within(bytes: &[u8], width: usize, range: RangeInclusive<u32>) -> Option<&[u8]> {
    let (number, rest) = fixed_number(bytes, width)?;
    range.contains(&number).then_some(rest)
}

/// HOSTNAME and what follows it. A first word that ends in a colon is a tag, as some clients leave
/// the host out; a message of a single word is a text.
fn hostname(bytes: &[u8]) -> (Option<&[u8]>, &[u8]) {
    match token(bytes) {
        Some((host, rest)) if !host.ends_with(b":") => (Some(host), rest),
        _ => (None, bytes),
    }
}

/// The name and the process of `tag: ` or `tag[pid]: `, and the text after it. Without a tag all
/// is text.
fn tag(bytes: &[u8]) -> (Option<&[u8]>, Option<&[u8]>, &[u8]) {
    let (word, text) = split_once(bytes, b' ').unwrap_or((bytes, &[]));
    let Some(tag) = word.strip_suffix(b":").filter(|tag| is_plain(tag)) else {
        return (None, None, bytes);
    };
    if let Some(open) = tag.strip_suffix(b"]")
        && let Some((name, pid)) = split_once(open, b'[')
        && !name.is_empty()
        && !pid.is_empty()
    {
        return (Some(name), Some(pid), text);
    }
    (Some(tag), None, text)
}

/// A word, and what follows the space after it.
fn token(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    split_once(bytes, b' ').filter(|(word, _)| is_plain(word))
}

/// Whether this is a word: not empty, no space or control byte in it.
fn is_plain(word: &[u8]) -> bool {
    !word.is_empty() && word.iter().all(|byte| *byte > b' ' && *byte != 0x7f)
}

/// `-` or one or more elements in brackets, and what follows (RFC 5424 section 6.3). A bracket
/// inside a quoted value ends nothing.
fn structured_data(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    if bytes.starts_with(b"-") {
        return bytes.split_at_checked(1);
    }
    let mut rest = bytes;
    while let Some(element) = rest.strip_prefix(b"[") {
        rest = after_element(element)?;
    }
    match bytes.len() - rest.len() {
        0 => None,
        length => bytes.split_at_checked(length),
    }
}

/// What follows the bracket that ends an element.
fn after_element(bytes: &[u8]) -> Option<&[u8]> {
    let mut rest = bytes;
    let mut quoted = false;
    loop {
        rest = match rest {
            [b'\\', _, after @ ..] if quoted => after,
            [b'"', after @ ..] => {
                quoted = !quoted;
                after
            }
            [b']', after @ ..] if !quoted => return Some(after),
            [_, after @ ..] => after,
            [] => return None,
        }
    }
}

fn not_nil(token: &[u8]) -> Option<&[u8]> {
    (token != b"-").then_some(token)
}

const MAX_PRI: Prefix = Prefix(191);
const BSD_DATE_LENGTH: usize = 15;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
const MONTHS: [&[u8]; 12] = [
    b"Jan ", b"Feb ", b"Mar ", b"Apr ", b"May ", b"Jun ", b"Jul ", b"Aug ", b"Sep ", b"Oct ",
    b"Nov ", b"Dec ",
];
