//! Boots and hosts, by situation.

use std::fs::OpenOptions;

use bedside_store::read::{BootSummary, End, Error, Item, Reader, Window};
use bedside_store::segment::Replaced;
use bedside_stream::{Cause, LastWord, Verdict, WallTime};
use nix::fcntl::{Flock, FlockArg};

use crate::store::{Line, TestStore, With, basic, block, gap, numbered, run};

const SECOND: u64 = 1_000_000;

/// A store of one live segment with one block.
fn store(lines: &[Line]) -> TestStore {
    let store = TestStore::new();
    store.segment(1).block(lines);
    store
}

fn open(store: &TestStore) -> Reader {
    Reader::open(store.path()).unwrap()
}

/// Holds the lock as a doctor does.
fn doctor(store: &TestStore) -> Flock<std::fs::File> {
    let path = store.path().join("lock");
    std::fs::write(&path, "4711\n").unwrap();
    let file = OpenOptions::new().write(true).open(path).unwrap();
    Flock::lock(file, FlockArg::LockExclusiveNonblock).unwrap()
}

fn boots_at(lines: &[Line], now: u64) -> Vec<BootSummary> {
    let store = store(lines);
    let _doctor = doctor(&store);
    open(&store).boots(WallTime(now))
}

fn texts(reader: &Reader, boot: &BootSummary) -> Vec<String> {
    let items = reader.items(boot, Window::default()).unwrap();
    let texts = items.filter_map(|item| match item.unwrap() {
        Item::Record(record) => Some(String::from_utf8(record.text).unwrap()),
        Item::Gap(_) => None,
    });
    texts.collect()
}

#[test]
fn no_store_is_said_to_be_none() {
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(Reader::open(dir.path()), Err(Error::NoStore { .. })));
}

#[test]
fn an_empty_store_has_nothing() {
    let reader = open(&TestStore::new());
    assert_eq!(reader.boots(WallTime(0)), []);
    assert_eq!(reader.hosts(WallTime(0)).unwrap(), []);
    assert_eq!(reader.loose_gaps().unwrap(), []);
}

#[test]
fn the_lock_tells_who_writes() {
    let store = TestStore::new();
    assert_eq!(open(&store).doctor_running(), None);
    let held = doctor(&store);
    assert_eq!(open(&store).doctor_running(), Some(4711));
    drop(held);
    assert_eq!(open(&store).doctor_running(), None);
}

#[test]
fn a_boot_speaks_until_it_was_silent_for_a_while() {
    let lines = [run(1, SECOND).into(), numbered(1, SECOND, 0, 0, "a")];
    assert_eq!(boots_at(&lines, 10 * SECOND)[0].end, None);
    assert_eq!(boots_at(&lines, 11 * SECOND)[0].end, Some(End::Silence));
    assert_eq!(boots_at(&lines, 0)[0].end, None, "the clock went back");
}

#[test]
fn without_a_doctor_nobody_speaks() {
    let store = store(&[run(1, SECOND).into(), numbered(1, SECOND, 0, 0, "a")]);
    assert_eq!(open(&store).boots(WallTime(SECOND))[0].end, Some(End::Silence));
}

#[test]
fn a_last_word_ends_a_boot_at_once() {
    for (word, end) in [(LastWord::Clean, End::Clean), (LastWord::Panic, End::Panic)] {
        let first = run(1, SECOND);
        let told = first.clone().word(word);
        let lines = [first.into(), numbered(1, SECOND, 0, 0, "a"), told.into()];
        assert_eq!(boots_at(&lines, SECOND)[0].end, Some(end));
    }
}

