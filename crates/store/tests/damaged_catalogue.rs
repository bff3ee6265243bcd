//! A catalogue that is absent, damaged anywhere, cut, or older than the segments: the store opens,
//! goes on, and answers the same.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

use bedside_store::read::Reader;
use bedside_store::{Batch, Options, Writer};
use bedside_stream::{Run, RunId, StreamKey, Verdict, WallTime};
use netconsole_wire::{Fields, Format, Prefix, Record, Sequence, Text};

/// More than fit one page of any of the tables.
const RUNS: u64 = 150;
const PAGE: usize = 4096;

fn push_run(batch: &mut Batch, id: u64) {
    let source = ([192, 0, 2, id as u8], 6665).into();
    batch.push_run(&Run {
        id: RunId(id),
        key: StreamKey::new(source, 6666),
        first_received: WallTime(id),
        verdict: Verdict::Boot,
        host: Some(format!("machine-{}", id % 40).into_bytes()),
        boot_id: None,
        release: Some(b"6.12.94".to_vec()),
        last_word: None,
        stranger: false,
    });
    let record = Record {
        format: Format::Extended,
        release: None,
        prefix: Some(Prefix(6)),
        seq: Some(Sequence(id)),
        time: None,
        continued: false,
        caller: None,
        text: Text::Escaped(b"usb 1-1: new high-speed USB device"),
        fields: Fields::EMPTY,
        incomplete: false,
    };
    batch.push_record(RunId(id), WallTime(1_000_000 + id), &record);
}

fn append(dir: &Path, runs: std::ops::Range<u64>) {
    let (mut writer, recovered) = Writer::open(dir, Options::default()).unwrap();
    assert_eq!(recovered.next_run, RunId(runs.start), "no number is used twice");
    let mut batch = Batch::new();
    runs.for_each(|id| push_run(&mut batch, id));
    writer.append(batch);
    writer.close().unwrap();
}

/// Host and number of every boot, and how many records are held of it.
fn boots(dir: &Path) -> Vec<(String, u32, u64)> {
    let reader = Reader::open(dir).unwrap();
    let boots = reader.boots(WallTime(2_000_000));
    let counts = reader.counts_of(&boots).unwrap();
    let told = boots.iter().zip(counts);
    told.map(|(boot, counts)| (boot.host.to_string(), boot.number, counts.records)).collect()
}

/// A store and what it answers.
struct Store {
    dir: tempfile::TempDir,
    catalogue: Vec<u8>,
    boots: Vec<(String, u32, u64)>,
}

impl Store {
    fn make() -> Store {
        let dir = tempfile::tempdir().unwrap();
        append(dir.path(), 1..RUNS);
        let catalogue = fs::read(dir.path().join("catalogue.sqlite")).unwrap();
        let boots = boots(dir.path());
        assert_eq!(boots.len() as u64, RUNS - 1);
        Store { dir, catalogue, boots }
    }

    /// Opened with this in the catalogue's place it reads the same, goes on, and is well again.
    fn check(&self, catalogue: Option<&[u8]>, what: &str) {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("segments")).unwrap();
        for entry in fs::read_dir(self.dir.path().join("segments")).unwrap() {
            let entry = entry.unwrap();
            let to = dir.path().join("segments").join(entry.file_name());
            fs::copy(entry.path(), to).unwrap();
        }
        if let Some(bytes) = catalogue {
            fs::write(dir.path().join("catalogue.sqlite"), bytes).unwrap();
        }
        assert_eq!(boots(dir.path()), self.boots, "{what}: as a reader finds it");
        append(dir.path(), RUNS..RUNS + 1);
        let (writer, _) = Writer::open(dir.path(), Options::default()).unwrap();
        assert!(writer.health().is_well(), "{what}: {:?}", writer.health());
        writer.close().unwrap();
        let after = boots(dir.path());
        assert_eq!(after.len() as u64, RUNS, "{what}");
        assert!(self.boots.iter().all(|boot| after.contains(boot)), "{what}");
    }
}

#[test]
fn an_absent_empty_or_foreign_catalogue_is_made_anew() {
    let store = Store::make();
    store.check(None, "absent");
    store.check(Some(b""), "empty");
    store.check(Some(b"something else altogether, and not short either"), "foreign");
}

#[test]
fn a_catalogue_with_any_page_overwritten_is_made_anew() {
    let store = Store::make();
    let pages = store.catalogue.len() / PAGE;
    assert!(pages > 8, "{pages} pages");
    for page in 0..pages {
        for noise in [0, 0xaa] {
            let mut hurt = store.catalogue.clone();
            hurt[page * PAGE..][..PAGE].fill(noise);
            store.check(Some(&hurt), &format!("page {page} full of {noise:#x}"));
        }
    }
}

#[test]
fn a_catalogue_cut_at_any_page_is_made_anew() {
    let store = Store::make();
    for page in 0..store.catalogue.len() / PAGE {
        let cut = page * PAGE + 100;
        store.check(Some(&store.catalogue[..cut]), &format!("cut at {cut}"));
    }
}

#[test]
fn a_catalogue_older_than_the_segments_catches_up() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("catalogue.sqlite");
    append(dir.path(), 1..2);
    let old = fs::read(&path).unwrap();
    append(dir.path(), 2..RUNS);
    let expected = boots(dir.path());
    fs::write(&path, old).unwrap();
    assert_eq!(boots(dir.path()), expected, "a reader folds in what it lacks");
    append(dir.path(), RUNS..RUNS + 1);
    let after = boots(dir.path());
    assert_eq!(after.len(), expected.len() + 1);
    assert!(expected.iter().all(|boot| after.contains(boot)));
}
