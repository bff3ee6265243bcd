//! All that is told of an incident: what its lines say, and what is known of it besides. The same
//! for `incident --json` and for whoever is alerted.

use bedside_triage::Incident;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::book::Row;
use super::group::Group;
use crate::render::Stamp;
use crate::render::incident::{Fact, Told, harmless};
use crate::time;

/// A case and its incident.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Story<'a> {
    #[serde(flatten)]
    told: Told<'a>,
    id: String,
    severity: &'static str,
    panicked: bool,
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
            told: Told::new(incident),
            id: group.id(),
            severity: incident.severity.as_str(),
            panicked: incident.panicked,
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
        }
    }

    /// What the lines themselves do not tell, for people.
    pub(crate) fn facts(&self) -> Vec<Fact> {
        let zone = TimeZone::system();
        let local = |stamp: &Stamp| time::local(stamp.0, &zone, 0);
        let boot = self.boot.map(|boot| format!(", boot {boot}")).unwrap_or_default();
        let often = match self.count {
            1 => "once".to_owned(),
            count => format!(
                "{count} times, first {}, last {}",
                local(&self.first_seen),
                local(&self.last_seen)
            ),
        };
        let facts = [
            ("machine", Some(format!("{}{boot}", harmless(self.host)))),
            ("received", Some(local(&self.received))),
            ("happened", Some(often)),
            ("machines", (self.machines.len() > 1).then(|| some(&self.machines))),
            ("releases", (self.releases.len() > 1).then(|| some(&self.releases))),
            ("state", Some(self.state.to_owned())),
            ("note", self.note.map(harmless)),
        ];
        facts.into_iter().filter_map(|(name, told)| Some((name, told?))).collect()
    }
}

/// The first of them, and how many more there are.
fn some(names: &[&str]) -> String {
    const TOLD: usize = 8;
    let told: Vec<String> = names.iter().take(TOLD).map(|name| harmless(name)).collect();
    match names.len().saturating_sub(TOLD) {
        0 => told.join(", "),
        more => format!("{} and {more} more", told.join(", ")),
    }
}
