//! Readers and followers beside the real writer.

use std::time::Duration;

use bedside_store::follow::FollowItem;
use bedside_store::read::{End, Item, Reader, Search, Window};
use bedside_store::{Batch, Needle, Options, StoredRecord, StoredRun, Word, Writer};
use bedside_stream::{LastWord, WallTime};
use netconsole_wire::{Fields, Format, Prefix, PrintkTime, Record, Sequence, Text};

use crate::store::{With, run};

const BATCHES: u64 = 60;
const IN_A_BATCH: u64 = 200;

fn push(batch: &mut Batch, stored: &StoredRun, seq: u64) {
    let text = format!("line {seq} {:x}", seq.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let record = Record {
        format: Format::Extended,
        release: None,
        prefix: Some(Prefix(6)),
        seq: Some(Sequence(seq)),
        time: Some(PrintkTime(seq)),
        continued: false,
        caller: None,
        text: Text::Escaped(text.as_bytes()),
        fields: Fields::EMPTY,
        incomplete: false,
    };
    batch.push_record(stored.run.id, WallTime(1_000_000 + seq), &record);
}

/// A writer that seals often.
fn writer(store: &std::path::Path) -> Writer {
    let options = Options { segment_max_bytes: 20_000, ..Options::default() };
    Writer::open(store, options).unwrap().0
}

fn append(writer: &mut Writer, stored: &StoredRun, batch_number: u64) {
    let mut batch = Batch::new();
    if batch_number == 0 {
        batch.push_run(&stored.run);
    }
    for seq in batch_number * IN_A_BATCH..(batch_number + 1) * IN_A_BATCH {
        push(&mut batch, stored, seq);
    }
    writer.append_waiting(batch);
}

/// The numbers that a reader shows now; all gaps would be of ours.
fn shown(reader: &Reader) -> Vec<u64> {
    let boots = reader.boots(WallTime(0));
    let Some(boot) = boots.first() else { return Vec::new() };
    let items = reader.items(boot, Window::default()).unwrap();
    let seqs = items.map(|item| match item.unwrap() {
        Item::Record(record) => record.seq.unwrap(),
        Item::Gap(gap) => panic!("{gap:?}"),
    });
    seqs.collect()
}

#[test]
fn a_reader_sees_a_beginning_of_what_is_written_and_a_follower_all_of_it() {
    let store = tempfile::tempdir().unwrap();
    let stored = run(1, 1_000_000);
    let mut writer = writer(store.path());
    let mut follower = Reader::open(store.path()).unwrap().follow().unwrap();
    let mut came = Vec::new();
    for batch in 0..BATCHES {
        append(&mut writer, &stored, batch);
        if batch % 7 == 0 {
            let reader = Reader::open(store.path()).unwrap();
            assert_eq!(reader.doctor_running(), Some(std::process::id()));
            let seqs = shown(&reader);
            assert!(seqs.iter().copied().eq(0..seqs.len() as u64), "{} records", seqs.len());
        }
        while let Some(item) = follower.next(Duration::ZERO).unwrap() {
            came.push(item);
        }
    }
    writer.close().unwrap();
    while let Some(item) = follower.next(Duration::ZERO).unwrap() {
        came.push(item);
    }
    let all = 0..BATCHES * IN_A_BATCH;
    let reader = Reader::open(store.path()).unwrap();
    assert!(shown(&reader).into_iter().eq(all.clone()));
    assert_eq!(reader.doctor_running(), None);
    assert_eq!(reader.damage(), []);
    assert!(matches!(came.remove(0), FollowItem::Boot(..)));
    let seqs = came.into_iter().map(|item| match item {
        FollowItem::Record(record) => record.seq.unwrap(),
        other => panic!("{other:?}"),
    });
    assert!(seqs.eq(all));
}

#[test]
fn a_search_finds_the_same_in_live_and_in_sealed_segments() {
    let store = tempfile::tempdir().unwrap();
    let stored = run(1, 1_000_000);
    // Each writer begins a segment, or goes on with one that is not full.
    for batches in (0..BATCHES).collect::<Vec<_>>().chunks(6) {
        let mut writer = writer(store.path());
        for batch in batches {
            append(&mut writer, &stored, *batch);
        }
        writer.close().unwrap();
    }
    let sealed = || std::fs::read_dir(store.path().join("segments")).unwrap().count();
    assert!(sealed() > 1);
    let reader = Reader::open(store.path()).unwrap();
    let boots = reader.boots(WallTime(0));
    for seq in (0..BATCHES * IN_A_BATCH).step_by(997) {
        let word = format!("line {seq} ").into_bytes();
        let wants = |_: &StoredRecord<'_>, text: &[u8]| text.starts_with(&word);
        let needle = Needle::new(&[vec![Word { text: word.clone(), case_matters: true }]]);
        let search = Search { needle: &needle, wants: &wants, window: Window::default() };
        let found = reader.search(&boots.iter().collect::<Vec<_>>(), &search).unwrap().unwrap();
        let seqs = found.flat_map(|found| found.unwrap().items).map(|item| match item {
            Item::Record(record) => record.seq.unwrap(),
            Item::Gap(gap) => panic!("{gap:?}"),
        });
        assert_eq!(seqs.collect::<Vec<_>>(), [seq]);
    }
}

#[test]
fn the_catalogue_and_the_segments_tell_the_same() {
    let store = tempfile::tempdir().unwrap();
    let first = run(1, 1_000_000).host("web");
    let mut writer = writer(store.path());
    for batch in 0..10 {
        append(&mut writer, &first, batch);
    }
    let second = run(2, 9_000_000).host("web").word(LastWord::Panic);
    append(&mut writer, &second, 0);
    writer.close().unwrap();
    let with = Reader::open(store.path()).unwrap();
    let boots = with.boots(WallTime(0));
    let told: Vec<_> = boots.iter().map(|boot| (&*boot.host, boot.number, boot.end)).collect();
    assert_eq!(told, [("web", 1, Some(End::Silence)), ("web", 2, Some(End::Panic))]);
    let counts = with.counts_of(&boots).unwrap();
    std::fs::remove_file(store.path().join("catalogue.sqlite")).unwrap();
    let without = Reader::open(store.path()).unwrap();
    assert_eq!(without.boots(WallTime(0)), boots);
    assert_eq!(without.counts_of(&boots).unwrap(), counts);
    assert_eq!(counts[0].records, 10 * IN_A_BATCH);
}
