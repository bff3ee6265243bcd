//! What can be asked of a writer while it works: counters and health.

use std::sync::Mutex;
use std::sync::atomic::Ordering;

use bedside_stream::WallTime;
use portable_atomic::AtomicU64;

use crate::follow::Nudge;

/// What a writer has counted since it was opened.
#[derive(Debug, Default)]
pub struct Counters {
    /// Records written; those written again after a failure once.
    pub records: AtomicU64,
    /// Records lost because the queue to the store thread was full.
    pub lost_queue: AtomicU64,
    /// Records lost because the disk failed for longer than memory lasts.
    pub lost_disk: AtomicU64,
    /// Bytes of entry lines written.
    pub text_bytes: AtomicU64,
    /// Bytes written to segments, seals not counted.
    pub bytes: AtomicU64,
    /// Blocks written.
    pub blocks: AtomicU64,
    /// Syncs that were done.
    pub syncs: AtomicU64,
    /// Writes and syncs that failed; each costs a segment.
    pub failures: AtomicU64,
    /// Segments sealed.
    pub sealed: AtomicU64,
    /// Seals that failed, to be tried again.
    pub seal_failures: AtomicU64,
    /// Segments deleted by retention.
    pub deleted: AtomicU64,
    /// Commits of the catalogue that failed, to be tried again.
    pub catalogue_failures: AtomicU64,
    /// Memories of streams that were not kept because too many came at once.
    pub memories_dropped: AtomicU64,
    /// Records written to a segment without a line of their run in front: nothing was known of it.
    pub unintroduced: AtomicU64,
}

impl Counters {
    pub(crate) fn add(counter: &AtomicU64, count: u64) {
        counter.fetch_add(count, Ordering::Relaxed);
    }
}

/// How a writer is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// The segments can't be written. Records are still given to the tap and kept in memory as
    /// long as there is room.
    pub disk: Option<Trouble>,
    /// The catalogue can't be written. Nothing is lost by that; readers are slower.
    pub catalogue: Option<Trouble>,
    /// A thread of the writer ended: nothing is kept any more, the process should end.
    pub dead: bool,
}

impl Health {
    /// Whether all is well.
    pub fn is_well(&self) -> bool {
        *self == Health::default()
    }
}

/// Something that fails, and is tried again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// Since when.
    pub since: WallTime,
    /// What failed last, on what, and why.
    pub what: String,
}

/// What the threads of a writer share with whoever asks.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    pub(crate) counters: Counters,
    /// For who looks for incidents in what is written.
    pub(crate) nudge: Nudge,
    health: Mutex<Health>,
    /// Segments that wait to be sealed.
    backlog: AtomicU64,
}

impl Shared {
    pub(crate) fn health(&self) -> Health {
        self.lock().clone()
    }

    pub(crate) fn disk_failed(&self, now: WallTime, what: &str) {
        fail(&mut self.lock().disk, now, what, WRITING);
    }

    /// Nothing failed, but nothing is answered either.
    pub(crate) fn disk_stalls(&self, since: WallTime) {
        let mut health = self.lock();
        if health.disk.is_none() {
            fail(&mut health.disk, since, "the disk does not answer", WRITING);
        }
    }

    pub(crate) fn disk_works(&self) {
        recover(&mut self.lock().disk, "the segments are written again");
    }

    pub(crate) fn catalogue_failed(&self, now: WallTime, what: &str) {
        Counters::add(&self.counters.catalogue_failures, 1);
        fail(&mut self.lock().catalogue, now, what, "the catalogue can't be written");
    }

    pub(crate) fn catalogue_works(&self) {
        recover(&mut self.lock().catalogue, "the catalogue is written again");
    }

    pub(crate) fn backlog(&self) -> u64 {
        self.backlog.load(Ordering::Relaxed)
    }

    pub(crate) fn set_backlog(&self, segments: usize) {
        self.backlog.store(segments as u64, Ordering::Relaxed);
    }

    pub(crate) fn died(&self) {
        self.lock().dead = true;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

const WRITING: &str = "the segments can't be written";

fn fail(trouble: &mut Option<Trouble>, now: WallTime, what: &str, message: &str) {
    if trouble.is_none() {
        tracing::error!(what, "{message}; trying again");
    }
    let since = trouble.as_ref().map_or(now, |trouble| trouble.since);
    *trouble = Some(Trouble { since, what: what.to_owned() });
}

fn recover(trouble: &mut Option<Trouble>, message: &str) {
    if trouble.take().is_some() {
        tracing::warn!("{message}");
    }
}
