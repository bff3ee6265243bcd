//! A group's lines without repeats and with the holes between them.

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use bedside_stream::{Cause, RunId};

use super::Window;
use super::holes::{Edge, Hole};
use super::merge::{Direction, Line, Merge};
use super::plan::Group;
use super::segments::{At, Segments};
use crate::entry::{Entry, StoredRecord};
use crate::error::Error;

/// What stands in the order of a boot.
#[derive(Clone, Debug)]
pub(super) enum Raw {
    Record(Line),
    Gap(Line),
    /// A part of the hole in front of the record.
    Hole {
        hole: Hole,
        cause: Cause,
        count: u64,
        after: Line,
    },
}

/// Gives out one group.
#[derive(Debug)]
pub(super) struct Ordered {
    merge: Merge,
    direction: Direction,
    numbered: bool,
    repeats: HashSet<At>,
    /// The first line of the next number.
    next: Option<Line>,
    /// The record that the next hole ends at: the one before, in this direction.
    neighbour: Option<(Edge, Line)>,
    ready: VecDeque<Raw>,
}

impl Ordered {
    pub(super) fn new(
        segments: &Segments,
        group: Group,
        window: Window,
        direction: Direction,
    ) -> Result<Ordered, Error> {
        let group = Arc::new(group);
        let pieces = group.within(window);
        let repeats = if group.numbered || group.runs.len() < 2 || pieces.is_empty() {
            HashSet::new()
        } else {
            repeats(segments, &group)?
        };
        Ok(Ordered {
            numbered: group.numbered,
            merge: Merge::new(group, pieces, direction),
            direction,
            repeats,
            next: None,
            neighbour: None,
            ready: VecDeque::new(),
        })
    }

    pub(super) fn next(&mut self, segments: &Segments) -> Result<Option<Raw>, Error> {
        while self.ready.is_empty() {
            let Some(line) = self.line(segments)? else { return Ok(None) };
            if self.numbered {
                self.number(segments, line)?;
            } else if !self.repeats.contains(&line.at()) {
                self.ready.push_back(if line.is_gap { Raw::Gap(line) } else { Raw::Record(line) });
            }
        }
        Ok(self.ready.pop_front())
    }

    fn line(&mut self, segments: &Segments) -> Result<Option<Line>, Error> {
        match self.next.take() {
            Some(line) => Ok(Some(line)),
            None => self.merge.next(segments),
        }
    }

    /// Takes all lines of one number together.
    fn number(&mut self, segments: &Segments, first: Line) -> Result<(), Error> {
        let seq = first.key.seq;
        let mut same = vec![first];
        loop {
            match self.merge.next(segments)? {
                Some(line) if line.key.seq == seq => same.push(line),
                other => {
                    self.next = other;
                    break;
                }
            }
        }
        if self.direction == Direction::Backward {
            same.reverse();
        }
        let raws = without_repeats(same);
        self.hole(&raws);
        match self.direction {
            Direction::Forward => self.ready.extend(raws),
            Direction::Backward => self.ready.extend(raws.into_iter().rev()),
        }
        Ok(())
    }

    /// Tells of the hole between the lines given out last and these.
    fn hole(&mut self, raws: &[Raw]) {
        let found = raws.iter().find_map(|raw| match raw {
            Raw::Record(line) => Some((edge(line)?, line)),
            _ => None,
        });
        let Some((edge, line)) = found else { return };
        let here = (edge, line.clone());
        let Some((other, other_line)) = self.neighbour.replace(here) else { return };
        let (before, after, line) = match self.direction {
            Direction::Forward => (other, edge, line.clone()),
            Direction::Backward => (edge, other, other_line),
        };
        let Some(hole) = Hole::between(before, after) else { return };
        let raw = |(cause, count)| Raw::Hole { hole, cause, count, after: line.clone() };
        match self.direction {
            Direction::Forward => self.ready.extend(hole.causes().map(raw)),
            Direction::Backward => self.ready.extend(hole.causes().rev().map(raw)),
        }
    }
}

fn record(line: &Line) -> Option<StoredRecord<'_>> {
    match Entry::decode(line.text()) {
        Some(Entry::Record(record)) => Some(record),
        _ => None,
    }
}

pub(super) fn edge(line: &Line) -> Option<Edge> {
    let record = record(line)?;
    Some(Edge { seq: line.key.seq, msgid: record.msgid() })
}

/// Lines of one number: records with an earlier one's time and text are repeats of it.
fn without_repeats(same: Vec<Line>) -> Vec<Raw> {
    let mut raws: Vec<Raw> = Vec::with_capacity(same.len());
    let mut held: HashSet<(Option<u64>, Vec<u8>)> = HashSet::new();
    let several = same.len() > 1;
    for line in same {
        if line.is_gap {
            raws.push(Raw::Gap(line));
            continue;
        }
        let Some(record) = record(&line) else { continue };
        let key = (record.time.map(|time| time.0), record.text);
        if !several || held.insert((key.0, key.1.to_vec())) {
            raws.push(Raw::Record(line));
        }
    }
    raws
}

/// The lines of a group without numbers that repeat what another run of the boot had said.
///
/// Each time and text is held as often as the run that has it most often; the occurrences that
/// came first are the ones that are kept. Lines without a time are never repeats: nothing tells.
fn repeats(segments: &Segments, group: &Arc<Group>) -> Result<HashSet<At>, Error> {
    let mut merge = Merge::new(Arc::clone(group), group.pieces.clone(), Direction::Forward);
    let hashers = (RandomState::new(), RandomState::new());
    let mut held: HashMap<(u64, u64), u32> = HashMap::new();
    let mut of_run: HashMap<(RunId, u64, u64), u32> = HashMap::new();
    let mut repeats = HashSet::new();
    while let Some(line) = merge.next(segments)? {
        let Some(record) = record(&line) else { continue };
        let Some(time) = record.time else { continue };
        let key = (time.0, record.text);
        // 128 bits under keys that no sender knows stand for the line itself.
        let key = (hashers.0.hash_one(key), hashers.1.hash_one(key));
        let count = of_run.entry((record.run, key.0, key.1)).or_default();
        *count += 1;
        let held = held.entry(key).or_default();
        if *count <= *held {
            repeats.insert(line.at());
        } else {
            *held = *count;
        }
    }
    Ok(repeats)
}
