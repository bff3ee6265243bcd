//! The fold that makes the catalogue's rows of the segments, and that readers go on with where the
//! catalogue ends.
//!
//! Strangers come by the million, and must not cost a row each: in a segment with a line that
//! calls a run a stranger's, its entries count for all [strangers](super::Strangers) together. If
//! a line follows that does not call it so, it has a row there all the same, a *mixed* one that
//! counts nothing. That is the same in whatever order a segment stands, as long as a run's own
//! lines do.

use std::collections::{BTreeMap, HashSet};

use bedside_stream::{Cause, RunId};

use super::{RunState, SegmentSummary, Summary, Tally};
use crate::entry::{Entry, Head, StoredGap, StoredRun, decode_head};
use crate::error::Error;
use crate::segment::{BlockRef, Form, RunSpan, SegmentFile};

/// The runs that an earlier fold met in a segment, and whether their rows are mixed. There may be a
/// million: both lists are in order.
#[derive(Debug, Default)]
pub(crate) struct Told {
    runs: Vec<RunId>,
    mixed: Vec<RunId>,
}

impl Told {
    /// Whether a run's row is mixed; `None` when it has none.
    fn mixed(&self, run: RunId) -> Option<bool> {
        let has_row = self.runs.binary_search(&run).is_ok();
        has_row.then(|| self.mixed.binary_search(&run).is_ok())
    }
}

impl Extend<(RunId, bool)> for Told {
    fn extend<T: IntoIterator<Item = (RunId, bool)>>(&mut self, rows: T) {
        for (run, mixed) in rows {
            self.runs.push(run);
            self.mixed.extend(mixed.then_some(run));
        }
        for runs in [&mut self.runs, &mut self.mixed] {
            runs.sort();
            runs.dedup();
        }
    }
}

impl FromIterator<(RunId, bool)> for Told {
    fn from_iter<T: IntoIterator<Item = (RunId, bool)>>(rows: T) -> Told {
        let mut told = Told::default();
        told.extend(rows);
        told
    }
}

impl Summary {
    /// Counts what `blocks` hold behind the entries that are counted already, up to entry `limit`
    /// (whole blocks only; a limit inside a block leaves that block out). Blocks that can't be
    /// read are passed over, and how many is answered.
    pub fn fold(
        &mut self,
        segment: &SegmentFile,
        blocks: &[BlockRef],
        limit: u64,
    ) -> Result<usize, Error> {
        self.fold_further(segment, blocks, limit, &Told::default())
    }

    /// The same where an earlier fold, which is not in this summary, made rows of the runs `told`.
    pub(crate) fn fold_further(
        &mut self,
        segment: &SegmentFile,
        blocks: &[BlockRef],
        limit: u64,
        told: &Told,
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
            if block.header.notes {
                match segment.read_block(block, &mut text) {
                    Ok(()) => {}
                    Err(Error::Damaged { .. }) => {
                        damaged += 1;
                        continue;
                    }
                    Err(error) => return Err(error),
                }
            }
            let (runs, summary) = (&mut self.runs, self.segments.entry(number).or_default());
            Fold { number, runs, summary, told }.block(block, &text);
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

    /// Takes in what a segment holds of those strangers that `are_wanted`, as if they were none.
    pub(crate) fn fold_strangers(
        &mut self,
        segment: &SegmentFile,
        blocks: &[BlockRef],
        are_wanted: impl Fn(&StoredRun) -> bool,
    ) -> Result<(), Error> {
        let number = segment.name().number;
        let (mut text, mut wanted) = (Vec::new(), HashSet::new());
        for block in blocks {
            match segment.read_block(block, &mut text) {
                Ok(()) => {}
                Err(Error::Damaged { .. }) => continue,
                Err(error) => return Err(error),
            }
            for stored in text.split_inclusive(|&b| b == b'\n').filter_map(stranger) {
                if are_wanted(&stored) {
                    wanted.insert(stored.run.id);
                    self.learn(number, stored);
                }
            }
            let spans = &mut self.segments.entry(number).or_default().spans;
            for span in block.header.runs.iter().filter(|span| wanted.contains(&span.run)) {
                spans.entry(span.run).or_default().add(&Tally::of(span));
            }
        }
        Ok(())
    }

    /// Takes the state of a run over, unless a later segment told it.
    pub fn learn(&mut self, segment: u64, stored: StoredRun) {
        learn(&mut self.runs, segment, stored);
    }
}

fn stranger(line: &[u8]) -> Option<StoredRun> {
    match Entry::decode(line).filter(|_| line.starts_with(b"R "))? {
        Entry::Run(stored) if stored.run.stranger => Some(stored),
        _ => None,
    }
}

fn learn(runs: &mut BTreeMap<RunId, RunState>, segment: u64, stored: StoredRun) {
    let id = stored.run.id;
    if runs.get(&id).is_none_or(|known| known.segment <= segment) {
        runs.insert(id, RunState { stored, segment });
    }
}

/// A segment on its way into a summary.
struct Fold<'a> {
    number: u64,
    runs: &'a mut BTreeMap<RunId, RunState>,
    summary: &'a mut SegmentSummary,
    told: &'a Told,
}

