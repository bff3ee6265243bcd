use std::collections::BTreeSet;
use std::sync::Arc;

use bedside_stream::{Memory, Run, RunId, Verdict, WallTime};

use super::*;
use crate::entry::StoredRun;
use crate::testing::{key, memory, run};

fn state(run: Run, boot: u32, segment: u64) -> RunState {
    RunState { stored: StoredRun { run, boot: Some(boot) }, segment }
}

fn news(segment: u64, entries: u64, records: u64, states: &[RunState]) -> News<'static> {
    let mut summary = Summary::default();
    let part = summary.segments.entry(segment).or_default();
    part.entries = entries;
    for state in states {
        let received =
            (records > 0).then_some((WallTime(segment * 10), WallTime(segment * 10 + 5)));
        let tally = Tally { records, received, dropped: 1, limited: 2, mixed: false };
        part.spans.insert(state.stored.run.id, tally);
        summary.runs.insert(state.stored.run.id, state.clone());
    }
    part.gaps.insert(bedside_stream::Cause::Socket, 7);
    News { summary, memory_rows: 100, next_run: 10, ..News::default() }
}

fn next_boots(catalogue: &Catalogue) -> Vec<(Vec<u8>, u32)> {
    let mut all = Vec::new();
    catalogue.next_boots(10, |label, next| all.push((label.to_vec(), next))).unwrap();
    all
}

fn remembered(catalogue: &Catalogue) -> BTreeSet<u16> {
    let mut ports = BTreeSet::new();
    let mut add = |memory: Memory, _| assert!(ports.insert(memory.key().source().port()));
    catalogue.memories(&mut add).unwrap();
    ports
}

#[test]
fn what_is_committed_is_loaded_and_adds_up() {
    let mut catalogue = Catalogue::in_memory().unwrap();
    let named = Run {
        host: Some(b"we\xffb'; DROP TABLE runs".to_vec()),
        boot_id: Some(vec![0]),
        release: Some(b"6.12".to_vec()),
        last_word: Some(bedside_stream::LastWord::Panic),
        verdict: Verdict::SameAs(RunId(u64::MAX)),
        ..run(2)
    };
    let states = [state(run(1), 1, 3), state(named, 2, 3)];
    let first = news(3, 20, 4, &states);
    catalogue.commit(&first).unwrap();
    assert_eq!(catalogue.load().unwrap(), first.summary);
    catalogue.commit(&news(3, 25, 0, &states)).unwrap();
    catalogue.commit(&news(4, 5, 6, &states)).unwrap();
    let summary = catalogue.load().unwrap();
    assert_eq!((summary.applied(3), summary.applied(4)), (25, 5));
    let tally = summary.tally(RunId(2));
    assert_eq!((tally.records, tally.dropped, tally.limited), (10, 3, 6));
    assert_eq!(tally.received, Some((WallTime(30), WallTime(45))));
    assert_eq!(summary.tallies()[&RunId(2)], tally);
    assert_eq!(summary.segments[&3].gaps[&bedside_stream::Cause::Socket], 14);
}

#[test]
fn an_earlier_segment_never_changes_a_run() {
    let mut catalogue = Catalogue::in_memory().unwrap();
    let newer = Run { verdict: Verdict::SameAs(RunId(7)), ..run(1) };
    catalogue.commit(&news(5, 1, 1, &[state(newer.clone(), 2, 5)])).unwrap();
    catalogue.commit(&news(4, 1, 1, &[state(run(1), 1, 4)])).unwrap();
    assert_eq!(catalogue.run(RunId(1)).unwrap().unwrap().run, newer);
    let ended = Run { last_word: Some(bedside_stream::LastWord::Clean), ..newer };
    catalogue.commit(&news(5, 2, 1, &[state(ended.clone(), 2, 5)])).unwrap();
    assert_eq!(catalogue.run(RunId(1)).unwrap().unwrap().run, ended);
}

#[test]
fn numbers_of_deleted_boots_are_not_given_again() {
    let mut catalogue = Catalogue::in_memory().unwrap();
    let states = (1..4).map(|id| state(Run { key: key(9, 1), ..run(id) }, id as u32, 1));
    let states = states.collect::<Vec<_>>();
    catalogue.commit(&news(1, 9, 1, &states)).unwrap();
    catalogue.commit(&news(2, 9, 1, &states[..1])).unwrap();
    catalogue.forget_segments(&[1].into()).unwrap();
    let summary = catalogue.load().unwrap();
    assert_eq!(summary.runs.keys().copied().collect::<Vec<_>>(), [RunId(1)]);
    assert_eq!(summary.segments.keys().copied().collect::<Vec<_>>(), [2]);
    assert_eq!(next_boots(&catalogue), [(b"192.0.2.9".to_vec(), 4)]);
    catalogue.forget_segments(&[2].into()).unwrap();
    assert_eq!(next_boots(&catalogue), [(b"192.0.2.9".to_vec(), 4)]);
    assert_eq!(catalogue.next_run().unwrap(), 10);
    assert_eq!(catalogue.load().unwrap(), Summary::default());
}

