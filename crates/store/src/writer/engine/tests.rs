use proptest::prelude::*;

use super::*;
use crate::disk::faulty::{Dice, FaultyDisk};
use crate::segment::Form;
use crate::testing::*;

#[test]
fn a_line_is_on_the_disk_as_soon_as_it_is_written() {
    let disk = FaultyDisk::default();
    let mut life = Life::open(&disk, &options()).unwrap();
    life.say(1, 7);
    assert_eq!(held(&disk).records, [(1, 7)]);
    assert_eq!(held(&disk).runs[0].boot, Some(1));
}

#[test]
fn a_sync_is_due_within_the_time_and_at_once_when_it_is_urgent() {
    let disk = FaultyDisk::default();
    let mut life = Life::open(&disk, &options()).unwrap();
    assert!(life.sync());
    life.say(1, 1);
    assert_eq!(life.parts.engine.poll_timeout(), Some(Monotonic(100_000)));
    assert!(life.parts.engine.next_sync(Monotonic(99_999)).is_none());
    life.mono = 50_000;
    let mut batch = Batch::new();
    life.push(&mut batch, 1, 2);
    batch.mark_urgent();
    life.write(&mut batch);
    let ticket = life.parts.engine.next_sync(life.now().mono).expect("it is due at once");
    // One at a time: what is asked for meanwhile joins the next.
    life.say(1, 3);
    assert!(life.parts.engine.next_sync(life.now().mono).is_none());
    life.flight = Some(ticket);
    assert!(life.land());
    assert!(life.parts.engine.next_sync(life.now().mono).is_some());
}

#[test]
fn what_is_being_synced_asks_for_no_other_sync() {
    let disk = FaultyDisk::default();
    let options = Options { unsynced_bytes: 1 << 16, segment_max_bytes: 1 << 20, ..options() };
    let mut life = Life::open(&disk, &options).unwrap();
    assert!(life.sync());
    let mut said = 0;
    while life.flight.is_none() {
        life.say(1, said);
        said += 1;
        life.flight = life.parts.engine.next_sync(life.now().mono);
    }
    life.say(1, said);
    assert!(life.land());
    assert!(life.parts.engine.next_sync(life.now().mono).is_none());
    assert_eq!(life.parts.engine.poll_timeout(), Some(Monotonic(100_000)));
}

#[test]
fn urgency_ends() {
    let disk = FaultyDisk::default();
    let mut life = Life::open(&disk, &options()).unwrap();
    let mut batch = Batch::new();
    life.push(&mut batch, 1, 1);
    batch.mark_urgent();
    life.write(&mut batch);
    assert!(life.sync());
    life.mono = 2_000_000;
    life.say(1, 2);
    assert!(life.parts.engine.next_sync(life.now().mono).is_none());
}

#[test]
fn segments_stand_alone_and_are_sealed_in_turn() {
    let disk = FaultyDisk::default();
    let mut life = Life::open(&disk, &options()).unwrap();
    for seq in 0..400 {
        life.say(1 + seq % 3, seq);
        if seq % 10 == 0 {
            assert!(life.sync());
            life.keep();
        }
    }
    assert!(life.sync());
    life.keep();
    assert_eq!(held(&disk).seqs(), (0..400).collect::<Vec<_>>());
    assert_self_contained(&disk);
    let segments = segments(&disk);
    let (last, sealed) = segments.split_last().unwrap();
    assert!(sealed.iter().all(|segment| segment.name.form == Form::Sealed), "{segments:?}");
    assert!(sealed.len() > 3, "{segments:?}");
    assert_eq!(last.name.form, Form::Live);
    assert_eq!(life.end().load().unwrap(), folded(&disk));
}

#[test]
fn an_old_segment_is_left_for_a_new_one() {
    let disk = FaultyDisk::default();
    let mut life = Life::open(&disk, &options()).unwrap();
    life.say(1, 1);
    life.mono = 24 * 3_600_000_000;
    life.parts.engine.tick(life.now());
    assert!(life.sync());
    assert_eq!(life.parts.engine.take_outcome().seals.len(), 1);
    life.say(1, 2);
    assert_eq!(segments(&disk).len(), 2);
    assert_self_contained(&disk);
}

#[test]
fn a_failed_sync_costs_the_segment_and_nothing_else() {
    let disk = FaultyDisk::default();
    let mut life = Life::open(&disk, &options()).unwrap();
    life.say(1, 1);
    assert!(life.sync());
    life.mono = 2_000_000;
    life.say(1, 2);
    disk.fail(disk.steps()..disk.steps() + 1);
    assert!(!life.sync());
    assert!(life.parts.shared.health().disk.is_some());
    assert_eq!(held(&disk).seqs(), [1, 2], "once each, though both files hold the second");
    life.say(1, 3);
    assert!(life.sync());
    assert!(life.parts.shared.health().is_well());
    life.keep();
    assert_eq!(held(&disk).seqs(), [1, 2, 3]);
    assert_self_contained(&disk);
    let after = disk.crash(&mut Dice(1));
    assert_eq!(held(&after).seqs(), [1, 2, 3]);
    // The poisoned file is not touched again but to be sealed up to its good part.
    let forms: Vec<_> = segments(&disk).iter().map(|listed| listed.name.form).collect();
    assert_eq!(forms, [Form::Sealed, Form::Live]);
}