impl Fold<'_> {
    /// Counts one block, none of which is counted yet. `text` may be empty when the block holds
    /// records only.
    fn block(mut self, block: &BlockRef, text: &[u8]) {
        self.summary.entries = block.end().entries;
        for line in text.split_inclusive(|&b| b == b'\n').filter(|line| !is_record(line)) {
            match decode_head(line) {
                Some(Head::Gap(gap)) => self.gap(&gap),
                Some(Head::Run(_)) => self.run(line),
                Some(Head::Record { .. }) | None => {}
            }
        }
        for span in &block.header.runs {
            self.span(span);
        }
    }

    fn span(&mut self, span: &RunSpan) {
        // Most have a row already: where many machines speak each block has thousands of runs.
        if let Some(row) = self.summary.spans.get_mut(&span.run).filter(|row| !row.mixed) {
            return row.add(&Tally::of(span));
        }
        match self.mixed(span.run) {
            None if self.summary.strangers.may_hold(span.run) => {
                self.summary.strangers.records += u64::from(span.records);
            }
            Some(true) => {
                self.summary.strangers.records += u64::from(span.records);
                let received = Some((span.last, span.last));
                self.add(span.run, &Tally { received, ..Tally::default() });
            }
            None | Some(false) => self.add(span.run, &Tally::of(span)),
        }
    }

    /// Whether a run's row is mixed; `None` when it has none.
    fn mixed(&self, run: RunId) -> Option<bool> {
        let row = self.summary.spans.get(&run).map(|tally| tally.mixed);
        row.or_else(|| self.told.mixed(run))
    }

    fn add(&mut self, run: RunId, tally: &Tally) {
        let mixed = self.told.mixed(run).unwrap_or_default();
        let row = self.summary.spans.entry(run);
        row.or_insert(Tally { mixed, ..Tally::default() }).add(tally);
    }

    fn gap(&mut self, gap: &StoredGap) {
        let count = gap.count.min(LARGEST_GAP);
        let Some(run) = gap.run else {
            let sum = self.summary.gaps.entry(gap.cause).or_default();
            *sum = sum.saturating_add(count);
            return;
        };
        match (self.mixed(run), gap.cause) {
            (Some(true), _) => {}
            (None, _) if self.summary.strangers.may_hold(run) => {}
            (_, Cause::DroppedBySender) => {
                self.add(run, &Tally { dropped: count, ..Tally::default() });
            }
            _ => self.add(run, &Tally { limited: count, ..Tally::default() }),
        }
    }

    fn run(&mut self, line: &[u8]) {
        let Some(Entry::Run(stored)) = Entry::decode(line) else { return };
        let (run, first) = (stored.run.id, stored.run.first_received);
        if stored.run.stranger {
            return self.summary.strangers.insert(run);
        }
        if self.mixed(run).is_none() && self.summary.strangers.may_hold(run) {
            let received = Some((first, first));
            let row = Tally { mixed: true, received, ..Tally::default() };
            self.summary.spans.insert(run, row);
        } else {
            self.add(run, &Tally::default());
        }
        learn(self.runs, self.number, stored);
    }
}

fn is_record(line: &[u8]) -> bool {
    line.first().is_some_and(u8::is_ascii_digit)
}

/// A sender can claim any number; what adds up in the catalogue must not overflow there.
const LARGEST_GAP: u64 = u32::MAX as u64;
