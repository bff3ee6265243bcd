//! Counting by what segments say of each run's numbers: most boots have one run, without repeats.

use std::collections::{HashMap, HashSet};

use bedside_stream::RunId;
use foldhash::fast::RandomState;
use netconsole_wire::Format;

use super::runs::Runs;
use super::segments::{Segment, Segments, lines};
use super::{BootCounts, BootSummary, Losses};
use crate::entry::{Entry, StoredRecord};
use crate::error::Error;
use crate::segment::{Held, RunNumbers};

/// What all segments together say of runs.
#[derive(Debug, Default)]
pub(super) struct Totals {
    of_run: HashMap<RunId, RunNumbers, RandomState>,
}

/// The runs that are counted.
type Wanted = HashSet<RunId, RandomState>;

impl Totals {
    /// Adds up what all segments hold of `boots`.
    pub(super) fn of(
        boots: &[BootSummary],
        runs: &Runs,
        segments: &Segments,
    ) -> Result<Totals, Error> {
        // Two runs can hold the same record twice, gaps are told by their lines alone.
        let alone = boots.iter().filter_map(|boot| match boot.runs[..] {
            [run] => runs.get(run).filter(|known| !known.has_gaps()).map(|_| run),
            _ => None,
        });
        let alone: Vec<RunId> = alone.collect();
        let wanted: Wanted = alone.iter().copied().collect();
        let mut totals = Totals::default();
        for (number, _) in runs.segments_of(&alone) {
            if let Some(section) = segments.section(number, None)? {
                for (run, numbers) in section.runs().filter(|(run, _)| wanted.contains(run)) {
                    totals.of_run.entry(run).or_default().add(&numbers);
                }
            } else if let Some(segment) = segments.segment(number)? {
                totals.read(segments, &segment, &wanted)?;
            }
        }
        Ok(totals)
    }

    /// Counts the lines of a segment that does not say.
    fn read(
        &mut self,
        segments: &Segments,
        segment: &Segment,
        wanted: &Wanted,
    ) -> Result<(), Error> {
        let mut text = Vec::new();
        for block in segment.full()? {
            if !block.header.runs.iter().any(|span| wanted.contains(&span.run)) {
                continue;
            }
            segments.read(&segment.file, block, &mut text)?;
            for line in lines(&text) {
                if let Some(Entry::Record(record)) = Entry::decode(line)
                    && wanted.contains(&record.run)
                {
                    self.record(&record);
                }
            }
        }
        Ok(())
    }

    fn record(&mut self, record: &StoredRecord<'_>) {
        let total = self.of_run.entry(record.run).or_default();
        let seq = record.seq.map(|seq| seq.0);
        total.count(record.received, seq, record.msgid().is_some());
    }

    /// What a boot holds, if this is enough to tell; without `formats` also where it does not
    /// tell those.
    pub(super) fn boot(&self, boot: &BootSummary, formats: bool) -> Option<BootCounts> {
        let [run] = boot.runs[..] else { return None };
        let total = self.of_run.get(&run)?;
        let (formats, missing) = match &total.held {
            Held::Ranges(ranges) => (vec![Format::Extended], missing(ranges)),
            Held::Plain if !formats => (Vec::new(), 0),
            Held::Nothing | Held::Plain | Held::Unsure => return None,
        };
        // Whether what is missing was sent, only the records next to it tell.
        if missing > 0 && total.msgid {
            return None;
        }
        let losses = Losses { probable: missing, ..Losses::default() };
        Some(BootCounts { records: total.records, losses, formats })
    }
}

/// How many numbers lie between ranges.
fn missing(ranges: &[(u64, u64)]) -> u64 {
    let holes = ranges.array_windows().map(|[(_, high), (low, _)]| low - high - 1);
    holes.fold(0, u64::saturating_add)
}
