//! Where the entries of some runs are: block by block, what each holds of them.
//!
//! Block headers tell most of it. What they don't (which runs have gaps in a block, and whether
//! those with numbers also have records without) is learnt by reading the block once.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use bedside_stream::{RunId, WallTime};

use super::runs::Runs;
use super::segments::{At, Segment, Segments, lines, lock};
use crate::entry::{Head, decode_head};
use crate::error::Error;
use crate::segment::BlockRef;

/// A block, without keeping its segment open.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// Index of the block in its segment.
    pub(super) block: usize,
    /// Its first entry.
    pub(super) first: At,
    /// Its last entry.
    pub(super) last: At,
    /// First and last receive time of its records and gaps.
    pub(super) received: (WallTime, WallTime),
}

impl Place {
    pub(super) fn new(segment: &Segment, block: usize) -> Place {
        let at = &segment.blocks[block];
        let first = segment.at(at);
        let last = At { entry: at.end().entries.saturating_sub(1).max(first.entry), ..first };
        Place { block, first, last, received: (at.header.first, at.header.last) }
    }

    /// The place of the block's entry number `entry`.
    pub(super) fn entry(&self, entry: u32) -> At {
        At { entry: self.first.entry + u64::from(entry), ..self.first }
    }
}

/// A block and what it holds of the runs that were asked for.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) place: Place,
    pub(super) seen: Vec<Seen>,
}

/// What a block holds of one run. Entries are counted from the block's first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) run: RunId,
    pub(super) numbered: Option<Numbered>,
    /// The first record without a number.
    pub(super) plain: Option<u32>,
    /// The first gap.
    pub(super) gap: Option<u32>,
}

/// The records with numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Numbered {
    pub(super) low: u64,
    pub(super) high: u64,
    /// The first of them by arrival.
    pub(super) first: u32,
}

impl Seen {
    fn nothing(run: RunId) -> Seen {
        Seen { run, numbered: None, plain: None, gap: None }
    }

    fn line(&mut self, entry: u32, head: &Head) {
        match *head {
            Head::Record { seq: Some(seq), .. } => {
                let new = Numbered { low: seq, high: seq, first: entry };
                let known = self.numbered.get_or_insert(new);
                (known.low, known.high) = (known.low.min(seq), known.high.max(seq));
            }
            Head::Record { seq: None, .. } => _ = self.plain.get_or_insert(entry),
            Head::Gap(_) => _ = self.gap.get_or_insert(entry),
            Head::Run(_) => {}
        }
    }
}

/// Finds the parts of runs.
pub(super) struct Finder<'a> {
    pub(super) segments: &'a Segments,
    pub(super) examined: &'a Examined,
    pub(super) runs: &'a Runs,
}

impl Finder<'_> {
    /// The parts of `runs`, by arrival.
    pub(super) fn parts(&self, runs: &[RunId]) -> Result<Vec<Part>, Error> {
        let mut search =
            Search { wanted: runs.iter().copied().collect(), met: HashSet::new(), gaps: false };
        let mut parts = Vec::new();
        for (number, gaps) in self.runs.segments_of(runs) {
            let Some(segment) = self.segments.segment(number)? else { continue };
            search.gaps = gaps;
            for block in 0..segment.blocks.len() {
                let seen = self.seen(&segment, &segment.blocks[block], &search)?;
                if !seen.is_empty() {
                    search.met.extend(seen.iter().map(|seen| seen.run));
                    parts.push(Part { place: Place::new(&segment, block), seen });
                }
            }
        }
        Ok(parts)
    }

    fn seen(
        &self,
        segment: &Segment,
        block: &BlockRef,
        search: &Search,
    ) -> Result<Vec<Seen>, Error> {
        let maybe_gaps = search.gaps && block.header.notes;
        let mut told = !maybe_gaps;
        let mut seen = Vec::new();
        for span in block.header.runs.iter().filter(|span| search.wanted.contains(&span.run)) {
            // Where a run begins decides the order of groups, so it is looked at closely.
            told &= span.seq.is_none() && search.met.contains(&span.run);
            seen.push(Seen { plain: Some(0), ..Seen::nothing(span.run) });
        }
        if told || (seen.is_empty() && !maybe_gaps) {
            return Ok(seen);
        }
        let seen = self.examined.block(self.segments, segment, block)?;
        Ok(seen.iter().filter(|seen| search.wanted.contains(&seen.run)).copied().collect())
    }
}

struct Search {
    wanted: HashSet<RunId>,
    /// Those that an earlier block held.
    met: HashSet<RunId>,
    /// Whether this segment has gaps of them.
    gaps: bool,
}

/// Blocks that were examined before, by their first entry.
#[derive(Debug, Default)]
pub(super) struct Examined {
    blocks: Mutex<HashMap<At, Arc<Vec<Seen>>>>,
}

impl Examined {
    /// What `block` holds, by run. Nothing where it can't be read.
    fn block(
        &self,
        segments: &Segments,
        segment: &Segment,
        block: &BlockRef,
    ) -> Result<Arc<Vec<Seen>>, Error> {
        let at = segment.at(block);
        if let Some(seen) = lock(&self.blocks).get(&at) {
            return Ok(Arc::clone(seen));
        }
        let mut text = Vec::new();
        segments.read(&segment.file, block, &mut text)?;
        let seen = Arc::new(examine(&text));
        let mut blocks = lock(&self.blocks);
        if blocks.len() >= EXAMINED_MAX {
            blocks.clear();
        }
        blocks.insert(at, Arc::clone(&seen));
        Ok(seen)
    }
}

fn examine(text: &[u8]) -> Vec<Seen> {
    let mut seen: Vec<Seen> = Vec::new();
    let mut indices: HashMap<RunId, usize> = HashMap::new();
    for (entry, line) in lines(text).enumerate() {
        let Some((run, head)) = decode_head(line).and_then(|head| Some((run_of(&head)?, head)))
        else {
            continue;
        };
        let index = *indices.entry(run).or_insert_with(|| {
            seen.push(Seen::nothing(run));
            seen.len() - 1
        });
        seen[index].line(entry as u32, &head);
    }
    seen
}

/// The run of a record or a gap.
pub(super) fn run_of(head: &Head) -> Option<RunId> {
    match head {
        Head::Record { run, .. } => Some(*run),
        Head::Gap(gap) => gap.run,
        Head::Run(_) => None,
    }
}

/// How many blocks are remembered.
const EXAMINED_MAX: usize = 1 << 16;
