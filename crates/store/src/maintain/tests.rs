use std::sync::atomic::AtomicBool;

use super::*;
use crate::testing::{record, run};
use crate::writer::{SealJob, Shape, seal};
use crate::{Batch, Options, Writer};
use bedside_stream::{RunId, WallTime};

/// A store of 200 records in several blocks.
fn store() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for life in 0..4 {
        let (mut writer, _) = Writer::open(dir.path(), Options::default()).unwrap();
        let mut batch = Batch::new();
        batch.push_run(&run(life + 1));
        for seq in 0..50 {
            batch.push_record(RunId(life + 1), WallTime(1000 + seq), &record(seq, b"some text"));
        }
        writer.append(batch);
        writer.close().unwrap();
    }
    dir
}

#[test]
fn a_store_is_counted_and_checked_while_it_is_written() {
    let dir = store();
    let (writer, _) = Writer::open(dir.path(), Options::default()).unwrap();
    let verified = verify(dir.path()).unwrap();
    assert!(verified.faults.is_empty(), "{:?}", verified.faults);
    assert_eq!((verified.stats.records, verified.stats.entries), (200, 204));
    assert_eq!((verified.stats.live, verified.stats.sealed), (1, 0));
    assert_eq!(verified.tail_bytes, 0);
    assert_eq!(stats(dir.path()).unwrap(), verified.stats);
    writer.close().unwrap();
}

#[test]
fn each_damaged_block_is_a_fault_with_its_place() {
    let dir = store();
    let path = dir.path().join(SEGMENTS_NAME).join("00000001.live.zst");
    let mut bytes = std::fs::read(&path).unwrap();
    let end = bytes.len();
    bytes[end - 20] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let verified = verify(dir.path()).unwrap();
    assert_eq!(verified.faults.len(), 1);
    let text = verified.faults[0].to_string();
    assert!(text.starts_with("00000001.live.zst at ") && text.contains("checksum"), "{text}");
    assert_eq!(verified.stats.records, 150, "those that can be read");
}

#[test]
fn where_the_index_is_damaged_the_blocks_are_found_without_it() {
    let dir = store();
    let (disk, go) = (segments(dir.path()), AtomicBool::new(false));
    let job = SealJob { number: 1, cut: None };
    seal(&disk, job, Shape::from(&Options::default()), &go).unwrap();
    let whole = verify(dir.path()).unwrap();
    let path = dir.path().join(SEGMENTS_NAME).join("00000001.zst");
    let mut bytes = std::fs::read(&path).unwrap();
    let end = bytes.len();
    bytes[end - 10] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let verified = verify(dir.path()).unwrap();
    assert_eq!((verified.faults.len(), verified.stats.damaged), (1, 1), "{:?}", verified.faults);
    assert_eq!(verified.stats.records, whole.stats.records);
    assert_eq!(stats(dir.path()).unwrap(), verified.stats);
}

#[test]
fn a_rebuilt_catalogue_is_the_same() {
    let dir = store();
    let path = dir.path().join(FILE_NAME);
    let before = Catalogue::open(&path).unwrap().load().unwrap();
    assert_eq!(rebuild(dir.path()).unwrap(), before);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(rebuild(dir.path()).unwrap(), before);
    assert_eq!(before.tallies().values().map(|tally| tally.records).sum::<u64>(), 200);
}

#[test]
fn where_no_store_is_nothing_is_made() {
    let dir = tempfile::tempdir().unwrap();
    let nowhere = dir.path().join("nowhere");
    assert!(stats(&nowhere).unwrap_err().is_not_found());
    assert!(verify(&nowhere).unwrap_err().is_not_found());
    assert!(rebuild(&nowhere).is_err() && prune(&nowhere, &Retention::default()).is_err());
    assert!(!nowhere.exists());
}
