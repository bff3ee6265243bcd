//! Where the entries of some runs are: block by block, what each holds of them.
//!
//! Block headers tell most of it. What they don't (which runs have gaps in a block, and whether
//! those with numbers also have records without) is learnt by reading the block once.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex};

use bedside_stream::{RunId, WallTime};

use super::blocks::{BlockLine, Kind};
use super::merge::Source;
use super::runs::Runs;
use super::segments::{At, Segment, lock};
use crate::error::Error;
use crate::segment::{BlockRef, RunSpan};

/// A block, without keeping its segment open.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// Index of the block in its segment.
    pub(super) block: usize,
    /// Its entry with the lowest number.
    pub(super) first: At,
    /// That with the highest.
    pub(super) last: At,
    /// First and last receive time of its records and gaps.
    pub(super) received: (WallTime, WallTime),
}

impl Place {
    pub(super) fn new(segment: &Segment, block: usize) -> Place {
        let at = &segment.blocks[block];
        let first = At { entry: at.first_entry(), ..segment.at(at) };
        let last = At { entry: at.last_entry(), ..first };
        Place { block, first, last, received: (at.header.first, at.header.last) }
    }

    /// The place of the segment's entry number `entry`.
    pub(super) fn entry(&self, entry: u64) -> At {
        At { entry, ..self.first }
    }
}

/// A block and what it holds of the runs that were asked for.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) place: Place,
    pub(super) seen: Vec<Seen>,
}

/// What a block holds of one run. Entries are told by their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) run: RunId,
    pub(super) numbered: Option<Numbered>,
    /// The first record without a number.
    pub(super) plain: Option<u64>,
    /// The first gap.
    pub(super) gap: Option<u64>,
}

/// The records with numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Numbered {
    pub(super) low: u64,
    pub(super) high: u64,
    /// The first of them by arrival.
    pub(super) first: u64,
}

impl Seen {
    /// A run of which only records without numbers are there, the first of them not before `at`.
    fn plain(run: RunId, at: u64) -> Seen {
        Seen { run, numbered: None, plain: Some(at), gap: None }
    }

    fn of(run: RunId, lines: &[BlockLine]) -> Seen {
        let mut seen = Seen { run, numbered: None, plain: None, gap: None };
        for &BlockLine { entry, kind, .. } in lines {
            match kind {
                Kind::Numbered(seq) => {
                    let new = Numbered { low: seq, high: seq, first: entry };
                    let known = seen.numbered.get_or_insert(new);
                    (known.low, known.high) = (known.low.min(seq), known.high.max(seq));
                }
                Kind::Plain => _ = seen.plain.get_or_insert(entry),
                Kind::Gap => _ = seen.gap.get_or_insert(entry),
            }
        }
        seen
    }
}

/// Finds the parts of runs.
pub(super) struct Finder<'a> {
    pub(super) source: Source<'a>,
    pub(super) examined: &'a Examined,
    pub(super) runs: &'a Runs,
}

impl Finder<'_> {
    /// The parts of `runs`, by arrival.
    pub(super) fn parts(&self, runs: &[RunId]) -> Result<Vec<Part>, Error> {
        let wanted = runs.iter().copied().collect();
        let (numbered, plain) = (HashSet::new(), HashSet::new());
        let mut search = Search { wanted, numbered, plain, gaps: false };
        let mut parts = Vec::new();
        for (number, gaps) in self.runs.segments_of(runs) {
            let Some(segment) = self.source.segments.segment(number)? else { continue };
            search.gaps = gaps;
            for block in 0..segment.blocks.len() {
                let seen = self.seen(&segment, block, &search)?;
                if !seen.is_empty() {
                    search.meet(&seen);
                    parts.push(Part { place: Place::new(&segment, block), seen });
                }
            }
        }
        Ok(parts)
    }

    fn seen(&self, segment: &Segment, index: usize, search: &Search) -> Result<Vec<Seen>, Error> {
        let Some(block) = segment.blocks.get(index) else { return Ok(Vec::new()) };
        let maybe_gaps = search.gaps && block.header.notes;
        if !search.is_reached(block) && !maybe_gaps {
            return Ok(Vec::new());
        }
        let only = search.wanted.first().copied().zip(search.wanted.last().copied());
        let spans = search.spans(&segment.some_runs(index, only)?);
        if spans.is_empty() && !maybe_gaps {
            return Ok(Vec::new());
        }
        let told = |span: &RunSpan| search.told(span, block.last_entry());
        if !maybe_gaps && let Some(seen) = spans.iter().map(told).collect() {
            return Ok(seen);
        }
        let only = self.source.only(&search.wanted);
        let seen = self.examined.block(self.source, segment, block, only)?;
        Ok(seen.iter().filter(|seen| search.wanted.contains(&seen.run)).copied().collect())
    }
}

