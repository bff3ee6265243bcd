//! What is known of every run: from the catalogue where it can be read, and in any case up to
//! the last entry from the segments.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::Path;

use bedside_stream::{Run, RunId, Verdict, WallTime};
use foldhash::fast::RandomState;

use super::segments::Segments;
use crate::catalogue::{Asked, Catalogue, FILE_NAME, RunState, Summary, Tally};
use crate::entry::{StoredGap, StoredRun};
use crate::error::Error;
use crate::segment::RunNumbers;

/// The runs of a store.
#[derive(Clone, Debug, Default)]
pub(crate) struct Runs {
    /// What is known segment by segment.
    summary: Summary,
    /// What all segments hold together.
    sums: BTreeMap<RunId, Sum>,
    /// The segments that tell of their runs themselves, which the summary does not; and whether
    /// they have gaps of any.
    told: BTreeMap<u64, bool>,
    /// Others were left out.
    some: bool,
    /// The labels of all runs, those too that were left out.
    labels: BTreeSet<Vec<u8>>,
}

/// What is held of a run.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    records: u64,
    /// When the last of them was received.
    last: Option<WallTime>,
    /// Whether more is held, or records that are not counted here.
    gaps: bool,
    /// The first and the last segment with lines of it.
    reach: Option<(u64, u64)>,
}

/// Sums in the making.
type Sums = HashMap<RunId, Sum, RandomState>;

impl Sum {
    fn add(&mut self, segment: u64, other: Sum) {
        self.records += other.records;
        self.last = self.last.max(other.last);
        self.gaps |= other.gaps;
        let (first, last) = self.reach.unwrap_or((segment, segment));
        self.reach = Some((first.min(segment), last.max(segment)));
    }
}

impl From<&Tally> for Sum {
    fn from(tally: &Tally) -> Sum {
        let (records, last) = (tally.records, tally.received.map(|(_, last)| last));
        Sum { records, last, gaps: has_gaps(tally), reach: None }
    }
}

impl From<&RunNumbers> for Sum {
    fn from(run: &RunNumbers) -> Sum {
        let last = (run.records > 0).then_some(run.last);
        Sum { records: run.records, last, gaps: run.gaps, reach: None }
    }
}

impl Runs {
    /// What `segments` hold, with the help of the catalogue in `dir`.
    pub(crate) fn load(dir: &Path, segments: &Segments) -> Result<Runs, Error> {
        // It is a help and no more: whatever is wrong with it, the segments have the truth.
        let catalogue = Catalogue::open_read_only(&dir.join(FILE_NAME));
        if let Ok(catalogue) = &catalogue
            && let Ok(runs) = Runs::by_numbers(catalogue, segments)
        {
            return Ok(runs);
        }
        let known = catalogue.and_then(|catalogue| catalogue.load()).unwrap_or_default();
        match Runs::fold(known, segments) {
            Ok(runs) => Ok(runs),
            Err(_) => Runs::fold(Summary::default(), segments),
        }
    }

    /// Takes the runs of segments that tell of them from there, which is faster.
    fn by_numbers(catalogue: &Catalogue, segments: &Segments) -> Result<Runs, Error> {
        let (mut sums, mut told) = (Sums::default(), BTreeMap::new());
        let outline = catalogue.outline()?;
        for (number, known) in &outline.segments {
            // Of strangers it would tell too.
            if !known.strangers.is_empty() {
                continue;
            }
            let Some(section) = segments.section(*number, Some(known.entries))? else { continue };
            for (run, numbers) in section.runs() {
                sums.entry(run).or_default().add(*number, Sum::from(&numbers));
            }
            told.insert(*number, section.gaps);
        }
        let known = catalogue.load_but(|number| told.contains_key(&number))?;
        if !told.keys().all(|n| known.segments.get(n) == outline.segments.get(n)) {
            // Counted anew meanwhile.
            return Runs::fold(catalogue.load()?, segments);
        }
        for (run, state) in &known.runs {
            // There may be no more of it than its line.
            if told.contains_key(&state.segment) {
                sums.entry(*run).or_default().add(state.segment, Sum::default());
            }
        }
        Ok(Runs { told, ..Runs::fold_on(known, sums, segments)? })
    }

    /// The same, but perhaps only of those runs that are meant, and of those that share a boot or
    /// a host with one.
    pub(crate) fn load_of(
        dir: &Path,
        segments: &Segments,
        mut asked: Asked<'_>,
    ) -> Result<Runs, Error> {
        let catalogue = Catalogue::open_read_only(&dir.join(FILE_NAME));
        while let Some(known) = catalogue.as_ref().ok().and_then(|c| c.load_of(&mut asked).ok()) {
            let Ok(runs) = Runs::fold(known, segments) else { break };
            let before = (asked.runs.len(), asked.labels.len());
            asked.take_in_states(runs.summary.runs.values());
            // What came last may tell that others belong to them too.
            if (asked.runs.len(), asked.labels.len()) == before {
                return Ok(runs.only(asked));
            }
        }
        Runs::load(dir, segments)
    }

    fn only(mut self, asked: Asked<'_>) -> Runs {
        self.some = true;
        self.labels.extend(asked.all_labels.into_iter().flatten());
        self.summary.runs.retain(|run, _| asked.runs.contains(run));
        self.sums.retain(|run, _| asked.runs.contains(run));
        self
    }

