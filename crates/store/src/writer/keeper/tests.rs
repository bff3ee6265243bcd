use super::super::shelf::Found;
use super::*;
use crate::batch::Batch;
use crate::disk::faulty::FaultyDisk;
use crate::segment::Form;
use crate::testing::*;

#[test]
fn the_catalogue_is_never_ahead_of_what_is_synced() {
    let disk = FaultyDisk::default();
    let mut life = Life::open(&disk, &options()).unwrap();
    life.say(1, 1);
    assert!(life.sync());
    life.say(1, 2);
    life.keep();
    let summary = life.parts.keeper.catalogue.load().unwrap();
    assert_eq!(summary.tally(RunId(1)).records, 1);
    assert!(life.sync());
    life.keep();
    assert_eq!(life.end().load().unwrap(), folded(&disk));
}

#[test]
fn a_catalogue_that_fails_costs_nothing_but_time() {
    let disk = FaultyDisk::default();
    let mut life = Life::open(&disk, &options()).unwrap();
    let breaking = "ALTER TABLE segments RENAME TO gone";
    life.parts.keeper.catalogue.run_sql(breaking);
    let mut batch = Batch::new();
    life.push(&mut batch, 1, 1);
    batch.push_memory(memory(run(1).key, 1, 9));
    life.write(&mut batch);
    assert!(life.sync());
    life.keep();
    assert!(life.parts.shared.health().catalogue.is_some());
    assert!(life.parts.shared.health().disk.is_none());
    life.say(1, 2);
    assert!(life.sync());
    life.parts.keeper.catalogue.run_sql("ALTER TABLE gone RENAME TO segments");
    life.keep();
    assert!(life.parts.shared.health().is_well());
    let catalogue = life.end();
    assert_eq!(catalogue.load().unwrap(), folded(&disk));
    let mut remembered = 0;
    catalogue.memories(|_, _| remembered += 1).unwrap();
    assert_eq!(remembered, 1);
}

#[test]
fn a_catalogue_that_could_not_be_written_at_the_start_is_once_it_can() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("catalogue.sqlite");
    // Nobody writes a directory, root neither.
    std::fs::create_dir(&path).unwrap();
    let disk = FaultyDisk::default();
    let stand_in = Catalogue::standing_in_for(&path).unwrap();
    let mut life = Life::with(&disk, stand_in, &options()).unwrap();
    life.say(1, 1);
    assert!(life.sync());
    life.keep();
    assert!(life.parts.shared.health().catalogue.is_some());
    std::fs::remove_dir(&path).unwrap();
    life.say(1, 2);
    assert!(life.sync());
    life.keep();
    assert!(life.parts.shared.health().is_well());
    let written = Catalogue::open_read_only(&path).unwrap();
    assert_eq!(written.load().unwrap(), folded(&disk));
    let names = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(!names.into_iter().any(|name| name.to_string_lossy().contains("new")));
}

#[test]
fn retention_deletes_whole_segments_and_their_rows_and_never_the_live_one() {
    let disk = FaultyDisk::default();
    let retention = Retention { max_bytes: 6000, max_host_share: 2.0, ..Retention::default() };
    let options = Options { segment_max_bytes: 1000, retention, ..options() };
    let mut life = Life::open(&disk, &options).unwrap();
    for seq in 0..400 {
        life.say(1 + seq / 100, seq);
        if seq % 5 == 4 {
            assert!(life.sync());
            life.keep();
        }
    }
    let held = held(&disk);
    let first = held.seqs()[0];
    assert!(first > 100, "the oldest went");
    assert_eq!(held.seqs(), (first..400).collect::<Vec<_>>());
    let bytes: u64 = segments(&disk)
        .iter()
        .map(|listed| SegmentFile::open(&disk, *listed).unwrap().bytes().unwrap())
        .sum();
    assert!(bytes <= 6000 + 1000, "{bytes}");
    let deleted = life.parts.shared.counters.deleted.load(std::sync::atomic::Ordering::Relaxed);
    assert!(deleted > 3);
    let catalogue = life.end();
    assert_eq!(catalogue.load().unwrap(), folded(&disk));
    assert_eq!(catalogue.run(RunId(1)).unwrap(), None);
}

