//! `bedside incident`: one incident with its trace, or a word on it.

use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, bail};
use bedside_store::read::{BootSummary, Item, Reader, Window};
use bedside_triage::Incident;
use jiff::tz::TimeZone;

use super::book::{Book, Row};
use super::group::Group;
use super::ledger::{self, Said};
use super::list::NO_BOOK;
use super::story::Story;
use crate::cli::{IncidentArgs, Report, Word};
use crate::closing::Delivery;
use crate::reading::{self, Hosts};
use crate::render::escape::Escaped;
use crate::render::{self, Palette, incident};
use crate::{Exit, exit, time};

/// Shows it, or says something of it.
pub fn run(args: &IncidentArgs) -> anyhow::Result<Exit> {
    let data = reading::dir(&args.data)?;
    let Some(book) = Book::open_read_only(&data)? else {
        return Ok(exit::tell(Exit::Problem, NO_BOOK));
    };
    let groups = Group::all(book.rows()?, &book.gone()?, &ledger::read(&data)?);
    let digits = args.id.to_ascii_lowercase();
    let is = |group: &Group| group.fingerprint.to_string().starts_with(&digits);
    let meant = |group: &&Group| !digits.is_empty() && is(group);
    let meant: Vec<&Group> = groups.iter().filter(meant).collect();
    let group = match meant.as_slice() {
        [only] => *only,
        [] => {
            let none = format!("no incident {}: `bedside incidents` lists them", shown(&args.id));
            return Ok(exit::tell(Exit::Problem, &none));
        }
        several => {
            let all: Vec<String> = several.iter().map(|one| one.fingerprint.to_string()).collect();
            let several = format!("{} may be any of {}", shown(&args.id), all.join(", "));
            return Ok(exit::tell(Exit::Problem, &several));
        }
    };
    match args.word {
        Some(word) => {
            let note = (!args.note.is_empty()).then(|| args.note.join(" "));
            say(&data, group, word, note.as_deref())
        }
        None => show(args, &data, &book, group),
    }
}

fn shown(text: &str) -> String {
    Escaped(text.as_bytes()).to_string()
}

fn say(data: &Path, group: &Group, word: Word, note: Option<&str>) -> anyhow::Result<Exit> {
    let said = match word {
        Word::Resolve => Said::Resolve,
        Word::Ignore => Said::Ignore,
        Word::Reopen => Said::Reopen,
        Word::Note if note.is_none() => {
            return Ok(exit::tell(Exit::Usage, "give the note behind `note`"));
        }
        Word::Note => Said::Note,
    };
    ledger::say(data, group.fingerprint, said, note, time::now()).with_context(|| {
        let file = data.join("ledger");
        format!("cannot write {}; try it as root or as the store's user", file.display())
    })?;
    let now = match word {
        Word::Resolve => "is resolved; when it comes back, it is listed as regressed",
        Word::Ignore => "is ignored; it is listed with --all only, and nobody is told",
        Word::Reopen => "is open",
        Word::Note if note == Some("") => "has no note any more",
        Word::Note => "is noted",
    };
    Ok(exit::tell(Exit::Well, &format!("{} {now}", group.id())))
}

fn show(args: &IncidentArgs, data: &Path, book: &Book, group: &Group) -> anyhow::Result<Exit> {
    let hosts = Hosts::new(args.host.as_slice());
    let is_its = |row: &&Row| {
        let source = row.source.parse::<std::net::SocketAddr>();
        hosts.contain(&row.host, source.ok().map(|source| source.ip()))
    };
    let Some(row) = group.cases.iter().rev().find(is_its) else {
        return Ok(exit::tell(Exit::Problem, "it has not happened to that machine"));
    };
    let Some(found) = book.incident(row.id)? else {
        bail!(
            "the book of incidents has no case {}: `bedside store rebuild` finds it again",
            row.id
        )
    };
    let Around { before, death } = around(data, row, &found).unwrap_or_default();
    let mut story = Story::new(group, row, &found, &before);
    story.death = death;
    // Elsewhere, nobody knows what our zone is.
    let zone = if args.report() == Report::Page { TimeZone::system() } else { TimeZone::UTC };
    let (facts, mut out) = (story.facts(time::now(), &zone), render::stdout());
    match args.report() {
        Report::Page => {
            let palette = Palette::new(render::colours_on_stdout());
            incident::page(&found, &facts, &before, palette, &mut out)?;
        }
        Report::Markdown => incident::markdown(&found, &facts, &mut out)?,
        Report::Syz => incident::syz(&found, &mut out)?,
        Report::Json => render::write_line(&story, &mut out)?,
    }
    out.flush()?;
    Ok(Exit::Well)
}

/// What the store holds around it.
#[derive(Default)]
struct Around {
    /// The machine's lines before it.
    before: Vec<String>,
    death: Option<Delivery>,
}

fn around(data: &Path, row: &Row, found: &Incident) -> anyhow::Result<Around> {
    let reader = Reader::open_of(data, |name, _| name == row.host)?;
    let boots = reader.boots(time::now());
    let Some(boot) = boots.iter().find(|boot| boot.runs.contains(&row.run)) else {
        return Ok(Around::default());
    };
    let before = before(&reader, boot, row, found.first_line, found.time)?;
    let death = if found.panicked {
        Delivery::of(&reader, boot)?
    } else {
        Delivery::after(&reader, boot, row.first)?
    };
    Ok(Around { before, death })
}

fn before(
    reader: &Reader,
    boot: &BootSummary,
    row: &Row,
    first_line: u64,
    time: Option<u64>,
) -> anyhow::Result<Vec<String>> {
    let window = Window { since: None, until: Some(row.first) };
    let mut lines = Vec::new();
    for item in reader.items_rev(boot, window)? {
        let Item::Record(record) = item? else { continue };
        let is_before = match (record.seq, record.time_us.zip(time)) {
            (Some(seq), _) => seq < first_line,
            (None, Some((own, first))) => own < first,
            (None, None) => record.received < row.first,
        };
        if is_before {
            lines.push(Escaped(&record.text).to_string());
        }
        if lines.len() == LINES_BEFORE {
            break;
        }
    }
    lines.reverse();
    Ok(lines)
}

const LINES_BEFORE: usize = 10;
