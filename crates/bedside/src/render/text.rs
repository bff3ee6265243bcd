//! Text for people: `-o short` and `-o full`.

mod full;

use std::io::{self, Write};
use std::sync::Arc;

use anstyle::Style;
use bedside_store::read::{End, Gap, OwnedRecord};
use bedside_stream::Cause;

use super::columns::{columns, padded};
use super::escape::{self, Escaped};
use super::{BootEvent, BootMark, Fate, Look, Render, Shown, words};
use crate::time;

/// Writes text.
#[derive(Debug)]
pub(super) struct Text {
    look: Look,
    full: bool,
    /// The heading of a boot of which no record was shown yet; only where records are left out.
    heading: Option<String>,
    /// Gaps since the last record, equal ones summed up.
    gaps: Vec<Missing>,
    /// A boot that fell silent, and the line that says so: not needed if the next line tells
    /// how long after it the next boot began.
    silent: Option<(Arc<str>, u32, String)>,
}

/// Gaps with the same cause and machine, with no record between them.
#[derive(Debug)]
struct Missing {
    cause: Cause,
    host: Option<Arc<str>>,
    count: u64,
    places: u64,
}

/// Where a record comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin<'a> {
    /// It was heard; perhaps it is part of an incident, which is called so.
    Heard(Option<&'a str>),
    Pstore,
}

impl Text {
    /// A line for each record.
    pub(super) fn short(look: Look) -> Text {
        Text { look, full: false, heading: None, gaps: Vec::new(), silent: None }
    }

    /// A line for each field of a record.
    pub(super) fn full(look: Look) -> Text {
        Text { full: true, ..Text::short(look) }
    }

    fn gap(&mut self, gap: &Gap) {
        let same = |held: &&mut Missing| held.cause == gap.cause && held.host == gap.host;
        match self.gaps.iter_mut().find(same) {
            Some(held) => {
                held.count = held.count.saturating_add(gap.count);
                held.places += 1;
            }
            None => self.gaps.push(Missing {
                cause: gap.cause,
                host: gap.host.clone(),
                count: gap.count,
                places: 1,
            }),
        }
    }

    fn boot(&mut self, mark: &BootMark<'_>, out: &mut dyn Write) -> io::Result<()> {
        if self.heading.take().is_some() {
            // Nothing was shown of that boot: it is left out, with its gaps and its end.
            self.gaps.retain(|gap| gap.host.is_none());
            if mark.event != BootEvent::Begin {
                return Ok(());
            }
        }
        if self.is_told_by(mark) {
            self.silent = None;
        }
        self.settle(out)?;
        let line = self.boot_line(mark);
        let says_no_more = mark.fate.is_none() && mark.boot.superseded;
        if mark.event == BootEvent::End(End::Silence) && says_no_more {
            self.silent = Some((Arc::clone(&mark.boot.host), mark.boot.number, line));
            return Ok(());
        }
        if self.look.filtered && mark.event == BootEvent::Begin {
            self.heading = Some(line);
            return Ok(());
        }
        writeln!(out, "{line}")
    }

    /// Whether the heading of the next boot says that the one before fell silent.
    fn is_told_by(&self, next: &BootMark<'_>) -> bool {
        let is_drawn = next.event == BootEvent::Begin && !self.look.filtered;
        let told = next.before.filter(|_| is_drawn);
        self.silent.as_ref().zip(told).is_some_and(|((host, number, _), before)| {
            (host, *number) == (&before.host, before.number)
        })
    }

    fn boot_line(&self, mark: &BootMark<'_>) -> String {
        let palette = self.look.palette;
        let style = match mark.event {
            BootEvent::End(End::Panic) => palette.bad(),
            BootEvent::End(_) if matches!(mark.fate, Some(Fate::Panic | Fate::Flatline)) => {
                palette.bad()
            }
            _ => palette.boot(),
        };
        self.rule(style, Some(&mark.boot.host), &words::boot(mark))
    }

