//! What is known of every run: from the catalogue where it can be read, and in any case up to
//! the last entry from the segments.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use bedside_stream::{Cause, Run, RunId, Verdict, WallTime};

use super::segments::Segments;
use crate::catalogue::{Catalogue, FILE_NAME, RunState, Summary, Tally};
use crate::entry::{StoredGap, StoredRun};
use crate::error::Error;

/// All runs of a store.
#[derive(Clone, Debug, Default)]
pub(crate) struct Runs {
    summary: Summary,
    tallies: BTreeMap<RunId, Tally>,
}

impl Runs {
    /// What `segments` hold, with the help of the catalogue in `dir`.
    pub(crate) fn load(dir: &Path, segments: &Segments) -> Result<Runs, Error> {
        // It is a help and no more: whatever is wrong with it, the segments have the truth.
        let catalogue = Catalogue::open_read_only(&dir.join(FILE_NAME));
        let known = catalogue.and_then(|catalogue| catalogue.load()).unwrap_or_default();
        match Runs::fold(known, segments) {
            Ok(runs) => Ok(runs),
            Err(_) => Runs::fold(Summary::default(), segments),
        }
    }

    /// Goes on from `summary`, which holds all entries of the segments in front of its last one.
    fn fold(mut summary: Summary, segments: &Segments) -> Result<Runs, Error> {
        summary.segments.retain(|number, _| segments.numbers().any(|held| held == *number));
        let last = summary.segments.last_key_value().map(|(number, _)| *number);
        for number in segments.numbers() {
            let applied = summary.segments.contains_key(&number);
            if applied && last.is_some_and(|last| number < last) {
                continue;
            }
            if let Some(segment) = segments.segment(number)? {
                if applied && summary.applied(number) == segment.end.entries {
                    continue;
                }
                let damaged = summary.fold(&segment.file, segment.full()?, segment.end.entries)?;
                if damaged > 0 {
                    segments.note(number, 0, format!("{damaged} of its blocks can't be read"));
                }
            }
        }
        let tallies = summary.tallies();
        Ok(Runs { summary, tallies })
    }

    /// Records of strangers.
    pub(crate) fn stranger_records(&self) -> u64 {
        self.summary.segments.values().map(|segment| segment.strangers.records).sum()
    }

    /// Takes those strangers in that `are_wanted`.
    pub(crate) fn take_strangers_in(
        &mut self,
        segments: &Segments,
        are_wanted: impl Fn(&StoredRun) -> bool,
    ) -> Result<(), Error> {
        let mut taken_in = Vec::new();
        for (number, summary) in &self.summary.segments {
            if summary.strangers.is_empty() {
                continue;
            }
            if let Some(segment) = segments.segment(*number)? {
                let mut strangers = Summary::default();
                strangers.fold_strangers(&segment.file, segment.full()?, &are_wanted)?;
                taken_in.push(strangers);
            }
        }
        for strangers in taken_in {
            self.summary.take_in(strangers);
        }
        self.tallies = self.summary.tallies();
        Ok(())
    }

    /// The runs of which something is held, by number.
    pub(crate) fn held(&self) -> impl Iterator<Item = Known<'_>> {
        self.tallies.keys().filter_map(|&run| self.get(run))
    }

    /// One run.
    pub(crate) fn get(&self, run: RunId) -> Option<Known<'_>> {
        let tally = self.tallies.get(&run).copied()?;
        Some(Known { state: self.summary.runs.get(&run)?, tally })
    }

    /// The segments with lines of one of `runs`, rising; and whether it has gaps of them.
    pub(crate) fn segments_of(&self, runs: &[RunId]) -> Vec<(u64, bool)> {
        let segments = self.summary.segments.iter();
        let found = segments.filter_map(|(number, segment)| {
            let held = runs.iter().filter_map(|run| match segment.spans.get(run) {
                Some(span) => Some(has_gaps(span)),
                None => segment.strangers.may_hold(*run).then_some(true),
            });
            held.reduce(|one, other| one | other).map(|gaps| (*number, gaps))
        });
        found.collect()
    }

    /// The segments with gaps that belong to a run.
    pub(crate) fn segments_with_gaps(&self) -> HashSet<u64> {
        let segments = self.summary.segments.iter();
        let with_gaps = segments.filter(|(_, segment)| segment.spans.values().any(has_gaps));
        with_gaps.map(|(number, _)| *number).collect()
    }

    /// The segments with gaps that belong to no run.
    pub(crate) fn segments_with_loose_gaps(&self) -> impl Iterator<Item = u64> + '_ {
        let segments = self.summary.segments.iter();
        segments.filter(|(_, segment)| !segment.gaps.is_empty()).map(|(number, _)| *number)
    }

    /// The run whose boot `run` belongs to, which may be one that the store no longer knows.
    /// A chain of more than [`CHAIN_MAX`] steps, or a ring, makes it a boot of its own.
    pub(crate) fn root(&self, run: RunId) -> RunId {
        let mut root = run;
        for _ in 0..CHAIN_MAX {
            match self.summary.runs.get(&root).map(|state| state.stored.run.verdict) {
                Some(Verdict::SameAs(other)) => root = other,
                _ => return root,
            }
        }
        run
    }

    /// How many runs there are.
    pub(crate) fn len(&self) -> usize {
        self.tallies.len()
    }

    /// Lets go of a run.
    pub(crate) fn forget(&mut self, run: RunId) {
        self.tallies.remove(&run);
        self.summary.runs.remove(&run);
    }

    /// Takes over what a line that came later says of a run.
    pub(crate) fn learn(&mut self, segment: u64, stored: StoredRun) {
        let run = stored.run.id;
        self.tallies.entry(run).or_default();
        let known = self.summary.runs.get(&run).map_or(segment, |known| known.segment);
        self.summary.learn(segment.max(known), stored);
    }

    /// Counts a gap more.
    pub(crate) fn missed(&mut self, gap: &StoredGap) {
        let Some(run) = gap.run else { return };
        let tally = self.tallies.entry(run).or_default();
        let sum = match gap.cause {
            Cause::DroppedBySender => &mut tally.dropped,
            _ => &mut tally.limited,
        };
        // The count is the sender's claim: any number.
        *sum = sum.saturating_add(gap.count);
    }

    /// Counts a record more.
    pub(crate) fn heard(&mut self, run: RunId, received: WallTime) {
        let received = Some((received, received));
        self.tallies.entry(run).or_default().add(&Tally {
            records: 1,
            received,
            ..Tally::default()
        });
    }
}

/// A run and what the store holds of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known<'a> {
    pub(crate) state: &'a RunState,
    pub(crate) tally: Tally,
}

impl<'a> Known<'a> {
    pub(crate) fn run(&self) -> &'a Run {
        &self.state.stored.run
    }

    /// When it was heard last.
    pub(crate) fn last(&self) -> WallTime {
        self.tally.received.map_or(self.run().first_received, |(_, last)| last)
    }

    /// Whether more than records is held, or records that are not counted here.
    pub(crate) fn has_gaps(&self) -> bool {
        has_gaps(&self.tally)
    }

    /// Whether anything but its own lines is held.
    pub(crate) fn has_entries(&self) -> bool {
        self.tally.records > 0 || has_gaps(&self.tally)
    }
}

fn has_gaps(tally: &Tally) -> bool {
    tally.dropped > 0 || tally.limited > 0 || tally.mixed
}

/// The longest chain of runs that is followed to its first.
const CHAIN_MAX: usize = 1000;