#[test]
fn a_last_word_counts_as_long_as_its_port_heard_no_more() {
    let first = run(1, SECOND).word(LastWord::Panic);
    let moved = run(2, 2 * SECOND).same_as(1).source("10.0.0.1:7000");
    let other_port = run(3, SECOND).same_as(1).port(6667);
    let mut lines = vec![first.into(), numbered(1, SECOND, 0, 0, "a")];
    lines.extend([other_port.into(), basic(3, 3 * SECOND, Some(9), "a")]);
    assert_eq!(boots_at(&lines, 3 * SECOND)[0].end, Some(End::Panic));
    let again = run(4, 2 * SECOND).same_as(1);
    lines.extend([again.into(), numbered(4, 3 * SECOND, 0, 0, "a")]);
    assert_eq!(boots_at(&lines, 3 * SECOND)[0].end, Some(End::Panic), "it was only repeated");
    lines.extend([moved.into(), numbered(2, 3 * SECOND, 1, 1, "b")]);
    assert_eq!(boots_at(&lines, 3 * SECOND)[0].end, None);
}

#[test]
fn a_later_boot_of_the_host_supersedes_the_earlier() {
    let lines = [
        run(1, SECOND).into(),
        numbered(1, SECOND, 0, 5, "a"),
        run(2, 2 * SECOND).number(2).into(),
        numbered(2, 2 * SECOND, 0, 1, "b"),
    ];
    let boots = boots_at(&lines, 2 * SECOND);
    assert_eq!((boots[0].number, boots[0].superseded, boots[0].end), (1, true, Some(End::Silence)));
    assert_eq!((boots[1].number, boots[1].superseded, boots[1].end), (2, false, None));
}

#[test]
fn two_addresses_of_one_name_may_both_speak() {
    let lines = [
        run(1, SECOND).host("h").into(),
        run(2, 2 * SECOND).host("h").number(2).source("[fe80::1]:6665").into(),
        numbered(2, 2 * SECOND, 0, 1, "b"),
        numbered(1, 3 * SECOND, 0, 5, "a"),
    ];
    let boots = boots_at(&lines, 3 * SECOND);
    assert_eq!(boots.iter().map(|boot| boot.end).collect::<Vec<_>>(), [None, None]);
}

#[test]
fn a_provisional_run_is_a_boot_until_it_is_told_to_be_none() {
    let provisional = run(2, 2 * SECOND).number(2).with(|run| run.verdict = Verdict::Provisional);
    let mut lines: Vec<Line> = vec![run(1, SECOND).into(), numbered(1, SECOND, 0, 0, "a")];
    lines.extend([provisional.clone().into(), numbered(2, 2 * SECOND, 0, 0, "a")]);
    let boots = boots_at(&lines, 2 * SECOND);
    assert_eq!(boots.iter().map(|boot| boot.provisional).collect::<Vec<_>>(), [false, true]);
    lines.push(provisional.same_as(1).number(1).into());
    let boots = boots_at(&lines, 2 * SECOND);
    assert_eq!(boots.len(), 1);
    assert_eq!(boots[0].runs.len(), 2);
    assert_eq!(open(&store(&lines)).counts(&boots[0]).unwrap().records, 1);
}

#[test]
fn repeats_of_a_deleted_boot_are_one_boot() {
    let lines = [
        run(5, SECOND).same_as(1).number(3).into(),
        basic(5, SECOND, Some(1), "a"),
        run(6, 2 * SECOND).same_as(1).number(3).source("10.0.0.1:7000").into(),
        basic(6, 2 * SECOND, Some(1), "a"),
    ];
    let boots = boots_at(&lines, 2 * SECOND);
    assert_eq!(boots.len(), 1);
    assert_eq!(boots[0].number, 3);
    assert_eq!(boots[0].sources.len(), 2);
}

#[test]
fn rings_and_endless_chains_of_runs_end() {
    let ring = [
        run(1, SECOND).same_as(2).into(),
        numbered(1, SECOND, 0, 0, "a"),
        run(2, SECOND).same_as(1).into(),
        numbered(2, SECOND, 0, 0, "a"),
    ];
    assert_eq!(boots_at(&ring, SECOND).len(), 2);
    let chain =
        (2..=5000).flat_map(|id| [run(id, id).same_as(id - 1).into(), basic(id, id, None, "a")]);
    assert!(!boots_at(&chain.collect::<Vec<_>>(), SECOND).is_empty());
}

