//! What the keeper's thread does, without the thread: brings the catalogue up to date, seals,
//! deletes. Nothing of it is urgent, all of it may fail and is tried again.

mod target;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::catalogue::{Catalogue, MemoryRow, News, Place, Summary};
use crate::disk::Disk;
use crate::error::Error;
use crate::segment::{Listed, SegmentFile, SegmentName, list};
use bedside_stream::{Monotonic, RunId};

use super::engine::{Now, Outcome};
use super::health::{Counters, Shared};
use super::options::{Options, Retention};
use super::retention::Inventory;
use super::seal::{SealJob, Sealed, Shape, seal};
use super::shelf::Shelf;
use target::{Known, Reached, Target, fold_target};

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
    inventory: Inventory,
}

/// The keeper's part of the [`Options`]; times in microseconds.
#[derive(Clone, Copy, Debug)]
struct Limits {
    shape: Shape,
    commit_every: u64,
    memory_rows: usize,
    retention: Retention,
}

/// So many blocks are read for one commit: it must not take long, whatever comes.
const BLOCKS_AT_ONCE: usize = 1024;

/// So many memories don't wait for the next commit, and no more are in one.
const MEMORIES_AT_ONCE: usize = 2_048;

/// How long after a failed commit it is tried again.
const RETRY_US: u64 = 1_000_000;

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
            inventory: Inventory::default(),
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
        let many = self.memories.len() >= MEMORIES_AT_ONCE;
        let due = now.mono.0 + if many { 0 } else { self.limits.commit_every };
        self.commit_due = Some(self.commit_due.map_or(Monotonic(due), |d| d.min(Monotonic(due))));
    }

    /// Does what is due. `stop` ends a seal that is under way.
    pub(crate) fn work(&mut self, now: Now, stop: &AtomicBool) {
        if self.commit_due.is_some_and(|due| due <= now.mono) {
            self.commit(now);
        }
        if !self.seals.is_empty() && self.seal_due <= now.mono {
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

    /// Brings the catalogue up to what is durable, or as far as one go may take it: `true` when
    /// there is more to do.
    pub(crate) fn commit(&mut self, now: Now) -> bool {
        self.commit_due = Some(Monotonic(now.mono.0 + self.limits.commit_every));
        let Some(whole) = self.commit_some(now, None) else {
            self.commit_due = Some(Monotonic(now.mono.0 + RETRY_US));
            return false;
        };
        let more = !self.memories.is_empty() || self.targets.values().any(|t| !t.reached.done);
        if whole {
            self.commit_due = more.then_some(now.mono);
        }
        whole && more
    }

    /// Counts a segment that is complete to its end: each of its runs costs one row then, and
    /// sealed it need not be counted again.
    fn count(&mut self, now: Now, number: u64) {
        let pending = |target: &Target| !target.reached.done;
        while self.targets.get(&number).is_some_and(pending)
            && self.commit_some(now, Some(number)) == Some(true)
        {}
    }

    /// One go, of all or of one segment: `false` when a segment could not be read, `None` when
    /// the catalogue failed.
    fn commit_some(&mut self, now: Now, only: Option<u64>) -> Option<bool> {
        let committed = if self.catalogue.is_stand_in() {
            self.renew().and_then(|()| self.try_commit(only))
        } else {
            self.try_commit(only).or_else(|error| self.try_anew(only, error))
        };
        match committed {
            Ok(whole) => {
                self.shared.catalogue_works();
                Some(whole)
            }
            Err(error) => {
                self.shared.catalogue_failed(now.wall, &error.to_string());
                self.bound_memories();
                None
            }
        }
    }

    fn try_commit(&mut self, only: Option<u64>) -> Result<bool, Error> {
        let mut applied = self.catalogue.applied()?;
        let sealed = self.sealed_since(&applied);
        if !sealed.is_empty() {
            self.catalogue.forget_segments(&sealed)?;
            applied.retain(|number, _| !sealed.contains(number));
            self.targets.iter_mut().filter(|t| sealed.contains(t.0)).for_each(|t| t.1.known = None);
        }
        let (summary, reached) = self.fold(&applied, only)?;
        let whole = reached.values().all(Option::is_some);
        let next_run = summary.next_run().max(self.next_run);
        let some = if only.is_none() { self.memories.len().min(MEMORIES_AT_ONCE) } else { 0 };
        // A checkpoint says that all its memories are there.
        let checkpoint = self.checkpoint.filter(|_| some == self.memories.len());
        let memories = self.memories.get(..some).unwrap_or_default();
        let memory_rows = self.limits.memory_rows;
        let news = News { summary, memories, checkpoint, next_run, memory_rows };
        let dropped = self.catalogue.commit(&news)?;
        self.next_run = next_run;
        self.shelf.stored(memories, &dropped);
        self.advance(news.summary, &reached);
        self.memories.drain(..some);
        self.checkpoint = self.checkpoint.filter(|_| checkpoint.is_none());
        Ok(whole)
    }

    fn try_anew(&mut self, only: Option<u64>, error: Error) -> Result<bool, Error> {
        if !error.needs_new_catalogue() {
            return Err(error);
        }
        tracing::warn!(%error, "the catalogue is made anew from the segments");
        self.renew()?;
        self.try_commit(only)
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
        let pending = self.targets.iter().filter(|(_, target)| !target.reached.done);
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
        target.reached.done = false;
    }

    /// What is durable and not in the catalogue yet, and how far that goes in each segment; `None`
    /// for one that can't be read.
    fn fold(
        &mut self,
        applied: &BTreeMap<u64, u64>,
        only: Option<u64>,
    ) -> Result<(Summary, BTreeMap<u64, Option<Reached>>), Error> {
        let mut summary = Summary::default();
        let mut reached = BTreeMap::new();
        let mut room = BLOCKS_AT_ONCE;
        let is_wanted = |number| only.is_none_or(|only| only == number);
        let pending = self.targets.iter_mut().filter(|(n, t)| !t.reached.done && is_wanted(**n));
        for (number, target) in pending {
            if target.known.is_none() {
                let told = self.catalogue.told_in(*number)?;
                let strangers = self.catalogue.strangers_in(*number)?;
                target.known = Some(Known { told, strangers });
            }
            let before = applied.get(number).copied().unwrap_or_default();
            match fold_target(self.disk.as_ref(), *number, target, before, &mut room) {
                Ok((part, now)) => {
                    reached.insert(*number, Some(now));
                    if part.applied(*number) > before {
                        summary.merge(part);
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot read a segment for the catalogue; trying again");
                    reached.insert(*number, None);
                }
            }
        }
        Ok((summary, reached))
    }

    /// Segments in front of the last are complete, and done with once they were read.
    fn advance(&mut self, summary: Summary, reached: &BTreeMap<u64, Option<Reached>>) {
        for (number, reached) in reached {
            self.targets.entry(*number).or_default().reached = reached.unwrap_or_default();
        }
        for (number, segment) in summary.segments {
            if let Some(known) = self.targets.get_mut(&number).and_then(|t| t.known.as_mut()) {
                let told = segment.spans.into_iter().map(|(run, tally)| (run, tally.mixed));
                known.told.extend(told);
                known.strangers = segment.strangers;
            }
        }
        let last = self.targets.keys().next_back().copied();
        self.targets.retain(|number, target| Some(*number) == last || !target.reached.done);
    }

    /// While the catalogue fails, only as many memories are kept as it would.
    fn bound_memories(&mut self) {
        let surplus = self.memories.len().saturating_sub(self.limits.memory_rows);
        self.memories.drain(..surplus);
        Counters::add(&self.shared.counters.memories_dropped, surplus as u64);
    }

    fn seal_all(&mut self, now: Now, stop: &AtomicBool) {
        while let Some(job) = self.seals.front().copied() {
            self.count(now, job.number);
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
        let (disk, retention) = (self.disk.as_ref(), &self.limits.retention);
        match self.inventory.prune(disk, &mut self.catalogue, retention, now.wall) {
            Ok(count) => Counters::add(&self.shared.counters.deleted, count),
            Err(error) => tracing::warn!(%error, "cannot delete old segments; trying again"),
        }
    }
}

#[cfg(test)]
mod tests;
