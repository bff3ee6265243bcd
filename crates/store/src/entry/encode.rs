//! Entries to lines.

use bedside_stream::{Cause, LastWord, RunId, Verdict, Voice, WallTime};
use netconsole_wire::{Fields, Format, Record, Text};

use super::StoredRun;
use super::escape::{Place, escape_into, is_canonical, unescape};

/// Appends the line of a record.
pub fn write_record(line: &mut Vec<u8>, run: RunId, received: WallTime, record: &Record<'_>) {
    let mut room = [0; ROOM];
    let mut short = Short::new(&mut room);
    short.number(run.0);
    short.byte(b' ');
    short.number(received.0);
    short.byte(b' ');
    short.byte(letter(record.format));
    if record.incomplete {
        short.byte(b'!');
    }
    short.byte(b' ');
    if let Some(release) = record.release {
        short.flush(line);
        escape_into(release, Place::Head, line);
    }
    for number in [record.prefix.map(|p| u64::from(p.0)), record.seq.map(|s| s.0)] {
        short.byte(b',');
        short.optional(number);
    }
    short.byte(b',');
    short.optional(record.time.map(|time| time.0));
    short.byte(b',');
    if record.continued {
        short.byte(b'c');
    }
    short.byte(b',');
    if let Some(caller) = record.caller {
        short.flush(line);
        escape_into(caller, Place::Head, line);
    }
    short.byte(b';');
    short.flush(line);
    text(line, record.text);
    if !record.fields.is_empty() {
        fields(line, &record.fields);
    }
    line.push(b'\n');
}

fn fields(line: &mut Vec<u8>, fields: &Fields<'_>) {
    for field in fields.iter() {
        line.push(b'\t');
        escape_into(field.key, Place::Key, line);
        line.push(b'=');
        text(line, field.value);
    }
}

/// Text that printk escaped is already as the store wants it, but for forgeries.
fn text(line: &mut Vec<u8>, text: Text<'_>) {
    match text {
        Text::Escaped(escaped) if is_canonical(escaped) => line.extend_from_slice(escaped),
        Text::Escaped(escaped) => escape_into(&unescape(escaped), Place::Text, line),
        Text::Plain(plain) => escape_into(plain, Place::Text, line),
    }
}

/// Appends the line of a run.
pub fn write_run(line: &mut Vec<u8>, stored: &StoredRun) {
    let run = &stored.run;
    line.extend_from_slice(b"R ");
    number(line, run.id.0);
    line.extend_from_slice(b"\tsource=");
    line.extend_from_slice(run.key.source().to_string().as_bytes());
    numbered(line, b"port", u64::from(run.key.port()));
    numbered(line, b"first", run.first_received.0);
    match run.verdict {
        Verdict::Provisional => line.extend_from_slice(b"\tverdict=provisional"),
        Verdict::Boot => line.extend_from_slice(b"\tverdict=boot"),
        Verdict::SameAs(root) => {
            line.extend_from_slice(b"\tverdict=same:");
            number(line, root.0);
        }
    }
    if let Some(boot) = stored.boot {
        numbered(line, b"boot", u64::from(boot));
    }
    named(line, b"host", run.host.as_deref());
    named(line, b"boot_id", run.boot_id.as_deref());
    named(line, b"release", run.release.as_deref());
    named(line, b"end", run.last_word.map(|word| last_word(word).as_bytes()));
    if run.key.voice() != Voice::Plain {
        named(line, b"voice", Some(run.key.voice().as_str().as_bytes()));
    }
    if run.stranger {
        line.extend_from_slice(b"\tstranger=1");
    }
    line.push(b'\n');
}

/// Appends the line of a gap.
pub fn write_gap(
    line: &mut Vec<u8>,
    run: Option<RunId>,
    received: WallTime,
    cause: Cause,
    count: u64,
) {
    line.extend_from_slice(b"G ");
    match run {
        Some(run) => number(line, run.0),
        None => line.push(b'-'),
    }
    line.push(b' ');
    number(line, received.0);
    line.push(b' ');
    line.extend_from_slice(cause.as_str().as_bytes());
    line.push(b' ');
    number(line, count);
    line.push(b'\n');
}

