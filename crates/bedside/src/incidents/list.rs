//! `bedside incidents`: what went wrong, how often and where.

use std::io::{self, Write};

use bedside_store::read::Window;
use bedside_stream::WallTime;
use jiff::tz::TimeZone;
use serde::{Serialize, Serializer};

use super::book::{Book, Row};
use super::group::{DAYS, Group, State, Voices};
use super::ledger;
use crate::cli::IncidentsArgs;
use crate::reading::{self, Hosts};
use crate::render::incident::harmless;
use crate::render::{self, Palette, Stamp, Table};
use crate::{Exit, exit, time};

/// Lists incidents.
pub fn run(args: &IncidentsArgs) -> anyhow::Result<Exit> {
    let Some(window) = reading::window(args.since, args.until) else {
        return Ok(exit::tell(Exit::Usage, reading::NO_TIME));
    };
    let hosts = Hosts::new(&args.hosts);
    let data = reading::dir(&args.data)?;
    let Some(book) = Book::open_read_only(&data)? else {
        write(args, &[], time::now(), &mut render::stdout())?;
        return Ok(exit::tell(Exit::Well, NO_BOOK));
    };
    // Of a part it is not known how many of those that were let go belong to it.
    let whole = hosts.are_all() && window == Window::default();
    let gone = if whole { book.gone()? } else { Vec::new() };
    let said = ledger::read(&data)?;
    let all = Group::meant(book.rows()?, &gone, &said, |row| is_meant(row, args, &hosts));
    let count = all.len();
    let listed: Vec<Group> = all.into_iter().filter(|group| is_wanted(group, args)).collect();
    write(args, &listed, time::now(), &mut render::stdout())?;
    let left_out = count - listed.len();
    Ok(match (listed.is_empty(), left_out) {
        (_, more @ 1..) if args.state.is_empty() => {
            let what = format!("{more} resolved or ignored are left out; --all shows them");
            exit::tell(Exit::Well, &what)
        }
        (false, _) => Exit::Well,
        (true, _) if hosts.are_all() && args.state.is_empty() && args.kind.is_empty() => {
            let when = if whole { "yet" } else { "in that time" };
            exit::tell(Exit::Well, &format!("no incident was found {when}"))
        }
        (true, _) => exit::tell(Exit::Problem, "no incident is as asked for"),
    })
}

fn is_meant(row: &Row, args: &IncidentsArgs, hosts: &Hosts) -> bool {
    let address = row.source.parse::<std::net::SocketAddr>().ok().map(|source| source.ip());
    args.since.is_none_or(|since| row.last >= since)
        && args.until.is_none_or(|until| row.first <= until)
        && (args.kind.is_empty() || args.kind.contains(&row.kind))
        && hosts.contain(&row.host, address)
}

fn is_wanted(group: &Group, args: &IncidentsArgs) -> bool {
    match args.state.as_slice() {
        _ if args.all => true,
        [] => matches!(group.state, State::Open | State::Regressed),
        states => states.contains(&group.state),
    }
}

fn write(
    args: &IncidentsArgs,
    groups: &[Group],
    now: WallTime,
    out: &mut dyn Write,
) -> io::Result<()> {
    if args.json {
        let incidents = groups.iter().map(|group| Object::new(group, now)).collect();
        return render::write_line(&List { v: render::VERSION, incidents }, out);
    }
    if groups.is_empty() { Ok(()) } else { write_table(groups, now, out) }
}

fn write_table(groups: &[Group], now: WallTime, out: &mut dyn Write) -> io::Result<()> {
    let headings = [
        "ID",
        "STATE",
        "SEVERITY",
        "KIND",
        "COUNT",
        "7 DAYS",
        "MACHINES",
        "FIRST SEEN",
        "LAST SEEN",
        "TITLE",
    ];
    let mut table = Table::new(headings);
    let zone = TimeZone::system();
    for group in groups {
        let latest = group.latest();
        table.push([
            group.id(),
            group.state.as_str().to_owned(),
            group.severity().as_str().to_owned(),
            latest.map(|case| case.kind.to_string()).unwrap_or_default(),
            group.count().to_string(),
            group.trend(now),
            machines(group),
            time::local(group.first, &zone, 0),
            time::local(group.last(), &zone, 0),
            latest.map(|case| harmless(&case.title)).unwrap_or_default(),
        ]);
    }
    table.write(Palette::new(render::colours_on_stdout()), out)
}

/// Its only machine, or how many.
fn machines(group: &Group) -> String {
    let machines = group.machines();
    match machines.first() {
        Some(only) if machines.len() == 1 => harmless(only),
        _ => machines.len().to_string(),
    }
}

#[derive(Serialize)]
struct List<'a> {
    v: u8,
    incidents: Vec<Object<'a>>,
}

/// What is told of an incident in a list.
#[derive(Serialize)]
struct Object<'a> {
    id: String,
    fingerprint: String,
    title: &'a str,
    kind: &'static str,
    severity: &'static str,
    state: &'static str,
    note: Option<&'a str>,
    count: u64,
    days: [u64; DAYS],
    machines: Vec<&'a str>,
    releases: Vec<&'a str>,
    by_machine: Counts<'a>,
    by_release: Counts<'a>,
    voices: Voices,
    first_seen: Stamp,
    last_seen: Stamp,
}

impl<'a> Object<'a> {
    fn new(group: &'a Group, now: WallTime) -> Object<'a> {
        let latest = group.latest();
        Object {
            id: group.id(),
            fingerprint: group.fingerprint.to_string(),
            title: latest.map_or("", |case| case.title.as_str()),
            kind: latest.map_or("", |case| case.kind.as_str()),
            severity: group.severity().as_str(),
            state: group.state.as_str(),
            note: group.note.as_deref(),
            count: group.count(),
            days: group.days(now),
            machines: group.machines().into_iter().collect(),
            releases: group.releases().into_iter().collect(),
            by_machine: Counts(group.by_machine()),
            by_release: Counts(group.by_release()),
            voices: group.voices(),
            first_seen: Stamp(group.first),
            last_seen: Stamp(group.last()),
        }
    }
}

/// Names with numbers, as an object.
struct Counts<'a>(Vec<(&'a str, u64)>);

impl Serialize for Counts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().copied())
    }
}

/// What to say where no doctor has looked.
pub(super) const NO_BOOK: &str = "no doctor has looked for incidents in this store yet: `bedside \
                                  serve` does it while it hears, `bedside store rebuild` once";
