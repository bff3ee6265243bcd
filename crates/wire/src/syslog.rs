//! Syslog on the same socket: RFC 3164 and RFC 5424.

use crate::basic::syslog_prefix;
use crate::scan::{find, fixed_number, split_once, without_newline};
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
        let (hostname, rest) = hostname(rest.strip_prefix(b" ")?);
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
            text: without_newline(text),
        })
    }

    fn rfc5424(payload: &'a [u8], prefix: Prefix, bytes: &'a [u8]) -> Option<Syslog<'a>> {
        let (timestamp, rest) = token(bytes)?;
        if timestamp != b"-" && !is_rfc3339(timestamp) {
            return None;
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

    /// The record of this message.
    pub fn record(&self) -> Record<'a> {
        Record {
            format: self.format,
            release: None,
            prefix: Some(self.prefix),
            seq: None,
            time: None,
            continued: false,
            caller: None,
            text: Text::Plain(self.text),
            fields: Fields::syslog(self),
            incomplete: false,
        }
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

/// `Mmm dd hh:mm:ss`, or a time of RFC 3339 as rsyslog's forward format has it in this place.
fn date(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    if let Some((date, rest)) = bytes.split_at_checked(15)
        && is_bsd_date(date)
    {
        return Some((date, rest));
    }
    let (date, _) = token(bytes)?;
    is_rfc3339(date).then_some((date, bytes.get(date.len()..)?))
}

fn is_bsd_date(date: &[u8]) -> bool {
    let Some((month, rest)) = date.split_at_checked(4) else { return false };
    let day = match rest {
        [b' ', b' ', day, b' ', ..] => day.is_ascii_digit(),
        [b'0'..=b'3', day, b' ', ..] => day.is_ascii_digit(),
        _ => false,
    };
    day && MONTHS.iter().any(|name| *name == month)
}

fn is_rfc3339(_date: &[u8]) -> bool {
    false
}

fn hostname(bytes: &[u8]) -> (Option<&[u8]>, &[u8]) {
    match split_once(bytes, b' ') {
        Some((host, rest)) if !host.is_empty() && !host.ends_with(b":") => (Some(host), rest),
        _ => (None, bytes),
    }
}

fn tag(bytes: &[u8]) -> (Option<&[u8]>, Option<&[u8]>, &[u8]) {
    (None, None, bytes)
}

fn token(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (token, rest) = split_once(bytes, b' ')?;
    let plain = !token.is_empty() && token.iter().all(|byte| *byte > b' ' && *byte != 0x7f);
    plain.then_some((token, rest))
}

fn structured_data(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    if bytes.starts_with(b"-") {
        return bytes.split_at_checked(1);
    }
    let end = find(bytes, b']')?;
    bytes.split_at_checked(end + 1)
}

fn not_nil(token: &[u8]) -> Option<&[u8]> {
    (token != b"-").then_some(token)
}

const MAX_PRI: Prefix = Prefix(191);
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
const MONTHS: [&[u8]; 12] = [
    b"Jan ", b"Feb ", b"Mar ", b"Apr ", b"May ", b"Jun ", b"Jul ", b"Aug ", b"Sep ", b"Oct ",
    b"Nov ", b"Dec ",
];