#[test]
fn a_seal_that_fails_is_tried_again_later() {
    let disk = FaultyDisk::default();
    let mut life = Life::open(&disk, &Options { segment_max_bytes: 500, ..options() }).unwrap();
    for seq in 0..10 {
        life.say(1, seq);
    }
    assert!(life.sync());
    disk.create("00000001.tmp").unwrap();
    disk.fail(disk.steps()..u64::MAX);
    life.keep();
    assert_eq!(life.parts.shared.counters.sealed.load(std::sync::atomic::Ordering::Relaxed), 0);
    disk.fail(0..0);
    life.keep();
    assert_eq!(segments(&disk)[0].name.form, Form::Live, "not at once");
    life.mono += PAUSE_US;
    life.keep();
    assert_eq!(segments(&disk)[0].name.form, Form::Sealed);
    assert_eq!(held(&disk).seqs(), (0..10).collect::<Vec<_>>());
}

#[test]
fn a_memory_is_on_the_shelf_until_it_is_in_the_catalogue() {
    let disk = FaultyDisk::default();
    let mut life = Life::open(&disk, &options()).unwrap();
    let remembered = Arc::new(memory(key(1, 6665), 1, 9));
    let shelf = Arc::clone(&life.parts.shelf);
    assert_eq!(shelf.find(&key(1, 6665)), Found::Nowhere);
    assert!(shelf.hold(&remembered));
    let mut batch = Batch::new();
    batch.memories.push(Arc::clone(&remembered));
    life.write(&mut batch);
    assert!(life.sync());
    assert_eq!(shelf.find(&key(1, 6665)), Found::Held(remembered));
    life.keep();
    assert_eq!(shelf.find(&key(1, 6665)), Found::Stored);
    assert_eq!(shelf.find(&key(2, 6665)), Found::Nowhere);
}

/// A run that is a stranger's or is not.
fn say_as(life: &mut Life, id: u64, seq: u64, stranger: bool) {
    let mut batch = Batch::new();
    batch.push_run(&bedside_stream::Run { stranger, ..run(id) });
    let received = bedside_stream::WallTime(2_000_000 + seq);
    batch.push_record(RunId(id), received, &record(seq, b"x"));
    life.write(&mut batch);
}

#[test]
fn strangers_cost_no_rows_and_are_found_all_the_same() {
    let disk = FaultyDisk::default();
    let mut life = Life::open(&disk, &Options { segment_max_bytes: 6_000, ..options() }).unwrap();
    let (known, returns) = (1, 500);
    life.say(known, 0);
    for seq in 1..1_000 {
        match seq {
            500 | 503 => say_as(&mut life, returns, seq, true),
            506 => say_as(&mut life, returns, seq, false),
            _ if seq > 506 && seq % 100 == 0 => life.say(returns, seq),
            _ if seq % 50 == 0 => life.say(known, seq),
            _ => say_as(&mut life, 1_000 + seq, seq, true),
        }
        if seq % 10 == 9 {
            assert!(life.sync());
            life.keep();
        }
    }
    let catalogue = life.end();
    let summary = catalogue.load().unwrap();
    let fresh = folded(&disk);
    assert_eq!(summary, fresh, "rebuilt from sealed segments it is the same");
    assert_eq!(summary.runs.keys().copied().collect::<Vec<_>>(), [RunId(known), RunId(returns)]);
    let rows: usize = summary.segments.values().map(|segment| segment.spans.len()).sum();
    assert!(rows <= 2 * summary.segments.len(), "{rows} rows");
    let strangers: u64 = summary.segments.values().map(|s| s.strangers.records).sum();
    let own = summary.tally(RunId(known)).records + summary.tally(RunId(returns)).records;
    assert_eq!((strangers + own, summary.tally(RunId(returns)).mixed), (1_000, true));
    assert!(summary.next_run() > 1_999);
    let at = |run| summary.segments.values().any(|s| s.strangers.may_hold(RunId(run)));
    assert!((1_001..1_050).all(at) && !at(5_000));
    assert_eq!(catalogue.next_run().unwrap(), summary.next_run());
}