#[test]
fn the_name_that_is_known_last_counts_for_the_whole_boot() {
    let lines = [
        run(1, SECOND).into(),
        numbered(1, SECOND, 0, 0, "a"),
        run(1, SECOND).host("web\u{e9}").number(7).into(),
        numbered(1, SECOND, 1, 0, "b"),
    ];
    let store = store(&lines);
    let reader = open(&store);
    let boots = reader.boots(WallTime(SECOND));
    let items = reader.items(&boots[0], Window::default()).unwrap();
    for item in items {
        let Item::Record(record) = item.unwrap() else { panic!() };
        assert_eq!((&*record.host, record.boot), ("web\u{e9}", 7));
    }
}

#[test]
fn a_boot_of_which_nothing_is_held_is_none() {
    assert_eq!(boots_at(&[run(1, SECOND).into()], SECOND), []);
    let lines = [run(1, SECOND).into(), gap(Some(1), SECOND, Cause::Limit, 3)];
    let store = store(&lines);
    let reader = open(&store);
    let boots = reader.boots(WallTime(SECOND));
    let counts = reader.counts(&boots[0]).unwrap();
    assert_eq!((counts.records, counts.losses.limit), (0, 3));
}

#[test]
fn gaps_of_no_boot_stand_apart() {
    let lines = [
        run(1, SECOND).into(),
        gap(None, 3 * SECOND, Cause::Socket, 5),
        gap(Some(1), SECOND, Cause::Limit, 3),
        gap(None, SECOND, Cause::Limit, 6),
    ];
    let gaps = open(&store(&lines)).loose_gaps().unwrap();
    let gaps: Vec<_> = gaps.iter().map(|gap| (gap.cause, gap.count, gap.boot)).collect();
    assert_eq!(gaps, [(Cause::Limit, 6, None), (Cause::Socket, 5, None)]);
}

#[test]
fn hosts_are_summed_over_their_boots() {
    let now = 10_000 * SECOND;
    let old = now - 3601 * SECOND;
    let lines = [
        run(1, old).into(),
        numbered(1, old, 0, 5, "a"),
        numbered(1, old, 3, 6, "b"),
        run(2, now - 600 * SECOND).number(2).source("10.0.0.1:7000").into(),
        numbered(2, now - 600 * SECOND, 0, 5, "c"),
        run(3, now).host("h").source("10.0.0.2:1").into(),
        numbered(2, now - 60 * SECOND, 2, 5, "late\\"),
        numbered(2, now, 1, 5, "later\\"),
        numbered(3, now, 0, 5, "x"),
        numbered(3, now + SECOND, 1, 5, "of the future"),
    ];
    let hosts = open(&store(&lines)).hosts(WallTime(now)).unwrap();
    let [first, second] = &hosts[..] else { panic!("{hosts:?}") };
    assert_eq!((&*first.host, first.boots, first.records), ("10.0.0.1", 2, 5));
    assert_eq!((first.first_received.0, first.last_received.0), (old, now));
    assert_eq!((first.losses.probable, first.last_minute, first.last_hour), (2, 2, 3));
    assert_eq!(first.last_line.as_deref(), Some(&b"later\\"[..]));
    assert_eq!((&*second.host, second.last_minute, second.last_hour), ("h", 1, 1));
    assert_eq!(second.addresses, ["10.0.0.2".parse::<std::net::IpAddr>().unwrap()]);
}

#[test]
fn rates_come_from_headers_where_they_can() {
    let now = 10_000 * SECOND;
    let store = TestStore::new();
    let mut segment = store.segment(1);
    segment.block(&[run(1, now).into()]);
    for ago in [3700, 3601, 3600, 3000, 61, 60, 59, 0] {
        let at = now - ago * SECOND;
        segment.block(&[numbered(1, at, ago, at, "a"), numbered(1, at + 1, ago, at, "b")]);
    }
    segment.block(&[numbered(1, now - 61 * SECOND, 9, 9, "c"), numbered(1, now, 9, 9, "d")]);
    let host = open(&store).hosts(WallTime(now)).unwrap().remove(0);
    assert_eq!((host.last_minute, host.last_hour), (6, 13));
}

