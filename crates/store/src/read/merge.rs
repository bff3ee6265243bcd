//! The lines of a group in the order of their keys, forward or backward, from blocks that are
//! opened when their keys are reached and dropped when they are used up.

use std::collections::{BinaryHeap, HashMap};
use std::ops::Range;
use std::sync::Arc;

use super::parts::run_of;
use super::plan::{Group, Key, Piece};
use super::segments::{At, Segments, lines};
use crate::entry::{Head, decode_head};
use crate::error::Error;

/// Which end comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Forward,
    Backward,
}

impl Direction {
    /// A number per key: the greater comes first.
    fn rank(self, key: Key) -> [u64; 3] {
        let rank = [key.seq, key.at.segment, key.at.entry];
        match self {
            Direction::Forward => rank.map(|number| !number),
            Direction::Backward => rank,
        }
    }

    /// No line of the piece comes before this.
    fn edge(self, piece: &Piece) -> [u64; 3] {
        self.rank(match self {
            Direction::Forward => *piece.keys.start(),
            Direction::Backward => *piece.keys.end(),
        })
    }
}

/// One line of a group.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) key: Key,
    pub(super) is_gap: bool,
    block: Arc<Loaded>,
    text: Range<u32>,
}

impl Line {
    /// Where it is.
    pub(super) fn at(&self) -> At {
        self.key.at
    }

    pub(super) fn text(&self) -> &[u8] {
        &self.block.text[self.text.start as usize..self.text.end as usize]
    }
}

/// The group's lines of one block, by key.
#[derive(Debug)]
struct Loaded {
    text: Vec<u8>,
    lines: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    key: Key,
    is_gap: bool,
    text: Range<u32>,
}

/// Merges the pieces of a group.
#[derive(Debug)]
pub(super) struct Merge {
    direction: Direction,
    group: Arc<Group>,
    /// Not yet opened; the next one last.
    pieces: Vec<Piece>,
    open: HashMap<usize, Cursor>,
    /// Rank and number of each open cursor.
    heap: BinaryHeap<([u64; 3], usize)>,
    opened: usize,
    scratch: Vec<u8>,
}

#[derive(Debug)]
struct Cursor {
    block: Arc<Loaded>,
    /// How many lines were given out.
    used: usize,
}

impl Merge {
    pub(super) fn new(group: Arc<Group>, mut pieces: Vec<Piece>, direction: Direction) -> Merge {
        pieces.sort_by_key(|piece| direction.edge(piece));
        Merge {
            direction,
            group,
            pieces,
            open: HashMap::new(),
            heap: BinaryHeap::new(),
            opened: 0,
            scratch: Vec::new(),
        }
    }

    /// The next line.
    pub(super) fn next(&mut self, segments: &Segments) -> Result<Option<Line>, Error> {
        self.open_due(segments)?;
        let Some((_, number)) = self.heap.pop() else { return Ok(None) };
        let Some(cursor) = self.open.get_mut(&number) else { return Ok(None) };
        let line = cursor.take(self.direction);
        match cursor.peek(self.direction) {
            Some(key) => self.heap.push((self.direction.rank(key), number)),
            None => drop(self.open.remove(&number)),
        }
        Ok(line)
    }

    /// Opens every block that may hold the next line.
    fn open_due(&mut self, segments: &Segments) -> Result<(), Error> {
        while let Some(piece) = self.pieces.last() {
            let first = self.heap.peek().map(|&(rank, _)| rank);
            if first.is_some_and(|rank| self.direction.edge(piece) < rank) {
                break;
            }
            let Some(piece) = self.pieces.pop() else { break };
            let block = Arc::new(self.load(segments, &piece)?);
            let cursor = Cursor { block, used: 0 };
            if let Some(key) = cursor.peek(self.direction) {
                self.heap.push((self.direction.rank(key), self.opened));
                self.open.insert(self.opened, cursor);
                self.opened += 1;
            }
        }
        Ok(())
    }

    /// Reads a block and keeps only what belongs to the group.
    fn load(&mut self, segments: &Segments, piece: &Piece) -> Result<Loaded, Error> {
        let mut loaded = Loaded { text: Vec::new(), lines: Vec::new() };
        let Some(segment) = segments.segment(piece.place.first.segment)? else { return Ok(loaded) };
        let Some(block) = segment.blocks.get(piece.place.block) else { return Ok(loaded) };
        segments.read(&segment.file, block, &mut self.scratch)?;
        let mut reached: HashMap<_, _> = piece.reached.iter().copied().collect();
        for (entry, line) in lines(&self.scratch).enumerate() {
            let Some(head) = decode_head(line) else { continue };
            let Some(seq) = self.place(&head, &mut reached) else { continue };
            let key = Key { seq, at: piece.place.entry(entry as u32) };
            let start = loaded.text.len() as u32;
            loaded.text.extend_from_slice(line);
            let text = start..loaded.text.len() as u32;
            loaded.lines.push(Entry { key, is_gap: matches!(head, Head::Gap(_)), text });
        }
        loaded.lines.sort_by_key(|line| line.key);
        Ok(loaded)
    }

    /// The number a line stands at; `None` when it isn't the group's.
    fn place(&self, head: &Head, reached: &mut HashMap<bedside_stream::RunId, u64>) -> Option<u64> {
        let run = run_of(head)?;
        match head {
            Head::Record { seq, .. } => {
                if seq.is_some() != self.group.numbered || !self.group.runs.contains(&run) {
                    return None;
                }
                let seq = seq.unwrap_or(0);
                if let Some(reached) = reached.get_mut(&run) {
                    *reached = seq.max(*reached);
                }
                Some(seq)
            }
            Head::Gap(_) if self.group.gap_runs.contains(&run) => {
                Some(reached.get(&run).copied().unwrap_or(0))
            }
            _ => None,
        }
    }
}

impl Cursor {
    fn index(&self, direction: Direction) -> Option<usize> {
        match direction {
            Direction::Forward => Some(self.used),
            Direction::Backward => self.block.lines.len().checked_sub(self.used + 1),
        }
    }

    fn peek(&self, direction: Direction) -> Option<Key> {
        self.block.lines.get(self.index(direction)?).map(|line| line.key)
    }

    fn take(&mut self, direction: Direction) -> Option<Line> {
        let line = self.block.lines.get(self.index(direction)?)?;
        self.used += 1;
        let block = Arc::clone(&self.block);
        Some(Line { key: line.key, is_gap: line.is_gap, block, text: line.text.clone() })
    }
}