#[test]
fn a_segment_that_fails_before_its_first_sync_and_stays_does_not_count() {
    let disk = FaultyDisk::default();
    let mut life = Life::open(&disk, &options()).unwrap();
    life.say(1, 1);
    // The sync fails, and so does removing the file.
    disk.fail(disk.steps()..disk.steps() + 2);
    life.mono = 2_000_000;
    assert!(!life.sync());
    assert_eq!(disk.list().unwrap(), ["00000001.live.zst", "00000002.live.zst"]);
    assert_eq!(held(&disk).seqs(), [1]);
    assert!(life.sync());
    drop(Life::open(&disk, &options()).unwrap());
    assert_eq!(disk.list().unwrap(), ["00000002.live.zst"]);
    assert_eq!(held(&disk).seqs(), [1]);
}

#[test]
fn a_full_disk_is_waited_out_and_what_was_lost_is_told() {
    let disk = FaultyDisk::default();
    let options = Options { unsynced_bytes: 4096, ..options() };
    let mut life = Life::open(&disk, &options).unwrap();
    life.say(1, 0);
    assert!(life.sync());
    disk.fail(disk.steps()..u64::MAX);
    for seq in 1..200 {
        assert!(life.parts.engine.has_room());
        life.say(1, seq);
        life.mono += 10_000;
    }
    assert!(life.parts.engine.is_failing());
    let lost = life.parts.shared.counters.lost_disk.load(std::sync::atomic::Ordering::Relaxed);
    assert!(lost > 0 && lost < 199);
    disk.fail(0..0);
    life.mono += 2_000_000;
    life.parts.engine.tick(life.now());
    life.say(1, 200);
    assert!(life.sync());
    assert!(life.parts.shared.health().is_well());
    let held = held(&disk);
    assert_eq!(held.missing(), lost);
    assert_eq!(held.records.len() as u64, 201 - lost);
    assert!(held.seqs().is_sorted_by(|a, b| a < b) && held.seqs().contains(&200));
    assert_self_contained(&disk);
    assert!(life.parts.engine.is_settled());
}

#[test]
fn a_disk_that_hangs_stops_the_intake_not_the_memory_bound() {
    let disk = FaultyDisk::default();
    let options = Options { unsynced_bytes: 2048, segment_max_bytes: 1 << 20, ..options() };
    let mut life = Life::open(&disk, &options).unwrap();
    let mut seq = 0;
    while life.parts.engine.has_room() {
        life.say(1, seq);
        seq += 1;
        assert!(seq < 100);
    }
    // Crowded: the sync does not wait for its time.
    let ticket = life.parts.engine.next_sync(life.now().mono).unwrap();
    assert!(!life.parts.engine.has_room());
    life.flight = Some(ticket);
    assert!(life.land());
    assert!(life.parts.engine.has_room());
}

#[test]
fn memories_are_settled_only_when_the_records_before_them_are_durable() {
    let disk = FaultyDisk::default();
    let mut life = Life::open(&disk, &options()).unwrap();
    let mut batch = Batch::new();
    life.push(&mut batch, 1, 1);
    batch.push_memory(memory(key(1, 6665), 1, 3));
    batch.begin_checkpoint();
    batch.end_checkpoint();
    life.write(&mut batch);
    assert!(life.parts.engine.take_outcome().is_empty());
    disk.fail(disk.steps()..disk.steps() + 1);
    life.mono = 2_000_000;
    assert!(!life.sync());
    assert!(life.parts.engine.take_outcome().settled.memories.is_empty());
    assert!(life.sync());
    let settled = life.parts.engine.take_outcome().settled;
    assert_eq!(settled.memories.len(), 1);
    assert_eq!(settled.checkpoint, Some(settled.memories[0].place));
    assert_eq!(settled.memories[0].place.segment, 2);
    // One alone, without a line, needs no sync of its own data but settles with the next.
    let mut batch = Batch::new();
    batch.push_memory(memory(key(2, 6665), 2, 1));
    life.write(&mut batch);
    assert!(life.sync());
    assert_eq!(life.parts.engine.take_outcome().settled.memories.len(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn blocks_hold_what_batches_held(sizes in proptest::collection::vec(1..40u64, 1..12)) {
        let disk = FaultyDisk::default();
        let mut life = Life::open(&disk, &options()).unwrap();
        let mut batches: Vec<Batch> = Vec::new();
        let mut next = 0;
        for size in sizes {
            let mut batch = Batch::new();
            for _ in 0..size {
                life.push(&mut batch, next % 7, next);
                next += 1;
            }
            life.parts.numbering.settle(&mut batch, b"");
            batches.push(batch);
        }
        let now = life.now();
        life.parts.engine.write(now, &mut batches);
        prop_assert_eq!(held(&disk).seqs(), (0..next).collect::<Vec<_>>());
        prop_assert!(batches.iter().all(Batch::is_empty));
        assert_self_contained(&disk);
    }
}
