//! Counting from block headers alone, where they tell all: most boots have one run without holes.

use std::collections::HashMap;

use bedside_stream::RunId;
use foldhash::fast::RandomState;
use netconsole_wire::Format;

use super::runs::Runs;
use super::segments::Segments;
use super::{BootCounts, BootSummary, Losses};
use crate::error::Error;
use crate::segment::RunSpan;

/// What the headers say of runs.
#[derive(Debug, Default)]
pub(super) struct Totals {
    of_run: HashMap<RunId, Total, RandomState>,
}

/// What the headers say of one run.
#[derive(Clone, Copy, Debug)]
struct Total {
    records: u64,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Each record has the number after that of the one before it; this would be the next.
    Dense(u64),
    /// No record has a number.
    Plain,
    /// Only the records themselves tell.
    Unsure,
}

impl Totals {
    /// Adds up the headers of all segments that hold something of `boots`.
    pub(super) fn of(
        boots: &[BootSummary],
        runs: &Runs,
        segments: &Segments,
    ) -> Result<Totals, Error> {
        let wanted: Vec<RunId> = boots.iter().flat_map(|boot| &boot.runs).copied().collect();
        let mut totals = Totals::default();
        for (number, _) in runs.segments_of(&wanted) {
            let Some(segment) = segments.segment(number)? else { continue };
            for span in segment.full()?.iter().flat_map(|block| &block.header.runs) {
                totals.add(span);
            }
        }
        Ok(totals)
    }

    fn add(&mut self, span: &RunSpan) {
        let seq = span.seq.filter(|_| span.dense);
        let records = u64::from(span.records);
        let after = match (seq, span.seq) {
            (Some((_, high)), _) => high.checked_add(1).map_or(Kind::Unsure, Kind::Dense),
            (None, None) => Kind::Plain,
            (None, Some(_)) => Kind::Unsure,
        };
        let one = Total { records, kind: after };
        let Some(total) = self.of_run.get_mut(&span.run) else {
            self.of_run.insert(span.run, one);
            return;
        };
        total.records += records;
        total.kind = match (total.kind, seq) {
            (Kind::Dense(next), Some((low, _))) if next == low => after,
            (Kind::Plain, None) if after == Kind::Plain => Kind::Plain,
            _ => Kind::Unsure,
        };
    }

    /// What a boot holds, if the headers tell; without `formats` also where they don't tell
    /// those.
    pub(super) fn boot(
        &self,
        boot: &BootSummary,
        runs: &Runs,
        formats: bool,
    ) -> Option<BootCounts> {
        // Two runs can hold the same record twice.
        let [run] = boot.runs[..] else { return None };
        let total = self.of_run.get(&run)?;
        runs.get(run).filter(|known| !known.has_gaps())?;
        let formats = match total.kind {
            Kind::Dense(_) => vec![Format::Extended],
            Kind::Plain if !formats => Vec::new(),
            Kind::Plain | Kind::Unsure => return None,
        };
        Some(BootCounts { records: total.records, losses: Losses::default(), formats })
    }
}
