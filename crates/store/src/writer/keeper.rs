//! What the keeper's thread does, without the thread: brings the catalogue up to date, seals,
//! deletes. Nothing of it is urgent, all of it may fail and is tried again.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::catalogue::{Catalogue, MemoryRow, News, Place, Summary};
use crate::disk::Disk;
use crate::error::Error;
use crate::segment::{Form, Listed, Position, SegmentFile, SegmentName, list};
use bedside_stream::{Monotonic, RunId};

use super::engine::{Now, Outcome};
use super::health::{Counters, Shared};
use super::options::{Options, Retention};
use super::retention::prune;
use super::seal::{SealJob, Sealed, Shape, seal};
use super::shelf::Shelf;

/// The keeping half of the store.
#[derive(Debug)]
pub(crate) struct Keeper {
    disk: Arc<dyn Disk>,
    catalogue: Catalogue,
    shared: Arc<Shared>,
    shelf: Arc<Shelf>,
    limits: Limits,
    /// Segments that the catalogue does not hold wholly.
    targets: BTreeMap<u64, Target>,
    seals: VecDeque<SealJob>,
    memories: Vec<MemoryRow>,
    checkpoint: Option<Place>,
    next_run: u64,
    commit_due: Option<Monotonic>,
    seal_due: Monotonic,
    prune_due: Monotonic,
}

/// A segment on its way into the catalogue.
#[derive(Clone, Copy, Debug, Default)]
struct Target {
    /// Entries that the catalogue may have: what is durable.
    limit: u64,
    /// Where to go on reading while it is live.
    from: Option<Position>,
    /// It was read up to the limit.
    done: bool,
}

/// The keeper's part of the [`Options`]; times in microseconds.
#[derive(Clone, Copy, Debug)]
struct Limits {
    shape: Shape,
    commit_every: u64,
    memory_rows: usize,
    retention: Retention,
}

/// How long after a failed seal it is tried again, and how often segments' age is looked at.
const PAUSE_US: u64 = 60_000_000;

