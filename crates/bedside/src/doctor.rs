//! The doctor: the stream core with a store behind it. What hears (sockets, a capture) calls it;
//! it knows no sockets and no clock.

use std::path::Path;

use bedside_store::{Batch, Options, Recovered, Replayed, Retention, Tap, Writer};
use bedside_stream::{
    Cause, Core, Event, Limits, Memory, Monotonic, RunId, StreamKey, WallTime, World,
};
use netconsole_wire::{Format, Record};

use crate::config::Config;

/// Hears datagrams, keeps their records.
pub struct Doctor {
    core: Core,
    desk: Desk,
    checkpoint: Checkpoint,
    /// When the batch is handed over although more comes.
    hand_over: Option<Monotonic>,
    /// When a record was heard last that may begin an incident, or was handed over with one.
    alarmed: Option<Monotonic>,
}

/// Where the core's events are written down.
struct Desk {
    batch: Batch,
    writer: Writer,
    /// A full queue is waited for: a capture can wait, a socket cannot.
    patient: bool,
    /// A record in the batch may begin an incident.
    begins: bool,
}

/// Gives the core's memories to the store, now and then and a few at a time: with a million
/// streams all at once would keep the sockets waiting.
#[derive(Debug, Default)]
struct Checkpoint {
    /// How far the one that is under way has come.
    at: Option<usize>,
    /// When the next one begins, and not before when this one goes on.
    due: Monotonic,
    /// The core's records when the last one began.
    records: u64,
}

/// What was found when the store was opened.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Nothing was ever heard.
    pub is_new: bool,
    /// Streams that were known.
    pub streams: usize,
    /// What a crash cut off, in words.
    pub torn: Vec<String>,
    /// The number of the next segment: this store never had one like it, or a higher one.
    pub next_segment: u64,
}

impl Doctor {
    /// Opens the store and takes up where the last doctor stopped. `patient`: a full queue is
    /// waited for instead of losing what does not fit.
    pub fn open(
        data: &Path,
        config: &Config,
        tap: Option<Tap>,
        patient: bool,
    ) -> anyhow::Result<(Doctor, Found)> {
        let options = Options { tap, ..options(config) };
        let (writer, recovered) = Writer::open(data, options)?;
        let found = Found {
            is_new: recovered.next_run == FIRST_RUN,
            streams: recovered.memories.len(),
            torn: recovered.torn.iter().map(ToString::to_string).collect(),
            next_segment: recovered.next_segment,
        };
        let core = take_up(Limits::from(&config.limits), recovered);
        let desk = Desk { batch: Batch::new(), writer, patient, begins: false };
        let checkpoint = Checkpoint::default();
        Ok((Doctor { core, desk, checkpoint, hand_over: None, alarmed: None }, found))
    }

    /// Gets ready for datagrams of these streams.
    pub fn expect(&mut self, keys: impl Iterator<Item = StreamKey>) {
        self.core.expect(keys);
    }

    /// Takes one datagram.
    pub fn hear(&mut self, now: Monotonic, key: &StreamKey, received: WallTime, payload: &[u8]) {
        self.core.handle_datagram(now, key, received, payload, &mut self.desk);
        if self.desk.begins {
            self.alarmed = Some(now);
        }
        if self.desk.batch.is_full() {
            self.desk.hand_over();
        }
    }

    /// Notes datagrams that never came this far.
    pub fn miss(&mut self, received: WallTime, cause: Cause, count: u64) {
        self.desk.batch.push_gap(None, received, cause, count);
    }

    /// Gives out what has waited too long, and hands over what was heard to the store: once no
    /// `more` waits to be heard, else now and then, because it wakes a thread.
    pub fn settle(&mut self, now: Monotonic, more: bool) {
        const BREATH_US: u64 = 1_500;
        self.pass(now);
        self.checkpoint.go_on(now, &mut self.core, &mut self.desk.batch);
        let due = *self.hand_over.get_or_insert(Monotonic(now.0 + BREATH_US));
        if !more || now >= due || self.desk.batch.is_urgent() {
            self.hand_over = None;
            self.desk.hand_over();
        }
    }

    /// Gives out what has waited too long, and no more: for a capture's own clock.
    pub fn pass(&mut self, now: Monotonic) {
        self.core.handle_timeout(now, &mut self.desk);
    }

    /// Packs what is known of those that have been silent for long, some at a time; how many that
    /// were.
    pub fn rest(&mut self, now: WallTime) -> usize {
        let slept = self.core.rest(now);
        if slept > 0 {
            self.desk.rest();
        }
        slept
    }

    /// When [`Doctor::settle`] is to be called next.
    pub fn due(&self) -> Option<Monotonic> {
        let checkpoint = self.checkpoint.at.map(|_| self.checkpoint.due);
        self.core.poll_timeout().into_iter().chain(checkpoint).min()
    }

