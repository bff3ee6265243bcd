//! Entries to lines.

use bedside_stream::{Cause, LastWord, RunId, Verdict, WallTime};
use netconsole_wire::{Format, Record, Text};

use super::StoredRun;
use super::escape::{Place, escape_into, is_canonical, unescape};

/// Appends the line of a record.
pub fn write_record(line: &mut Vec<u8>, run: RunId, received: WallTime, record: &Record<'_>) {
    number(line, run.0);
    line.push(b' ');
    number(line, received.0);
    line.push(b' ');
    line.push(letter(record.format));
    if record.incomplete {
        line.push(b'!');
    }
    line.push(b' ');
    head(line, record);
    text(line, record.text);
    for field in record.fields.iter() {
        line.push(b'\t');
        escape_into(field.key, Place::Key, line);
        line.push(b'=');
        text(line, field.value);
    }
    line.push(b'\n');
}

fn head(line: &mut Vec<u8>, record: &Record<'_>) {
    escape_into(record.release.unwrap_or_default(), Place::Head, line);
    line.push(b',');
    optional_number(line, record.prefix.map(|prefix| u64::from(prefix.0)));
    line.push(b',');
    optional_number(line, record.seq.map(|seq| seq.0));
    line.push(b',');
    optional_number(line, record.time.map(|time| time.0));
    line.push(b',');
    if record.continued {
        line.push(b'c');
    }
    line.push(b',');
    escape_into(record.caller.unwrap_or_default(), Place::Head, line);
    line.push(b';');
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
    line.extend_from_slice(run.key.source.to_string().as_bytes());
    numbered(line, b"port", u64::from(run.key.port));
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

fn optional_number(line: &mut Vec<u8>, value: Option<u64>) {
    if let Some(value) = value {
        number(line, value);
    }
}

/// Decimal, without the machinery of `fmt`: it is written several times per record.
fn number(line: &mut Vec<u8>, mut value: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    line.extend_from_slice(&digits[at..]);
}
