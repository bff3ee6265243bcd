//! What is told where segments between others were deleted.

use bedside_store::catalogue::{Catalogue, FILE_NAME};
use bedside_store::maintain;
use bedside_store::read::{Item, Losses, Reader, Window};
use bedside_store::segment::SegmentName;
use bedside_stream::{Cause, WallTime};

use crate::store::{TestStore, numbered, run};

const SECOND: u64 = 1_000_000;

/// Retention deletes whole segments, also between others: nobody knows then what was lost. A number
/// that is only skipped, as after a kill, hides nothing.
#[test]
fn where_a_segment_was_deleted_nothing_is_called_lost() {
    let store = TestStore::new();
    store.segment(1).block(&[
        run(1, SECOND).into(),
        numbered(1, SECOND, 0, 0, "first"),
        numbered(1, SECOND, 2, 0, "third"),
    ]);
    store.segment(3).block(&[run(1, SECOND).into(), numbered(1, SECOND, 5, 0, "sixth")]);
    store.segment(4).block(&[run(1, SECOND).into(), numbered(1, SECOND, 9, 0, "last")]);
    let losses = |probable, unknown| Losses { probable, unknown, ..Losses::default() };
    maintain::rebuild(store.path()).unwrap();
    let holes = [1, 2, 3].map(|count| (Cause::Probable, count));
    assert_eq!(told(&store), (losses(6, 0), holes.to_vec()));
    delete(&store, 3);
    let deleted = (losses(1, 6), vec![(Cause::Probable, 1), (Cause::Unknown, 6)]);
    assert_eq!(told(&store), deleted);
    // What the segments can't tell is taken over.
    maintain::rebuild(store.path()).unwrap();
    assert_eq!(told(&store), deleted);
}

#[test]
fn what_was_deleted_is_forgotten_with_all_that_is_older() {
    let store = TestStore::new();
    for number in [2, 3, 5] {
        let line = numbered(1, SECOND, number, 0, "line");
        store.segment(number).block(&[run(1, SECOND).into(), line]);
    }
    maintain::rebuild(store.path()).unwrap();
    delete(&store, 3);
    assert_eq!(told(&store).1, [(Cause::Unknown, 2)]);
    delete(&store, 2);
    assert_eq!(
        Catalogue::open(&store.path().join(FILE_NAME)).unwrap().deleted().unwrap(),
        [].into()
    );
}

/// As retention does it.
fn delete(store: &TestStore, number: u64) {
    let live = SegmentName::live(number).to_string();
    std::fs::remove_file(store.path().join("segments").join(live)).unwrap();
    let mut catalogue = Catalogue::open(&store.path().join(FILE_NAME)).unwrap();
    catalogue.forget_deleted(&[number].into()).unwrap();
}

/// What is told to be lost of the only boot: in its numbers, and among its records.
fn told(store: &TestStore) -> (Losses, Vec<(Cause, u64)>) {
    let reader = Reader::open(store.path()).unwrap();
    let boot = reader.boots(WallTime(SECOND)).remove(0);
    let items = reader.items(&boot, Window::default()).unwrap().map(Result::unwrap);
    let gaps = items.filter_map(|item| match item {
        Item::Gap(gap) => Some((gap.cause, gap.count)),
        Item::Record(_) => None,
    });
    let gaps = gaps.collect();
    (reader.counts(&boot).unwrap().losses, gaps)
}
