//! A segment on its way into the catalogue.

use crate::catalogue::{Strangers, Summary, Told};
use crate::disk::Disk;
use crate::error::Error;
use crate::segment::{BlockRef, Form, Listed, Position, SegmentFile, SegmentName};

/// A segment on its way into the catalogue.
#[derive(Debug, Default)]
pub(super) struct Target {
    /// Entries that the catalogue may have: what is durable.
    pub(super) limit: u64,
    pub(super) reached: Reached,
    /// What the catalogue has of it, as far as a fold needs it; `None`: not looked up yet.
    pub(super) known: Option<Known>,
}

/// How far a segment was read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reached {
    /// Where to go on reading while it is live.
    pub(super) from: Option<Position>,
    /// It was read up to the limit.
    pub(super) done: bool,
}

/// The runs that have a row for a segment, and its strangers.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) told: Told,
    pub(super) strangers: Strangers,
}

/// So many runs are counted for one commit, and those of a few blocks: each costs two rows.
const RUNS_AT_ONCE: usize = 32_768;

/// Headers in memory; each names thousands of runs where many machines speak.
const HEADERS_AT_ONCE: usize = 8;

/// Folds a segment from where the catalogue is, `applied` entries, to where it may be, `room`
/// blocks at most; and how far that is.
pub(super) fn fold_target(
    disk: &dyn Disk,
    number: u64,
    target: &Target,
    applied: u64,
    room: &mut usize,
) -> Result<(Summary, Reached), Error> {
    let mut summary = Summary::default();
    let listed = Listed { name: SegmentName::live(number), cut: None };
    let segment = match SegmentFile::open(disk, listed) {
        // Deleted by retention meanwhile.
        Err(error) if error.is_not_found() => {
            return Ok((summary, Reached { from: None, done: true }));
        }
        opened => opened?,
    };
    let begun = summary.segments.entry(number).or_default();
    begun.entries = applied;
    let none = Told::default();
    let known = target.known.as_ref();
    begun.strangers = known.map(|known| known.strangers.clone()).unwrap_or_default();
    let told = known.map_or(&none, |known| &known.told);
    if segment.name().form == Form::Sealed {
        // It is counted as a whole, as it has another order than the live one had; and whatever
        // is in it is durable.
        summary.fold_further(&segment, &segment.scan()?.blocks, u64::MAX, told)?;
        return Ok((summary, Reached { from: None, done: true }));
    }
    let known = target.reached.from.filter(|from| from.entries == applied);
    let mut from = known.unwrap_or(segment.start());
    loop {
        let blocks = segment.scan_some(from, HEADERS_AT_ONCE)?.blocks;
        let durable = blocks.partition_point(|block| block.end().entries <= target.limit);
        let some = &blocks[..durable];
        summary.fold_further(&segment, some, target.limit, told)?;
        from = some.last().map_or(from, BlockRef::end);
        *room = room.saturating_sub(some.iter().filter(|b| b.end().entries > applied).count());
        let done = durable < HEADERS_AT_ONCE;
        let rows = summary.segments.get(&number).map_or(0, |segment| segment.spans.len());
        if done || *room == 0 || rows >= RUNS_AT_ONCE {
            return Ok((summary, Reached { from: Some(from), done }));
        }
    }
}
