//! What the store thread does, without the thread: batches in, blocks on the disk, syncs that
//! somebody else carries out.
//!
//! The engine cannot fail: a write or a sync that does costs the *segment*. Its synced part
//! stands, the rest is written again from memory into a new one, whose header says so.

mod failure;
mod live;
mod sync;

use std::sync::Arc;

use bedside_stream::{Monotonic, RunId, WallTime};

use crate::batch::Batch;
use crate::catalogue::Place;
use crate::disk::Disk;
use crate::error::Error;
use crate::segment::{BlockHeader, Position, Replaced};

use super::block::BlockMaker;
use super::health::{Counters, Shared};
use super::lines::RunLines;
use super::options::Options;
use super::pieces::{Block, Pieces};
use super::seal::SealJob;
use super::shortfall::Shortfall;
use super::unsynced::{Luggage, Settled, Unsynced, Waiting};
use live::LiveFile;

pub(crate) use sync::Ticket;

/// The time, twice: the one that drives and the one that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Now {
    pub(crate) mono: Monotonic,
    pub(crate) wall: WallTime,
}

/// The writing half of the store.
#[derive(Debug)]
pub(crate) struct Engine {
    disk: Arc<dyn Disk>,
    limits: Limits,
    shared: Arc<Shared>,
    /// Those not wholly synced, and at last the one being written. Empty: the disk fails.
    files: Vec<LiveFile>,
    next_segment: u64,
    /// What the next segment writes again.
    replaced: Vec<Replaced>,
    /// Not before this is a segment opened after a failure, or a new one begun after that failed.
    retry_at: Monotonic,
    rotate_at: Monotonic,
    /// The block in the making.
    text: Pieces,
    header: BlockHeader,
    /// Rooms for text that are empty again.
    spares: Vec<Vec<u8>>,
    compressor: BlockMaker,
    /// What goes along with the block in the making.
    luggage: Luggage,
    lines: RunLines,
    unsynced: Unsynced,
    shortfall: Shortfall,
    urgent_until: Monotonic,
    sync_due: Option<Monotonic>,
    /// A sync is under way: the bytes in memory that it will free.
    in_flight: Option<usize>,
    /// Tickets of an earlier epoch are of files that have failed since.
    epoch: u64,
    dir_changed: bool,
    outcome: Outcome,
}

/// What the engine's work makes possible elsewhere.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Memories that may be committed now.
    pub(crate) settled: Settled,
    /// All in front of this place is durable.
    pub(crate) synced: Option<Place>,
    /// Segments that are complete.
    pub(crate) seals: Vec<SealJob>,
}

impl Outcome {
    pub(crate) fn is_empty(&self) -> bool {
        let settled = self.settled.memories.is_empty() && self.settled.checkpoint.is_none();
        settled && self.synced.is_none() && self.seals.is_empty()
    }
}

/// The engine's part of the [`Options`]; times in microseconds.
#[derive(Clone, Copy, Debug)]
struct Limits {
    sync_after: u64,
    urgent_for: u64,
    segment_bytes: u64,
    segment_age: u64,
    unsynced_bytes: usize,
    retry_after: u64,
}

impl Limits {
    fn new(options: &Options) -> Limits {
        let micros = |time: std::time::Duration| time.as_micros() as u64;
        Limits {
            sync_after: micros(options.sync_within) / 2,
            urgent_for: micros(options.urgent_for),
            segment_bytes: options.segment_max_bytes,
            segment_age: micros(options.segment_max_age),
            unsynced_bytes: options.unsynced_bytes,
            retry_after: micros(options.retry_after),
        }
    }
}

/// Text that a block is filled up to.
pub(crate) const BLOCK_TEXT: usize = 1 << 20;

/// So many segments may wait to be sealed before blocks are compressed.
const BACKLOG_MAX: u64 = 8;

/// Memories kept while the disk fails.
const RESCUED_MAX: usize = 16_384;

