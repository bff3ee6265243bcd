//! What the segments hold, told in runs.

use std::collections::{BTreeMap, HashMap};

use bedside_stream::{Cause, RunId, WallTime};
use foldhash::fast::RandomState;

use super::Strangers;
use crate::entry::StoredRun;
use crate::segment::RunSpan;

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
    pub spans: Spans,
    /// Sums of the gaps without a run.
    pub gaps: BTreeMap<Cause, u64>,
    /// The runs of strangers, which have no span of their own.
    pub strangers: Strangers,
}

/// What is held of each run.
pub type Spans = HashMap<RunId, Tally, RandomState>;

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
    /// It was a stranger in a segment and then no more: what that holds of it is not counted.
    pub mixed: bool,
}

impl Tally {
    /// What a block's header says of a run's records.
    pub(super) fn of(span: &RunSpan) -> Tally {
        let (records, received) = (u64::from(span.records), Some((span.first, span.last)));
        Tally { records, received, ..Tally::default() }
    }

    /// Adds what another part of the store holds of the same run.
    pub fn add(&mut self, other: &Tally) {
        self.records += other.records;
        self.received = match (self.received, other.received) {
            (Some((a, b)), Some((c, d))) => Some((a.min(c), b.max(d))),
            (one, other) => one.or(other),
        };
        self.dropped = self.dropped.saturating_add(other.dropped);
        self.limited = self.limited.saturating_add(other.limited);
        self.mixed |= other.mixed;
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

    /// Takes over what another summary holds of other segments.
    pub(crate) fn merge(&mut self, other: Summary) {
        self.segments.extend(other.segments);
        if self.runs.is_empty() {
            self.runs = other.runs;
            return;
        }
        for (run, state) in other.runs {
            let known = self.runs.get(&run);
            if known.is_none_or(|known| known.segment <= state.segment) {
                self.runs.insert(run, state);
            }
        }
    }

    /// Takes in strangers, runs that it does not know.
    pub(crate) fn take_in(&mut self, strangers: Summary) {
        let known = |run: &RunId| self.runs.contains_key(run);
        let states: Vec<_> = strangers.runs.into_iter().filter(|(run, _)| !known(run)).collect();
        for (number, segment) in strangers.segments {
            let spans = &mut self.segments.entry(number).or_default().spans;
            for (run, tally) in segment.spans {
                spans.entry(run).or_insert(tally);
            }
        }
        self.runs.extend(states);
    }

    /// A number above that of every run in it; 0 when it has none.
    pub fn next_run(&self) -> u64 {
        let spans = self.segments.values().flat_map(|segment| segment.spans.keys());
        let known = spans.chain(self.runs.keys()).max().map_or(0, |run| run.0.saturating_add(1));
        let strangers = self.segments.values().map(|segment| segment.strangers.end());
        strangers.chain([known]).max().unwrap_or(0)
    }

    /// How many entries of a segment are counted.
    pub fn applied(&self, segment: u64) -> u64 {
        self.segments.get(&segment).map_or(0, |summary| summary.entries)
    }
}
