//! Lines to entries.

use bedside_stream::{Cause, LastWord, Run, RunId, StreamKey, Verdict, WallTime};
use netconsole_wire::{Format, Prefix, PrintkTime, Sequence};

use super::escape::unescape;
use super::{Entry, StoredFields, StoredGap, StoredRecord, StoredRun};

/// What a line is, read no further than needed to count it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head {
    /// A record.
    Record {
        /// Its run.
        run: RunId,
        /// When it was received.
        received: WallTime,
        /// printk's number.
        seq: Option<u64>,
    },
    /// The state of this run.
    Run(RunId),
    /// A gap, cheap enough to be read whole.
    Gap(StoredGap),
}

/// Reads the beginning of a line only. `None` as for [`Entry::decode`].
pub fn decode_head(line: &[u8]) -> Option<Head> {
    match line.first()? {
        b'0'..=b'9' => {
            let (run, rest) = number(line)?;
            let (received, rest) = number(rest.strip_prefix(b" ")?)?;
            // `<space><letter>[!]<space><release>,<prefix>,<seq>,`
            let mut parts = rest.splitn(4, |&b| b == b',');
            let seq = parts.nth(2)?;
            let seq = optional(seq).ok()?;
            Some(Head::Record { run: RunId(run), received: WallTime(received), seq })
        }
        b'R' => number(line.strip_prefix(b"R ")?).map(|(run, _)| Head::Run(RunId(run))),
        b'G' => gap(trim(line)).map(Head::Gap),
        _ => None,
    }
}

pub(super) fn entry(line: &[u8]) -> Option<Entry<'_>> {
    let line = trim(line);
    match line.first()? {
        b'0'..=b'9' => record(line).map(Entry::Record),
        b'R' => run(line).map(Entry::Run),
        b'G' => gap(line).map(Entry::Gap),
        _ => None,
    }
}

fn trim(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\n").unwrap_or(line)
}

fn record(line: &[u8]) -> Option<StoredRecord<'_>> {
    let (run, rest) = number(line)?;
    let (received, rest) = number(rest.strip_prefix(b" ")?)?;
    let (kind, rest) = split(rest.strip_prefix(b" ")?, b' ')?;
    let (&letter, marks) = kind.split_first()?;
    let (head, body) = split(rest, b';')?;
    let mut parts = head.split(|&b| b == b',');
    let release = some(parts.next()?);
    let numbers = [optional(parts.next()?), optional(parts.next()?), optional(parts.next()?)];
    let [Ok(prefix), Ok(seq), Ok(time)] = numbers else { return None };
    let flags = parts.next()?;
    let caller = some(parts.next()?);
    let (text, fields) = split(body, b'\t').unwrap_or((body, b""));
    Some(StoredRecord {
        run: RunId(run),
        received: WallTime(received),
        format: format(letter)?,
        incomplete: marks.contains(&b'!'),
        release,
        prefix: prefix.map(u16::try_from).transpose().ok()?.map(Prefix),
        seq: seq.map(Sequence),
        time: time.map(PrintkTime),
        continued: flags.contains(&b'c'),
        caller,
        text,
        fields: StoredFields(fields),
    })
}

fn run(line: &[u8]) -> Option<StoredRun> {
    let mut parts = line.strip_prefix(b"R ")?.split(|&b| b == b'\t');
    let id = RunId(whole_number(parts.next()?)?);
    let parts: Vec<_> = parts.filter_map(|part| split(part, b'=')).collect();
    let value = |name: &[u8]| parts.iter().find(|(key, _)| *key == name).map(|(_, value)| *value);
    let number = |name| value(name).map(whole_number);
    let source = std::str::from_utf8(value(b"source")?).ok()?.parse().ok()?;
    let port = u16::try_from(number(b"port")??).ok()?;
    let boot = match number(b"boot") {
        None => None,
        Some(boot) => Some(u32::try_from(boot?).ok()?),
    };
    let run = Run {
        id,
        key: StreamKey { source, port },
        first_received: WallTime(number(b"first")??),
        verdict: verdict(value(b"verdict")?)?,
        host: value(b"host").map(unescape),
        boot_id: value(b"boot_id").map(unescape),
        release: value(b"release").map(unescape),
        last_word: value(b"end").and_then(last_word),
        stranger: value(b"stranger").is_some(),
    };
    Some(StoredRun { run, boot })
}

fn gap(line: &[u8]) -> Option<StoredGap> {
    let mut parts = line.strip_prefix(b"G ")?.split(|&b| b == b' ');
    let run = match parts.next()? {
        b"-" => None,
        run => Some(RunId(whole_number(run)?)),
    };
    let received = WallTime(whole_number(parts.next()?)?);
    let name = parts.next()?;
    let cause = CAUSES.into_iter().find(|cause| cause.as_str().as_bytes() == name)?;
    Some(StoredGap { run, received, cause, count: whole_number(parts.next()?)? })
}

const CAUSES: [Cause; 5] =
    [Cause::Proven, Cause::DroppedBySender, Cause::Probable, Cause::Socket, Cause::Limit];

fn format(letter: u8) -> Option<Format> {
    Some(match letter {
        b'e' => Format::Extended,
        b'b' => Format::Basic,
        b'3' => Format::Rfc3164,
        b'5' => Format::Rfc5424,
        b'x' => Format::Raw,
        _ => return None,
    })
}

fn verdict(value: &[u8]) -> Option<Verdict> {
    match value {
        b"boot" => Some(Verdict::Boot),
        b"provisional" => Some(Verdict::Provisional),
        _ => whole_number(value.strip_prefix(b"same:")?).map(|run| Verdict::SameAs(RunId(run))),
    }
}

fn last_word(value: &[u8]) -> Option<LastWord> {
    match value {
        b"clean" => Some(LastWord::Clean),
        b"panic" => Some(LastWord::Panic),
        _ => None,
    }
}

fn split(bytes: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let position = memchr::memchr(at, bytes)?;
    Some((&bytes[..position], &bytes[position + 1..]))
}

fn some(part: &[u8]) -> Option<&[u8]> {
    (!part.is_empty()).then_some(part)
}

/// A number that may be absent, but is nothing else.
fn optional(part: &[u8]) -> Result<Option<u64>, NotANumber> {
    some(part).map(|part| whole_number(part).ok_or(NotANumber)).transpose()
}

struct NotANumber;

fn whole_number(bytes: &[u8]) -> Option<u64> {
    number(bytes).filter(|(_, rest)| rest.is_empty()).map(|(value, _)| value)
}

/// The number that `bytes` begins with, and what follows it.
fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let digits = bytes.iter().take_while(|b| b.is_ascii_digit()).count();
    let (digits, rest) = bytes.split_at(digits);
    let mut value = None;
    for &digit in digits {
        value = Some(value.unwrap_or(0u64).checked_mul(10)?.checked_add(u64::from(digit - b'0'))?);
    }
    Some((value?, rest))
}
