//! `-o full`: all that is known of a record, a line for each field, then an empty line.

use std::io::{self, Write};

use bedside_store::read::OwnedRecord;
use bedside_stream::Voice;

use super::super::Look;
use super::super::escape::{self, Escaped};
use super::Origin;
use crate::cli::LEVELS;
use crate::time;

/// Writes one record.
pub(super) fn write(
    look: &Look,
    record: &OwnedRecord,
    origin: Origin<'_>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let style = super::host_style(look, &record.host);
    let host = Escaped(record.host.as_bytes());
    writeln!(out, "{} {style}{host}{style:#}", time::local(record.received, &look.zone, 6))?;
    write_header(look, record, origin, out)?;
    let level = look.palette.level(record.prefix.map(|prefix| (prefix & 7) as u8));
    field(look, out, b"text", format_args!("{level}"))?;
    escape::write_lines(out, &record.text, INDENT)?;
    writeln!(out, "{level:#}")?;
    for (key, value) in &record.fields {
        field(look, out, key, format_args!("{}\n", Escaped(value)))?;
    }
    writeln!(out)
}

fn write_header(
    look: &Look,
    record: &OwnedRecord,
    origin: Origin<'_>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut line =
        |key: &str, value: String| field(look, out, key.as_bytes(), format_args!("{value}\n"));
    line("boot", record.boot.to_string())?;
    line("source", format!("{} to port {}", record.source, record.port))?;
    let format = match origin {
        Origin::Pstore => "pstore, found after the next start",
        Origin::Heard(_) => record.format.as_str(),
    };
    line("format", format.to_owned())?;
    if let Origin::Heard(Some(incident)) = origin {
        line("incident", incident.to_owned())?;
    }
    if record.voice != Voice::Plain {
        line("voice", record.voice.as_str().to_owned())?;
    }
    if let Some(seq) = record.seq {
        line("seq", seq.to_string())?;
    }
    if let Some(micros) = record.time_us {
        line("uptime", format!("{}.{:06} s", micros / 1_000_000, micros % 1_000_000))?;
    }
    if let Some(prefix) = record.prefix {
        line("level", level(prefix))?;
        line("facility", (prefix >> 3).to_string())?;
    }
    if let Some(caller) = &record.caller {
        line("caller", Escaped(caller).to_string())?;
    }
    if let Some(release) = &record.release {
        line("release", Escaped(release).to_string())?;
    }
    if record.continued {
        line("continued", "a piece of a continued line".to_owned())?;
    }
    if record.incomplete {
        line("incomplete", "some of it never came".to_owned())?;
    }
    Ok(())
}

fn level(prefix: u16) -> String {
    format!("{} ({})", prefix & 7, LEVELS.get(usize::from(prefix & 7)).unwrap_or(&""))
}

/// A key in its column, and its value.
fn field(
    look: &Look,
    out: &mut dyn Write,
    key: &[u8],
    value: std::fmt::Arguments<'_>,
) -> io::Result<()> {
    let aside = look.palette.aside();
    write!(out, "    {aside}{:12}{aside:#}{value}", Escaped(key))
}

/// Where values begin: four spaces, and the column of the keys.
const INDENT: usize = 16;