impl Engine {
    /// An engine whose next segment is `next_segment`; nothing is opened yet.
    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        options: &Options,
        shared: Arc<Shared>,
        lines: RunLines,
        next_segment: u64,
    ) -> Result<Engine, Error> {
        let compressor = BlockMaker::new(options.pressed_level);
        let compressor = compressor.map_err(|e| Error::io("set up", "zstd compression", e))?;
        Ok(Engine {
            disk,
            limits: Limits::new(options),
            shared,
            files: Vec::new(),
            next_segment,
            replaced: Vec::new(),
            retry_at: Monotonic(0),
            rotate_at: Monotonic(0),
            text: Pieces::default(),
            header: BlockHeader::default(),
            spares: Vec::new(),
            compressor,
            luggage: Luggage::default(),
            lines,
            unsynced: Unsynced::default(),
            shortfall: Shortfall::default(),
            urgent_until: Monotonic(0),
            sync_due: None,
            in_flight: None,
            epoch: 0,
            dir_changed: false,
            outcome: Outcome::default(),
        })
    }

    /// Writes batches, as one block where they fit, and empties them.
    pub(crate) fn write<'b>(&mut self, now: Now, batches: impl IntoIterator<Item = &'b mut Batch>) {
        self.tick(now);
        for batch in batches {
            if self.text.len() + batch.text.len() > BLOCK_TEXT {
                self.flush(now);
            }
            if batch.urgent {
                self.urgent_until = Monotonic(now.mono.0 + self.limits.urgent_for);
            }
            self.take(batch);
            batch.clear();
        }
        self.flush(now);
    }

    /// Whether a batch can be taken: not while memory is full of what a sync under way will
    /// free. A disk that fails takes all, and counts what it could not keep.
    pub(crate) fn has_room(&self) -> bool {
        self.files.is_empty() || self.unsynced.bytes() < self.limits.unsynced_bytes
    }

    /// Does what is due: opens a segment after a failure, begins a new one when this is old.
    pub(crate) fn tick(&mut self, now: Now) {
        if self.files.is_empty() && now.mono >= self.retry_at {
            self.reopen(now);
        }
        let limit = self.limits.segment_age;
        let old = |live: &LiveFile| now.mono.0.saturating_sub(live.since.0) >= limit;
        if self.files.last().is_some_and(|live| live.end.entries > 0 && old(live)) {
            self.rotate(now);
        }
    }

    /// When [`Engine::tick`] or [`Engine::next_sync`] is to be called next.
    pub(crate) fn poll_timeout(&self) -> Option<Monotonic> {
        let sync = self.sync_due.filter(|_| self.in_flight.is_none());
        let retry = self.files.is_empty().then_some(self.retry_at);
        let age = self.files.last().filter(|live| live.end.entries > 0).map(|live| {
            let due = Monotonic(live.since.0.saturating_add(self.limits.segment_age));
            due.max(self.rotate_at)
        });
        sync.into_iter().chain(retry).chain(age).min()
    }

    /// Learns the line of a run that came back.
    pub(crate) fn know(&mut self, run: RunId, line: Box<[u8]>) {
        self.lines.restore(run, line, self.next_segment);
    }

    /// What has become possible since the last call.
    pub(crate) fn take_outcome(&mut self) -> Outcome {
        std::mem::take(&mut self.outcome)
    }

    /// Gives back what is only for speed.
    pub(crate) fn rest(&mut self) {
        self.spares = Vec::new();
        self.compressor.rest();
    }

    /// Nothing waits for the disk.
    pub(crate) fn is_settled(&self) -> bool {
        self.unsynced.is_empty() && self.shortfall.is_empty() && self.in_flight.is_none()
    }

    /// Records that wait for the disk, or were lost while it failed.
    pub(crate) fn unkept(&self) -> u64 {
        self.unsynced.records() + self.shortfall.records()
    }

    /// Nothing can be written at the moment.
    pub(crate) fn is_failing(&self) -> bool {
        self.files.is_empty()
    }

    /// Puts a batch into the block in the making.
    fn take(&mut self, batch: &mut Batch) {
        let segment = self.files.last().map_or(0, |live| live.number);
        if segment != 0 {
            let (text, header) = (self.text.end(&mut self.spares), &mut self.header);
            let unknown = self.lines.introduce(segment, batch, text, header);
            Counters::add(&self.shared.counters.unintroduced, unknown);
            self.lines.introduce_all(segment, self.shortfall.runs(), text, header);
            self.shortfall.tell(text, header);
        }
        self.lines.learn(segment, batch);
        self.header.absorb(&batch.header);
        self.text.take(&mut batch.text, &mut self.spares);
        self.luggage.pack(self.header.entries, batch);
    }

    /// Makes a block of what was taken, and writes it.
    fn flush(&mut self, now: Now) {
        if self.files.is_empty() && self.unsynced.bytes() >= self.limits.unsynced_bytes {
            return self.lose();
        }
        // zstd has no reason to fail; if it does, that is a loss like any other.
        let Ok((header, block)) = self.finish() else { return self.lose() };
        let luggage = std::mem::take(&mut self.luggage);
        if !block.is_empty() || !luggage.is_empty() {
            self.keep(now, Waiting { block, header, luggage, at: None });
        }
    }

    /// Makes a block of the text, and begins the next; no block of no text.
    fn finish(&mut self) -> std::io::Result<(BlockHeader, Block)> {
        if self.text.is_empty() {
            return Ok(Default::default());
        }
        let finished = if self.is_pressed() {
            self.text.compress(&self.header, &mut self.compressor, &mut self.spares)?
        } else {
            self.text.store(&self.header)
        };
        self.header.clear();
        Ok(finished)
    }

    /// Whether the next block is compressed: no, for sealing does it better and later; unless the
    /// disk or the sealing can't keep up, or memory is all there is.
    fn is_pressed(&self) -> bool {
        let crowded = self.unsynced.bytes() >= self.limits.unsynced_bytes / 4;
        let behind = self.shared.backlog() >= BACKLOG_MAX;
        crowded || behind || self.files.is_empty()
    }

    /// Writes a block and keeps it until it is synced.
    fn keep(&mut self, now: Now, mut block: Waiting) {
        self.count(&block);
        let ordinary = block.block.is_empty() || block.header.ordinary;
        let written = self.files.last_mut().map(|live| {
            live.append(&block.block, &block.header)?;
            block.at = Some((live.number, live.end));
            Ok(())
        });
        self.unsynced.push(block);
        match written {
            Some(Ok(())) => self.written(now, ordinary),
            Some(Err(error)) => self.poison(now, "write", &error),
            None => {}
        }
    }

    /// The next segment is begun between two blocks: what is in the making is meant for this one.
    fn written(&mut self, now: Now, ordinary: bool) {
        self.shared.nudge.written(ordinary);
        self.want_sync(now.mono);
        if self.files.last().is_some_and(|live| self.is_full(live)) {
            self.rotate(now);
        }
    }

    fn count(&self, block: &Waiting) {
        let counters = &self.shared.counters;
        Counters::add(&counters.records, block.header.records());
        Counters::add(&counters.text_bytes, u64::from(block.header.text_len));
        Counters::add(&counters.bytes, block.block.len() as u64);
        Counters::add(&counters.blocks, u64::from(!block.block.is_empty()));
    }

    fn is_full(&self, live: &LiveFile) -> bool {
        live.end.entries > 0 && live.end.offset >= self.limits.segment_bytes
    }

    fn give_up(&mut self) {
        self.header.clear();
        self.text.clear(&mut self.spares);
    }

    /// Lets go of the block in the making, but for its memories: they go with the next.
    fn lose(&mut self) {
        let lost = self.shortfall.add(&self.header, self.text.iter());
        self.give_up();
        let surplus = self.luggage.rescue(RESCUED_MAX);
        Counters::add(&self.shared.counters.lost_disk, lost);
        Counters::add(&self.shared.counters.memories_dropped, surplus as u64);
    }
}

/// Where a segment with a header of `len` bytes begins.
fn start(len: usize) -> Position {
    Position { offset: len as u64, entries: 0 }
}

#[cfg(test)]
mod tests;
