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
    /// The numbers of each run and in which stretch of segments, none of them gone, they are.
    /// Nothing where there is one stretch only.
    stretches: HashMap<RunId, Vec<Stretch>, RandomState>,
}

/// Numbers from the first to the second, and the number of the stretch.
type Stretch = (u64, u64, usize);

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
        let numbers: Vec<u64> =
            runs.segments_of(&alone).iter().map(|(number, _)| *number).collect();
        let mut totals = Totals::default();
        let together = |one: &u64, next: &u64| !segments.deleted_between(*one, *next);
        for (stretch, numbers) in numbers.chunk_by(together).enumerate() {
            let mut part = Totals::default();
            for number in numbers {
                part.add(segments, *number, &wanted)?;
            }
            totals.join(part, segments.any_deleted().then_some(stretch));
        }
        totals.stretches.values_mut().for_each(|stretches| stretches.sort_unstable());
        Ok(totals)
    }

    /// Adds what a segment holds.
    fn add(&mut self, segments: &Segments, number: u64, wanted: &Wanted) -> Result<(), Error> {
        if let Some(section) = segments.section(number, None)? {
            for (run, numbers) in section.runs().filter(|(run, _)| wanted.contains(run)) {
                self.of_run.entry(run).or_default().add(&numbers);
            }
        } else if let Some(segment) = segments.segment(number)? {
            self.read(segments, &segment, wanted)?;
        }
        Ok(())
    }

    /// Adds a stretch; its number, if there are several: else it is all that there is.
    fn join(&mut self, part: Totals, stretch: Option<usize>) {
        if stretch.is_none() {
            self.of_run = part.of_run;
            return;
        }
        for (run, numbers) in part.of_run {
            if let (Some(stretch), Held::Ranges(ranges)) = (stretch, &numbers.held) {
                let ranges = ranges.iter().map(|&(low, high)| (low, high, stretch));
                self.stretches.entry(run).or_default().extend(ranges);
            }
            self.of_run.entry(run).or_default().add(&numbers);
        }
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
        let ((probable, unknown), formats) = match &total.held {
            Held::Ranges(ranges) => {
                let missing = match self.stretches.get(&run) {
                    Some(stretches) => missing(stretches.iter().copied()),
                    None => missing(ranges.iter().map(|&(low, high)| (low, high, 0))),
                };
                (missing, vec![Format::Extended])
            }
            Held::Plain if !formats => ((0, 0), Vec::new()),
            Held::Nothing | Held::Plain | Held::Unsure => return None,
        };
        // Whether what is missing was sent, only the records next to it tell.
        if probable > 0 && total.msgid {
            return None;
        }
        let losses = Losses { probable, unknown, ..Losses::default() };
        Some(BootCounts { records: total.records, losses, formats })
    }
}

/// How many numbers lie between ranges: of one stretch, and of two.
fn missing(ranges: impl Iterator<Item = Stretch> + Clone) -> (u64, u64) {
    let pairs = ranges.clone().zip(ranges.skip(1));
    pairs.fold((0, 0), |(within, across), ((_, high, one), (low, _, other))| {
        let count = low.saturating_sub(high).saturating_sub(1);
        if one == other {
            (within.saturating_add(count), across)
        } else {
            (within, across.saturating_add(count))
        }
    })
}