fn letter(format: Format) -> u8 {
    match format {
        Format::Extended => b'e',
        Format::Basic => b'b',
        Format::Rfc3164 => b'3',
        Format::Rfc5424 => b'5',
        Format::Raw => b'x',
    }
}

fn last_word(word: LastWord) -> &'static str {
    match word {
        LastWord::Clean => "clean",
        LastWord::Panic => "panic",
    }
}

fn numbered(line: &mut Vec<u8>, key: &[u8], value: u64) {
    line.push(b'\t');
    line.extend_from_slice(key);
    line.push(b'=');
    number(line, value);
}

fn named(line: &mut Vec<u8>, key: &[u8], value: Option<&[u8]>) {
    let Some(value) = value else { return };
    line.push(b'\t');
    line.extend_from_slice(key);
    line.push(b'=');
    escape_into(value, Place::Text, line);
}

fn number(line: &mut Vec<u8>, value: u64) {
    let mut room = [0; ROOM];
    let mut short = Short::new(&mut room);
    short.number(value);
    short.flush(line);
}

/// A few numbers and separators on their way into a line. Several stand in each record: put
/// together in a room of their own, they are copied once, and without the machinery of `fmt`.
pub(crate) struct Short<'r> {
    /// Apart from the length, which so stays in a register between two of them.
    room: &'r mut [u8; ROOM],
    len: usize,
}

/// A record's longest: five numbers of twenty digits, less than twenty other bytes, and room for
/// eight digits of which one counts.
pub(crate) const ROOM: usize = 128;

impl<'r> Short<'r> {
    pub(crate) fn new(room: &'r mut [u8; ROOM]) -> Short<'r> {
        Short { room, len: 0 }
    }

    #[inline]
    pub(crate) fn byte(&mut self, byte: u8) {
        self.room[self.len] = byte;
        self.len += 1;
    }

    #[inline]
    pub(crate) fn optional(&mut self, value: Option<u64>) {
        if let Some(value) = value {
            self.number(value);
        }
    }

    /// Decimal.
    #[inline]
    pub(crate) fn number(&mut self, value: u64) {
        self.len = put_number(self.room, self.len, value);
    }

    pub(crate) fn flush(&mut self, line: &mut Vec<u8>) {
        line.extend_from_slice(&self.room[..self.len]);
        self.len = 0;
    }
}

/// Puts a number, eight digits at a time; says where it ends.
fn put_number(room: &mut [u8; ROOM], at: usize, value: u64) -> usize {
    const EIGHT: u64 = 100_000_000;
    let (high, low) = (value / EIGHT, value % EIGHT);
    let at = match high {
        0 => return put_leading(room, at, low),
        1..EIGHT => put_leading(room, at, high),
        _ => {
            let at = put_leading(room, at, high / EIGHT);
            put_digits(room, at, eight_digits(high % EIGHT), 8)
        }
    };
    put_digits(room, at, eight_digits(low), 8)
}

/// Puts a number of eight digits at most, without zeros in front.
fn put_leading(room: &mut [u8; ROOM], at: usize, value: u64) -> usize {
    let digits = eight_digits(value);
    let zeros = ((digits ^ ZEROS).trailing_zeros() as usize / 8).min(7);
    put_digits(room, at, digits >> (8 * zeros), 8 - zeros)
}

/// Puts the first `count` of eight digits.
fn put_digits(room: &mut [u8; ROOM], at: usize, digits: u64, count: usize) -> usize {
    room[at..at + 8].copy_from_slice(&digits.to_le_bytes());
    at + count
}

/// The eight digits of a value below 10^8 as bytes, the highest first in memory: halves of four,
/// then pairs, then digits, all lanes of a word at once. A lane's quotient is its product with a
/// rounded-up reciprocal, exact in the lane's range.
fn eight_digits(value: u64) -> u64 {
    let fours = (value / 10_000) | ((value % 10_000) << 32);
    let hundreds = ((fours * 5_243) >> 19) & 0x0000_007f_0000_007f;
    let pairs = hundreds | ((fours - hundreds * 100) << 16);
    let tens = ((pairs * 103) >> 10) & 0x000f_000f_000f_000f;
    let digits = tens | ((pairs - tens * 10) << 8);
    digits | ZEROS
}

const ZEROS: u64 = 0x3030_3030_3030_3030;
