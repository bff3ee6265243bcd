//! All that is told of an incident: what its lines say, and what is known of it besides. The same
//! for `incident --json` and for whoever is alerted.

use bedside_stream::WallTime;
use bedside_triage::Incident;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::book::Row;
use super::group::{Group, Voices};
use crate::closing::Delivery;
use crate::render::Stamp;
use crate::render::incident::{Fact, Told, harmless};
use crate::time;

/// A case and its incident.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Story<'a> {
    #[serde(skip)]
    group: &'a Group,
    #[serde(flatten)]
    told: Told<'a>,
    id: String,
    severity: &'static str,
    panicked: bool,
    voice: &'static str,
    voices: Voices,
    host: &'a str,
    boot: Option<u32>,
    source: &'a str,
    release: Option<&'a str>,
    received: Stamp,
    open: bool,
    cpu: Option<u32>,
    pid: Option<u32>,
    command: Option<&'a str>,
    taint: &'a [String],
    hardware: Option<&'a str>,
    modules: &'a [String],
    registers: &'a [(String, String)],
    code: Option<&'a str>,
    lines: Vec<&'a str>,
    before: &'a [String],
    state: &'static str,
    note: Option<&'a str>,
    count: u64,
    machines: Vec<&'a str>,
    releases: Vec<&'a str>,
    first_seen: Stamp,
    last_seen: Stamp,
    /// How much is here of the death that its kernel sent then.
    pub(crate) death: Option<Delivery>,
}

impl<'a> Story<'a> {
    /// Of this case of the group; `before` are the lines before it, escaped.
    pub(crate) fn new(
        group: &'a Group,
        row: &'a Row,
        incident: &'a Incident,
        before: &'a [String],
    ) -> Story<'a> {
        Story {
            group,
            told: Told::new(incident),
            id: group.id(),
            severity: incident.severity.as_str(),
            panicked: incident.panicked,
            voice: row.voice.as_str(),
            voices: group.voices(),
            host: &row.host,
            boot: Some(row.boot).filter(|boot| *boot > 0),
            source: &row.source,
            release: row.release.as_deref(),
            received: Stamp(row.first),
            open: row.open,
            cpu: incident.cpu,
            pid: incident.pid,
            command: incident.command.as_deref(),
            taint: &incident.taint,
            hardware: incident.hardware.as_deref(),
            modules: &incident.modules,
            registers: &incident.registers,
            code: incident.code.as_deref(),
            lines: incident.lines.iter().map(|line| line.text.as_str()).collect(),
            before,
            state: group.state.as_str(),
            note: group.note.as_deref(),
            count: group.count(),
            machines: group.machines().into_iter().collect(),
            releases: group.releases().into_iter().collect(),
            first_seen: Stamp(group.first),
            last_seen: Stamp(group.last()),
            death: None,
        }
    }

    /// What the tags of this case prove, and those of the others.
    fn proof(&self) -> Option<String> {
        let Voices { plain, signed, forged, copied } = self.voices;
        let of_it = match self.voice {
            "signed" => "signed",
            "forged" => "FORGED: its tag is of no key that is known here",
            "copied" => "COPIED: signed by another source or in an earlier boot",
            _ if signed + forged + copied > 0 => "not signed: unproven",
            _ => return None,
        };
        match self.count {
            1 => Some(of_it.to_owned()),
            _ => Some(format!(
                "{of_it}; in all {signed} signed, {plain} not, {forged} forged, {copied} copied"
            )),
        }
    }

    /// What the lines themselves do not tell, for people in this zone.
    pub(crate) fn facts(&self, now: WallTime, zone: &TimeZone) -> Vec<Fact> {
        let boot = self.boot.map(|boot| format!(", boot {boot}")).unwrap_or_default();
        let (group, often) = (self.group, self.count > 1);
        let (machines, releases) = (group.by_machine(), group.by_release());
        let is_last = self.received.0 == group.latest().map_or(WallTime(0), |case| case.first);
        let facts = [
            ("machine", Some(format!("{}{boot}", harmless(self.host)))),
            ("proof", self.proof()),
            ("received", Some(moment(self.received, zone))),
            ("happened", Some(self.happened(zone))),
            ("last seen", (!is_last).then(|| moment(self.last_seen, zone))),
            ("last 7 days", often.then(|| group.trend(now))),
            ("machines", (machines.len() > 1).then(|| counts(&machines))),
            ("releases", (releases.len() > 1).then(|| counts(&releases))),
            ("delivered", self.death.map(|death| death.to_string())),
            ("state", Some(self.state.to_owned())),
            ("note", self.note.map(harmless)),
        ];
        facts.into_iter().filter_map(|(name, told)| Some((name, told?))).collect()
    }

    /// `3 machines, 7 times since Tuesday 2026-11-17 09:12:33, first on 6.12.94`.
    fn happened(&self, zone: &TimeZone) -> String {
        if self.count == 1 {
            return "once".to_owned();
        }
        let machines = match self.machines.len() {
            0 | 1 => String::new(),
            several => format!("{several} machines, "),
        };
        let day = time::weekday(self.first_seen.0, zone);
        let since = moment(self.first_seen, zone);
        let first = self.group.by_release().first().map(|(release, _)| harmless(release));
        let first = first.map(|release| format!(", first on {release}")).unwrap_or_default();
        format!("{machines}{} since {day} {since}{first}", times(self.count))
    }
}

/// Where no other zone is usual, it is named.
fn moment(stamp: Stamp, zone: &TimeZone) -> String {
    let name = if *zone == TimeZone::UTC { " UTC" } else { "" };
    format!("{}{name}", time::local(stamp.0, zone, 0))
}

fn times(count: u64) -> String {
    match count {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        count => format!("{count} times"),
    }
}

/// The first of them, and how many more there are.
fn counts(names: &[(&str, u64)]) -> String {
    const TOLD: usize = 8;
    let count = |(name, count): &(&str, u64)| format!("{} {}", harmless(name), times(*count));
    let told: Vec<String> = names.iter().take(TOLD).map(count).collect();
    match names.len().saturating_sub(TOLD) {
        0 => told.join(", "),
        more => format!("{} and {more} more", told.join(", ")),
    }
}

#[cfg(test)]
mod tests;
