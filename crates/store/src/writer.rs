//! Writing a store: [`Writer`] takes batches without ever waiting for the disk.
//!
//! Three threads stand behind it: one writes blocks, one syncs, one keeps the catalogue, seals
//! and deletes. What they do is in [`engine`] and [`keeper`], without the threads.

mod block;
mod engine;
mod health;
mod inbox;
mod keeper;
mod lines;
mod lock;
mod numbering;
mod options;
mod pieces;
mod retention;
mod seal;
mod shelf;
mod shortfall;
mod threads;
mod unsynced;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use bedside_stream::{Memory, Run, RunId, StreamKey, Verdict, WallTime};

use crate::batch::{Batch, Checkpoint, Mark};
use crate::catalogue::{Catalogue, FILE_NAME};
use crate::disk::{Directory, Disk};
use crate::entry::{Entry, StoredRun, write_run};
use crate::error::Error;
use crate::follow::{Followers, Nudge};
use crate::recovery::{Found, Replay, Torn, recover_with};

use engine::Engine;
use health::Shared;
use inbox::StoreInbox;
use keeper::Keeper;
use shelf::Shelf;
use shortfall::Shortfall;
use threads::Threads;

pub use health::{Counters, Health, Trouble};
pub use lock::LOCK_NAME;
pub use options::{Options, Retention, Tap};

pub(crate) use engine::Now;
pub(crate) use lines::RunLines;
pub(crate) use lock::Lock;
pub(crate) use numbering::Numbering;
pub(crate) use retention::Inventory;
pub(crate) use seal::SealJob;
#[cfg(test)]
pub(crate) use seal::{Shape, seal};
pub(crate) use threads::wall_now;
#[cfg(test)]
pub(crate) use {engine::Ticket, shelf::Found as OnShelf};

/// The directory of the segments in the store's directory.
pub const SEGMENTS_NAME: &str = "segments";

/// The one who writes a store.
#[derive(Debug)]
pub struct Writer {
    shared: Arc<Shared>,
    inbox: Arc<StoreInbox>,
    threads: Threads,
    shelf: Arc<Shelf>,
    /// For recalling; the keeper has its own.
    catalogue: Option<Catalogue>,
    numbering: Numbering,
    tap: OptionalTap,
    followers: Followers,
    shortfall: Shortfall,
    /// What of lost batches must not be lost: the states of runs, and memories.
    rescued: BTreeMap<RunId, Run>,
    rescued_memories: Vec<Arc<Memory>>,
    rescued_checkpoint: Checkpoint,
    preface: Vec<u8>,
}

/// What a store held when it was opened.
#[derive(Debug)]
pub struct Recovered {
    /// The number for the next run.
    pub next_run: RunId,
    /// What the stream core wanted remembered; what was heard last stands last.
    pub memories: Vec<Memory>,
    /// What the memories do not know yet.
    pub replay: Replay,
    /// What did not survive the end of the last life.
    pub torn: Vec<Torn>,
    /// The number of the next segment: none in this store ever had it, or a higher one.
    pub next_segment: u64,
}

/// The tap, which can't be shown.
struct OptionalTap(Option<Tap>);

impl std::fmt::Debug for OptionalTap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "a tap" } else { "no tap" })
    }
}

impl Writer {
    /// Opens the store in `dir`, made where there is none, and takes its lock.
    ///
    /// A disk that can't be written is no reason to fail: the writer begins in bad health and
    /// goes on trying.
    pub fn open(dir: &Path, mut options: Options) -> Result<(Writer, Recovered), Error> {
        let made = Directory::create(dir)
            .and_then(|_| Directory::create(dir.join(SEGMENTS_NAME)))
            .map_err(|e| Error::io("make or use the directory", dir.display().to_string(), e))?;
        let lock = Lock::take(dir)?;
        let disk = options.storage.take().unwrap_or_else(|| Arc::new(made));
        let path = dir.join(FILE_NAME);
        let (found, trouble) = recover_with(&disk, &path, &options)?;
        let parts = Parts::new(&disk, &options, found, threads::now())?;
        if let Some(error) = &trouble {
            parts.shared.catalogue_failed(wall_now(), &error.to_string());
        }
        let recall = Catalogue::open_read_only(&path).ok().filter(|_| trouble.is_none());
        let (inbox, threads) =
            Threads::start(parts.engine, parts.keeper, &parts.shared, lock, &options)?;
        let writer = Writer {
            shared: parts.shared,
            inbox,
            threads,
            shelf: parts.shelf,
            catalogue: recall,
            numbering: parts.numbering,
            tap: OptionalTap(options.tap.take()),
            followers: Followers::of(dir),
            shortfall: Shortfall::default(),
            rescued: BTreeMap::new(),
            rescued_memories: Vec::new(),
            rescued_checkpoint: Checkpoint::default(),
            preface: Vec::new(),
        };
        Ok((writer, parts.recovered))
    }

