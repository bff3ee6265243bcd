//! Lines to entries.

use bedside_stream::{Cause, LastWord, Run, RunId, StreamKey, Verdict, Voice, WallTime};
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
        b'0'..=b'9' => record_head(line).map(|(head, _)| head),
        b'R' => number(line.strip_prefix(b"R ")?).map(|(run, _)| Head::Run(RunId(run))),
        b'G' => gap(trim(line)).map(Head::Gap),
        _ => None,
    }
}

/// The same, and of a record the message and the fields behind it as they stand in the line.
pub(crate) fn decode_said(line: &[u8]) -> (Option<Head>, &[u8], &[u8]) {
    if !line.first().is_some_and(u8::is_ascii_digit) {
        return (decode_head(line), &[], &[]);
    }
    let Some((head, rest)) = record_head(line) else { return (None, &[], &[]) };
    let begin = memchr::memchr(b';', rest).map_or(rest.len(), |at| at + 1);
    let body = trim(&rest[begin..]);
    let (said, fields) = body.split_at(memchr::memchr(b'\t', body).unwrap_or(body.len()));
    (Some(head), said, fields)
}

/// The head of a record, and what follows its sequence number.
fn record_head(line: &[u8]) -> Option<(Head, &[u8])> {
    let (run, rest) = number(line)?;
    let (received, rest) = number(rest.strip_prefix(b" ")?)?;
    // `<space><letter>[!]<space><release>,<prefix>,<seq>,`
    let mut commas = rest.iter().zip(1..).filter(|(byte, _)| **byte == b',').map(|(_, at)| at);
    let begin = commas.nth(1)?;
    let rest = &rest[begin..];
    let (seq, rest) = match rest {
        [b'0'..=b'9', ..] => number(rest).map(|(seq, rest)| (Some(seq), rest))?,
        _ => (None, rest),
    };
    matches!(rest, [b',', ..] | []).then_some(())?;
    Some((Head::Record { run: RunId(run), received: WallTime(received), seq }, rest))
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
    let voice = value(b"voice").map_or(Some(Voice::Plain), Voice::parse)?;
    let run = Run {
        id,
        key: StreamKey::new(source, port).with_voice(voice),
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
    let (mut value, mut rest) = (0, bytes);
    // Sixteen digits are far from too many for a u64.
    for _ in 0..2 {
        let Some((eight, behind)) = rest.split_first_chunk::<8>() else { break };
        let Some(digits) = eight_digits(*eight) else { break };
        (value, rest) = (value * 100_000_000 + digits, behind);
    }
    while let [digit @ b'0'..=b'9', behind @ ..] = rest {
        value = value.checked_mul(10)?.checked_add(u64::from(digit - b'0'))?;
        rest = behind;
    }
    (rest.len() < bytes.len()).then_some((value, rest))
}

/// The same, as this program writes it: without zeros in front.
pub(crate) fn canonical_number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    if let [b'0', b'0'..=b'9', ..] = bytes { None } else { number(bytes) }
}

/// The value of eight digits, if they are: pairs, fours, then all, in the lanes of a word.
fn eight_digits(bytes: [u8; 8]) -> Option<u64> {
    let word = u64::from_le_bytes(bytes);
    let digits = word ^ 0x3030_3030_3030_3030;
    // A lane above 9 carries into its top bits.
    let odd = (digits | digits.wrapping_add(0x7676_7676_7676_7676)) & 0x8080_8080_8080_8080;
    if odd != 0 {
        return None;
    }
    let pairs = (digits * 10 + (digits >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs * 100 + (pairs >> 16)) & 0x0000_ffff_0000_ffff;
    Some((fours * 10_000 + (fours >> 32)) & 0xffff_ffff)
}