    /// `── web1: 12 records not seen (filtered or lost) ──`.
    fn rule(&self, style: Style, host: Option<&str>, words: &str) -> String {
        match host.filter(|_| self.look.several_hosts) {
            Some(host) => {
                let name = self.look.palette.host(host);
                let host = Escaped(host.as_bytes());
                format!("{style}──{style:#} {name}{host}{name:#}{style}: {words} ──{style:#}")
            }
            None => format!("{style}── {words} ──{style:#}"),
        }
    }

    fn record(
        &mut self,
        record: &OwnedRecord,
        origin: Origin<'_>,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        if let Some(heading) = self.heading.take() {
            writeln!(out, "{heading}")?;
        }
        self.settle(out)?;
        if self.full {
            full::write(&self.look, record, origin, out)
        } else {
            short(&self.look, record, origin, out)
        }
    }
}

impl Render for Text {
    fn show(&mut self, shown: Shown<'_>, out: &mut dyn Write) -> io::Result<()> {
        match shown {
            Shown::Record(record) => self.record(record, Origin::Heard(None), out),
            Shown::OfIncident(record, id) => self.record(record, Origin::Heard(Some(id)), out),
            Shown::Pstore(record) => self.record(record, Origin::Pstore, out),
            Shown::Gap(gap) => {
                self.gap(gap);
                Ok(())
            }
            Shown::Boot(mark) => self.boot(mark, out),
        }
    }

    fn settle(&mut self, out: &mut dyn Write) -> io::Result<()> {
        if self.heading.is_some() {
            return Ok(()); // Not before there is a record to show.
        }
        if let Some((_, _, line)) = self.silent.take() {
            writeln!(out, "{line}")?;
        }
        for gap in std::mem::take(&mut self.gaps) {
            let words = words::missing(gap.cause, gap.count, gap.places);
            let style = self.look.palette.missing();
            writeln!(out, "{}", self.rule(style, gap.host.as_deref(), &words))?;
        }
        Ok(())
    }
}

/// `2026-11-20 13:44:37.545 web1 [   12.345678] text`.
fn short(
    look: &Look,
    record: &OwnedRecord,
    origin: Origin<'_>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let (aside, host_style) = (look.palette.aside(), host_style(look, &record.host));
    let received = time::local(record.received, &look.zone, 3);
    let host = padded(Escaped(record.host.as_bytes()).to_string(), look.host_width);
    let stamp = stamp(record);
    let times = match origin {
        Origin::Heard(Some(_)) => look.palette.bad(),
        _ => aside,
    };
    write!(out, "{times}{received}{times:#} {host_style}{host}{host_style:#} ")?;
    write!(out, "{times}{stamp}{times:#}")?;
    let indent = received.len() + 1 + columns(&host) + 1 + columns(&stamp);
    let level = look.palette.level(record.prefix.map(|prefix| (prefix & 7) as u8));
    write!(out, "{level}")?;
    escape::write_lines(out, &record.text, indent)?;
    write!(out, "{level:#}")?;
    if record.incomplete {
        write!(out, " {aside}[incomplete]{aside:#}")?;
    }
    if origin == Origin::Pstore {
        write!(out, " {aside}[pstore]{aside:#}")?;
    }
    if !record.voice.is_genuine() {
        let bad = look.palette.bad();
        write!(out, " {bad}[{}]{bad:#}", record.voice.as_str())?;
    }
    writeln!(out)
}

/// `[   12.345678][  T123] ` as a console shows them; empty where the sender said neither.
fn stamp(record: &OwnedRecord) -> String {
    let seconds = |micros: u64| format!("[{:5}.{:06}]", micros / 1_000_000, micros % 1_000_000);
    let time = record.time_us.map(seconds).unwrap_or_default();
    let caller = record.caller.as_deref().map(|caller| format!("[{:>6}]", Escaped(caller)));
    let caller = caller.unwrap_or_default();
    let space = if time.is_empty() && caller.is_empty() { "" } else { " " };
    format!("{time}{caller}{space}")
}

fn host_style(look: &Look, host: &str) -> Style {
    if look.several_hosts { look.palette.host(host) } else { Style::new() }
}
