//! `bedside boots`: how often a machine began anew, and how each time ended.

use std::io::{self, Write};

use bedside_store::read::{BootCounts, BootSummary, End, Error};
use bedside_stream::WallTime;
use jiff::tz::TimeZone;
use netconsole_wire::Format;
use serde::Serialize;

use crate::cli::ListArgs;
use crate::closing::Delivery;
use crate::fate::{Beside, nexts};
use crate::incidents::OfBoots;
use crate::pstore::{Death, Joined};
use crate::pulse::{self, Found, Pulse};
use crate::reading::{self, Hosts};
use crate::render::escape::Escaped;
use crate::render::{self, Fate, LossCounts, Palette, Source, Stamp, Table};
use crate::{Exit, exit, time};

/// Lists boots.
pub fn run(args: &ListArgs) -> anyhow::Result<Exit> {
    let asked = Hosts::new(&args.hosts);
    let reader = reading::open_for(&args.data, &asked, args.strangers.all, false)?;
    let now = time::now();
    let mut boots = reader.boots(now);
    boots.retain(|boot| asked.contain_boot(boot));
    asked.tell_unheard(&boots)?;
    let counts = reader.counts_of(&boots)?;
    let beside = Beside::read(reader.dir())?;
    let incidents = OfBoots::read(reader.dir());
    let counted =
        boots.iter().zip(counts).zip(nexts(boots.iter())).map(|((boot, counts), next)| {
            let (pulse, fate) = (beside.pulse(boot, next), beside.fate(boot, next));
            let deaths = beside.deaths.of(boot).collect();
            // Closing records are of a format of their own.
            let may_close = counts.formats.contains(&Format::Rfc5424);
            let delivery = may_close.then(|| Delivery::of(&reader, boot)).transpose()?.flatten();
            let incidents = incidents.of(boot);
            Ok(Row { boot, counts, pulse, fate, delivery, deaths, incidents })
        });
    let counted = counted.collect::<Result<Vec<Row<'_>>, Error>>()?;
    reading::tell_damage(&reader)?;
    reading::tell_homeless(&beside.deaths, &boots, &asked)?;
    reading::tell_strangers(&reader, &asked, args.strangers.all)?;
    let mut out = render::stdout();
    write(args, &counted, &beside.pulses, now, &mut out)?;
    Ok(match (boots.is_empty(), asked.are_all()) {
        (false, _) => Exit::Well,
        (true, true) => exit::tell(Exit::Well, "nobody was heard yet"),
        (true, false) => exit::tell(Exit::Problem, &asked.not_held()),
    })
}

/// What is told of a boot.
struct Row<'a> {
    boot: &'a BootSummary,
    counts: BootCounts,
    pulse: Option<&'a Pulse>,
    fate: Option<Fate>,
    delivery: Option<Delivery>,
    deaths: Vec<&'a Death>,
    /// By their short names.
    incidents: Vec<&'a str>,
}

