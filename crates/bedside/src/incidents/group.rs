//! Cases of one fingerprint, as one incident: how often, where, since when, and how it stands.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bedside_stream::{Voice, WallTime};
use bedside_triage::{Fingerprint, Severity};
use serde::Serialize;

use super::book::{Gone, Row};
use super::ledger::{Said, Standing};

/// How an incident stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, clap::ValueEnum)]
pub enum State {
    /// Nobody has said anything
    Open,
    /// It came back after it was resolved
    Regressed,
    /// Somebody has said that it will not come again
    Resolved,
    /// Somebody has said that nobody wants to hear of it
    Ignored,
}

impl State {
    /// Its name in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Open => "open",
            State::Regressed => "regressed",
            State::Resolved => "resolved",
            State::Ignored => "ignored",
        }
    }

    /// How an incident stands whose last case began then.
    pub(crate) fn of(standing: Option<&Standing>, last_began: WallTime) -> State {
        match standing.and_then(|standing| standing.word) {
            Some((Said::Ignore, _)) => State::Ignored,
            Some((Said::Resolve, at)) if last_began <= at => State::Resolved,
            Some((Said::Resolve, _)) => State::Regressed,
            _ => State::Open,
        }
    }
}

/// How many cases of an incident are proven by their tags, and how many are not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Voices {
    pub(crate) plain: u64,
    pub(crate) signed: u64,
    pub(crate) forged: u64,
    pub(crate) copied: u64,
}

/// All cases of a fingerprint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) fingerprint: Fingerprint,
    /// At least one, by the time of their first lines.
    pub(crate) cases: Vec<Row>,
    /// Those that were let go.
    pub(crate) gone: u64,
    pub(crate) first: WallTime,
    pub(crate) state: State,
    pub(crate) note: Option<String>,
}

impl Group {
    /// Of the cases that are held.
    pub(crate) fn voices(&self) -> Voices {
        let mut voices = Voices::default();
        for case in &self.cases {
            *match case.voice {
                Voice::Plain => &mut voices.plain,
                Voice::Signed => &mut voices.signed,
                Voice::Forged => &mut voices.forged,
                Voice::Copied => &mut voices.copied,
            } += 1;
        }
        voices
    }

    /// Groups cases, which come by the time of their first lines; those seen last come first.
    pub(crate) fn all(
        rows: Vec<Row>,
        gone: &[Gone],
        ledger: &HashMap<Fingerprint, Standing>,
    ) -> Vec<Group> {
        let mut by_fingerprint: BTreeMap<Fingerprint, Vec<Row>> = BTreeMap::new();
        for row in rows {
            by_fingerprint.entry(row.fingerprint).or_default().push(row);
        }
        let groups = by_fingerprint.into_iter();
        let mut groups: Vec<Group> = groups
            .filter_map(|(fingerprint, cases)| {
                let gone = gone.iter().find(|gone| gone.fingerprint == fingerprint);
                Group::of(cases, gone, ledger.get(&fingerprint))
            })
            .collect();
        groups.sort_by_key(|group| std::cmp::Reverse(group.last()));
        groups
    }

    /// The same of those cases only that are meant. How an incident stands, all of its cases tell.
    pub(crate) fn meant(
        rows: Vec<Row>,
        gone: &[Gone],
        ledger: &HashMap<Fingerprint, Standing>,
        is_meant: impl Fn(&Row) -> bool,
    ) -> Vec<Group> {
        let latest: HashMap<Fingerprint, WallTime> =
            rows.iter().map(|row| (row.fingerprint, row.first)).collect();
        let mut groups = Group::all(rows.into_iter().filter(is_meant).collect(), gone, ledger);
        for group in &mut groups {
            let latest = latest.get(&group.fingerprint).copied().unwrap_or_default();
            group.state = State::of(ledger.get(&group.fingerprint), latest);
        }
        groups
    }

    fn of(cases: Vec<Row>, gone: Option<&Gone>, standing: Option<&Standing>) -> Option<Group> {
        let (earliest, latest) = (cases.first()?, cases.last()?);
        let first = gone.map_or(earliest.first, |gone| gone.first.min(earliest.first));
        Some(Group {
            fingerprint: latest.fingerprint,
            gone: gone.map_or(0, |gone| gone.count),
            state: State::of(standing, latest.first),
            note: standing.and_then(|standing| standing.note.clone()),
            first,
            cases,
        })
    }

    /// What it is told by: the first digits of its fingerprint.
    pub(crate) fn id(&self) -> String {
        short(self.fingerprint)
    }

    /// The case that began last.
    pub(crate) fn latest(&self) -> Option<&Row> {
        self.cases.last()
    }

    /// When the last line of any was received.
    pub(crate) fn last(&self) -> WallTime {
        self.cases.iter().map(|case| case.last).max().unwrap_or_default()
    }

    pub(crate) fn count(&self) -> u64 {
        self.cases.len() as u64 + self.gone
    }

    pub(crate) fn severity(&self) -> Severity {
        self.cases.iter().map(|case| case.severity).max().unwrap_or_default()
    }

    pub(crate) fn machines(&self) -> BTreeSet<&str> {
        self.cases.iter().map(|case| case.host.as_str()).collect()
    }

    pub(crate) fn releases(&self) -> BTreeSet<&str> {
        self.cases.iter().filter_map(|case| case.release.as_deref()).collect()
    }

    /// The machines with how often each had it, those that had it most first.
    pub(crate) fn by_machine(&self) -> Vec<(&str, u64)> {
        let mut machines = counted(self.cases.iter().map(|case| case.host.as_str()));
        machines.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        machines
    }

    /// The releases with how often each had it, the one that had it first in front.
    pub(crate) fn by_release(&self) -> Vec<(&str, u64)> {
        counted(self.cases.iter().filter_map(|case| case.release.as_deref()))
    }

    /// A bar for each of the last days, as high as it is of the highest.
    pub(crate) fn trend(&self, now: WallTime) -> String {
        bars(self.days(now))
    }

    /// How many began on each of the last days, today's last: of 24 hours each.
    pub(crate) fn days(&self, now: WallTime) -> [u64; DAYS] {
        let mut days = [0; DAYS];
        for case in &self.cases {
            let ago = now.0.saturating_sub(case.first.0) / DAY_US;
            let day = DAYS.checked_sub(1 + ago as usize).and_then(|day| days.get_mut(day));
            if let Some(day) = day {
                *day += 1;
            }
        }
        days
    }
}

/// How often each comes, in the order in which they come.
fn counted<'a>(names: impl Iterator<Item = &'a str>) -> Vec<(&'a str, u64)> {
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut counts: Vec<(&str, u64)> = Vec::new();
    for name in names {
        let place = *places.entry(name).or_insert(counts.len());
        match counts.get_mut(place) {
            Some((_, count)) => *count += 1,
            None => counts.push((name, 1)),
        }
    }
    counts
}

fn bars(days: [u64; DAYS]) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let most = days.iter().copied().max().unwrap_or(0).max(1);
    let bar = |count: u64| match count {
        0 => '.',
        count => BARS.get((count * 7 / most) as usize).copied().unwrap_or('█'),
    };
    days.into_iter().map(bar).collect()
}

/// The first digits of a fingerprint.
pub(crate) fn short(fingerprint: Fingerprint) -> String {
    fingerprint.to_string().chars().take(ID_DIGITS).collect()
}

/// Days that are counted one by one.
pub(crate) const DAYS: usize = 7;
const DAY_US: u64 = 86_400_000_000;
const ID_DIGITS: usize = 8;

#[cfg(test)]
mod tests;
