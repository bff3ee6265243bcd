use std::time::Duration;

use super::*;
use crate::Options;
use crate::disk::faulty::FaultyDisk;
use crate::testing::{Life, options, segments};

fn stock(number: u64, bytes: u64, hosts: &[(&str, u64)]) -> Stock {
    let records = hosts.iter().map(|(_, records)| records).sum();
    let hosts = hosts.iter().map(|(label, records)| (label.as_bytes().to_vec(), *records));
    let filled = Some(Filled { records, hosts: hosts.collect() });
    Stock { number, bytes, last: Some(WallTime(number * 1_000_000)), filled }
}

fn gone(stock: &[Stock], live: u64, retention: &Retention, now_s: u64) -> Vec<u64> {
    plan(&stock.iter().collect::<Vec<_>>(), live, retention, WallTime(now_s * 1_000_000))
        .into_iter()
        .collect()
}

#[test]
fn nothing_goes_while_all_fits() {
    let stock = [stock(1, 50, &[("a", 1)]), stock(2, 40, &[("a", 1)])];
    let retention = Retention { max_bytes: 100, ..Retention::default() };
    assert!(gone(&stock, 10, &retention, 1000).is_empty());
    let unbounded = Retention { max_bytes: 0, ..retention };
    assert!(gone(&stock, u64::MAX / 2, &unbounded, 1000).is_empty());
}

#[test]
fn the_oldest_goes_first_until_the_rest_fits() {
    let stock = [1, 2, 3].map(|n| stock(n, 50, &[("a", 1), ("b", 1), ("c", 1)]));
    let retention = Retention { max_bytes: 100, ..Retention::default() };
    assert_eq!(gone(&stock, 10, &retention, 1000), [1, 2]);
    assert_eq!(gone(&stock, 1000, &retention, 1000), [1, 2, 3], "the live one never goes");
}

#[test]
fn what_is_too_old_goes_however_little_there_is() {
    let stock = [1, 2, 3].map(|n| stock(n, 50, &[]));
    let max_age = Some(Duration::from_secs(10));
    let retention = Retention { max_age, ..Retention::default() };
    assert_eq!(gone(&stock, 0, &retention, 12), [1]);
    assert_eq!(gone(&stock, 0, &retention, 13), [1, 2]);
    let [mut first, second, mut third] = stock;
    (first.last, third.last) = (None, None);
    let damaged = [first, second, third];
    assert!(gone(&damaged, 0, &retention, 12).is_empty(), "how old they are is not known");
    assert_eq!(gone(&damaged, 0, &retention, 13), [1, 2], "the first is older than the second");
}

/// A store of several sealed segments.
fn several() -> (FaultyDisk, Life) {
    several_of(|_| 1)
}

/// Likewise, each line of the run that `of` names.
fn several_of(of: impl Fn(u64) -> u64) -> (FaultyDisk, Life) {
    let disk = FaultyDisk::default();
    let small = Options { segment_max_bytes: 1000, ..options() };
    let mut life = Life::open(&disk, &small).unwrap();
    for seq in 0..60 {
        life.say(of(seq), seq);
        assert!(life.sync());
        life.keep();
    }
    (disk, life)
}

#[test]
fn one_that_cannot_be_read_is_not_old_for_that_and_takes_up_room() {
    let (disk, _life) = several();
    let length = |number| length(&disk, number);
    let names: Vec<SegmentName> = segments(&disk).iter().map(|listed| listed.name).collect();
    assert!(names.len() > 3 && names[2].form == Form::Sealed, "{names:?}");
    disk.turn_bit(&names[0].to_string(), 0);
    disk.turn_bit(&names[1].to_string(), length(names[1]) as usize - 20);
    let bytes: u64 = names.iter().map(|name| length(*name)).sum();
    let mut catalogue = Catalogue::in_memory().unwrap();
    let mut pruned = |max_bytes, max_age, now| {
        let retention = Retention { max_bytes, max_age, ..Retention::default() };
        Inventory::default().prune(&disk, &mut catalogue, &retention, WallTime(now)).unwrap()
    };
    assert_eq!(pruned(bytes, Some(Duration::ZERO), 0), 0);
    assert_eq!(pruned(bytes - 1, None, 0), 1);
    assert_eq!(segments(&disk)[0].name, names[1], "the oldest, whatever is wrong with it");
}

#[test]
fn what_was_deleted_is_told_to_a_catalogue_that_failed_then() {
    let (disk, life) = several();
    let mut catalogue = life.end();
    catalogue.run_sql("ALTER TABLE deleted RENAME TO other");
    let mut inventory = Inventory::default();
    let retention = Retention { max_bytes: 1, ..Retention::default() };
    assert!(inventory.prune(&disk, &mut catalogue, &retention, WallTime(0)).is_err());
    catalogue.run_sql("ALTER TABLE other RENAME TO deleted");
    assert_eq!(inventory.prune(&disk, &mut catalogue, &retention, WallTime(0)).unwrap(), 0);
    let there: BTreeSet<u64> = segments(&disk).iter().map(|listed| listed.name.number).collect();
    assert!(catalogue.applied().unwrap().keys().all(|number| there.contains(number)));
}

#[test]
fn a_noisy_host_pushes_out_its_own_past() {
    let stock = [
        stock(1, 50, &[("quiet", 9), ("noisy", 1)]),
        stock(2, 50, &[("noisy", 99), ("quiet", 1)]),
        stock(3, 50, &[("noisy", 100)]),
        stock(4, 50, &[("noisy", 100)]),
    ];
    let retention = Retention { max_bytes: 160, max_host_share: 0.5, ..Retention::default() };
    assert_eq!(gone(&stock, 0, &retention, 1000), [2]);
    let retention = Retention { max_bytes: 60, ..retention };
    assert_eq!(gone(&stock, 0, &retention, 1000), [2, 3, 4]);
    let fair = Retention { max_host_share: 1.0, ..retention };
    assert_eq!(gone(&stock[..2], 0, &fair, 1000), [1]);
}

#[test]
fn who_fills_which_segment_is_known_to_the_catalogue() {
    let (disk, life) = several_of(|seq| 1 + u64::from(seq >= 20));
    let names: Vec<SegmentName> = segments(&disk).iter().map(|listed| listed.name).collect();
    let bytes: u64 = names.iter().map(|name| length(&disk, *name)).sum();
    let mut catalogue = life.end();
    let retention = Retention { max_bytes: bytes - 1, max_age: None, max_host_share: 0.4 };
    let mut inventory = Inventory::default();
    assert_eq!(inventory.prune(&disk, &mut catalogue, &retention, WallTime(0)).unwrap(), 1);
    let left: Vec<SegmentName> = segments(&disk).iter().map(|listed| listed.name).collect();
    assert_eq!(left[0], names[0], "the oldest is another's");
}
