//! Weighing new cases by the rules of alerts, and writing the letters.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use bedside_stream::{RunId, WallTime};
use bedside_triage::Incident;
use serde::Serialize;

use super::book::{Book, Error, Row, Weighed};
use super::group::Group;
use super::ledger;
use super::story::Story;
use crate::alerts::{Bell, Decision, Past, concerns, is_lately, weigh};
use crate::config::Alert;
use crate::render::{self, Stamp};

/// The rules, and who brings the letters.
#[derive(Debug)]
pub(crate) struct Alarm {
    pub(crate) rules: Vec<Alert>,
    pub(crate) bell: Bell,
    pub(crate) data: PathBuf,
}

/// What is known of a case and its like.
struct Known {
    group: Group,
    incident: Incident,
}

/// A letter: the incident, and by which rule.
#[derive(Serialize)]
struct Body<'a> {
    rule: &'a str,
    letter: &'static str,
    #[serde(flatten)]
    story: Story<'a>,
}

/// A letter of many.
#[derive(Serialize)]
struct Digest<'a> {
    v: u8,
    rule: &'a str,
    letter: &'static str,
    kind: &'static str,
    severity: &'static str,
    title: String,
    count: u64,
    machines: Vec<&'a str>,
    first_seen: Stamp,
    last_seen: Stamp,
    incidents: Vec<Line<'a>>,
}

#[derive(Serialize)]
struct Line<'a> {
    id: String,
    kind: &'static str,
    severity: &'static str,
    title: &'a str,
    count: u64,
    machines: Vec<&'a str>,
}

impl Alarm {
    /// Weighs what is ripe, and makes the digests that are due. Whether something is about to be.
    pub(crate) fn look(&self, book: &mut Book, now: WallTime) -> anyhow::Result<bool> {
        let (mut rings, mut ripens) = (false, false);
        for row in book.unweighed()? {
            ripens |= !is_ripe(&row, now);
            if is_ripe(&row, now) {
                let weighed = self.weigh(book, &row, now)?;
                rings |= !weighed.letters.is_empty();
                book.weighed(&row, &weighed, now)?;
            }
        }
        for rule in book.digests_due(WallTime(now.0.saturating_sub(STORM_US)))? {
            let cases = book.withheld(&rule)?;
            let body = digest(&rule, &cases)?;
            book.digested(&rule, &cases, &body, now)?;
            rings = true;
        }
        if rings {
            self.bell.ring();
        }
        Ok(ripens)
    }

    fn weigh(&self, book: &Book, row: &Row, now: WallTime) -> anyhow::Result<Weighed> {
        let mut weighed = Weighed::default();
        // In a storm most are of a bug that was told of a moment ago.
        let mut rules = Vec::new();
        for rule in self.rules.iter().filter(|rule| concerns(rule, row)) {
            let told = book.told(&rule.name, row.fingerprint)?;
            if !told.is_some_and(|told| is_lately(rule, told, now)) {
                rules.push(rule);
            }
        }
        if rules.is_empty() {
            return Ok(weighed);
        }
        let Some(known) = known(&self.data, book, row)? else { return Ok(weighed) };
        for rule in rules {
            let past = past(book, rule, row, &known.group, now)?;
            match weigh(rule, past) {
                Decision::Silence => {}
                Decision::Digest => weighed.withheld.push(rule.name.clone()),
                Decision::Tell => {
                    let story = Story::new(&known.group, row, &known.incident, &[]);
                    let body = Body { rule: &rule.name, letter: "incident", story };
                    weighed.letters.push((rule.name.clone(), line_of(&body)?));
                }
            }
        }
        Ok(weighed)
    }
}

/// Whether its title has settled, or so much time went by that one does not wait any longer.
fn is_ripe(row: &Row, now: WallTime) -> bool {
    row.settled || !row.open || now.0.saturating_sub(row.first.0) >= RIPE_US
}