    /// Hands a batch over; never waits for the disk. When too much waits already its records are
    /// lost and counted, and a gap entry will say so.
    ///
    /// Answers an empty batch to be filled next, if one is at hand.
    pub fn append(&mut self, mut batch: Batch) -> Option<Batch> {
        if batch.is_empty() {
            return Some(batch);
        }
        for memory in &batch.evicted {
            if !self.shelf.hold(memory) {
                Counters::add(&self.shared.counters.memories_dropped, 1);
            }
        }
        batch.finish();
        let room = self.inbox.has_room();
        if room {
            self.tell_losses(&mut batch);
        }
        self.find_roots(&batch);
        self.numbering.settle(&mut batch, &self.preface);
        self.preface.clear();
        if let Some(tap) = &mut self.tap.0
            && !batch.text.is_empty()
        {
            tap(&batch.text);
        }
        if room {
            self.inbox.push(batch);
            return self.inbox.spare();
        }
        self.lose(&mut batch);
        batch.clear();
        Some(batch)
    }

    /// Gives back room that is only there for speed.
    pub fn rest(&mut self) {
        self.numbering.rest();
    }

    /// The same for whoever can wait: while too much waits already, waits until it is less.
    /// While the disk fails nothing will be less: then, as with [`Writer::append`], what does not
    /// fit is lost and counted, and [`Writer::health`] says why.
    pub fn append_waiting(&mut self, batch: Batch) -> Option<Batch> {
        const LOOK_AGAIN: std::time::Duration = std::time::Duration::from_millis(100);
        while !self.inbox.wait_for_room(LOOK_AGAIN) && self.health().is_well() {}
        self.append(batch)
    }

    /// What is remembered of a stream, from this life or an earlier one. Cheap for a stranger.
    pub fn recall(&mut self, key: &StreamKey) -> Option<Memory> {
        match self.shelf.find(key) {
            shelf::Found::Held(memory) => Some(Arc::unwrap_or_clone(memory)),
            shelf::Found::Stored => self.recall_stored(key),
            shelf::Found::Nowhere => None,
        }
    }

    /// What was counted since the store was opened.
    pub fn counters(&self) -> &Counters {
        &self.shared.counters
    }

    /// How the store is.
    pub fn health(&self) -> Health {
        if let Some(stalled) = self.inbox.stalled() {
            let micros = stalled.as_micros() as u64;
            self.shared.disk_stalls(WallTime(wall_now().0.saturating_sub(micros)));
        }
        self.shared.health()
    }

    /// Whether somebody may be waiting for the next line: the tap, or a
    /// [`Follower`](crate::follow::Follower) in any process. Asks the kernel.
    pub fn is_followed(&self) -> bool {
        self.tap.0.is_some() || self.followers.any()
    }

    /// What ends the wait of who looks for incidents in what is written.
    pub fn nudge(&self) -> Nudge {
        self.shared.nudge.clone()
    }

    /// Writes and syncs all that was appended, and lets go of the store. An error when the disk
    /// did not take all, or did not answer within [`Options::close_within`].
    pub fn close(mut self) -> Result<(), Error> {
        self.threads.end(&self.inbox)
    }

    fn recall_stored(&mut self, key: &StreamKey) -> Option<Memory> {
        let catalogue = self.catalogue.as_ref()?;
        let memory = match catalogue.recall(key) {
            Ok(memory) => memory?,
            Err(error) => {
                tracing::warn!(%error, "cannot recall a stream");
                return None;
            }
        };
        if let Ok(Some(stored)) = catalogue.run(memory.run()) {
            self.numbering.restore_run(&stored);
            self.inbox.tell_run(stored.run.id, line_of(&stored));
        }
        Some(memory)
    }