#[test]
fn a_torn_tail_is_not_shown() {
    let store = TestStore::new();
    let mut segment = store.segment(1);
    segment.block(&[run(1, SECOND).into(), numbered(1, SECOND, 0, 0, "whole")]);
    let (bytes, _) = block(&[numbered(1, SECOND, 1, 0, "torn")]);
    for length in 0..bytes.len() {
        std::fs::OpenOptions::new()
            .write(true)
            .open(segment.live_path())
            .and_then(|file| file.set_len(segment.offset()))
            .unwrap();
        let mut file = OpenOptions::new().append(true).open(segment.live_path()).unwrap();
        std::io::Write::write_all(&mut file, &bytes[..length]).unwrap();
        let reader = open(&store);
        let boots = reader.boots(WallTime(SECOND));
        assert_eq!(texts(&reader, &boots[0]), ["whole"], "{length} bytes");
    }
}

#[test]
fn a_damaged_block_is_left_out_and_told_of() {
    let store = TestStore::new();
    let mut segment = store.segment(1);
    segment.block(&[run(1, SECOND).into(), numbered(1, SECOND, 0, 0, "before")]);
    let (mut bytes, _) = block(&[numbered(1, SECOND, 1, 0, "damaged")]);
    *bytes.last_mut().unwrap() ^= 1;
    let offset = segment.offset();
    segment.append(&bytes);
    segment.block(&[numbered(1, SECOND, 2, 0, "behind")]);
    let reader = open(&store);
    let boot = reader.boots(WallTime(SECOND)).remove(0);
    assert_eq!(texts(&reader, &boot), ["before", "behind"]);
    assert_eq!(reader.counts(&boot).unwrap().losses.probable, 1);
    let damage = reader.damage();
    assert_eq!(damage.len(), 1, "{damage:?}");
    assert_eq!((damage[0].offset, &damage[0].path), (offset, &segment.live_path()));
}

#[test]
fn what_can_not_be_opened_is_told_of_and_hides_nothing_else() {
    let store = TestStore::new();
    let (mut first, mut third) = (store.segment(1), store.segment(3));
    first.block(&[run(1, 1).into(), numbered(1, 1, 0, 0, "heard")]);
    third.block(&[run(3, 3).into(), numbered(3, 3, 0, 0, "heard")]);
    let path = first.live_path().with_file_name("00000002.zst");
    std::fs::create_dir(&path).unwrap();
    let reader = open(&store);
    let boots = reader.boots(WallTime(SECOND));
    assert_eq!(boots.len(), 2);
    for boot in &boots {
        assert_eq!(texts(&reader, boot), ["heard"]);
    }
    let told: Vec<_> = reader.damage().into_iter().map(|damage| damage.path).collect();
    assert_eq!(told, [path]);
}

#[test]
fn a_sealed_segment_that_was_cut_short_is_told_of() {
    let store = TestStore::new();
    let mut segment = store.segment(1);
    segment.block(&[run(1, 1).into(), numbered(1, 1, 0, 0, "one"), numbered(1, 2, 1, 1, "two")]);
    segment.seal(2);
    let path = store.path().join("segments/00000001.zst");
    let whole = std::fs::metadata(&path).unwrap().len();
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    for cut in [whole - 1, whole / 2] {
        file.set_len(cut).unwrap();
        let reader = open(&store);
        let boots = reader.boots(WallTime(2));
        for boot in &boots {
            drop(texts(&reader, boot));
        }
        let told: Vec<_> = reader.damage().into_iter().map(|damage| damage.path).collect();
        assert_eq!(told, [&*path], "of {cut} of {whole} bytes");
    }
}

