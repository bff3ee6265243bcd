//! A writer with its threads, on a real directory.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod hung;
mod vanished;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bedside_store::disk::Directory;
use bedside_store::follow::Lines;
use bedside_store::segment::{SegmentFile, list};
use bedside_store::{Batch, Entry, Error, Options, Retention, Writer, maintain};
use bedside_stream::{Cause, Run, RunId, StreamKey, Verdict, WallTime};
use netconsole_wire::{Fields, Format, Prefix, Record, Sequence, Text};

fn run(id: u64) -> Run {
    Run {
        id: RunId(id),
        key: StreamKey::new(([192, 0, 2, 1], 6665).into(), 6666),
        first_received: WallTime(1),
        verdict: Verdict::Boot,
        host: Some(b"web1".to_vec()),
        boot_id: None,
        release: None,
        last_word: None,
        stranger: false,
    }
}

fn push(batch: &mut Batch, run: u64, seq: u64) {
    let record = Record {
        format: Format::Extended,
        release: None,
        prefix: Some(Prefix(6)),
        seq: Some(Sequence(seq)),
        time: None,
        continued: false,
        caller: None,
        text: Text::Escaped(b"usb 1-1: new high-speed USB device number 2 using xhci_hcd"),
        fields: Fields::EMPTY,
        incomplete: false,
    };
    batch.push_record(RunId(run), WallTime(1_000_000 + seq), &record);
}

/// The numbers of all records, and the sum of all gap entries, as they stand on the disk.
fn held(dir: &Path) -> (Vec<u64>, u64) {
    let disk = Directory::new(dir.join("segments"));
    let (mut seqs, mut missing) = (Vec::new(), 0);
    for listed in list(&disk).unwrap() {
        let segment = SegmentFile::open(&disk, listed).unwrap();
        let mut text = Vec::new();
        for block in segment.scan().unwrap().blocks {
            segment.read_block(&block, &mut text).unwrap();
            for line in text.split_inclusive(|&b| b == b'\n') {
                match Entry::decode(line) {
                    Some(Entry::Record(record)) => seqs.push(record.seq.unwrap().0),
                    Some(Entry::Gap(gap)) => {
                        assert_eq!(gap.cause, Cause::Limit);
                        missing += gap.count;
                    }
                    _ => {}
                }
            }
        }
    }
    (seqs, missing)
}

#[test]
fn what_was_appended_is_there_after_close_and_the_next_life_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let mut expected = Vec::new();
    for life in 0..3u64 {
        let (mut writer, recovered) = Writer::open(dir.path(), Options::default()).unwrap();
        assert_eq!(recovered.next_run, RunId(life + 1));
        assert!(recovered.torn.is_empty());
        let mut batch = Batch::new();
        batch.push_run(&run(life + 1));
        for seq in life * 1000..(life + 1) * 1000 {
            push(&mut batch, life + 1, seq);
            expected.push(seq);
            if seq % 100 == 99 {
                batch = writer.append(batch).unwrap_or_default();
            }
        }
        writer.append(batch);
        assert!(writer.health().is_well());
        writer.close().unwrap();
        assert_eq!(held(dir.path()), (expected.clone(), 0));
    }
    let summary = maintain::rebuild(dir.path()).unwrap();
    let boots: Vec<_> = summary.runs.values().map(|state| state.stored.boot).collect();
    assert_eq!(boots, [Some(1), Some(2), Some(3)]);
    assert_eq!(summary.tally(RunId(2)).records, 1000);
    let verified = maintain::verify(dir.path()).unwrap();
    assert!(verified.faults.is_empty() && verified.unknown_lines == 0);
    assert_eq!(verified.stats.records, 3000);
    assert_eq!(maintain::stats(dir.path()).unwrap(), verified.stats);
    assert_eq!(maintain::prune(dir.path(), &Retention::default()).unwrap(), 0);
}

