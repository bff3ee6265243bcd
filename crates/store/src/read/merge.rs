//! The lines of a group in the order of their keys, forward or backward, from blocks that are
//! opened when their keys are reached and dropped when they are used up.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::ops::Range;
use std::sync::Arc;

use bedside_stream::RunId;

use super::blocks::{Blocks, Kind, Split};
use super::plan::{Group, Key, Piece};
use super::segments::{At, Segments};
use crate::error::Error;

/// Which end comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Forward,
    Backward,
}

/// The order in which lines come: the smallest first.
type Rank = [u64; 3];

impl Direction {
    fn rank(self, key: Key) -> Rank {
        let rank = [key.seq, key.at.segment, key.at.entry];
        match self {
            Direction::Forward => rank,
            Direction::Backward => rank.map(|number| !number),
        }
    }

    /// No line of the piece comes before this.
    fn edge(self, piece: &Piece) -> Rank {
        self.rank(match self {
            Direction::Forward => *piece.keys.start(),
            Direction::Backward => *piece.keys.end(),
        })
    }
}

/// Where blocks come from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source<'a> {
    pub(super) segments: &'a Segments,
    pub(super) blocks: &'a Blocks,
    /// Whether several boots are read side by side, which meet in the same blocks.
    pub(super) together: bool,
}

impl Source<'_> {
    /// Those of `runs` that a block is read for; `None`: it is read for all that it holds.
    pub(super) fn only(self, runs: &BTreeSet<RunId>) -> Option<&BTreeSet<RunId>> {
        (!self.together && runs.len() <= FEW_RUNS).then_some(runs)
    }
}

/// So many beginnings of lines are looked for faster than all lines are taken apart.
const FEW_RUNS: usize = 4;

/// One line of a group.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) key: Key,
    pub(super) is_gap: bool,
    block: Arc<Vec<u8>>,
    text: Range<u32>,
}

impl Line {
    pub(super) fn new(key: Key, is_gap: bool, block: &Arc<Vec<u8>>, text: Range<u32>) -> Line {
        Line { key, is_gap, block: Arc::clone(block), text }
    }

    /// Where it is.
    pub(super) fn at(&self) -> At {
        self.key.at
    }

    pub(super) fn text(&self) -> &[u8] {
        &self.block[self.text.start as usize..self.text.end as usize]
    }
}

/// Merges the pieces of a group.
#[derive(Debug)]
pub(super) struct Merge<'a> {
    source: Source<'a>,
    direction: Direction,
    group: Arc<Group>,
    /// Not yet opened; the next one last.
    pieces: Vec<Piece>,
    open: BinaryHeap<Reverse<Cursor>>,
}

/// The group's lines of one block, and how many of them were given out.
#[derive(Debug)]
struct Cursor {
    /// Of the next line.
    rank: Rank,
    used: usize,
    text: Arc<Vec<u8>>,
    lines: Vec<Held>,
}

#[derive(Debug)]
struct Held {
    key: Key,
    is_gap: bool,
    text: Range<u32>,
}

