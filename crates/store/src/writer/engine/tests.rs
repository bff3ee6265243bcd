use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::catalogue::Catalogue;
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
    batch.push_memory(&memory(key(1, 6665), 1, 3));
    batch.mark_checkpoint();
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
    batch.push_memory(&memory(key(2, 6665), 2, 1));
    life.write(&mut batch);
    assert!(life.sync());
    assert_eq!(life.parts.engine.take_outcome().settled.memories.len(), 1);
}

/// The same story on every disk: some records, syncs, seals, in three lives' worth of time.
fn story(life: &mut Life, said: &mut Vec<u64>) {
    for seq in 0..60 {
        life.mono += 40_000;
        life.say(1 + seq % 4, seq);
        said.push(seq);
        if seq % 5 == 4 {
            life.sync();
        }
        if seq % 20 == 19 {
            life.keep();
        }
    }
}

fn small() -> Options {
    Options { segment_max_bytes: 1500, unsynced_bytes: 64 << 10, ..options() }
}

#[test]
fn an_error_at_each_operation_loses_nothing() {
    let clean = FaultyDisk::default();
    story(&mut Life::open(&clean, &small()).unwrap(), &mut Vec::new());
    let steps = clean.steps();
    assert!(steps > 300);
    for length in [1, 2, 5, 40] {
        for at in 1..steps {
            let disk = FaultyDisk::default();
            disk.fail(at..at + length);
            // A disk that can't even be listed is refused at the start.
            let Ok(mut life) = Life::open(&disk, &small()) else { continue };
            let mut said = Vec::new();
            story(&mut life, &mut said);
            disk.fail(0..0);
            life.mono += 2_000_000;
            life.parts.engine.tick(life.now());
            assert!(life.sync(), "failing at {at}, {length} steps");
            life.keep();
            let held = held(&disk);
            assert_eq!(held.seqs(), said, "failing at {at}, {length} steps");
            assert_eq!(held.missing(), 0, "failing at {at}, {length} steps");
            assert_self_contained(&disk);
            // And it survives what comes after.
            let after = disk.crash(&mut Dice(at));
            assert_eq!(crate::testing::held(&after).seqs(), held.seqs());
        }
    }
}

/// A seeded life of lives: writes, syncs in flight, seals, errors, crashes.
fn chaos(seed: u64, with_errors: bool) {
    let mut dice = Dice(seed);
    let mut disk = FaultyDisk::default();
    let mut next = 0;
    let mut durable = BTreeSet::new();
    let mut catalogue = Catalogue::in_memory().unwrap();
    for _ in 0..4 {
        let mut life = Life::with(&disk, catalogue, &small()).unwrap();
        let mut runs = Vec::new();
        let mut said: Vec<u64> = held(&disk).seqs();
        let mut covered = said.len();
        for _ in 0..60 {
            life.mono += dice.below(80_000);
            match dice.below(10) {
                0..5 => {
                    let mut batch = Batch::new();
                    for _ in 0..=dice.below(4) {
                        if runs.is_empty() || dice.one_in(8) {
                            runs.push(life.parts.recovered.next_run.0 + runs.len() as u64);
                        }
                        let run = runs[dice.below(runs.len() as u64) as usize];
                        life.push(&mut batch, run, next);
                        said.push(next);
                        next += 1;
                    }
                    life.write(&mut batch);
                }
                5..7 => {
                    if life.flight.is_none() {
                        life.flight = life.parts.engine.begin_sync();
                        covered = said.len();
                    }
                }
                7..9 => {
                    if life.land() {
                        durable.extend(&said[..covered]);
                    }
                }
                _ => life.keep(),
            }
            if with_errors && dice.one_in(12) {
                let from = disk.steps() + dice.below(4);
                disk.fail(from..from + 1 + dice.below(6));
            }
        }
        catalogue = life.end();
        disk = disk.crash(&mut dice);
        catalogue = Life::with(&disk, catalogue, &small()).unwrap().end();
        let found: Vec<u64> = held(&disk).seqs();
        assert!(found.is_sorted_by(|a, b| a < b), "seed {seed}: doubled or out of order");
        let kept: BTreeSet<u64> = found.iter().copied().collect();
        let lost: Vec<_> = durable.difference(&kept).collect();
        assert!(lost.is_empty(), "seed {seed}: synced and lost: {lost:?}");
        assert_self_contained(&disk);
        let (known, fresh) = (catalogue.load().unwrap(), folded(&disk));
        assert_eq!(known.segments, fresh.segments, "seed {seed}");
        assert_eq!(known.runs, fresh.runs, "seed {seed}");
    }
}

#[test]
fn what_was_synced_survives_every_crash() {
    for seed in 0..60 {
        chaos(seed, false);
    }
}

#[test]
fn what_was_synced_survives_errors_and_crashes_together() {
    for seed in 1000..1060 {
        chaos(seed, true);
    }
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