    /// Puts what was lost, and what of it was rescued, in front of a batch that will be kept.
    fn tell_losses(&mut self, batch: &mut Batch) {
        self.shortfall.tell(&mut self.preface, &mut batch.header);
        let rescued = std::mem::take(&mut self.rescued).into_values();
        let marks = rescued.map(|run| Mark { at: 0, run, leads: true });
        batch.marks.splice(0..0, marks);
        batch.memories.splice(0..0, self.rescued_memories.drain(..));
        batch.checkpoint = batch.checkpoint.and(std::mem::take(&mut self.rescued_checkpoint));
    }

    fn lose(&mut self, batch: &mut Batch) {
        let lost = self.shortfall.add(&batch.header, [&*batch.text]);
        Counters::add(&self.shared.counters.lost_queue, lost);
        for line in &batch.lines {
            if let Some(Entry::Run(stored)) = Entry::decode(&batch.text[line.line.clone()]) {
                self.rescued.insert(line.run, stored.run);
            }
        }
        while self.rescued.len() > RESCUED_MAX {
            self.rescued.pop_first();
        }
        self.rescued_memories.append(&mut batch.memories);
        self.rescued_checkpoint = self.rescued_checkpoint.and(batch.checkpoint);
        let surplus = self.rescued_memories.len().saturating_sub(RESCUED_MAX);
        self.rescued_memories.drain(..surplus);
        // A checkpoint says that all memories were told.
        self.rescued_checkpoint.ends &= surplus == 0;
        Counters::add(&self.shared.counters.memories_dropped, surplus as u64);
    }

    /// A repeat's boot has the number of its root, which may have been forgotten here.
    fn find_roots(&mut self, batch: &Batch) {
        let Some(catalogue) = &self.catalogue else { return };
        for mark in &batch.marks {
            if let Verdict::SameAs(root) = mark.run.verdict
                && !self.numbering.knows(root)
                && let Ok(Some(stored)) = catalogue.run(root)
            {
                self.numbering.restore_run(&stored);
            }
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if let Err(error) = self.threads.end(&self.inbox) {
            tracing::error!(%error, "the store did not end well");
        }
    }
}

/// States of runs, and memories, kept from lost batches.
const RESCUED_MAX: usize = 65_536;

/// All that works on a store, set up from what was found in it; no threads yet.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) shared: Arc<Shared>,
    pub(crate) shelf: Arc<Shelf>,
    pub(crate) engine: Engine,
    pub(crate) keeper: Keeper,
    pub(crate) numbering: Numbering,
    pub(crate) recovered: Recovered,
}

impl Parts {
    pub(crate) fn new(
        disk: &Arc<dyn Disk>,
        options: &Options,
        found: Found,
        now: Now,
    ) -> Result<Parts, Error> {
        let shared = Arc::new(Shared::default());
        let remembered = found.memories.iter().map(Memory::key);
        let shelf = Arc::new(Shelf::new(HELD_MAX, remembered));
        let Found { numbering, lines, .. } = found;
        let shared_disk = Arc::clone(disk);
        let mut engine =
            Engine::new(shared_disk, options, Arc::clone(&shared), lines, found.next_segment)?;
        let mut keeper = Keeper::new(Arc::clone(disk), found.catalogue, options, &shared, &shelf);
        keeper.begin(found.next_run, found.seals);
        if let Some(resume) = found.resume {
            engine.resume(now, resume.number, resume.file, resume.end);
        }
        engine.tick(now);
        let recovered = Recovered {
            next_segment: found.next_segment,
            next_run: found.next_run,
            memories: found.memories,
            replay: found.replay,
            torn: found.torn,
        };
        Ok(Parts { shared, shelf, engine, keeper, numbering, recovered })
    }
}

/// Memories of forgotten streams that wait for the catalogue; of more, those of streams that
/// have not proven themselves are dropped.
const HELD_MAX: usize = 16_384;

/// The line of a run.
pub(crate) fn line_of(stored: &StoredRun) -> Box<[u8]> {
    let mut line = Vec::new();
    write_run(&mut line, stored);
    line.into()
}