    fn fold(summary: Summary, segments: &Segments) -> Result<Runs, Error> {
        Runs::fold_on(summary, Sums::default(), segments)
    }

    /// Goes on from `summary`, which holds all entries of the segments in front of its last one;
    /// of some of them only `sums` tell.
    fn fold_on(mut summary: Summary, mut sums: Sums, segments: &Segments) -> Result<Runs, Error> {
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
        for (number, segment) in &summary.segments {
            for (run, tally) in &segment.spans {
                sums.entry(*run).or_default().add(*number, Sum::from(tally));
            }
        }
        let sums = sums.into_iter().collect();
        let labels = summary.runs.values().map(|state| state.stored.host_label()).collect();
        Ok(Runs { summary, sums, told: BTreeMap::new(), some: false, labels })
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
            for (number, segment) in &strangers.segments {
                let listed = self.summary.segments.get(number);
                let is_new = |run: &RunId| !listed.is_some_and(|l| l.spans.contains_key(run));
                for (run, tally) in segment.spans.iter().filter(|(run, _)| is_new(run)) {
                    self.sums.entry(*run).or_default().add(*number, Sum::from(tally));
                }
            }
            self.summary.take_in(strangers);
        }
        Ok(())
    }

    /// The runs of which something is held, by number.
    pub(crate) fn held(&self) -> impl Iterator<Item = Known<'_>> {
        self.sums.keys().filter_map(|&run| self.get(run))
    }

    /// One run.
    pub(crate) fn get(&self, run: RunId) -> Option<Known<'_>> {
        let sum = self.sums.get(&run).copied()?;
        Some(Known { state: self.summary.runs.get(&run)?, sum })
    }

    /// The segments with lines of one of `runs`, rising; and whether it has gaps of them.
    pub(crate) fn segments_of(&self, runs: &[RunId]) -> Vec<(u64, bool)> {
        let segments = self.summary.segments.iter();
        let found = segments.filter_map(|(number, segment)| {
            if self.told.contains_key(number) {
                let sums = runs.iter().filter_map(|run| self.sums.get(run));
                let near = sums.filter(|sum| {
                    sum.reach.is_some_and(|(first, last)| (first..=last).contains(number))
                });
                let gaps = near.map(|sum| sum.gaps).reduce(|one, other| one | other);
                return gaps.map(|gaps| (*number, gaps));
            }
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
        let told = self.told.iter().filter(|(_, gaps)| **gaps);
        with_gaps.map(|(number, _)| *number).chain(told.map(|(number, _)| *number)).collect()
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

    /// The labels of all runs that the store knows.
    pub(crate) fn labels(&self) -> impl Iterator<Item = &[u8]> {
        self.labels.iter().map(Vec::as_slice)
    }

    /// How many runs are known.
    pub(crate) fn len(&self) -> usize {
        self.sums.len()
    }

    /// Whether so many are few of those that the store holds.
    pub(crate) fn are_few(&self, runs: usize) -> bool {
        self.some || runs < self.len() / 2
    }

    /// Lets go of a run.
    pub(crate) fn forget(&mut self, run: RunId) {
        self.sums.remove(&run);
        self.summary.runs.remove(&run);
    }

    /// Takes over what a line that came later says of a run.
    pub(crate) fn learn(&mut self, segment: u64, stored: StoredRun) {
        let run = stored.run.id;
        self.sums.entry(run).or_default();
        let known = self.summary.runs.get(&run).map_or(segment, |known| known.segment);
        self.summary.learn(segment.max(known), stored);
    }

    /// Counts a gap more.
    pub(crate) fn missed(&mut self, gap: &StoredGap) {
        if let Some(run) = gap.run {
            self.sums.entry(run).or_default().gaps = true;
        }
    }

    /// Counts a record more.
    pub(crate) fn heard(&mut self, run: RunId, received: WallTime) {
        let sum = self.sums.entry(run).or_default();
        sum.records += 1;
        sum.last = sum.last.max(Some(received));
    }
}

/// A run and what the store holds of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known<'a> {
    pub(crate) state: &'a RunState,
    sum: Sum,
}

impl<'a> Known<'a> {
    pub(crate) fn run(&self) -> &'a Run {
        &self.state.stored.run
    }

    /// When it was heard last.
    pub(crate) fn last(&self) -> WallTime {
        self.sum.last.unwrap_or(self.run().first_received)
    }

    /// Whether more than records is held, or records that are not counted here.
    pub(crate) fn has_gaps(&self) -> bool {
        self.sum.gaps
    }

    /// How many records are held of it, repeats counted.
    pub(crate) fn records(&self) -> u64 {
        self.sum.records
    }

    /// The last segment with a line of it.
    pub(super) fn last_segment(&self) -> Option<u64> {
        self.sum.reach.map(|(_, last)| last)
    }

    /// Whether anything but its own lines is held.
    pub(crate) fn has_entries(&self) -> bool {
        self.sum.records > 0 || self.sum.gaps
    }
}

fn has_gaps(tally: &Tally) -> bool {
    tally.dropped > 0 || tally.limited > 0 || tally.mixed
}

/// The longest chain of runs that is followed to its first.
const CHAIN_MAX: usize = 1000;
