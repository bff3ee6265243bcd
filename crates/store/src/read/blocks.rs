//! Blocks, taken apart by run; the last few of them at hand.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::ops::Range;
use std::sync::{Arc, Mutex};

use bedside_stream::RunId;

use super::segments::{At, Segment, Segments, lines, lock};
use crate::entry::{Head, decode_head};
use crate::error::Error;
use crate::segment::{BlockRef, Entries, PartUnpacker};

/// A block's text, and where each run's lines are in it.
#[derive(Debug, Default)]
pub(super) struct Split {
    pub(super) text: Arc<Vec<u8>>,
    pub(super) runs: HashMap<RunId, Vec<BlockLine>>,
    /// The only runs whose lines were looked for.
    only: Option<BTreeSet<RunId>>,
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
        let runs = runs.into_iter().collect();
        Split { text: Arc::new(text), runs, only: None, unread }
    }

    /// What `block` holds of a few runs.
    fn of(only: &BTreeSet<RunId>, block: &[u8], entries: &Entries) -> Split {
        let beginnings = beginnings(only);
        let mut split = Split { only: Some(only.clone()), ..Split::default() };
        let mut text = Vec::new();
        for (place, line) in (0..).zip(lines(block)) {
            if !beginnings.iter().any(|one| line.starts_with(one)) {
                continue;
            }
            let Some((run, kind)) = head(line) else {
                split.unread += u64::from(decode_head(line).is_none());
                continue;
            };
            let start = text.len() as u32;
            text.extend_from_slice(line);
            let (entry, text) = (entries.of_line(place), start..text.len() as u32);
            split.runs.entry(run).or_default().push(BlockLine { entry, kind, text });
        }
        Split { text: Arc::new(text), ..split }
    }

    /// Whether it tells of all lines of these runs.
    fn tells_of(&self, runs: Option<&BTreeSet<RunId>>) -> bool {
        match (&self.only, runs) {
            (None, _) => true,
            (Some(only), Some(runs)) => only.is_superset(runs),
            (Some(_), None) => false,
        }
    }

    fn weight(&self) -> usize {
        let count: usize = self.runs.values().map(Vec::len).sum();
        self.text.len() + count * size_of::<BlockLine>()
    }
}

/// How the lines of these runs begin.
fn beginnings(runs: &BTreeSet<RunId>) -> Vec<Vec<u8>> {
    let both = |run: &RunId| [format!("{} ", run.0), format!("G {} ", run.0)];
    runs.iter().flat_map(both).map(String::into_bytes).collect()
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
    bench: Mutex<Option<Bench>>,
}

/// What it takes to unpack a part of a block, kept for the next.
#[derive(Debug)]
struct Bench {
    unpacker: PartUnpacker,
    text: Vec<u8>,
}

impl Blocks {
    /// One block; an empty one where it can't be read. If only some runs are wanted, what it
    /// holds of others may be left out.
    pub(super) fn get(
        &self,
        segments: &Segments,
        segment: &Segment,
        block: &BlockRef,
        only: Option<&BTreeSet<RunId>>,
    ) -> Result<Arc<Split>, Error> {
        let at = segment.at(block);
        let fits = |held: &&(At, Arc<Split>)| held.0 == at && held.1.tells_of(only);
        if let Some((_, split)) = lock(&self.held).iter().find(fits) {
            return Ok(Arc::clone(split));
        }
        let split = if let Some(only) = only {
            self.read_of(only, segments, segment, block)?
        } else {
            let mut text = Vec::new();
            let entries = segments.read_numbered(&segment.file, block, &mut text)?;
            Split::new(text, &entries)
        };
        let split = Arc::new(split);
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

impl Blocks {
    /// Reads a block no further than it holds something of these runs.
    fn read_of(
        &self,
        only: &BTreeSet<RunId>,
        segments: &Segments,
        segment: &Segment,
        block: &BlockRef,
    ) -> Result<Split, Error> {
        let mut bench = lock(&self.bench);
        if bench.is_none() {
            *bench = Some(Bench { unpacker: PartUnpacker::new()?, text: Vec::new() });
        }
        let Some(Bench { unpacker, text }) = &mut *bench else { return Ok(Split::default()) };
        if let Err(error) = segment.file.read_part(block, unpacker, text, only) {
            segments.skip(segment.file.name().number, block.start.offset, error)?;
            text.clear();
        }
        let entries = segments.entries(&segment.file, block, &mut unpacker.decompressor)?;
        Ok(Split::of(only, text, &entries))
    }
}

/// How many blocks are at hand, and how large they are together.
const HELD_MAX: usize = 32;
const HELD_BYTES: usize = 16 << 20;
