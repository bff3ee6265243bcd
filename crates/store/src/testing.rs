//! What the tests of this crate share: a store without threads, on a disk that fails.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use bedside_stream::{
    Core, Event, Limits, Memory, Monotonic, Run, RunId, StreamKey, Verdict, WallTime, World,
};
use netconsole_wire::{Fields, Format, Prefix, PrintkTime, Record, Sequence, Text};

use crate::batch::Batch;
use crate::catalogue::{Catalogue, Summary};
use crate::disk::Disk;
use crate::disk::faulty::FaultyDisk;
use crate::entry::{Entry, StoredGap, StoredRun};
use crate::error::Error;
use crate::recovery::{Torn, recover};
use crate::segment::{Listed, SegmentFile, Unpacker, list, stretch};
use crate::writer::{Now, Options, Parts, Ticket};

pub(crate) fn key(last: u8, port: u16) -> StreamKey {
    StreamKey::new(([192, 0, 2, last], port).into(), 6666)
}

pub(crate) fn run(id: u64) -> Run {
    Run {
        id: RunId(id),
        key: key(id as u8, 6665),
        first_received: WallTime(1_000_000 + id),
        verdict: Verdict::Boot,
        host: None,
        boot_id: None,
        release: None,
        last_word: None,
        stranger: false,
    }
}

pub(crate) fn record(seq: u64, text: &[u8]) -> Record<'_> {
    Record {
        format: Format::Extended,
        release: None,
        prefix: Some(Prefix(6)),
        seq: Some(Sequence(seq)),
        time: Some(PrintkTime(seq * 10)),
        continued: false,
        caller: None,
        text: Text::Escaped(text),
        fields: Fields::EMPTY,
        incomplete: false,
    }
}

pub(crate) fn now(mono: u64) -> Now {
    Now { mono: Monotonic(mono), wall: WallTime(1_700_000_000_000_000 + mono) }
}

/// A memory as the stream core makes it, of a stream that sent `datagrams`.
pub(crate) fn memory(key: StreamKey, first_run: u64, datagrams: u64) -> Memory {
    struct Deaf;
    impl World for Deaf {
        fn event(&mut self, _: Event<'_>) {}
        fn recall(&mut self, _: &StreamKey) -> Option<Memory> {
            None
        }
    }
    let mut core = Core::new(Limits::default(), RunId(first_run));
    for at in 0..datagrams {
        let datagram = format!("6,{at},{},-;line {at}\n", at * 100 + 1);
        core.handle_datagram(Monotonic(at), &key, WallTime(at), datagram.as_bytes(), &mut Deaf);
    }
    core.memories().next().expect("the stream is held")
}

pub(crate) fn options() -> Options {
    let shape = Options { chapter_text: 800, sealed_block_text: 300, ..Options::default() };
    Options { segment_max_bytes: 4096, ..shape }
}

/// One life of a store: what the threads do, done step by step.
#[derive(Debug)]
pub(crate) struct Life {
    pub(crate) parts: Parts,
    pub(crate) mono: u64,
    pub(crate) flight: Option<Ticket>,
    started: BTreeSet<u64>,
}

impl Life {
    /// Opens the store in `disk`, with a new catalogue.
    pub(crate) fn open(disk: &FaultyDisk, options: &Options) -> Result<Life, Error> {
        Life::with(disk, Catalogue::in_memory()?, options)
    }

    /// Opens the store in `disk`, with the catalogue of an earlier life.
    pub(crate) fn with(
        disk: &FaultyDisk,
        catalogue: Catalogue,
        options: &Options,
    ) -> Result<Life, Error> {
        let shared: Arc<dyn Disk> = Arc::new(disk.clone());
        let found = recover(&shared, catalogue, options)?;
        let parts = Parts::new(&shared, options, found, now(0))?;
        let started = BTreeSet::new();
        Ok(Life { parts, mono: 0, flight: None, started })
    }

    /// The end of this life, however it comes; the catalogue has lost nothing.
    pub(crate) fn end(self) -> Catalogue {
        self.parts.keeper.into_catalogue()
    }

    pub(crate) fn now(&self) -> Now {
        now(self.mono)
    }

    pub(crate) fn torn(&self) -> &[Torn] {
        &self.parts.recovered.torn
    }

    /// Puts a record of run `id` into a batch, the run in front when it is new.
    pub(crate) fn push(&mut self, batch: &mut Batch, id: u64, seq: u64) {
        self.push_text(batch, id, seq, format!("record {seq} of run {id}").as_bytes());
    }

    fn push_text(&mut self, batch: &mut Batch, id: u64, seq: u64, text: &[u8]) {
        if self.started.insert(id) {
            batch.push_run(&run(id));
        }
        batch.push_record(RunId(id), WallTime(2_000_000 + seq), &record(seq, text));
    }

    /// Writes one record with this text as a batch of its own.
    pub(crate) fn say_text(&mut self, id: u64, seq: u64, text: &[u8]) {
        let mut batch = Batch::new();
        self.push_text(&mut batch, id, seq, text);
        self.write(&mut batch);
    }

    pub(crate) fn write(&mut self, batch: &mut Batch) {
        batch.finish();
        self.parts.numbering.settle(batch, b"");
        self.parts.engine.write(self.now(), [batch]);
    }

    /// Writes one record as a batch of its own.
    pub(crate) fn say(&mut self, id: u64, seq: u64) {
        let mut batch = Batch::new();
        self.push(&mut batch, id, seq);
        self.write(&mut batch);
    }

    /// Syncs all; whether that worked.
    pub(crate) fn sync(&mut self) -> bool {
        self.land();
        self.parts.engine.tick(self.now());
        self.flight = self.parts.engine.begin_sync();
        self.land()
    }

    /// Carries out the sync that is under way; whether there was one and it worked.
    pub(crate) fn land(&mut self) -> bool {
        let Some(ticket) = self.flight.take() else { return false };
        let result = ticket.run();
        let done = result.is_ok() && self.parts.engine.is_current(&ticket);
        let now = self.now();
        self.parts.engine.sync_done(now, &ticket, result);
        done
    }

    /// Lets the keeper do all that there is to do.
    pub(crate) fn keep(&mut self) {
        let outcome = self.parts.engine.take_outcome();
        let now = self.now();
        self.parts.keeper.take(now, outcome);
        self.parts.keeper.work(now, &AtomicBool::new(false));
        self.parts.keeper.commit(now);
    }
}

/// What a store holds, read as a reader reads it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Held {
    /// Run and number of each record, in the order of the store.
    pub(crate) records: Vec<(u64, u64)>,
    pub(crate) runs: Vec<StoredRun>,
    pub(crate) gaps: Vec<StoredGap>,
}

