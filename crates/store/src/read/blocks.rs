//! Blocks, taken apart by run; the last few of them at hand.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::sync::{Arc, Mutex};

use bedside_stream::RunId;

use super::segments::{At, Segment, Segments, lines, lock};
use crate::entry::{Head, decode_head};
use crate::error::Error;
use crate::segment::{BlockRef, Entries};

/// A block's text, and where each run's lines are in it.
#[derive(Debug, Default)]
pub(super) struct Split {
    pub(super) text: Arc<Vec<u8>>,
    pub(super) runs: HashMap<RunId, Vec<BlockLine>>,
    /// How many lines that should be known make no sense.
    unread: u64,
}

/// A line of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BlockLine {
    /// The number of the entry.
    pub(super) entry: u64,
    pub(super) kind: Kind,
    pub(super) text: Range<u32>,
}

/// What decides where a line stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A record with this number.
    Numbered(u64),
    /// A record without a number.
    Plain,
    /// A gap.
    Gap,
}

impl Split {
    fn new(text: Vec<u8>, entries: &Entries) -> Split {
        let mut runs: Vec<(RunId, Vec<BlockLine>)> = Vec::new();
        let mut places: HashMap<RunId, usize> = HashMap::new();
        let (mut start, mut last, mut unread) = (0, 0, 0);
        for (place, line) in (0..).zip(lines(&text)) {
            let entry = entries.of_line(place);
            let text = start..start + line.len() as u32;
            start = text.end + 1;
            let Some((run, kind)) = head(line) else {
                unread += u64::from(is_known_kind(line) && decode_head(line).is_none());
                continue;
            };
            // Most lines come in trains of one run.
            if runs.get(last).is_none_or(|(of, _)| *of != run) {
                last = *places.entry(run).or_insert_with(|| {
                    runs.push((run, Vec::new()));
                    runs.len() - 1
                });
            }
            runs[last].1.push(BlockLine { entry, kind, text });
        }
        Split { text: Arc::new(text), runs: runs.into_iter().collect(), unread }
    }

    fn weight(&self) -> usize {
        let count: usize = self.runs.values().map(Vec::len).sum();
        self.text.len() + count * size_of::<BlockLine>()
    }
}

/// Lines of other kinds are for later versions to read.
fn is_known_kind(line: &[u8]) -> bool {
    matches!(line.first(), Some(b'0'..=b'9' | b'R' | b'G'))
}

fn head(line: &[u8]) -> Option<(RunId, Kind)> {
    match decode_head(line)? {
        Head::Record { run, seq: Some(seq), .. } => Some((run, Kind::Numbered(seq))),
        Head::Record { run, seq: None, .. } => Some((run, Kind::Plain)),
        Head::Gap(gap) => gap.run.map(|run| (run, Kind::Gap)),
        Head::Run(_) => None,
    }
}

/// The blocks that were read last: those who read several boots side by side meet in them.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    held: Mutex<VecDeque<(At, Arc<Split>)>>,
}

impl Blocks {
    /// One block; an empty one where it can't be read.
    pub(super) fn get(
        &self,
        segments: &Segments,
        segment: &Segment,
        block: &BlockRef,
    ) -> Result<Arc<Split>, Error> {
        let at = segment.at(block);
        if let Some((_, split)) = lock(&self.held).iter().find(|(held, _)| *held == at) {
            return Ok(Arc::clone(split));
        }
        let mut text = Vec::new();
        let entries = segments.read_numbered(&segment.file, block, &mut text)?;
        let split = Arc::new(Split::new(text, &entries));
        if split.unread > 0 {
            segments.note(
                at.segment,
                block.start.offset,
                format!("{} lines make no sense", split.unread),
            );
        }
        let mut held = lock(&self.held);
        held.push_back((at, Arc::clone(&split)));
        let mut weight: usize = held.iter().map(|(_, split)| split.weight()).sum();
        while held.len() > 1 && (held.len() > HELD_MAX || weight > HELD_BYTES) {
            weight -= held.pop_front().map_or(0, |(_, split)| split.weight());
        }
        Ok(split)
    }
}

/// How many blocks are at hand, and how large they are together.
const HELD_MAX: usize = 32;
const HELD_BYTES: usize = 16 << 20;