#[test]
fn nobody_else_may_read_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join("a/b");
    let (mut writer, _) = Writer::open(&store, Options::default()).unwrap();
    let mut batch = Batch::new();
    push(&mut batch, 1, 1);
    writer.append(batch);
    writer.close().unwrap();
    for path in [store.clone(), store.join("segments")] {
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o027, 0);
        for entry in std::fs::read_dir(path).unwrap() {
            assert_eq!(entry.unwrap().metadata().unwrap().permissions().mode() & 0o007, 0);
        }
    }
}

#[test]
fn a_second_writer_is_told_who_the_first_is() {
    let dir = tempfile::tempdir().unwrap();
    let (first, _) = Writer::open(dir.path(), Options::default()).unwrap();
    let second = Writer::open(dir.path(), Options::default()).unwrap_err();
    let Error::Locked { pid, .. } = &second else { panic!("{second}") };
    assert_eq!(*pid, Some(std::process::id()));
    assert!(second.to_string().contains(&std::process::id().to_string()), "{second}");
    assert!(matches!(maintain::rebuild(dir.path()), Err(Error::Locked { .. })));
    first.close().unwrap();
    Writer::open(dir.path(), Options::default()).unwrap().0.close().unwrap();
}

#[test]
fn the_tap_hears_every_line_with_the_numbers_of_boots() {
    let dir = tempfile::tempdir().unwrap();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let tap = {
        let heard = Arc::clone(&heard);
        Box::new(move |lines: &[u8]| heard.lock().unwrap().extend_from_slice(lines))
    };
    let options = Options { tap: Some(tap), ..Options::default() };
    let (mut writer, _) = Writer::open(dir.path(), options).unwrap();
    let mut batch = Batch::new();
    batch.push_run(&run(1));
    push(&mut batch, 1, 7);
    writer.append(batch);
    let heard = String::from_utf8(heard.lock().unwrap().clone()).unwrap();
    assert!(heard.starts_with("R 1\tsource=192.0.2.1:6665\t"), "{heard}");
    assert!(heard.lines().next().unwrap().contains("\tboot=1\thost=web1"), "{heard}");
    assert!(heard.lines().nth(1).unwrap().starts_with("1 1000007 e ,6,7,"), "{heard}");
    writer.close().unwrap();
}

