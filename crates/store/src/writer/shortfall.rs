//! What could not be kept, until it can at least be told.

use std::collections::BTreeMap;

use bedside_stream::{Cause, RunId, WallTime};

use crate::entry::write_gap;
use crate::segment::BlockHeader;

/// Records that were lost to a limit of the store, by run.
#[derive(Debug, Default)]
pub(crate) struct Shortfall {
    runs: BTreeMap<RunId, (u64, WallTime)>,
    /// Those of all further runs together.
    others: Option<(u64, WallTime)>,
}

impl Shortfall {
    /// Counts what a block or a batch held.
    pub(crate) fn add(&mut self, header: &BlockHeader) -> u64 {
        for span in &header.runs {
            let room = self.runs.len() < RUNS_MAX;
            let count = match self.runs.get_mut(&span.run) {
                Some(count) => count,
                None if room => self.runs.entry(span.run).or_default(),
                None => self.others.get_or_insert_default(),
            };
            count.0 += u64::from(span.records);
            count.1 = count.1.max(span.last);
        }
        header.records()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.runs.is_empty() && self.others.is_none()
    }

    /// The runs that it names.
    pub(crate) fn runs(&self) -> impl Iterator<Item = RunId> {
        self.runs.keys().copied()
    }

    /// Writes it as gap entries, and is empty.
    pub(crate) fn tell(&mut self, text: &mut Vec<u8>, header: &mut BlockHeader) {
        let runs = std::mem::take(&mut self.runs).into_iter();
        let named = runs.map(|(run, count)| (Some(run), count));
        let others = self.others.take().map(|count| (None, count));
        for (run, (count, received)) in named.chain(others) {
            write_gap(text, run, received, Cause::Limit, count);
            header.count_note(Some(received));
        }
    }
}

/// So many runs get gap entries of their own.
const RUNS_MAX: usize = 1024;