    /// When a record was heard last that may begin an incident, or was handed over with one.
    pub fn alarmed(&self) -> Option<Monotonic> {
        self.alarmed
    }

    /// The core, for what it has counted.
    pub fn core(&self) -> &Core {
        &self.core
    }

    /// The store's writer, for what it has counted and how it is.
    pub fn writer(&self) -> &Writer {
        &self.desk.writer
    }

    /// Gives out all that waits, keeps everything, ends.
    pub fn close(mut self) -> anyhow::Result<()> {
        self.core.flush(&mut self.desk);
        self.desk.patient = true;
        self.last_checkpoint();
        self.desk.hand_over();
        Ok(self.desk.writer.close()?)
    }

    /// Of very many streams it would take long: then a restart tells the core again what it
    /// heard since the last one.
    fn last_checkpoint(&mut self) {
        const MOST: usize = 65_536;
        if self.core.streams() > MOST {
            return;
        }
        self.desk.batch.begin_checkpoint();
        let mut at = Some(0);
        while let Some(from) = at {
            let batch = &mut self.desk.batch;
            at = self.core.checkpoint(from, |memory| batch.push_memory(memory));
            if batch.is_full() {
                self.desk.hand_over();
            }
        }
        self.desk.batch.end_checkpoint();
    }
}

impl Checkpoint {
    /// Gives some memories, if it is time for them, and no faster than the catalogue takes them
    /// in, or they would gather in memory. One begins after so many records, which a restart would
    /// have to tell the core again, or after a while.
    fn go_on(&mut self, now: Monotonic, core: &mut Core, batch: &mut Batch) {
        const EVERY_US: u64 = 300_000_000;
        const RECORDS: u64 = 1_000_000;
        const BREATH_US: u64 = 25_000;
        let records = core.counters().records;
        let begins = self.at.is_none() && (now >= self.due || records >= self.records + RECORDS);
        if begins {
            batch.begin_checkpoint();
            (self.at, self.due, self.records) = (Some(0), now, records);
        }
        let Some(from) = self.at.filter(|_| now >= self.due) else {
            return;
        };
        self.at = core.checkpoint(from, |memory| batch.push_memory(memory));
        if self.at.is_some() {
            self.due = Monotonic(now.0 + BREATH_US);
        } else {
            batch.end_checkpoint();
            self.due = Monotonic(now.0 + EVERY_US);
        }
    }
}

impl std::fmt::Debug for Doctor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Doctor").field("streams", &self.core.streams()).finish_non_exhaustive()
    }
}

impl World for Desk {
    fn event(&mut self, event: Event<'_>) {
        if let Event::Record { record, .. } = &event {
            // Here it is at hand; who looks for incidents reads the other batches no more.
            self.begins = self.begins || may_begin(record);
        }
        self.batch.push(&event);
    }

    fn recall(&mut self, key: &StreamKey) -> Option<Memory> {
        self.batch.recall(key).cloned().or_else(|| self.writer.recall(key))
    }
}

impl Desk {
    fn hand_over(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        if !std::mem::take(&mut self.begins) {
            self.batch.mark_ordinary();
        }
        let full = std::mem::take(&mut self.batch);
        let spare =
            if self.patient { self.writer.append_waiting(full) } else { self.writer.append(full) };
        self.batch = spare.unwrap_or_default();
    }

    /// Gives back the room that a burst needed.
    fn rest(&mut self) {
        self.writer.rest();
        if self.batch.is_empty() {
            self.batch = Batch::default();
        }
    }
}

/// Whether a record may begin an incident. What is no kernel's line may hold several.
fn may_begin(record: &Record<'_>) -> bool {
    let text = record.text.bytes();
    let lines = matches!(record.format, Format::Extended | Format::Basic);
    bedside_triage::may_begin(text) || (!lines && memchr::memchr(b'\n', text).is_some())
}

/// A core that knows what the last doctor knew: its memories, and what was stored since.
fn take_up(limits: Limits, recovered: Recovered) -> Core {
    let mut core = Core::new(limits, recovered.next_run);
    for memory in recovered.memories {
        core.restore(memory);
    }
    recovered.replay.each(|told| match told {
        Replayed::Run(stored) => core.replay_run(&stored.run),
        Replayed::Record(record, run) => core.replay_record(&record.kept(), run),
    });
    core
}

fn options(config: &Config) -> Options {
    Options {
        sync_within: config.store.sync_within.0,
        segment_max_bytes: config.store.segment_size.0,
        segment_max_age: config.store.segment_age.0,
        queue_bytes: config.store.queue.in_memory(),
        retention: Retention {
            max_bytes: config.retention.size.0,
            max_age: config.retention.age.map(|age| age.0),
            max_host_share: config.retention.host_share,
        },
        ..Options::default()
    }
}

/// The number of a store's first run.
const FIRST_RUN: RunId = RunId(1);
