//! What it costs to write a store, to seal it, and to find something in it.

#![allow(clippy::unwrap_used, reason = "a bench that fails ends")]

use std::path::Path;
use std::sync::atomic::Ordering;

use bedside_store::read::{BootSummary, Item, Reader, Search, Window};
use bedside_store::{Batch, Needle, Options, StoredRecord, Word, Writer};
use bedside_stream::{Run, RunId, StreamKey, Verdict, WallTime};
use divan::Bencher;
use divan::counter::ItemsCount;
use netconsole_wire::{Datagram, Record, parse};
use tempfile::TempDir;

fn main() {
    divan::main();
}

/// Records of the stores that are read.
const RECORDS: u64 = 200_000;
/// Hosts that they are of.
const HOSTS: u64 = 1_000;
/// Records of a batch.
const BATCH: u64 = 1_000;

#[divan::bench]
fn push_record(bencher: Bencher) {
    let text = line(1, "");
    bencher.counter(ItemsCount::new(BATCH)).with_inputs(Batch::new).bench_local_refs(|batch| {
        for nth in 0..BATCH {
            with_record(&text, |record| batch.push_record(RunId(nth % 100), received(nth), record));
        }
    });
}

/// From the first batch to the end of the writer: blocks made, written, synced.
#[divan::bench(sample_count = 10, sample_size = 1)]
fn write_and_sync(bencher: Bencher) {
    bencher
        .counter(ItemsCount::new(RECORDS))
        .with_inputs(|| tempfile::tempdir().unwrap())
        .bench_values(|dir| {
            fill(dir.path());
            dir
        });
}

/// Opens a store whose segment is full, and waits until it is sealed.
#[divan::bench(sample_count = 10, sample_size = 1)]
fn seal(bencher: Bencher) {
    bencher.counter(ItemsCount::new(RECORDS)).with_inputs(filled).bench_values(|dir| {
        seal_all(dir.path());
        dir
    });
}

#[divan::bench]
fn open(bencher: Bencher) {
    let dir = sealed();
    bencher.bench(|| Reader::open(dir.path()).unwrap());
}

/// The last 100 records of one host.
#[divan::bench]
fn host_tail(bencher: Bencher) {
    let dir = sealed();
    let reader = Reader::open(dir.path()).unwrap();
    let boots = reader.boots(received(RECORDS));
    bencher.bench(|| reader.tail(&boots[boots.len() / 2], 100).unwrap());
}

/// All records of one host, in order.
#[divan::bench]
fn host(bencher: Bencher) {
    let dir = sealed();
    let reader = Reader::open(dir.path()).unwrap();
    let boots = reader.boots(received(RECORDS));
    let boot = &boots[boots.len() / 2];
    bencher.counter(ItemsCount::new(RECORDS / HOSTS)).bench(|| {
        let items = reader.items(boot, Window::default()).unwrap();
        items.filter(|item| matches!(item, Ok(Item::Record(_)))).count()
    });
}

/// A word in all records, in one of ten thousand, in none.
#[divan::bench(args = ["BLOCK", "heron", "wolpertinger"])]
fn search(bencher: Bencher, word: &str) {
    let dir = sealed();
    let reader = Reader::open(dir.path()).unwrap();
    let boots = reader.boots(received(RECORDS));
    let boots: Vec<&BootSummary> = boots.iter().collect();
    let word = Word { text: word.as_bytes().to_vec(), case_matters: true };
    let needle = Needle::new(&[vec![word.clone()]]);
    let wants =
        |_: &StoredRecord<'_>, text: &[u8]| memchr::memmem::find(text, &word.text).is_some();
    let search = Search { needle: &needle, wants: &wants, window: Window::default() };
    bencher.counter(ItemsCount::new(RECORDS)).bench_local(|| {
        // `None`: too many to be held.
        reader.search(&boots, &search).unwrap().map(Iterator::count)
    });
}

fn filled() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path());
    dir
}

fn sealed() -> TempDir {
    let dir = filled();
    seal_all(dir.path());
    dir
}

fn fill(dir: &Path) {
    let (mut writer, _) = Writer::open(dir, Options::default()).unwrap();
    let mut batch = Batch::new();
    for host in 0..HOSTS {
        batch.push_run(&run(host));
    }
    for nth in 0..RECORDS {
        let end = if nth.is_multiple_of(10_000) { " (heron)" } else { "" };
        let text = line(nth / HOSTS, end);
        with_record(&text, |record| {
            batch.push_record(RunId(1 + nth % HOSTS), received(nth), record);
        });
        if nth % BATCH == BATCH - 1 {
            batch = writer.append_waiting(batch).unwrap_or_default();
        }
    }
    writer.append_waiting(batch);
    writer.close().unwrap();
}

/// A segment that is larger than half the most is not written any more.
fn seal_all(dir: &Path) {
    let options = Options { segment_max_bytes: 2, ..Options::default() };
    let (writer, _) = Writer::open(dir, options).unwrap();
    while writer.counters().sealed.load(Ordering::Relaxed) == 0 {
        std::thread::yield_now();
    }
    writer.close().unwrap();
}

fn run(host: u64) -> Run {
    let source = format!("10.0.{}.{}:6665", host / 256, host % 256).parse().unwrap();
    Run {
        id: RunId(1 + host),
        key: StreamKey::new(source, 6666),
        first_received: received(0),
        verdict: Verdict::Boot,
        host: None,
        boot_id: None,
        release: None,
        last_word: None,
        stranger: false,
    }
}

fn line(nth: u64, end: &str) -> String {
    let (address, port) = (nth.wrapping_mul(2_654_435_761) as u32, nth % 64);
    format!(
        "6,{nth},{},-;[UFW BLOCK] IN=eth0 SRC={address:08x} LEN=60 PROTO=UDP SPT={port}{end}\n",
        1_000_000 + nth * 50
    )
}

fn with_record(text: &str, take: impl FnOnce(&Record<'_>)) {
    if let Datagram::Extended(message) = parse(text.as_bytes()) {
        take(&message.record());
    }
}

fn received(nth: u64) -> WallTime {
    WallTime(1_700_000_000_000_000 + nth * 20)
}