fn write(
    args: &ListArgs,
    boots: &[Row<'_>],
    pulses: &Found,
    now: WallTime,
    out: &mut dyn Write,
) -> io::Result<()> {
    if args.json {
        let boots = boots.iter().map(|row| BootObject::new(row, pulses)).collect();
        return render::write_line(&BootList { v: render::VERSION, boots }, out);
    }
    if boots.is_empty() { Ok(()) } else { write_table(boots, now, out) }
}

fn write_table(boots: &[Row<'_>], now: WallTime, out: &mut dyn Write) -> io::Result<()> {
    let headings =
        ["HOST", "BOOT", "RELEASE", "FIRST HEARD", "LAST HEARD", "RECORDS", "MISSING", "END"];
    let mut table = Table::new(headings);
    let zone = TimeZone::system();
    for Row { boot, counts, fate, delivery, incidents, .. } in boots {
        table.push([
            Escaped(boot.host.as_bytes()).to_string(),
            boot.number.to_string(),
            boot.release.as_deref().map_or_else(|| "-".to_owned(), |r| Escaped(r).to_string()),
            time::local(boot.first_received, &zone, 0),
            time::local(boot.last_received, &zone, 0),
            counts.records.to_string(),
            render::losses(&counts.losses),
            end(boot, *fate, *delivery, now) + &proven(boot) + &named(incidents),
        ]);
    }
    table.write(Palette::new(render::colours_on_stdout()), out)
}

/// `; signed`, or why its end is unproven.
fn proven(boot: &BootSummary) -> String {
    boot.proof().map(|proof| format!("; {proof}")).unwrap_or_default()
}

/// How it ended, claiming no more than was heard.
fn end(
    boot: &BootSummary,
    fate: Option<Fate>,
    delivery: Option<Delivery>,
    now: WallTime,
) -> String {
    let silent = now.0.saturating_sub(boot.last_received.0);
    let how = match boot.end {
        Some(End::Clean) => "shutdown".to_owned(),
        Some(End::Panic) => "panic".to_owned(),
        _ if delivery.is_some_and(|it| it.is_restart()) => "restarted at once".to_owned(),
        None if fate == Some(Fate::Flatline) => Fate::Flatline.words().to_owned(),
        Some(End::Silence) if fate.is_some() => fate.map_or("", Fate::words).to_owned(),
        Some(End::Silence) if boot.superseded => "fell silent; no last word heard".to_owned(),
        Some(End::Silence) => format!("silent for {}; no last word heard", time::length(silent)),
        None => "still heard".to_owned(),
    };
    match delivery {
        Some(delivery) => format!("{how}; {delivery}"),
        None => how,
    }
}

/// `; incidents 9da4beb2, 6f84d14b and 3 more`.
fn named(incidents: &[&str]) -> String {
    const NAMED: usize = 3;
    let what = if incidents.len() == 1 { "incident" } else { "incidents" };
    let first = incidents.iter().take(NAMED).copied().collect::<Vec<&str>>().join(", ");
    match incidents.len().saturating_sub(NAMED) {
        _ if incidents.is_empty() => String::new(),
        0 => format!("; {what} {first}"),
        more => format!("; {what} {first} and {more} more"),
    }
}

#[derive(Serialize)]
struct BootList<'a> {
    v: u8,
    boots: Vec<BootObject<'a>>,
}

#[derive(Serialize)]
struct BootObject<'a> {
    host: &'a str,
    boot: u32,
    boot_id: Option<String>,
    release: Option<String>,
    end: Option<&'static str>,
    provisional: bool,
    voice: &'static str,
    signs: bool,
    signed_records: u64,
    first_received: Stamp,
    last_received: Stamp,
    records: u64,
    missing: LossCounts<'a>,
    sources: Vec<Source>,
    ports: &'a [u16],
    formats: Vec<&'static str>,
    heartbeat: Option<pulse::Told>,
    fate: Option<&'static str>,
    death: Option<Delivery>,
    pstore: Vec<DeathObject<'a>>,
    incidents: &'a [&'a str],
}

/// What was found of its death.
#[derive(Serialize)]
struct DeathObject<'a> {
    from: &'a str,
    why: &'a str,
    /// By the dying machine's clock.
    died: Stamp,
    received: Stamp,
    lines: usize,
    unheard: usize,
    missing: usize,
    joined: Option<Joined>,
}

impl DeathObject<'_> {
    fn new(death: &Death) -> DeathObject<'_> {
        DeathObject {
            from: &death.from,
            why: &death.why,
            died: Stamp(WallTime(death.died_s.saturating_mul(1_000_000))),
            received: Stamp(WallTime(death.received)),
            lines: death.lines(),
            unheard: death.unheard(),
            missing: death.missing,
            joined: death.joined,
        }
    }
}

impl<'a> BootObject<'a> {
    fn new(row: &'a Row<'a>, pulses: &Found) -> BootObject<'a> {
        let Row { boot, counts, pulse, fate, delivery, deaths, incidents } = row;
        let text = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).into_owned();
        BootObject {
            host: &boot.host,
            boot: boot.number,
            boot_id: boot.boot_id.as_ref().map(text),
            release: boot.release.as_ref().map(text),
            end: boot.end.map(End::as_str),
            provisional: boot.provisional,
            voice: boot.voice.as_str(),
            signs: boot.signs,
            signed_records: boot.signed_records,
            first_received: Stamp(boot.first_received),
            last_received: Stamp(boot.last_received),
            records: counts.records,
            missing: LossCounts(&counts.losses),
            sources: boot.sources.iter().copied().map(Source).collect(),
            ports: &boot.ports,
            heartbeat: pulse.map(|pulse| pulses.tell(pulse)),
            fate: fate.map(Fate::as_str),
            death: *delivery,
            pstore: deaths.iter().map(|death| DeathObject::new(death)).collect(),
            incidents,
            formats: counts.formats.iter().map(|format| format.as_str()).collect(),
        }
    }
}
