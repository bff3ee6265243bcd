//! A group's lines without repeats and with the holes between them.

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use bedside_stream::{RunId, WallTime};

use super::Window;
use super::holes::{Edge, Hole};
use super::merge::{Direction, Line, Merge, Source};
use super::plan::Group;
use super::segments::At;
use crate::entry::{Entry, StoredGap, StoredRecord};
use crate::error::Error;

/// What stands in the order of a boot.
#[derive(Clone, Debug)]
pub(super) enum Raw {
    Record(Line),
    Gap(Line),
    /// A part of a hole; the gap is that of the record behind it.
    Hole(Hole, StoredGap),
}

/// Gives out one group.
#[derive(Debug)]
pub(super) struct Ordered<'a> {
    merge: Merge<'a>,
    direction: Direction,
    numbered: bool,
    repeats: HashSet<At>,
    /// The first line of the next number.
    next: Option<Line>,
    /// The record that the next hole ends at: the one before, in this direction.
    neighbour: Option<Shore>,
    ready: VecDeque<Raw>,
}

/// A record that a hole may end at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shore {
    pub(super) edge: Edge,
    run: RunId,
    received: WallTime,
    segment: u64,
}

impl<'a> Ordered<'a> {
    pub(super) fn new(
        source: Source<'a>,
        group: Group,
        window: Window,
        direction: Direction,
    ) -> Result<Ordered<'a>, Error> {
        let group = Arc::new(group);
        let pieces = group.within(window);
        let repeats = if group.numbered || group.runs.len() < 2 || pieces.is_empty() {
            HashSet::new()
        } else {
            repeats(source, &group)?
        };
        Ok(Ordered {
            numbered: group.numbered,
            merge: Merge::new(source, group, pieces, direction),
            direction,
            repeats,
            next: None,
            neighbour: None,
            ready: VecDeque::new(),
        })
    }

    /// The first entry of the block that is read next.
    pub(super) fn upcoming(&self) -> Option<At> {
        self.merge.upcoming()
    }

    pub(super) fn next(&mut self) -> Result<Option<Raw>, Error> {
        while self.ready.is_empty() {
            let Some(line) = self.line()? else { return Ok(None) };
            if self.numbered {
                self.number(line)?;
            } else if !self.repeats.contains(&line.at()) {
                self.ready.push_back(if line.is_gap { Raw::Gap(line) } else { Raw::Record(line) });
            }
        }
        Ok(self.ready.pop_front())
    }

    fn line(&mut self) -> Result<Option<Line>, Error> {
        match self.next.take() {
            Some(line) => Ok(Some(line)),
            None => self.merge.next(),
        }
    }

    /// Takes all lines of one number together.
    fn number(&mut self, first: Line) -> Result<(), Error> {
        let seq = first.key.seq;
        self.next = self.merge.next()?;
        if !first.is_gap && self.next.as_ref().is_none_or(|next| next.key.seq != seq) {
            self.single(first);
            return Ok(());
        }
        let mut same = vec![first];
        while let Some(next) = self.next.take_if(|next| next.key.seq == seq) {
            same.push(next);
            self.next = self.merge.next()?;
        }
        if self.direction == Direction::Backward {
            same.reverse();
        }
        let raws = without_repeats(same);
        let shore = raws.iter().find_map(|raw| match raw {
            Raw::Record(line) => shore(line),
            _ => None,
        });
        self.hole(shore);
        match self.direction {
            Direction::Forward => self.ready.extend(raws),
            Direction::Backward => self.ready.extend(raws.into_iter().rev()),
        }
        Ok(())
    }

    /// Takes the only line of a number.
    fn single(&mut self, line: Line) {
        let shore = shore(&line);
        self.hole(shore);
        self.ready.push_back(Raw::Record(line));
    }

    /// Tells of the hole between the number given out last and this one.
    fn hole(&mut self, here: Option<Shore>) {
        let Some(here) = here else { return };
        let Some(other) = self.neighbour.replace(here) else { return };
        let (before, after) = match self.direction {
            Direction::Forward => (other, here),
            Direction::Backward => (here, other),
        };
        let Some(mut hole) = Hole::between(before.edge, after.edge) else { return };
        if self.merge.segments().deleted_between(before.segment, after.segment) {
            hole = hole.within_deleted();
        }
        let (run, received) = (Some(after.run), after.received);
        let raw = |(cause, count)| Raw::Hole(hole, StoredGap { run, received, cause, count });
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

/// `None`: it is no record after all.
pub(super) fn shore(line: &Line) -> Option<Shore> {
    let record = record(line)?;
    let (edge, segment) = (Edge::of(&record)?, line.at().segment);
    Some(Shore { edge, run: record.run, received: record.received, segment })
}

/// Lines of one number: records with an earlier one's time and text are repeats of it, and so
/// are unfinished ones of which a whole copy came, before or after.
fn without_repeats(same: Vec<Line>) -> Vec<Raw> {
    let mut raws: Vec<Raw> = Vec::with_capacity(same.len());
    let mut held: HashSet<(Option<u64>, Vec<u8>)> = HashSet::new();
    let whole = same.iter().filter(|line| !line.is_gap).filter_map(record);
    let whole: HashSet<_> =
        whole.filter(|record| !record.incomplete).map(|record| record.time).collect();
    for line in same {
        if line.is_gap {
            raws.push(Raw::Gap(line));
            continue;
        }
        let Some(told) = record(&line) else { continue };
        if told.incomplete && whole.contains(&told.time) {
            continue;
        }
        if held.insert((told.time.map(|time| time.0), told.text.to_vec())) {
            raws.push(Raw::Record(line));
        }
    }
    raws
}

/// Lines of a group in their order, each once. Those that a copy of them would stand in for must
/// be among them.
pub(super) fn in_order(mut lines: Vec<Line>, numbered: bool) -> Vec<Line> {
    lines.sort_by_key(|line| line.key);
    if numbered {
        let same = lines.chunk_by(|one, other| one.key.seq == other.key.seq);
        let once = same.flat_map(|same| without_repeats(same.to_vec()));
        let line = |raw| match raw {
            Raw::Record(line) | Raw::Gap(line) => Some(line),
            Raw::Hole(..) => None,
        };
        return once.filter_map(line).collect();
    }
    let mut repeats = Repeats::default();
    lines.retain(|line| !repeats.is_one(line));
    lines
}

/// The lines of a group without numbers that repeat what another run of the boot had said.
fn repeats(source: Source<'_>, group: &Arc<Group>) -> Result<HashSet<At>, Error> {
    let pieces = group.pieces.clone();
    let mut merge = Merge::new(source, Arc::clone(group), pieces, Direction::Forward);
    let mut repeats = Repeats::default();
    let mut found = HashSet::new();
    while let Some(line) = merge.next()? {
        if repeats.is_one(&line) {
            found.insert(line.at());
        }
    }
    Ok(found)
}

/// Each time and text is held as often as the run that has it most often; the occurrences that
/// came first are the ones that are kept. Lines without a time are never repeats: nothing tells.
#[derive(Default)]
struct Repeats {
    hashers: (RandomState, RandomState),
    held: HashMap<(u64, u64), u32>,
    of_run: HashMap<(RunId, u64, u64), u32>,
}

impl Repeats {
    /// Takes the lines in their order, and says of each whether it is a repeat.
    fn is_one(&mut self, line: &Line) -> bool {
        let Some(record) = record(line) else { return false };
        let Some(time) = record.time else { return false };
        let key = (time.0, record.text);
        // 128 bits under keys that no sender knows stand for the line itself.
        let key = (self.hashers.0.hash_one(key), self.hashers.1.hash_one(key));
        let count = self.of_run.entry((record.run, key.0, key.1)).or_default();
        *count += 1;
        let held = self.held.entry(key).or_default();
        let is_one = *count <= *held;
        *held = (*held).max(*count);
        is_one
    }
}
