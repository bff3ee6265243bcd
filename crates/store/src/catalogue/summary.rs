//! What the segments hold, told in runs: the fold that makes the catalogue's rows, and that
//! readers go on with where the catalogue ends.

use std::collections::BTreeMap;

use bedside_stream::{Cause, RunId, WallTime};

use crate::entry::{Entry, Head, StoredRun, decode_head};
use crate::error::Error;
use crate::segment::{BlockRef, Form, SegmentFile};

/// What some segments hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Each segment's share.
    pub segments: BTreeMap<u64, SegmentSummary>,
    /// The last state of each run.
    pub runs: BTreeMap<RunId, RunState>,
}

/// What one segment holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SegmentSummary {
    /// So many of its entries, from the first on, are counted here.
    pub entries: u64,
    /// Its runs, also those with no more than a line of their own.
    pub spans: BTreeMap<RunId, Tally>,
    /// Sums of the gaps without a run.
    pub gaps: BTreeMap<Cause, u64>,
}

/// The state of a run, and where its line stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunState {
    /// Its last line.
    pub stored: StoredRun,
    /// The segment of that line.
    pub segment: u64,
}

/// What is held of one run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Its records.
    pub records: u64,
    /// When the first and the last of them were received.
    pub received: Option<(WallTime, WallTime)>,
    /// Records that its sender said it dropped.
    pub dropped: u64,
    /// What was lost of it to limits of ours.
    pub limited: u64,
}

impl Tally {
    /// Adds what another part of the store holds of the same run.
    pub fn add(&mut self, other: &Tally) {
        self.records += other.records;
        self.received = match (self.received, other.received) {
            (Some((a, b)), Some((c, d))) => Some((a.min(c), b.max(d))),
            (one, other) => one.or(other),
        };
        self.dropped = self.dropped.saturating_add(other.dropped);
        self.limited = self.limited.saturating_add(other.limited);
    }
}

impl Summary {
    /// What all segments together hold of a run.
    pub fn tally(&self, run: RunId) -> Tally {
        let mut sum = Tally::default();
        for span in self.segments.values().filter_map(|segment| segment.spans.get(&run)) {
            sum.add(span);
        }
        sum
    }

    /// What all segments hold, run by run, in one pass.
    pub fn tallies(&self) -> BTreeMap<RunId, Tally> {
        let mut sums = BTreeMap::<RunId, Tally>::new();
        for (run, span) in self.segments.values().flat_map(|segment| &segment.spans) {
            sums.entry(*run).or_default().add(span);
        }
        sums
    }

    /// A number above that of every run in it; 0 when it has none.
    pub fn next_run(&self) -> u64 {
        let spans = self.segments.values().flat_map(|segment| segment.spans.keys());
        spans.chain(self.runs.keys()).max().map_or(0, |run| run.0.saturating_add(1))
    }

    /// How many entries of a segment are counted.
    pub fn applied(&self, segment: u64) -> u64 {
        self.segments.get(&segment).map_or(0, |summary| summary.entries)
    }

    /// Counts what `blocks` hold behind the entries that are counted already, up to entry `limit`
    /// (whole blocks only; a limit inside a block leaves that block out). Blocks that can't be
    /// read are passed over, and how many is answered.
    pub fn fold(
        &mut self,
        segment: &SegmentFile,
        blocks: &[BlockRef],
        limit: u64,
    ) -> Result<usize, Error> {
        let number = segment.name().number;
        let mut text = Vec::new();
        let mut damaged = 0;
        self.begin_again_if_sealed(segment, blocks);
        let applied = self.applied(number);
        let behind = blocks.iter().skip_while(|block| block.end().entries <= applied);
        for block in behind.take_while(|block| block.end().entries <= limit) {
            text.clear();
            // The headers tell all there is to count of records.
            if block.header.notes || block.start.entries < applied {
                match segment.read_block(block, &mut text) {
                    Ok(()) => {}
                    Err(Error::Damaged { .. }) => {
                        damaged += 1;
                        continue;
                    }
                    Err(error) => return Err(error),
                }
            }
            self.fold_block(number, block, &text);
        }
        Ok(damaged)
    }

    /// Sealing sorts: what was counted of a part of a live segment is no beginning of the sealed
    /// one. That is counted as a whole.
    fn begin_again_if_sealed(&mut self, segment: &SegmentFile, blocks: &[BlockRef]) {
        let number = segment.name().number;
        let (Some(first), Some(last)) = (blocks.first(), blocks.last()) else { return };
        let whole = segment.name().form == Form::Sealed && first.start.entries == 0;
        if whole && self.applied(number) < last.end().entries {
            self.segments.remove(&number);
        }
    }

    /// Counts one block, or the part of it behind what is counted already. `text` may be empty
    /// when the block holds records only and none of them is counted yet.
    fn fold_block(&mut self, number: u64, block: &BlockRef, text: &[u8]) {
        let summary = self.segments.entry(number).or_default();
        let skip = summary.entries.saturating_sub(block.start.entries);
        summary.entries = block.end().entries;
        if skip == 0 {
            for span in &block.header.runs {
                let received = Some((span.first, span.last));
                let records = u64::from(span.records);
                let tally = Tally { records, received, ..Tally::default() };
                summary.spans.entry(span.run).or_default().add(&tally);
            }
        }
        let lines = text.split_inclusive(|&b| b == b'\n').skip(skip as usize);
        for line in lines {
            self.fold_line(number, line, skip > 0);
        }
    }

    fn fold_line(&mut self, number: u64, line: &[u8], with_records: bool) {
        let summary = self.segments.entry(number).or_default();
        let mut add = |run, tally| summary.spans.entry(run).or_default().add(&tally);
        match decode_head(line) {
            Some(Head::Record { run, received, .. }) if with_records => {
                let received = Some((received, received));
                add(run, Tally { records: 1, received, ..Tally::default() });
            }
            Some(Head::Gap(gap)) => {
                let count = gap.count.min(LARGEST_GAP);
                match (gap.run, gap.cause) {
                    (Some(run), Cause::DroppedBySender) => {
                        add(run, Tally { dropped: count, ..Tally::default() });
                    }
                    (Some(run), _) => add(run, Tally { limited: count, ..Tally::default() }),
                    (None, cause) => {
                        let sum = summary.gaps.entry(cause).or_default();
                        *sum = sum.saturating_add(count);
                    }
                }
            }
            Some(Head::Run(_)) => {
                if let Some(Entry::Run(stored)) = Entry::decode(line) {
                    add(stored.run.id, Tally::default());
                    self.learn(number, stored);
                }
            }
            Some(Head::Record { .. }) | None => {}
        }
    }

    /// Takes the state of a run over, unless a later segment told it.
    pub fn learn(&mut self, segment: u64, stored: StoredRun) {
        let id = stored.run.id;
        if self.runs.get(&id).is_none_or(|known| known.segment <= segment) {
            self.runs.insert(id, RunState { stored, segment });
        }
    }
}

/// A sender can claim any number; what adds up in the catalogue must not overflow there.
const LARGEST_GAP: u64 = u32::MAX as u64;