impl Held {
    pub(crate) fn seqs(&self) -> Vec<u64> {
        self.records.iter().map(|(_, seq)| *seq).collect()
    }

    /// Records told of in gap entries.
    pub(crate) fn missing(&self) -> u64 {
        self.gaps.iter().map(|gap| gap.count).sum()
    }
}

/// Reads all that counts, and checks that every segment stands alone.
pub(crate) fn held(disk: &FaultyDisk) -> Held {
    let mut held = Held::default();
    each_line(disk, |_, line| match Entry::decode(line).expect("the store writes entries only") {
        Entry::Record(record) => {
            held.records.push((record.run.0, record.seq.map_or(0, |seq| seq.0)));
        }
        Entry::Run(stored) => held.runs.push(stored),
        Entry::Gap(gap) => held.gaps.push(gap),
    });
    held
}

/// Checks that in every segment the first record of a run comes after a line of it: in those, at
/// least, in which no power loss left a hole.
pub(crate) fn assert_self_contained(disk: &FaultyDisk) {
    let mut told = BTreeMap::<u64, Option<BTreeSet<u64>>>::new();
    each_line(disk, |segment, line| {
        let number = segment.name().number;
        let told = told.entry(number).or_insert_with(|| is_whole(segment).then(BTreeSet::new));
        let Some(told) = told else { return };
        match Entry::decode(line) {
            Some(Entry::Record(record)) => {
                let run = record.run.0;
                assert!(told.contains(&run), "run {run} in {}", segment.name());
            }
            Some(Entry::Run(stored)) => drop(told.insert(stored.run.id.0)),
            _ => {}
        }
    });
}

/// All lines that can be read, by arrival.
fn each_line(disk: &FaultyDisk, mut visit: impl FnMut(&SegmentFile, &[u8])) {
    for listed in list(disk).expect("the disk works") {
        let Ok(segment) = SegmentFile::open(disk, listed) else { continue };
        let mut blocks = segment.scan().expect("the disk works").blocks;
        let mut unpacker = Unpacker::new().expect("zstd works");
        while !blocks.is_empty() {
            let rest = blocks.split_off(stretch(&blocks));
            let visit = |_, line: &[u8]| visit(&segment, line);
            segment
                .by_arrival(&blocks, &mut unpacker, |_, _| Ok(()), visit)
                .expect("the disk works");
            blocks = rest;
        }
    }
}

fn is_whole(segment: &SegmentFile) -> bool {
    let blocks = segment.scan().expect("the disk works").blocks;
    blocks.iter().all(|block| segment.read_frame(block).is_ok())
}

/// The fold of all that counts, made anew.
pub(crate) fn folded(disk: &FaultyDisk) -> Summary {
    let mut summary = Summary::default();
    for (segment, block) in good_blocks(disk) {
        summary.fold(&segment, &[block], u64::MAX).expect("the disk works");
    }
    summary
}

fn good_blocks(disk: &FaultyDisk) -> Vec<(Arc<SegmentFile>, crate::segment::BlockRef)> {
    let mut blocks = Vec::new();
    for listed in list(disk).expect("the disk works") {
        let Ok(segment) = SegmentFile::open(disk, listed).map(Arc::new) else { continue };
        let scan = segment.scan().expect("the disk works");
        let good = scan.blocks.into_iter().filter(|block| segment.read_frame(block).is_ok());
        blocks.extend(good.map(|block| (Arc::clone(&segment), block)));
    }
    blocks
}

/// The segments of a disk.
pub(crate) fn segments(disk: &FaultyDisk) -> Vec<Listed> {
    list(disk).expect("the disk works")
}
