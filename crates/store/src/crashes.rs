//! Errors at every operation and power losses at every moment, against what was really written.

use std::collections::BTreeSet;

use crate::batch::Batch;
use crate::catalogue::Catalogue;
use crate::disk::faulty::{Dice, FaultyDisk};
use crate::testing::*;
use crate::writer::Options;

/// The same story on every disk: some records, syncs, seals, in one life.
fn story(life: &mut Life, said: &mut Vec<u64>) {
    story_told(life, said, |_| ());
}

/// The same; `synced` is told all that was said whenever the disk has confirmed it.
fn story_told(life: &mut Life, said: &mut Vec<u64>, mut synced: impl FnMut(&[u64])) {
    for seq in 0..60 {
        life.mono += 40_000;
        life.say(1 + seq % 4, seq);
        said.push(seq);
        if seq % 5 == 4 && life.sync() {
            synced(said);
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

/// What was confirmed is there, nothing is there twice, nothing out of order.
fn assert_kept(disk: &FaultyDisk, durable: &BTreeSet<u64>, what: &str) {
    let found = held(disk).seqs();
    assert!(found.is_sorted_by(|a, b| a < b), "{what}: doubled or out of order: {found:?}");
    let kept: BTreeSet<u64> = found.into_iter().collect();
    let lost: Vec<_> = durable.difference(&kept).collect();
    assert!(lost.is_empty(), "{what}: synced and lost: {lost:?}");
    assert_self_contained(disk);
}

#[test]
fn a_power_loss_at_each_operation_loses_nothing_that_was_synced() {
    let clean = FaultyDisk::default();
    story(&mut Life::open(&clean, &small()).unwrap(), &mut Vec::new());
    for at in 1..clean.steps() {
        let disk = FaultyDisk::default();
        // From here on nothing reaches the disk: the power is gone.
        disk.fail(at..u64::MAX);
        let mut durable = BTreeSet::new();
        if let Ok(mut life) = Life::open(&disk, &small()) {
            let mut said = Vec::new();
            story_told(&mut life, &mut said, |said| durable.extend(said));
        }
        for seed in 0..4 {
            let after = disk.crash(&mut Dice(at * 8 + seed));
            let what = format!("at {at}, seed {seed}");
            let mut life = Life::open(&after, &small()).unwrap();
            assert_kept(&after, &durable, &what);
            // The next life writes on, and loses its power in its turn.
            life.say(9, 1000);
            assert!(life.sync(), "{what}");
            life.keep();
            let later = after.crash(&mut Dice(at));
            assert!(held(&later).seqs().ends_with(&[1000]), "{what}");
            assert_kept(&later, &durable, &what);
        }
    }
}

/// What becomes of the catalogue while the power is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It lost nothing.
    Kept,
    /// It is gone, or older than the segments, or neither, as the dice say.
    Any,
}

/// A seeded life of lives: writes, syncs in flight, seals, errors, crashes.
fn chaos(seed: u64, with_errors: bool, fate: Fate) {
    let mut dice = Dice(seed);
    let mut disk = FaultyDisk::default();
    let mut next = 0;
    let mut durable = BTreeSet::new();
    let mut catalogue = Catalogue::in_memory().unwrap();
    let mut older = None;
    for _ in 0..4 {
        let mut life = Life::with(&disk, catalogue, &small()).unwrap();
        live(&mut life, &disk, &mut dice, &mut next, &mut durable, with_errors);
        catalogue = life.end();
        if fate == Fate::Any {
            match dice.below(3) {
                0 => catalogue = Catalogue::in_memory().unwrap(),
                1 => {
                    // The one of a life or two ago comes back; this one may do so later.
                    let fresh = Catalogue::in_memory().unwrap();
                    let back = older.replace(catalogue);
                    catalogue = back.unwrap_or(fresh);
                }
                _ => {}
            }
        }
        disk = disk.crash(&mut dice);
        let what = format!("seed {seed}");
        catalogue = Life::with(&disk, catalogue, &small()).unwrap().end();
        assert_kept(&disk, &durable, &what);
        let (known, fresh) = (catalogue.load().unwrap(), folded(&disk));
        assert_eq!(known.segments, fresh.segments, "{what}");
        assert_eq!(known.runs, fresh.runs, "{what}");
    }
}

/// One of these lives. `durable` gets what was confirmed.
fn live(
    life: &mut Life,
    disk: &FaultyDisk,
    dice: &mut Dice,
    next: &mut u64,
    durable: &mut BTreeSet<u64>,
    with_errors: bool,
) {
    let mut runs = Vec::new();
    let mut said: Vec<u64> = held(disk).seqs();
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
                    life.push(&mut batch, run, *next);
                    said.push(*next);
                    *next += 1;
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
}

#[test]
fn what_was_synced_survives_every_crash() {
    for seed in 0..seeds() {
        chaos(seed, false, Fate::Kept);
    }
}

#[test]
fn what_was_synced_survives_errors_and_crashes_together() {
    for seed in 1 << 32..(1 << 32) + seeds() {
        chaos(seed, true, Fate::Kept);
    }
}

#[test]
fn what_was_synced_survives_also_a_catalogue_that_is_gone_or_old() {
    for seed in 2 << 32..(2 << 32) + seeds() {
        chaos(seed, true, Fate::Any);
    }
}

/// How many lives of lives: 60, or what `BEDSIDE_SEEDS` says.
fn seeds() -> u64 {
    std::env::var("BEDSIDE_SEEDS").map_or(60, |count| count.parse().unwrap())
}
