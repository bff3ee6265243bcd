//! What a reader must show, said as plainly as possible: everything in memory, sorted, counted.

use std::collections::BTreeMap;

use bedside_store::StoredRun;
use bedside_store::read::{Gap, Item, OwnedRecord};
use bedside_stream::{Cause, Verdict, WallTime};

use super::store::{Line, Said};

/// An item, as far as the tests compare it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    Record { run: u64, received: u64, seq: Option<u64>, time: Option<u64>, text: String },
    Gap { cause: Cause, count: u64, numbers: Option<(u64, u64)>, received: u64 },
}

impl Shown {
    pub(crate) fn received(&self) -> u64 {
        match self {
            Shown::Record { received, .. } | Shown::Gap { received, .. } => *received,
        }
    }
}

impl From<Item> for Shown {
    fn from(item: Item) -> Shown {
        match item {
            Item::Record(OwnedRecord { run, received, seq, time_us: time, text, .. }) => {
                let text = String::from_utf8(text).unwrap();
                Shown::Record { run: run.0, received: received.0, seq, time, text }
            }
            Item::Gap(gap) => Shown::from(gap),
        }
    }
}

impl From<Gap> for Shown {
    fn from(gap: Gap) -> Shown {
        let Gap { cause, count, received: WallTime(received), .. } = gap;
        Shown::Gap { cause, count, numbers: gap.from_seq.zip(gap.to_seq), received }
    }
}

impl From<&Said> for Shown {
    fn from(said: &Said) -> Shown {
        let Said { run, received, seq, time, text, .. } = said.clone();
        Shown::Record { run, received, seq, time, text }
    }
}

/// All boots that `lines` make, by first receipt: the numbers of their runs and their items.
pub(crate) fn boots(lines: &[Line]) -> Vec<(Vec<u64>, Vec<Shown>)> {
    let mut runs: BTreeMap<u64, &StoredRun> = BTreeMap::new();
    for line in lines {
        if let Line::Run(run) = line {
            runs.insert(run.run.id.0, run);
        }
    }
    let mut boots: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    for &run in runs.keys() {
        boots.entry(root(&runs, run)).or_default().push(run);
    }
    let first = |run: &u64| (runs[run].run.first_received, *run);
    let mut boots: Vec<(u64, Vec<u64>)> = boots.into_iter().collect();
    for (_, members) in &mut boots {
        members.sort_by_key(first);
    }
    boots.sort_by_key(|(root, members)| (first(&members[0]).0, *root));
    let boots = boots.into_iter().map(|(_, members)| {
        let items = items(lines, &runs, &members);
        (members, items)
    });
    boots.filter(|(_, items)| !items.is_empty()).collect()
}

fn root(runs: &BTreeMap<u64, &StoredRun>, run: u64) -> u64 {
    match runs.get(&run).map(|run| run.run.verdict) {
        Some(Verdict::SameAs(other)) => root(runs, other.0),
        _ => run,
    }
}

/// A line at its place in the order of arrival.
type Placed<'a> = (usize, &'a Line);

