//! `bedside hosts`: who was heard.

use std::collections::HashSet;
use std::io::{self, Write};
use std::net::IpAddr;

use bedside_store::read::HostSummary;
use bedside_stream::WallTime;
use serde::Serialize;

use crate::cli::ListArgs;
use crate::pulse::{self, Found};
use crate::reading::{self, Hosts};
use crate::render::columns::cut;
use crate::render::escape::Escaped;
use crate::render::{self, LossCounts, Palette, Stamp, Table};
use crate::{Exit, exit, time};

/// Lists machines.
pub fn run(args: &ListArgs) -> anyhow::Result<Exit> {
    let asked = Hosts::new(&args.hosts);
    let reader = reading::open_for(&args.data, &asked, args.strangers.all, false)?;
    let now = time::now();
    if args.hosts.len() > 1 {
        asked.tell_unheard(&reader.boots(now))?;
    }
    let mut hosts = reader.hosts(now)?;
    hosts.retain(|host| asked.contain(&host.host, host.addresses.iter().copied()));
    reading::tell_damage(&reader)?;
    reading::tell_strangers(&reader, &asked, args.strangers.all)?;
    let pulses = Found::read(reader.dir())?;
    let mut out = render::stdout();
    if args.json {
        let hosts = hosts.iter().map(|host| HostObject::new(host, &pulses)).collect();
        render::write_line(&HostList { v: render::VERSION, hosts }, &mut out)?;
    } else if !hosts.is_empty() {
        write_table(&hosts, &pulses, now, &mut out)?;
    }
    if asked.are_all() {
        tell_mute(&hosts, &pulses)?;
    }
    Ok(match (hosts.is_empty(), asked.are_all()) {
        (false, _) => Exit::Well,
        (true, true) => exit::tell(Exit::Well, "nobody was heard yet"),
        (true, false) => exit::tell(Exit::Problem, &asked.not_held()),
    })
}

/// Tells on standard error of machines whose agents were heard, and their kernels never.
fn tell_mute(hosts: &[HostSummary], pulses: &Found) -> io::Result<()> {
    const TOLD: usize = 5;
    let names: HashSet<&str> = hosts.iter().map(|host| &*host.host).collect();
    let addresses: HashSet<IpAddr> =
        hosts.iter().flat_map(|host| host.addresses.iter().copied()).collect();
    let is_mute = |(name, address): &(Option<&str>, IpAddr)| {
        !addresses.contains(address) && name.is_none_or(|name| !names.contains(name))
    };
    let mute = pulses.machines().filter(is_mute);
    let mute: Vec<String> = mute
        .map(|(name, address)| {
            name.map_or_else(|| address.to_string(), |name| Escaped(name.as_bytes()).to_string())
        })
        .collect();
    if mute.is_empty() {
        return Ok(());
    }
    let more = match mute.len().saturating_sub(TOLD) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let mute = mute.into_iter().take(TOLD).collect::<Vec<String>>().join(", ");
    writeln!(
        io::stderr(),
        "bedside: of {mute}{more} only heartbeats were heard, no line of a kernel: \
         `bedside-patient test` there says why"
    )
}

fn write_table(
    hosts: &[HostSummary],
    pulses: &Found,
    now: WallTime,
    out: &mut dyn Write,
) -> io::Result<()> {
    let headings = [
        "HOST",
        "ADDRESS",
        "BOOTS",
        "RECORDS",
        "MINUTE",
        "HOUR",
        "LAST HEARD",
        "MISSING",
        "LIFE",
        "LAST LINE",
    ];
    let mut table = Table::new(headings);
    for host in hosts {
        table.push([
            Escaped(host.host.as_bytes()).to_string(),
            addresses(host),
            host.boots.to_string(),
            host.records.to_string(),
            host.last_minute.to_string(),
            host.last_hour.to_string(),
            time::ago(host.last_received, now),
            render::losses(&host.losses),
            pulses
                .of_host(&host.host, &host.addresses)
                .map_or("-".to_owned(), |p| pulses.words(p, now)),
            last_line(host),
        ]);
    }
    table.write(Palette::new(render::colours_on_stdout()), out)
}

/// The first two addresses, and how many more there are.
fn addresses(host: &HostSummary) -> String {
    const SHOWN: usize = 2;
    let shown = host.addresses.iter().take(SHOWN).map(ToString::to_string);
    let shown = shown.collect::<Vec<String>>().join(" ");
    match host.addresses.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} +{more}"),
    }
}

fn last_line(host: &HostSummary) -> String {
    const SHOWN: usize = 60;
    cut(&Escaped(host.last_line.as_deref().unwrap_or_default()).to_string(), SHOWN)
}

#[derive(Serialize)]
struct HostList<'a> {
    v: u8,
    hosts: Vec<HostObject<'a>>,
}

#[derive(Serialize)]
struct HostObject<'a> {
    host: &'a str,
    addresses: Vec<String>,
    boots: u64,
    first_received: Stamp,
    last_received: Stamp,
    records: u64,
    records_last_minute: u64,
    records_last_hour: u64,
    missing: LossCounts<'a>,
    heartbeat: Option<pulse::Told>,
    last_line: Option<String>,
}

impl HostObject<'_> {
    fn new<'a>(host: &'a HostSummary, pulses: &Found) -> HostObject<'a> {
        let pulse = pulses.of_host(&host.host, &host.addresses);
        HostObject {
            heartbeat: pulse.map(|pulse| pulses.tell(pulse)),
            host: &host.host,
            addresses: host.addresses.iter().map(ToString::to_string).collect(),
            boots: host.boots,
            first_received: Stamp(host.first_received),
            last_received: Stamp(host.last_received),
            records: host.records,
            records_last_minute: host.last_minute,
            records_last_hour: host.last_hour,
            missing: LossCounts(&host.losses),
            last_line: host.last_line.as_deref().map(|l| String::from_utf8_lossy(l).into_owned()),
        }
    }
}
