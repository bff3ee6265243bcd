//! Weighing new cases by the rules of alerts, and writing the letters.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use bedside_stream::{RunId, Voice, WallTime};
use bedside_triage::{Fingerprint, Incident};
use serde::Serialize;

use super::book::{Book, Error, Row, Weighed};
use super::group::{Group, State};
use super::ledger::{self, Standing};
use super::story::Story;
use crate::alerts::{Bell, Decision, Past, concerns, weigh};
use crate::config::Alert;
use crate::reading::Hosts;
use crate::render::{self, Stamp, many};

/// The rules, and who brings the letters.
#[derive(Debug)]
pub(crate) struct Alarm {
    pub(crate) rules: Vec<Alert>,
    pub(crate) bell: Bell,
    pub(crate) data: PathBuf,
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
    /// For people, where a letter of one incident has one: the ids, and who.
    id: String,
    host: String,
    count: u64,
    machines: Vec<&'a str>,
    received: Stamp,
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
    /// All that was heard before `known` is in the book.
    pub(crate) fn look(
        &self,
        book: &mut Book,
        known: WallTime,
        now: WallTime,
    ) -> anyhow::Result<bool> {
        let mut rings = false;
        let ripe = WallTime(known.0.saturating_sub(RIPE_US));
        for _ in 0..BATCHES {
            let rows = book.unweighed(ripe)?;
            if rows.is_empty() {
                break;
            }
            let (said, mut batch) = (ledger::read(&self.data)?, Vec::new());
            for row in rows {
                let weighed = self.weigh(book, &row, &batch, &said, now)?;
                batch.push((row, weighed));
            }
            rings |= batch.iter().any(|(_, weighed)| !weighed.letters.is_empty());
            book.weighed(&batch, self.told_since(now), now)?;
        }
        for rule in book.digests_due(WallTime(now.0.saturating_sub(STORM_US)), now)? {
            let cases = book.withheld(&rule)?;
            let body = digest(&rule, &cases)?;
            book.digested(&rule, &cases, &body, now)?;
            rings = true;
        }
        if rings {
            self.bell.ring();
        }
        book.any_unweighed().map_err(Into::into)
    }

    /// Since when it must be known who was told.
    fn told_since(&self, now: WallTime) -> WallTime {
        let longest = self.rules.iter().map(|rule| rule.every).max().unwrap_or_default();
        WallTime(now.0.saturating_sub(longest.max(TOLD_KEPT).as_micros() as u64))
    }

    /// `batch` is what was weighed before it, and not entered yet.
    fn weigh(
        &self,
        book: &Book,
        row: &Row,
        batch: &[(Row, Weighed)],
        said: &HashMap<Fingerprint, Standing>,
        now: WallTime,
    ) -> anyhow::Result<Weighed> {
        let mut weighed = Weighed::default();
        for rule in &self.rules {
            let hosts = Hosts::new(&rule.host);
            let is_meant = |case: &Row| concerns(rule, &hosts, case);
            if !is_meant(row) || is_told_lately(book, rule, row, batch, now)? {
                continue;
            }
            let letters = letters(book, rule, batch, now)?;
            match weigh(rule, past(book, rule, row, said, is_meant, letters)?) {
                Decision::Silence => {}
                Decision::Digest => weighed.withheld.push(rule.name.clone()),
                Decision::Tell => {
                    let body = body(book, rule, row, said)?.map(|body| (rule.name.clone(), body));
                    weighed.letters.extend(body);
                }
            }
        }
        Ok(weighed)
    }
}

/// Whether the rule has told of this bug a moment ago. In a storm that is most often so.
fn is_told_lately(
    book: &Book,
    rule: &Alert,
    row: &Row,
    batch: &[(Row, Weighed)],
    now: WallTime,
) -> Result<bool, Error> {
    let speaks_for = |case: &Row| {
        case.fingerprint == row.fingerprint
            && (case.voice == Voice::Signed || row.voice != Voice::Signed)
    };
    let is_told =
        |(case, weighed): &(Row, Weighed)| speaks_for(case) && weighed.is_told_by(&rule.name);
    // A clock that was ahead keeps nobody silent until it is as late as that.
    let lately = |told: WallTime| now.0.abs_diff(told.0) < rule.every.as_micros() as u64;
    let told_now = batch.iter().any(is_told).then_some(now);
    Ok(told_now.or(book.told(&rule.name, row)?).is_some_and(lately))
}