fn known(data: &Path, book: &Book, row: &Row) -> anyhow::Result<Option<Known>> {
    let gone = book.gone()?;
    let groups = Group::all(book.rows_of(row.fingerprint)?, &gone, &ledger::read(data)?);
    let known = groups.into_iter().next().zip(book.incident(row.id)?);
    Ok(known.map(|(group, incident)| Known { group, incident }))
}

fn past(book: &Book, rule: &Alert, row: &Row, group: &Group, now: WallTime) -> Result<Past, Error> {
    let since = row.first.0.saturating_sub(rule.within.as_micros() as u64);
    let within = |case: &&Row| (since..=row.first.0).contains(&case.first.0);
    Ok(Past {
        state: group.state,
        is_first: group.gone == 0 && group.cases.first().is_some_and(|case| case.id == row.id),
        count: group.cases.iter().filter(within).count() as u64,
        letters: book.told_since(&rule.name, WallTime(now.0.saturating_sub(STORM_US)))?,
    })
}

/// A letter of an incident of which nothing is known but its lines, on a machine of this name.
pub fn letter(
    rule: &str,
    letter: &'static str,
    host: &str,
    incident: &Incident,
    at: WallTime,
) -> io::Result<String> {
    let case = Row {
        id: 0,
        fingerprint: incident.fingerprint,
        kind: incident.kind,
        severity: incident.severity,
        title: incident.title.clone(),
        host: host.to_owned(),
        boot: 1,
        run: RunId(0),
        source: "192.0.2.1:6665".to_owned(),
        release: incident.release.clone(),
        first: at,
        last: at,
        open: false,
        settled: true,
    };
    let groups = Group::all(vec![case.clone()], &[], &HashMap::new());
    let group = groups.first().ok_or(io::ErrorKind::InvalidInput)?;
    line_of(&Body { rule, letter, story: Story::new(group, &case, incident, &[]) })
}

/// One letter for all that a storm has brought.
fn digest(rule: &str, cases: &[Row]) -> io::Result<String> {
    let groups = Group::all(cases.to_vec(), &[], &HashMap::new());
    let machines: std::collections::BTreeSet<&str> =
        cases.iter().map(|case| case.host.as_str()).collect();
    let (count, kinds, hosts) = (cases.len(), groups.len(), machines.len());
    let line = |group| -> Line<'_> { line(group) };
    let digest = Digest {
        v: render::VERSION,
        rule,
        letter: "digest",
        kind: "digest",
        severity: cases.iter().map(|case| case.severity).max().unwrap_or_default().as_str(),
        title: format!("{count} more incidents of {kinds} kinds on {hosts} machines"),
        count: count as u64,
        machines: machines.into_iter().take(DIGEST_LINES).collect(),
        first_seen: Stamp(cases.iter().map(|case| case.first).min().unwrap_or_default()),
        last_seen: Stamp(cases.iter().map(|case| case.last).max().unwrap_or_default()),
        incidents: groups.iter().take(DIGEST_LINES).map(line).collect(),
    };
    line_of(&digest)
}

/// A letter, harmless also to a program that shows it to somebody.
fn line_of(letter: &impl Serialize) -> io::Result<String> {
    let mut out = Vec::new();
    render::write_line(letter, &mut out)?;
    Ok(String::from_utf8_lossy(&out).trim_end().to_owned())
}

fn line(group: &Group) -> Line<'_> {
    let latest = group.latest();
    Line {
        id: group.id(),
        kind: latest.map_or("", |case| case.kind.as_str()),
        severity: group.severity().as_str(),
        title: latest.map_or("", |case| case.title.as_str()),
        count: group.count(),
        machines: group.machines().into_iter().take(DIGEST_LINES).collect(),
    }
}

/// So long a title may take to settle.
const RIPE_US: u64 = 500_000;
/// Letters are counted over a minute; so long a digest waits for more.
const STORM_US: u64 = 60_000_000;
const DIGEST_LINES: usize = 100;

#[cfg(test)]
mod tests;