impl<'a> Merge<'a> {
    /// Where its lines come from.
    pub(super) fn segments(&self) -> &'a Segments {
        self.source.segments
    }

    pub(super) fn new(
        source: Source<'a>,
        group: Arc<Group>,
        mut pieces: Vec<Piece>,
        direction: Direction,
    ) -> Merge<'a> {
        pieces.sort_by_key(|piece| Reverse(direction.edge(piece)));
        Merge { source, direction, group, pieces, open: BinaryHeap::new() }
    }

    /// The first entry of the block that is opened next.
    pub(super) fn upcoming(&self) -> Option<At> {
        self.pieces.last().map(|piece| piece.place.first)
    }

    /// The next line.
    pub(super) fn next(&mut self) -> Result<Option<Line>, Error> {
        self.open_due()?;
        let Some(mut first) = self.open.peek_mut() else { return Ok(None) };
        let line = first.0.line();
        if !first.0.advance(self.direction) {
            std::collections::binary_heap::PeekMut::pop(first);
        }
        Ok(line)
    }

    /// Opens every block that may hold the next line.
    fn open_due(&mut self) -> Result<(), Error> {
        while let Some(piece) = self.pieces.last() {
            let first = self.open.peek();
            if first.is_some_and(|first| first.0.rank < self.direction.edge(piece)) {
                break;
            }
            let cursor = self.load(piece)?;
            self.pieces.pop();
            self.open.extend(cursor.map(Reverse));
        }
        Ok(())
    }

    /// Reads a block and keeps only what belongs to the group.
    fn load(&self, piece: &Piece) -> Result<Option<Cursor>, Error> {
        let Source { segments, blocks, .. } = self.source;
        let Some(segment) = segments.segment(piece.place.first.segment)? else { return Ok(None) };
        let Some(block) = segment.blocks.get(piece.place.block) else { return Ok(None) };
        let runs = &self.group.all_runs;
        let split = blocks.get(segments, &segment, block, self.source.only(runs))?;
        let mut lines = Vec::new();
        for run in runs {
            self.add(&split, *run, piece, &mut lines);
        }
        match self.direction {
            Direction::Forward => lines.sort_by_key(|line| line.key),
            Direction::Backward => lines.sort_by_key(|line| Reverse(line.key)),
        }
        let Some(first) = lines.first() else { return Ok(None) };
        let rank = self.direction.rank(first.key);
        Ok(Some(Cursor { rank, used: 0, text: compact(&split, &mut lines), lines }))
    }

    /// Adds the lines of one run.
    fn add(&self, split: &Split, run: RunId, piece: &Piece, lines: &mut Vec<Held>) {
        let reached = piece.reached.iter().find(|(of, _)| *of == run);
        let mut reached = reached.map_or(0, |(_, reached)| *reached);
        for line in split.runs.get(&run).map(Vec::as_slice).unwrap_or_default() {
            let (numbered, gaps) = (self.group.numbered, self.group.gap_runs.contains(&run));
            let seq = match line.kind {
                Kind::Numbered(seq) if numbered => {
                    reached = reached.max(seq);
                    seq
                }
                Kind::Plain if !numbered => 0,
                Kind::Gap if gaps => reached,
                _ => continue,
            };
            let key = Key { seq, at: piece.place.entry(line.entry) };
            let is_gap = line.kind == Kind::Gap;
            lines.push(Held { key, is_gap, text: line.text.clone() });
        }
    }
}

/// The text that the lines are in: the block's, or a copy of the few of it that are wanted.
fn compact(split: &Split, lines: &mut [Held]) -> Arc<Vec<u8>> {
    let wanted: usize = lines.iter().map(|line| line.text.len()).sum();
    if wanted >= split.text.len() / 4 {
        return Arc::clone(&split.text);
    }
    let mut text = Vec::with_capacity(wanted);
    for line in lines {
        let start = text.len() as u32;
        text.extend_from_slice(&split.text[line.text.start as usize..line.text.end as usize]);
        line.text = start..text.len() as u32;
    }
    Arc::new(text)
}

impl Cursor {
    fn line(&self) -> Option<Line> {
        let line = self.lines.get(self.used)?;
        let block = Arc::clone(&self.text);
        Some(Line { key: line.key, is_gap: line.is_gap, block, text: line.text.clone() })
    }

    /// Goes to the next line, if there is one.
    fn advance(&mut self, direction: Direction) -> bool {
        self.used += 1;
        let next = self.lines.get(self.used).map(|line| direction.rank(line.key));
        self.rank = next.unwrap_or(self.rank);
        next.is_some()
    }
}

impl PartialEq for Cursor {
    fn eq(&self, other: &Cursor) -> bool {
        self.rank == other.rank
    }
}

impl Eq for Cursor {}

impl PartialOrd for Cursor {
    fn partial_cmp(&self, other: &Cursor) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Cursor {
    fn cmp(&self, other: &Cursor) -> std::cmp::Ordering {
        self.rank.cmp(&other.rank)
    }
}