struct Search {
    wanted: BTreeSet<RunId>,
    /// Those of which an earlier block held records with numbers, and those with records without.
    numbered: HashSet<RunId>,
    plain: HashSet<RunId>,
    /// Whether this segment has gaps of them.
    gaps: bool,
}

impl Search {
    /// Takes in what a block holds.
    fn meet(&mut self, seen: &[Seen]) {
        for seen in seen {
            if seen.numbered.is_some() {
                self.numbered.insert(seen.run);
            }
            if seen.plain.is_some() {
                self.plain.insert(seen.run);
            }
        }
    }

    /// Whether a block may have records of the wanted runs.
    fn is_reached(&self, block: &BlockRef) -> bool {
        let reach = block.reach.filter(|(lowest, highest)| lowest <= highest);
        reach.is_some_and(|(lowest, highest)| self.wanted.range(lowest..=highest).next().is_some())
    }

    /// What the header says of the wanted runs. Both are sorted: the shorter is gone through.
    fn spans(&self, spans: &[RunSpan]) -> Vec<RunSpan> {
        if spans.len() <= self.wanted.len() {
            return spans.iter().filter(|span| self.wanted.contains(&span.run)).copied().collect();
        }
        let find = |run: &RunId| spans.binary_search_by_key(run, |span| span.run).ok();
        self.wanted.iter().filter_map(find).map(|at| spans[at]).collect()
    }

    /// What a block without gaps holds of a run, if its span tells: either all records have
    /// numbers or none has. Where a run begins decides the order of groups, so there it is looked
    /// at closely; behind that, `at` will do for where its records are.
    fn told(&self, span: &RunSpan, at: u64) -> Option<Seen> {
        match span.seq {
            None => self.plain.contains(&span.run).then(|| Seen::plain(span.run, at)),
            Some((low, high)) if span.numbered && self.numbered.contains(&span.run) => {
                let numbered = Some(Numbered { low, high, first: at });
                Some(Seen { run: span.run, numbered, plain: None, gap: None })
            }
            Some(_) => None,
        }
    }
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
        source: Source<'_>,
        segment: &Segment,
        block: &BlockRef,
        only: Option<&BTreeSet<RunId>>,
    ) -> Result<Arc<Vec<Seen>>, Error> {
        let at = segment.at(block);
        if let Some(seen) = lock(&self.blocks).get(&at) {
            return Ok(Arc::clone(seen));
        }
        let split = source.blocks.get(source.segments, segment, block, only)?;
        let seen = split.runs.iter().map(|(run, lines)| Seen::of(*run, lines)).collect();
        let seen = Arc::new(seen);
        if only.is_some() {
            return Ok(seen);
        }
        let mut blocks = lock(&self.blocks);
        if blocks.len() >= EXAMINED_MAX {
            blocks.clear();
        }
        blocks.insert(at, Arc::clone(&seen));
        Ok(seen)
    }
}

/// How many blocks are remembered.
const EXAMINED_MAX: usize = 1 << 16;