#[test]
fn the_tables_of_the_first_version_are_completed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(FILE_NAME);
    let mut catalogue = Catalogue::open(&path).unwrap();
    catalogue.commit(&news(1, 9, 1, &[state(run(1), 1, 1)])).unwrap();
    catalogue.run_sql("DROP TABLE deleted; PRAGMA user_version = 1");
    let before = catalogue.load().unwrap();
    drop(catalogue);
    let reader = Catalogue::open_read_only(&path).unwrap();
    assert_eq!((reader.load().unwrap(), reader.deleted().unwrap()), (before.clone(), [].into()));
    let mut catalogue = Catalogue::open(&path).unwrap();
    assert_eq!(catalogue.load().unwrap(), before);
    catalogue.forget_deleted(&[2].into()).unwrap();
    assert_eq!(catalogue.deleted().unwrap(), [2].into());
}

#[test]
fn memories_are_bounded_and_the_unproven_go_first() {
    let mut catalogue = Catalogue::in_memory().unwrap();
    let place = Place { segment: 3, entries: 40 };
    let row = |port, datagrams| MemoryRow {
        memory: Arc::new(memory(key(1, port), u64::from(port), datagrams)),
        place,
    };
    let rows = [row(1, 20), row(2, 1), row(3, 30), row(4, 2)];
    assert_eq!(rows.each_ref().map(|row| row.memory.proven()), [true, false, true, false]);
    let news = News { memories: &rows, memory_rows: 3, ..News::default() };
    assert_eq!(catalogue.commit(&news).unwrap(), [key(1, 2)]);
    assert_eq!(catalogue.recall(&key(1, 2)).unwrap(), None);
    assert_eq!(catalogue.recall(&key(1, 4)).unwrap().as_ref(), Some(rows[3].memory.as_ref()));
    assert_eq!(remembered(&catalogue), [1, 3, 4].into());
    let news = News { memory_rows: 1, checkpoint: Some(place), ..News::default() };
    assert_eq!(catalogue.commit(&news).unwrap().len(), 2);
    assert_eq!(remembered(&catalogue), [3].into(), "the proven that was heard last");
    assert_eq!(catalogue.checkpoint().unwrap(), Some(place));
}

#[test]
fn a_reader_needs_read_permission_only_and_outsiders_have_none() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(FILE_NAME);
    let mut catalogue = Catalogue::open(&path).unwrap();
    catalogue.commit(&news(1, 1, 1, &[state(run(1), 1, 1)])).unwrap();
    for entry in std::fs::read_dir(dir.path()).unwrap() {
        let mode = entry.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o007, 0, "{mode:o}");
    }
    let reader = Catalogue::open_read_only(&path).unwrap();
    assert_eq!(reader.load().unwrap(), catalogue.load().unwrap());
    // Read while it is written.
    catalogue.commit(&news(2, 1, 1, &[state(run(1), 1, 2)])).unwrap();
    assert_eq!(reader.load().unwrap(), catalogue.load().unwrap());
}

#[test]
fn what_is_no_catalogue_is_told_from_one_that_is_busy() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(FILE_NAME);
    std::fs::write(&path, b"this is not a database, but it is long enough to be looked at")
        .unwrap();
    assert!(Catalogue::open(&path).unwrap_err().is_damaged());
    std::fs::remove_file(&path).unwrap();
    drop(Catalogue::open(&path).unwrap());
    let other = rusqlite::Connection::open(&path).unwrap();
    other.pragma_update(None, "user_version", 99).unwrap();
    assert!(Catalogue::open(&path).unwrap_err().is_damaged());
    other.pragma_update(None, "user_version", 1).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let connection = rusqlite::Connection::open(&path).unwrap();
    let mut catalogue = Catalogue { connection, remembered: 0, stands_in_for: None };
    let error = catalogue.commit(&news(1, 1, 1, &[])).unwrap_err();
    assert!(!error.is_damaged() && error.to_string().contains("locked"), "{error}");
}