impl Keeper {
    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        catalogue: Catalogue,
        options: &Options,
        shared: &Arc<Shared>,
        shelf: &Arc<Shelf>,
    ) -> Keeper {
        let limits = Limits {
            shape: Shape::from(options),
            commit_every: options.commit_every.as_micros() as u64,
            memory_rows: options.memory_rows,
            retention: options.retention,
        };
        Keeper {
            disk,
            catalogue,
            shared: Arc::clone(shared),
            shelf: Arc::clone(shelf),
            limits,
            targets: BTreeMap::new(),
            seals: VecDeque::new(),
            memories: Vec::new(),
            checkpoint: None,
            next_run: 0,
            commit_due: None,
            seal_due: Monotonic(0),
            prune_due: Monotonic(0),
        }
    }

    /// Goes on from what recovery found: the next run, and what is to be sealed.
    pub(crate) fn begin(&mut self, next_run: RunId, seals: Vec<SealJob>) {
        self.next_run = next_run.0;
        self.seals.extend(seals);
    }

    /// Takes what the engine made possible.
    pub(crate) fn take(&mut self, now: Now, mut outcome: Outcome) {
        if let Some(place) = outcome.synced {
            self.extend(place.segment, place.entries);
        }
        for job in &outcome.seals {
            self.extend(job.number, job.cut.map_or(u64::MAX, |cut| cut.entries));
        }
        self.memories.append(&mut outcome.settled.memories);
        self.checkpoint = outcome.settled.checkpoint.or(self.checkpoint);
        self.seals.extend(outcome.seals);
        self.shared.set_backlog(self.seals.len());
        let due = Monotonic(now.mono.0 + self.limits.commit_every);
        self.commit_due.get_or_insert(due);
    }

    /// Does what is due. `stop` ends a seal that is under way.
    pub(crate) fn work(&mut self, now: Now, stop: &AtomicBool) {
        if self.commit_due.is_some_and(|due| due <= now.mono) {
            self.commit(now);
        }
        if !self.seals.is_empty() && self.seal_due <= now.mono {
            // What is counted before it is sealed need not be counted again.
            self.commit(now);
            self.seal_all(now, stop);
            self.prune(now);
        } else if self.prune_due <= now.mono {
            self.prune(now);
        }
    }

    /// When [`Keeper::work`] is to be called next.
    pub(crate) fn poll_timeout(&self) -> Monotonic {
        let seal = (!self.seals.is_empty()).then_some(self.seal_due);
        self.commit_due.into_iter().chain(seal).chain([self.prune_due]).min().unwrap_or_default()
    }

    /// Brings the catalogue up to what is durable.
    pub(crate) fn commit(&mut self, now: Now) {
        self.commit_due = Some(Monotonic(now.mono.0 + self.limits.commit_every));
        let committed = self.try_commit().or_else(|error| {
            if !error.needs_new_catalogue() {
                return Err(error);
            }
            tracing::warn!(%error, "the catalogue is made anew from the segments");
            self.renew().and_then(|()| self.try_commit())
        });
        match committed {
            Ok(()) => self.shared.catalogue_works(),
            Err(error) => {
                self.shared.catalogue_failed(now.wall, &error.to_string());
                self.bound_memories();
            }
        }
    }

    fn try_commit(&mut self) -> Result<(), Error> {
        let mut applied = self.catalogue.applied()?;
        let sealed = self.sealed_since(&applied);
        if !sealed.is_empty() {
            self.catalogue.forget_segments(&sealed)?;
            applied.retain(|number, _| !sealed.contains(number));
        }
        let (summary, reached) = self.fold(&applied);
        let next_run = summary.next_run().max(self.next_run);
        let news = News {
            summary,
            memories: self.memories.iter().collect(),
            checkpoint: self.checkpoint,
            next_run,
            memory_rows: self.limits.memory_rows,
        };
        let dropped = self.catalogue.commit(&news)?;
        self.next_run = next_run;
        self.shelf.stored(&self.memories, &dropped);
        self.memories.clear();
        self.checkpoint = None;
        self.advance(&reached);
        Ok(())
    }

    /// Begins a new catalogue, which has all segments before it.
    fn renew(&mut self) -> Result<(), Error> {
        self.catalogue = self.catalogue.renewed()?;
        for listed in list(self.disk.as_ref())? {
            let number = listed.name.number;
            let seal = self.seals.iter().find(|job| job.number == number);
            let sealing = seal.map(|job| job.cut.map_or(u64::MAX, |cut| cut.entries));
            let known = self.targets.get(&number).map(|target| target.limit);
            let limit = sealing.or(known).unwrap_or_default();
            self.targets.insert(number, Target { limit, ..Target::default() });
        }
        Ok(())
    }

    /// Segments that were sealed when only a part of them was counted: sealing sorts, so that
    /// they are counted again as a whole.
    fn sealed_since(&self, applied: &BTreeMap<u64, u64>) -> BTreeSet<u64> {
        let pending = self.targets.iter().filter(|(_, target)| !target.done);
        let counted = pending.filter_map(|(number, _)| Some((*number, *applied.get(number)?)));
        let since = |(number, known): &(u64, u64)| {
            let name = SegmentName::sealed(*number);
            let segment = SegmentFile::open(self.disk.as_ref(), Listed { name, cut: None });
            *known > 0 && segment.and_then(|s| s.entries()).is_ok_and(|held| held != *known)
        };
        counted.filter(since).map(|(number, _)| number).collect()
    }

    /// The catalogue, which survives when all else is dropped.
    #[cfg(test)]
    pub(crate) fn into_catalogue(self) -> Catalogue {
        self.catalogue
    }

    /// More of a segment is durable.
    fn extend(&mut self, number: u64, limit: u64) {
        let target = self.targets.entry(number).or_default();
        target.limit = limit;
        target.done = false;
    }

    /// What is durable and not in the catalogue yet, and how far that goes in each segment.
    fn fold(&self, applied: &BTreeMap<u64, u64>) -> (Summary, BTreeMap<u64, Target>) {
        let mut summary = Summary::default();
        let mut reached = BTreeMap::new();
        for (number, target) in self.targets.iter().filter(|(_, target)| !target.done) {
            let known = applied.get(number).copied().unwrap_or_default();
            summary.segments.entry(*number).or_default().entries = known;
            let folded = fold_target(self.disk.as_ref(), *number, target, &mut summary);
            if let Err(error) = &folded {
                tracing::warn!(%error, "cannot read a segment for the catalogue; trying again");
            }
            let done = folded.is_ok();
            let from = folded.unwrap_or_default();
            reached.insert(*number, Target { from, done, ..*target });
            // What was read before an error counts.
            if summary.applied(*number) == known {
                summary.segments.remove(number);
            }
        }
        (summary, reached)
    }

    /// Segments in front of the last are complete, and done with once they were read.
    fn advance(&mut self, reached: &BTreeMap<u64, Target>) {
        self.targets.extend(reached);
        let last = self.targets.keys().next_back().copied();
        self.targets.retain(|number, target| Some(*number) == last || !target.done);
        if self.targets.values().all(|target| target.done) {
            self.commit_due = None;
        }
    }

    /// While the catalogue fails, only as many memories are kept as it would.
    fn bound_memories(&mut self) {
        let surplus = self.memories.len().saturating_sub(self.limits.memory_rows);
        self.memories.drain(..surplus);
        Counters::add(&self.shared.counters.memories_dropped, surplus as u64);
    }

    fn seal_all(&mut self, now: Now, stop: &AtomicBool) {
        while let Some(job) = self.seals.front().copied() {
            match seal(self.disk.as_ref(), job, self.limits.shape, stop) {
                Ok(Sealed::Stopped) => return,
                Ok(Sealed::Nothing) => {}
                Ok(Sealed::Done { damaged }) => {
                    Counters::add(&self.shared.counters.sealed, 1);
                    if damaged > 0 {
                        self.count_again(now, job.number);
                    }
                }
                Err(error) => {
                    Counters::add(&self.shared.counters.seal_failures, 1);
                    tracing::warn!(%error, "cannot seal segment {}; trying again", job.number);
                    self.seals.rotate_left(1);
                    self.seal_due = Monotonic(now.mono.0 + PAUSE_US);
                    return;
                }
            }
            self.seals.pop_front();
            self.shared.set_backlog(self.seals.len());
        }
    }

    /// Blocks that are not in the sealed file any more were counted while it was live.
    fn count_again(&mut self, now: Now, number: u64) {
        match self.catalogue.forget_segments(&[number].into()) {
            Ok(()) => {
                self.targets.insert(number, Target { limit: u64::MAX, ..Target::default() });
                self.commit_due = Some(now.mono);
            }
            Err(error) => self.shared.catalogue_failed(now.wall, &error.to_string()),
        }
    }

    /// Deletes what retention does not keep.
    pub(crate) fn prune(&mut self, now: Now) {
        self.prune_due = Monotonic(now.mono.0 + PAUSE_US);
        match prune(self.disk.as_ref(), &mut self.catalogue, &self.limits.retention, now.wall) {
            Ok(count) => Counters::add(&self.shared.counters.deleted, count),
            Err(error) => tracing::warn!(%error, "cannot delete old segments; trying again"),
        }
    }
}

/// Folds a segment from where the catalogue is to where it may be; where a live one goes on.
fn fold_target(
    disk: &dyn Disk,
    number: u64,
    target: &Target,
    summary: &mut Summary,
) -> Result<Option<Position>, Error> {
    let listed = Listed { name: SegmentName::live(number), cut: None };
    let segment = match SegmentFile::open(disk, listed) {
        // Deleted by retention meanwhile.
        Err(error) if error.is_not_found() => return Ok(None),
        opened => opened?,
    };
    let live = segment.name().form == Form::Live;
    let applied = summary.applied(number);
    let scan = match target.from.filter(|from| live && from.entries == applied) {
        Some(from) => segment.scan_from(from)?,
        None => segment.scan()?,
    };
    // Whatever is in a sealed segment is durable.
    let limit = if live { target.limit } else { u64::MAX };
    summary.fold(&segment, &scan.blocks, limit)?;
    let reached = scan.blocks.iter().map(crate::segment::BlockRef::end);
    Ok(reached.take_while(|end| end.entries <= limit).last().or(target.from))
}

#[cfg(test)]
mod tests;