fn items(lines: &[Line], runs: &BTreeMap<u64, &StoredRun>, members: &[u64]) -> Vec<Shown> {
    let has_numbers = |run: u64| {
        lines.iter().any(|l| matches!(l, Line::Said(said) if said.run == run && said.seq.is_some()))
    };
    let mut groups: BTreeMap<(u16, bool), Vec<Placed<'_>>> = BTreeMap::new();
    for (place, line) in lines.iter().enumerate() {
        let (run, numbered) = match line {
            Line::Said(said) => (said.run, said.seq.is_some()),
            Line::Gap(gap) => match gap.run {
                Some(run) => (run.0, has_numbers(run.0)),
                None => continue,
            },
            Line::Run(_) => continue,
        };
        if members.contains(&run) {
            groups.entry((runs[&run].run.key.port(), numbered)).or_default().push((place, line));
        }
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by_key(|(_, lines)| lines[0].0);
    let shown =
        groups.into_iter().map(
            |((_, numbered), lines)| {
                if numbered { by_number(&lines) } else { by_arrival(&lines) }
            },
        );
    shown.flatten().collect()
}

fn by_number(lines: &[Placed<'_>]) -> Vec<Shown> {
    // A stored gap stands behind the highest number that its run had reached.
    let reached = |run: u64, place: usize| {
        let before = lines.iter().filter(|(at, _)| *at < place);
        let numbers = before.filter_map(|(_, line)| match line {
            Line::Said(said) if said.run == run => said.seq,
            _ => None,
        });
        numbers.max().unwrap_or(0)
    };
    let mut keyed: Vec<(u64, usize, &Line)> = lines
        .iter()
        .filter_map(|&(place, line)| match line {
            Line::Said(said) => Some((said.seq?, place, line)),
            Line::Gap(gap) => Some((reached(gap.run?.0, place), place, line)),
            Line::Run(_) => None,
        })
        .collect();
    keyed.sort_by_key(|(seq, place, _)| (*seq, *place));
    // The first record of each number.
    let mut edges: BTreeMap<u64, &Said> = BTreeMap::new();
    for (seq, _, line) in &keyed {
        if let Line::Said(said) = line {
            edges.entry(*seq).or_insert(said);
        }
    }
    let (mut shown, mut told) = (Vec::<Shown>::new(), None);
    for (seq, _, line) in keyed {
        if told != Some(seq) && edges.contains_key(&seq) {
            shown.extend(holes(edges.range(..seq).next_back(), (seq, edges[&seq])));
            told = Some(seq);
        }
        match line {
            Line::Said(said) => {
                let new = Shown::from(said);
                if !shown.iter().any(|held| is_repeat(held, &new)) {
                    shown.push(new);
                }
            }
            Line::Gap(_) | Line::Run(_) => shown.extend(stored(line)),
        }
    }
    shown
}

impl Shown {
    /// Whether `other` says the same.
    pub(crate) fn is_repeated_by(&self, other: &Shown) -> bool {
        is_repeat(self, other)
    }
}

fn is_repeat(held: &Shown, new: &Shown) -> bool {
    let said = |shown: &Shown| match shown {
        Shown::Record { seq, time, text, .. } => Some((*seq, *time, text.clone())),
        Shown::Gap { .. } => None,
    };
    said(held) == said(new)
}

fn holes(before: Option<(&u64, &&Said)>, (seq, after): (u64, &Said)) -> Vec<Shown> {
    let Some((&from, before)) = before else { return vec![] };
    let missing = seq - from - 1;
    let counted = match (before.msgid, after.msgid) {
        (Some(a), Some(b)) => b.wrapping_sub(a).wrapping_sub(1),
        _ => 0,
    };
    let proven = if counted < 1 << 31 { u64::from(counted).min(missing) } else { 0 };
    [(Cause::Proven, proven), (Cause::Probable, missing - proven)]
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(cause, count)| {
            let numbers = Some((from + 1, seq - 1));
            Shown::Gap { cause, count, numbers, received: after.received }
        })
        .collect()
}

fn by_arrival(lines: &[Placed<'_>]) -> Vec<Shown> {
    let mut shown = Vec::<Shown>::new();
    for &(place, line) in lines {
        let Line::Said(said) = line else {
            shown.extend(stored(line));
            continue;
        };
        let same = |other: &Said| (other.time, &other.text) == (said.time, &said.text);
        let of_run = lines.iter().filter(|(at, line)| {
            *at <= place && matches!(line, Line::Said(s) if s.run == said.run && same(s))
        });
        let new = Shown::from(said);
        let held = shown.iter().filter(|held| is_repeat(held, &new)).count();
        if said.time.is_none() || of_run.count() > held {
            shown.push(new);
        }
    }
    shown
}

fn stored(line: &Line) -> Option<Shown> {
    let Line::Gap(gap) = line else { return None };
    let (cause, count, received) = (gap.cause, gap.count, gap.received.0);
    Some(Shown::Gap { cause, count, numbers: None, received })
}