#[test]
fn lines_that_make_no_sense_are_left_out() {
    let store = TestStore::new();
    let mut segment = store.segment(1);
    let text = b"R 1\tsource=10.0.0.1:1\tport=1\tfirst=1\tverdict=boot\tboot=1\n\
        1 1 e ,6,0,0,,;good\n\
        1 1 ? ,6,1,0,,;unknown format\n\
        Z whatever\n\
        1 99999999999999999999 e ,6,1,0,,;absurd time\n\
        1 1 e ,6,18446744073709551615,0,,;highest\n\
        R 1\tsource=nowhere\n\
        G 1 1 limit 18446744073709551615\n\
        G 1 1 limit 18446744073709551615\n\
        G - 1 socket 18446744073709551615\n\
        G 1 1 fate 1\n\
        77 1 b ,,,,,;of no run\n\
        \n\
        no line's end";
    segment.append(&raw_block(text));
    let reader = open(&store);
    let boot = reader.boots(WallTime(SECOND)).remove(0);
    assert_eq!(texts(&reader, &boot), ["good", "highest"]);
    let losses = reader.counts(&boot).unwrap().losses;
    assert_eq!((losses.limit, losses.probable), (u64::MAX, u64::MAX - 1));
    assert_eq!(reader.loose_gaps().unwrap().len(), 1);
    let told: Vec<String> = reader.damage().into_iter().map(|damage| damage.what).collect();
    assert_eq!(told, ["2 lines make no sense", "entry 2 makes no sense"]);
}

/// A block with any text, whose header tells of nothing but that.
fn raw_block(text: &[u8]) -> Vec<u8> {
    use bedside_store::segment::{BlockHeader, RunSpan};
    use bedside_stream::RunId;
    let frame = zstd::bulk::compress(text, 1).unwrap();
    let time = WallTime(1);
    let seq = Some((0, 5));
    let mut bytes = Vec::new();
    BlockHeader {
        entries: memchr::memchr_iter(b'\n', text).count() as u32,
        text_len: text.len() as u32,
        frame_len: frame.len() as u32,
        frame_crc: crc32fast::hash(&frame),
        notes: true,
        runs: vec![RunSpan {
            run: RunId(1),
            records: 2,
            first: time,
            last: time,
            seq,
            numbered: false,
            dense: false,
        }],
        ..BlockHeader::default()
    }
    .emit(&mut bytes);
    bytes.extend(frame);
    bytes
}

#[test]
fn a_replaced_tail_is_shown_once() {
    let store = TestStore::new();
    let mut first = store.segment(1);
    first.block(&[run(1, SECOND).into(), basic(1, SECOND, None, "synced")]);
    let from = first.offset();
    first.block(&[basic(1, SECOND, None, "not synced")]);
    let mut second = store.replacing(2, vec![Replaced { segment: 1, from }]);
    second.block(&[run(1, SECOND).into(), basic(1, SECOND, None, "not synced")]);
    let reader = open(&store);
    let boot = reader.boots(WallTime(SECOND)).remove(0);
    assert_eq!(texts(&reader, &boot), ["synced", "not synced"]);
}

#[test]
fn a_segment_may_be_sealed_or_deleted_under_a_reader() {
    let store = TestStore::new();
    let mut first = store.segment(1);
    first.block(&[run(1, SECOND).into(), numbered(1, SECOND, 0, 0, "first")]);
    first.seal(1);
    let mut second = store.segment(2);
    second.block(&[run(1, SECOND).into(), numbered(1, SECOND, 1, 0, "second")]);
    let mut reader = open(&store);
    let boot = reader.boots(WallTime(SECOND)).remove(0);
    second.block(&[numbered(1, SECOND, 2, 0, "third")]);
    second.seal(1);
    assert_eq!(texts(&reader, &boot), ["first", "second"], "as it was");
    std::fs::remove_file(store.path().join("segments/00000001.zst")).unwrap();
    reader.refresh().unwrap();
    let boot = reader.boots(WallTime(SECOND)).remove(0);
    assert_eq!(texts(&reader, &boot), ["second", "third"]);
    std::fs::remove_file(store.path().join("segments/00000002.zst")).unwrap();
    let reader = Reader::open(store.path()).unwrap();
    assert_eq!(reader.boots(WallTime(SECOND)), []);
}
