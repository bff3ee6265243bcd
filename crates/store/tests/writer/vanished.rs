//! Somebody removes a store that is being written.

use std::fs;
use std::time::Duration;

use bedside_store::read::Reader;
use bedside_store::{Batch, Options, Writer, maintain};
use bedside_stream::RunId;

use super::{held, push, run};

/// Appends a record, and waits until the writer has found that it cannot keep it, or has kept it.
fn append(writer: &mut Writer, seq: u64) {
    let mut batch = Batch::new();
    if seq == 1 {
        batch.push_run(&run(1));
    }
    push(&mut batch, 1, seq);
    writer.append(batch);
}

/// Until it has synced, or failed, so many times.
fn wait_for(writer: &Writer, syncs: u64, failures: u64) {
    use std::sync::atomic::Ordering::Relaxed;
    let counters = writer.counters();
    while counters.syncs.load(Relaxed) < syncs || counters.failures.load(Relaxed) < failures {
        std::thread::yield_now();
    }
}

#[test]
fn what_is_in_a_removed_store_is_gone_and_the_rest_is_kept_in_a_new_one() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { retry_after: RETRY, ..Options::default() };
    let (mut writer, _) = Writer::open(dir.path(), options).unwrap();
    append(&mut writer, 1);
    wait_for(&writer, 1, 0);
    for entry in fs::read_dir(dir.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }.unwrap();
    }
    append(&mut writer, 2);
    wait_for(&writer, 2, 1);
    append(&mut writer, 3);
    writer.close().unwrap();
    // The first was synced and is gone with its file, or was not and stands in the new one.
    let (seqs, missing) = held(dir.path());
    assert!(seqs.ends_with(&[2, 3]) && missing == 0, "{seqs:?}, {missing} missing");
    let boots = Reader::open(dir.path()).unwrap().boots(bedside_stream::WallTime(9));
    assert_eq!((boots.len(), &*boots[0].host), (1, "web1"), "the run is told again");
    assert_eq!(maintain::rebuild(dir.path()).unwrap().tally(RunId(1)).records, seqs.len() as u64);
}

#[test]
fn a_catalogue_that_was_removed_is_made_anew_and_so_is_the_lock() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { commit_every: Duration::ZERO, ..Options::default() };
    let (mut writer, _) = Writer::open(dir.path(), options).unwrap();
    append(&mut writer, 1);
    wait_for(&writer, 1, 0);
    fs::remove_file(dir.path().join("catalogue.sqlite")).unwrap();
    fs::remove_file(dir.path().join("lock")).unwrap();
    append(&mut writer, 2);
    // Both are there again without an end of this writer.
    while !dir.path().join("lock").exists() || !dir.path().join("catalogue.sqlite").exists() {
        std::thread::yield_now();
    }
    let second = Writer::open(dir.path(), Options::default()).unwrap_err().to_string();
    assert!(second.contains("is being written"), "{second}");
    writer.close().unwrap();
    let (writer, recovered) = Writer::open(dir.path(), Options::default()).unwrap();
    assert_eq!(recovered.next_run, RunId(2));
    assert!(writer.health().is_well());
    writer.close().unwrap();
    assert_eq!(held(dir.path()), (vec![1, 2], 0));
}

#[test]
fn who_takes_the_lock_away_lets_no_second_writer_in() {
    let dir = tempfile::tempdir().unwrap();
    let (writer, _) = Writer::open(dir.path(), Options::default()).unwrap();
    fs::remove_file(dir.path().join("lock")).unwrap();
    let second = Writer::open(dir.path(), Options::default()).unwrap_err().to_string();
    assert!(second.contains("is being written"), "{second}");
    writer.close().unwrap();
    Writer::open(dir.path(), Options::default()).unwrap().0.close().unwrap();
}

#[test]
fn a_store_whose_place_is_gone_too_is_not_made_elsewhere() {
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join("store");
    let options = Options { retry_after: RETRY, ..Options::default() };
    let (mut writer, _) = Writer::open(&store, options).unwrap();
    append(&mut writer, 1);
    wait_for(&writer, 1, 0);
    // Out of the way first: what is just being made in it must not keep it from being removed.
    let gone = dir.path().join("gone");
    fs::rename(&store, &gone).unwrap();
    fs::remove_dir_all(&gone).unwrap();
    append(&mut writer, 2);
    let trouble = loop {
        if let Some(trouble) = writer.health().disk {
            break trouble.what;
        }
    };
    assert!(
        trouble.contains("No such file or directory") || trouble.contains("removed"),
        "{trouble}"
    );
    assert!(!store.exists(), "it may be the place of a disk that is not mounted");
    // It comes back, and nothing that was heard meanwhile is lost.
    fs::create_dir(&store).unwrap();
    while writer.health().disk.is_some() {
        std::thread::yield_now();
    }
    writer.close().unwrap();
    let (seqs, missing) = held(&store);
    assert!(seqs.ends_with(&[2]) && missing == 0, "{seqs:?}, {missing} missing");
}

/// Soon, for a test; not at once, for a machine with two processors.
const RETRY: Duration = Duration::from_millis(20);
