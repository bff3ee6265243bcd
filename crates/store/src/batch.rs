//! A batch: what one look at the sockets brought, as entry lines, on its way to the disk.

use std::ops::Range;
use std::sync::Arc;

use bedside_stream::{Cause, Event, Memory, Run, RunId, StreamKey, WallTime};
use netconsole_wire::{Record, Text};

use crate::entry::{write_gap, write_record};
use crate::segment::{BlockHeader, Places};

/// Entry lines in their order, and a table of the runs in them.
///
/// Made once and used again: [`crate::Writer::append`] gives an empty one back for the full one.
/// Once warm, a record costs no allocation and one copy.
#[derive(Debug, Default)]
pub struct Batch {
    pub(crate) text: Vec<u8>,
    pub(crate) header: BlockHeader,
    /// Runs to be written at these offsets, once their boots have numbers.
    pub(crate) marks: Vec<Mark>,
    /// The lines of runs in `text`.
    pub(crate) lines: Vec<RunLine>,
    pub(crate) memories: Vec<Arc<Memory>>,
    /// Those of them whose streams the core does not hold any more.
    pub(crate) evicted: Vec<Arc<Memory>>,
    pub(crate) checkpoint: Checkpoint,
    pub(crate) urgent: bool,
    places: Places,
}

/// Which ends of a checkpoint are in a batch. Its memories may come in many batches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    pub(crate) begins: bool,
    pub(crate) ends: bool,
}

/// A run whose line belongs at an offset of a text.
#[derive(Debug)]
pub(crate) struct Mark {
    pub(crate) at: usize,
    pub(crate) run: Run,
    /// It stands in front of all records of the run in this batch.
    pub(crate) leads: bool,
}

/// The line of a run in a text.
#[derive(Clone, Debug)]
pub(crate) struct RunLine {
    pub(crate) run: RunId,
    pub(crate) line: Range<usize>,
    pub(crate) leads: bool,
    pub(crate) stranger: bool,
}

impl Checkpoint {
    /// Both of what two batches say.
    pub(crate) fn and(self, other: Checkpoint) -> Checkpoint {
        Checkpoint { begins: self.begins | other.begins, ends: self.ends | other.ends }
    }
}

impl Batch {
    /// An empty batch.
    pub fn new() -> Batch {
        Batch::default()
    }

    /// Adds what the core tells.
    pub fn push(&mut self, event: &Event<'_>) {
        match event {
            Event::Run(run) => self.push_run(run),
            Event::Record { run, received, record } => self.push_record(*run, *received, record),
            Event::Dropped { run, received, count } => {
                self.push_gap(Some(*run), *received, Cause::DroppedBySender, *count);
            }
            Event::Evicted(memory) => self.push_evicted(memory),
        }
    }

    /// Adds a record.
    pub fn push_record(&mut self, run: RunId, received: WallTime, record: &Record<'_>) {
        write_record(&mut self.text, run, received, record);
        let seq = record.seq.map(|seq| seq.0);
        self.header.count_record(run, received, seq, &mut self.places);
        self.urgent |= is_urgent(record);
    }

    /// Adds a gap that no number shows.
    pub fn push_gap(&mut self, run: Option<RunId>, received: WallTime, cause: Cause, count: u64) {
        write_gap(&mut self.text, run, received, cause, count);
        self.header.count_note(Some(received));
    }

    /// Adds the state of a run, before its first record and whenever it changed.
    pub fn push_run(&mut self, run: &Run) {
        let leads = !self.places.holds(run.id);
        self.marks.push(Mark { at: self.text.len(), run: run.clone(), leads });
    }

    /// Adds what the core wants remembered of a stream that it goes on holding.
    pub fn push_memory(&mut self, memory: Memory) {
        self.memories.push(Arc::new(memory));
    }

    /// Adds what the core wants remembered of a stream that it forgets.
    pub fn push_evicted(&mut self, memory: &Memory) {
        let memory = Arc::new(memory.clone());
        self.memories.push(Arc::clone(&memory));
        self.evicted.push(memory);
    }

    /// Says that from here on all streams that have changed since the last checkpoint are pushed
    /// as memories, in this batch and later ones.
    pub fn begin_checkpoint(&mut self) {
        self.checkpoint.begins = true;
    }

    /// Says that all were pushed: a restart replays records from the checkpoint's begin on only.
    pub fn end_checkpoint(&mut self) {
        self.checkpoint.ends = true;
    }

    /// Asks for this batch, and those of the next seconds, to be synced at once.
    pub fn mark_urgent(&mut self) {
        self.urgent = true;
    }

    /// Says that its records were looked at and that none begins an incident: who looks for
    /// incidents in the store passes over them.
    pub fn mark_ordinary(&mut self) {
        self.header.ordinary = true;
    }

    /// What is remembered in this batch of a stream.
    pub fn recall(&self, key: &StreamKey) -> Option<&Memory> {
        self.evicted.iter().rev().find(|memory| memory.key() == *key).map(Arc::as_ref)
    }

    /// Whether it asks to be synced at once: a machine may be dying.
    pub fn is_urgent(&self) -> bool {
        self.urgent
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
            && self.marks.is_empty()
            && self.memories.is_empty()
            && self.checkpoint == Checkpoint::default()
    }

    /// Whether it should be appended before more is pushed.
    pub fn is_full(&self) -> bool {
        self.text.len() >= BATCH_TEXT
            || self.marks.len() >= BATCH_RUNS
            || self.memories.len() >= BATCH_RUNS
    }

    /// Empties it, but keeps its room.
    pub fn clear(&mut self) {
        self.text.clear();
        self.header.clear();
        self.marks.clear();
        self.lines.clear();
        self.memories.clear();
        self.evicted.clear();
        self.checkpoint = Checkpoint::default();
        self.urgent = false;
        self.places.clear();
    }

    /// Puts its table in order: nothing is pushed any more.
    pub(crate) fn finish(&mut self) {
        self.header.sort();
    }

    /// About what it takes in memory.
    pub(crate) fn weight(&self) -> usize {
        self.text.len() + self.memories.len() * MEMORY_WEIGHT + BATCH_WEIGHT
    }
}

/// A quarter of a block, so that a few batches make one.
pub(crate) const BATCH_TEXT: usize = 256 << 10;
/// Bounds what a flood of new senders puts into one batch.
const BATCH_RUNS: usize = 4096;
const MEMORY_WEIGHT: usize = 512;
const BATCH_WEIGHT: usize = 512;

/// Whether the machine may be about to die: every moment until the next sync counts.
fn is_urgent(record: &Record<'_>) -> bool {
    if record.prefix.is_some_and(|prefix| prefix.level() <= 2) {
        return true;
    }
    let (Text::Escaped(text) | Text::Plain(text)) = record.text;
    match text.first() {
        Some(b'-' | b'B' | b'I' | b'K' | b'O' | b'U' | b'g' | b'w') => {
            ALARMS.iter().any(|alarm| text.starts_with(alarm))
        }
        _ => false,
    }
}

/// How a panic and an oops begin: `kernel/panic.c`, `arch/x86/mm/fault.c`,
/// `arch/arm64/mm/fault.c`, `arch/x86/kernel/traps.c`, `kernel/watchdog.c`.
const ALARMS: [&[u8]; 8] = [
    b"------------[ cut here",
    b"BUG:",
    b"Internal error:",
    b"Kernel panic",
    b"Oops",
    b"Unable to handle kernel",
    b"general protection fault",
    b"watchdog: BUG",
];

#[cfg(test)]
mod tests;