/// How many letters the rule made within the last minute.
fn letters(
    book: &Book,
    rule: &Alert,
    batch: &[(Row, Weighed)],
    now: WallTime,
) -> Result<u64, Error> {
    let of_batch = batch.iter().filter(|(_, weighed)| weighed.is_told_by(&rule.name)).count();
    let since = WallTime(now.0.saturating_sub(STORM_US));
    Ok(of_batch as u64 + book.made(&rule.name, since, now)?)
}

fn past(
    book: &Book,
    rule: &Alert,
    row: &Row,
    said: &HashMap<Fingerprint, Standing>,
    is_meant: impl Fn(&Row) -> bool,
    letters: u64,
) -> Result<Past, Error> {
    let within = WallTime(row.first.0.saturating_sub(rule.within.as_micros() as u64));
    let count = if rule.count > 1 { book.count(row, within, rule.count, &is_meant)? } else { 1 };
    let is_first = rule.new && book.is_among_first(row, rule.count, is_meant)?;
    let state = State::of(said.get(&row.fingerprint), book.latest(row.fingerprint)?);
    Ok(Past { state, is_first, count, letters })
}

fn body(
    book: &Book,
    rule: &Alert,
    row: &Row,
    said: &HashMap<Fingerprint, Standing>,
) -> anyhow::Result<Option<String>> {
    let groups = Group::all(book.rows_of(row.fingerprint)?, &book.gone()?, said);
    let Some((group, incident)) = groups.first().zip(book.incident(row.id)?) else {
        return Ok(None);
    };
    let story = Story::new(group, row, &incident, &[]);
    Ok(Some(line_of(&Body { rule: &rule.name, letter: "incident", story })?))
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
        voice: Voice::Plain,
    };
    let groups = Group::all(vec![case.clone()], &[], &HashMap::new());
    let group = groups.first().ok_or(io::ErrorKind::InvalidInput)?;
    line_of(&Body { rule, letter, story: Story::new(group, &case, incident, &[]) })
}

/// One letter for all that a storm has brought.
fn digest(rule: &str, cases: &[Row]) -> io::Result<String> {
    let mut groups = Group::all(cases.to_vec(), &[], &HashMap::new());
    groups.sort_by_key(|group| std::cmp::Reverse(group.severity()));
    let machines: std::collections::BTreeSet<&str> =
        cases.iter().map(|case| case.host.as_str()).collect();
    let kinds = many(groups.len() as u64, "kind");
    let hosts = many(machines.len() as u64, "machine");
    let line = |group| -> Line<'_> { line(group) };
    let ids: Vec<String> = groups.iter().take(DIGEST_IDS).map(Group::id).collect();
    let first = cases.iter().map(|case| case.first).min().unwrap_or_default();
    let host = match machines.first() {
        Some(only) if machines.len() == 1 => (*only).to_owned(),
        _ => hosts.clone(),
    };
    let digest = Digest {
        v: render::VERSION,
        rule,
        letter: "digest",
        kind: "digest",
        severity: cases.iter().map(|case| case.severity).max().unwrap_or_default().as_str(),
        title: format!("{} of {kinds} on {hosts}", many(cases.len() as u64, "more incident")),
        id: ids.join(" "),
        host,
        count: cases.len() as u64,
        machines: machines.into_iter().take(DIGEST_LINES).collect(),
        received: Stamp(first),
        first_seen: Stamp(first),
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
/// So many batches are weighed between two looks at what is stored.
const BATCHES: usize = 20;
/// Letters are counted over a minute; so long a digest waits for more.
const STORM_US: u64 = 60_000_000;
/// For so long it is known who was told, or for longer where a rule wants that.
const TOLD_KEPT: Duration = Duration::from_hours(31 * 24);
const DIGEST_LINES: usize = 100;
const DIGEST_IDS: usize = 10;

#[cfg(test)]
mod tests;