#[test]
fn a_stream_that_was_forgotten_is_recalled() {
    use bedside_stream::{Core, Event, Limits, Memory, Monotonic, World};
    struct Deaf;
    impl World for Deaf {
        fn event(&mut self, _: Event<'_>) {}
        fn recall(&mut self, _: &StreamKey) -> Option<Memory> {
            None
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let mut core = Core::new(Limits::default(), RunId(1));
    core.handle_datagram(Monotonic(0), &run(1).key, WallTime(9), b"6,1,5,-;x\n", &mut Deaf);
    let memory = core.memories().find(|memory| memory.key() == run(1).key).unwrap();
    let (mut writer, _) = Writer::open(dir.path(), Options::default()).unwrap();
    assert_eq!(writer.recall(&run(1).key), None);
    let mut batch = Batch::new();
    batch.push_run(&run(1));
    push(&mut batch, 1, 1);
    batch.push_evicted(&memory);
    assert_eq!(batch.recall(&run(1).key), Some(&memory));
    batch.begin_checkpoint();
    batch.end_checkpoint();
    writer.append(batch);
    assert_eq!(writer.recall(&run(1).key), Some(memory.clone()));
    writer.close().unwrap();
    let (mut writer, recovered) = Writer::open(dir.path(), Options::default()).unwrap();
    assert_eq!(recovered.memories, std::slice::from_ref(&memory));
    assert_eq!(writer.recall(&run(1).key), Some(memory));
    let mut told = 0;
    recovered.replay.each(|_| told += 1);
    assert_eq!(told, 0, "the checkpoint was the last word");
    // Its next record goes into the same boot, and the segment has a line of its run.
    let mut batch = Batch::new();
    push(&mut batch, 1, 2);
    writer.append(batch);
    writer.close().unwrap();
    assert_eq!(held(dir.path()).0, [1, 2]);
    let (writer, _) = Writer::open(dir.path(), Options::default()).unwrap();
    assert_eq!(writer.counters().unintroduced.load(Ordering::Relaxed), 0);
    drop(writer);
}

#[test]
fn a_damaged_catalogue_is_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    let (mut writer, _) = Writer::open(dir.path(), Options::default()).unwrap();
    let mut batch = Batch::new();
    batch.push_run(&run(1));
    push(&mut batch, 1, 1);
    writer.append(batch);
    writer.close().unwrap();
    std::fs::write(dir.path().join("catalogue.sqlite"), vec![7; 10_000]).unwrap();
    let (writer, recovered) = Writer::open(dir.path(), Options::default()).unwrap();
    assert_eq!(recovered.next_run, RunId(2));
    assert!(writer.health().is_well());
    writer.close().unwrap();
    assert!(dir.path().join("catalogue.sqlite.damaged").exists());
    let summary = maintain::rebuild(dir.path()).unwrap();
    assert_eq!(summary.tally(RunId(1)).records, 1);
}

#[test]
fn a_catalogue_that_cannot_be_written_keeps_nobody_from_starting() {
    let dir = tempfile::tempdir().unwrap();
    let append = |writer: &mut Writer, id: u64| {
        let mut batch = Batch::new();
        batch.push_run(&run(id));
        push(&mut batch, id, id);
        writer.append(batch);
    };
    let (mut writer, _) = Writer::open(dir.path(), Options::default()).unwrap();
    append(&mut writer, 1);
    writer.close().unwrap();
    let other = rusqlite::Connection::open(dir.path().join("catalogue.sqlite")).unwrap();
    // What is new in the segments has to be written to it.
    other.execute_batch("DELETE FROM segments; BEGIN IMMEDIATE").unwrap();
    let (mut writer, recovered) = Writer::open(dir.path(), Options::default()).unwrap();
    assert_eq!(recovered.next_run, RunId(2));
    let trouble = writer.health().catalogue.unwrap();
    assert!(trouble.what.contains("locked"), "{trouble:?}");
    append(&mut writer, 2);
    writer.close().unwrap();
    drop(other);
    let (writer, recovered) = Writer::open(dir.path(), Options::default()).unwrap();
    assert_eq!(recovered.next_run, RunId(3));
    assert!(writer.health().is_well());
    drop(writer);
    assert_eq!(held(dir.path()).0, [1, 2]);
    let summary = maintain::rebuild(dir.path()).unwrap();
    let boots: Vec<_> = summary.runs.values().map(|state| state.stored.boot).collect();
    assert_eq!(boots, [Some(1), Some(2)]);
}

#[test]
fn who_looks_for_incidents_is_told_of_a_record_that_may_begin_one() {
    let dir = tempfile::tempdir().unwrap();
    let (mut writer, _) = Writer::open(dir.path(), Options::default()).unwrap();
    let nudge = writer.nudge();
    let mut lines = Lines::from(dir.path(), 0).unwrap();
    for seq in 0..20 {
        let mut batch = Batch::new();
        batch.push_run(&run(1));
        push(&mut batch, 1, seq);
        if seq < 19 {
            batch.mark_ordinary();
        }
        writer.append(batch);
    }
    // Nothing else ends this wait.
    assert!(nudge.wait(false, Duration::from_hours(1)));
    let mut seqs = Vec::new();
    while lines.next(false, |line| seqs.extend(seq_of(line))).unwrap().is_some() {}
    assert_eq!(seqs.last(), Some(&19), "it is there to be read");
    assert!(!nudge.wait(false, Duration::ZERO), "and told of once");
}

fn seq_of(line: &[u8]) -> Option<u64> {
    match Entry::decode(line)? {
        Entry::Record(record) => record.seq.map(|seq| seq.0),
        _ => None,
    }
}
