//! Following a store as it grows.

use std::time::Duration;

use bedside_store::follow::{BootChange, FollowItem, Follower, Lines};
use bedside_store::read::{End, Reader};
use bedside_store::segment::Replaced;
use bedside_store::{Options, Writer};
use bedside_stream::{Cause, LastWord, Verdict};

use crate::random::{Random, lines};
use crate::store::{Line, TestStore, With, basic, block, counted, gap, numbered, run};

/// What came, in short.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Came {
    Said(String),
    Gap(Cause, u64),
    Boot(BootChange, String, u32),
}

fn said(text: &str) -> Came {
    Came::Said(text.to_owned())
}

fn boot(change: BootChange, host: &str, number: u32) -> Came {
    Came::Boot(change, host.to_owned(), number)
}

fn follow(store: &TestStore) -> Follower {
    Reader::open(store.path()).unwrap().follow().unwrap()
}

/// All that is there now.
fn drain(follower: &mut Follower) -> Vec<Came> {
    let next = || follower.next(Duration::ZERO).unwrap();
    std::iter::from_fn(next).map(in_short).collect()
}

fn in_short(item: FollowItem) -> Came {
    match item {
        FollowItem::Record(record) => Came::Said(String::from_utf8(record.text).unwrap()),
        FollowItem::Gap(gap) => Came::Gap(gap.cause, gap.count),
        FollowItem::Boot(change, boot) => Came::Boot(change, boot.host.to_string(), boot.number),
    }
}

const HOST: &str = "10.0.0.1";

#[test]
fn what_was_there_is_not_given_again() {
    let store = TestStore::new();
    let mut segment = store.segment(1);
    segment.block(&[run(1, 1).into(), numbered(1, 1, 0, 0, "old")]);
    let mut follower = follow(&store);
    assert_eq!(drain(&mut follower), []);
    segment.block(&[numbered(1, 2, 1, 1, "new")]);
    assert_eq!(drain(&mut follower), [said("new")]);
    assert_eq!(drain(&mut follower), []);
}

#[test]
fn the_writer_sees_its_followers() {
    let dir = tempfile::tempdir().unwrap();
    let (writer, _) = Writer::open(dir.path(), Options::default()).unwrap();
    let reader = Reader::open(dir.path()).unwrap();
    assert!(!writer.is_followed(), "a reader does not wait");
    let follower = reader.follow().unwrap();
    assert!(writer.is_followed());
    drop(follower);
    assert!(!writer.is_followed());
}

#[test]
fn a_store_may_begin_under_a_follower() {
    let store = TestStore::new();
    let mut follower = follow(&store);
    let mut segment = store.segment(1);
    assert_eq!(drain(&mut follower), []);
    segment.block(&[run(1, 1).into(), numbered(1, 1, 0, 0, "a")]);
    assert_eq!(drain(&mut follower), [boot(BootChange::Began, HOST, 1), said("a")]);
}

#[test]
fn half_a_block_waits_for_its_rest() {
    let store = TestStore::new();
    let mut segment = store.segment(1);
    segment.block(&[run(1, 1).into(), numbered(1, 1, 0, 0, "old")]);
    let mut follower = follow(&store);
    let (bytes, _) = block(&[numbered(1, 2, 1, 1, "new")]);
    for byte in &bytes {
        assert_eq!(drain(&mut follower), []);
        segment.append(&[*byte]);
    }
    assert_eq!(drain(&mut follower), [said("new")]);
}

#[test]
fn sealing_and_roll_over_lose_and_double_nothing() {
    let store = TestStore::new();
    let mut first = store.segment(1);
    first.block(&[run(1, 1).into(), numbered(1, 1, 0, 0, "0")]);
    let mut follower = follow(&store);
    first.block(&[numbered(1, 1, 1, 0, "1")]);
    assert_eq!(drain(&mut follower), [said("1")]);
    first.block(&[numbered(1, 1, 2, 0, "2")]);
    let mut second = store.segment(2);
    first.seal(2);
    second.block(&[run(1, 1).into(), numbered(1, 1, 3, 0, "3")]);
    second.seal(1);
    let mut third = store.segment(4);
    third.block(&[run(1, 1).into(), numbered(1, 1, 4, 0, "4")]);
    assert_eq!(drain(&mut follower), [said("2"), said("3"), said("4")]);
}

/// It was sealed before the follower came to its last lines, and then a bit of its index turned.
#[test]
fn a_sealed_segment_is_followed_without_its_index() {
    let store = TestStore::new();
    let mut first = store.segment(1);
    first.block(&[run(1, 1).into(), numbered(1, 1, 0, 0, "0")]);
    let mut follower = follow(&store);
    first.block(&[numbered(1, 1, 1, 0, "1")]);
    first.block(&[numbered(1, 1, 2, 0, "2")]);
    first.seal(1);
    store.damage_index(1);
    let mut second = store.segment(2);
    second.block(&[run(1, 1).into(), numbered(1, 1, 3, 0, "3")]);
    second.seal(1);
    store.damage_index(2);
    let mut third = store.segment(3);
    third.block(&[run(1, 1).into(), numbered(1, 1, 4, 0, "4")]);
    assert_eq!(drain(&mut follower), ["1", "2", "3", "4"].map(said));
}

#[test]
fn a_tail_that_is_written_again_is_given_once() {
    let store = TestStore::new();
    let mut first = store.segment(1);
    first.block(&[run(1, 1).into(), basic(1, 1, None, "synced")]);
    let mut follower = follow(&store);
    let from = first.offset();
    first.block(&[basic(1, 1, None, "shown already")]);
    assert_eq!(drain(&mut follower), [said("shown already")]);
    first.block(&[basic(1, 1, None, "not yet shown")]);
    let mut second = store.replacing(2, vec![Replaced { segment: 1, from }]);
    second.block(&[run(1, 1).into()]);
    let replaced = [basic(1, 1, None, "shown already"), basic(1, 1, None, "not yet shown")];
    second.block(&replaced);
    second.block(&[basic(1, 1, None, "more")]);
    assert_eq!(drain(&mut follower), [said("not yet shown"), said("more")]);
}

#[test]
fn a_tail_replaced_twice_is_given_once() {
    let store = TestStore::new();
    let mut first = store.segment(1);
    first.block(&[run(1, 1).into(), basic(1, 1, None, "synced")]);
    let mut follower = follow(&store);
    let from = first.offset();
    first.block(&[basic(1, 1, None, "a")]);
    assert_eq!(drain(&mut follower), [said("a")]);
    let replaced = Replaced { segment: 1, from };
    let mut second = store.replacing(2, vec![replaced]);
    let again = second.offset();
    second.block(&[run(1, 1).into()]);
    second.block(&[basic(1, 1, None, "a")]);
    second.block(&[basic(1, 1, None, "b")]);
    assert_eq!(drain(&mut follower), [said("b")]);
    let both = vec![replaced, Replaced { segment: 2, from: again }];
    let mut third = store.replacing(3, both);
    third.block(&[run(1, 1).into()]);
    for text in ["a", "b", "c"] {
        third.block(&[basic(1, 1, None, text)]);
    }
    assert_eq!(drain(&mut follower), [said("c")]);
}

#[test]
fn a_hole_is_told_in_front_of_the_record_behind_it() {
    let store = TestStore::new();
    let mut segment = store.segment(1);
    segment.block(&[run(1, 1).into(), counted(1, 1, 0, 0)]);
    let mut follower = follow(&store);
    segment.block(&[counted(1, 2, 4, 2), counted(1, 2, 2, 1), counted(1, 2, 5, 3)]);
    let counted = said("counted");
    let holes = [Came::Gap(Cause::Proven, 1), Came::Gap(Cause::Probable, 2)];
    let expected = [&holes[..], &[counted.clone(), counted.clone(), counted]].concat();
    assert_eq!(drain(&mut follower), expected);
}

#[test]
fn stored_gaps_come_as_they_arrive() {
    let store = TestStore::new();
    let mut segment = store.segment(1);
    let mut follower = follow(&store);
    segment.block(&[run(1, 1).into(), gap(Some(1), 1, Cause::DroppedBySender, u64::MAX)]);
    segment.block(&[gap(Some(1), 1, Cause::DroppedBySender, 2), gap(None, 1, Cause::Socket, 7)]);
    let expected = [
        boot(BootChange::Began, HOST, 1),
        Came::Gap(Cause::DroppedBySender, u64::MAX),
        Came::Gap(Cause::DroppedBySender, 2),
        Came::Gap(Cause::Socket, 7),
    ];
    assert_eq!(drain(&mut follower), expected);
}

#[test]
fn a_new_boot_ends_the_one_before_in_silence() {
    let store = TestStore::new();
    let mut segment = store.segment(1);
    segment.block(&[run(1, 1).into(), numbered(1, 1, 9, 9, "a")]);
    let mut follower = follow(&store);
    segment.block(&[run(2, 2).number(2).into(), numbered(2, 2, 0, 1, "b")]);
    let expected = [
        boot(BootChange::Ended(End::Silence), HOST, 1),
        boot(BootChange::Began, HOST, 2),
        said("b"),
    ];
    assert_eq!(drain(&mut follower), expected);
}

#[test]
fn a_last_word_ends_a_boot_once() {
    let store = TestStore::new();
    let mut segment = store.segment(1);
    segment.block(&[run(1, 1).into(), numbered(1, 1, 0, 9, "a")]);
    let mut follower = follow(&store);
    let told = run(1, 1).word(LastWord::Panic);
    segment.block(&[told.clone().into(), told.into(), run(2, 2).number(2).into()]);
    segment.block(&[numbered(2, 2, 0, 1, "b")]);
    let expected =
        [boot(BootChange::Ended(End::Panic), HOST, 1), boot(BootChange::Began, HOST, 2), said("b")];
    assert_eq!(drain(&mut follower), expected);
}

#[test]
fn what_proves_to_be_a_repeat_joins_the_older_boot() {
    let store = TestStore::new();
    let mut segment = store.segment(1);
    segment.block(&[run(1, 1).into(), numbered(1, 1, 0, 0, "a"), numbered(1, 1, 1, 1, "b")]);
    let mut follower = follow(&store);
    let provisional = run(2, 2).number(2).with(|run| run.verdict = Verdict::Provisional);
    segment.block(&[provisional.clone().into(), numbered(2, 2, 0, 0, "a")]);
    let repeat = provisional.same_as(1).number(1);
    // What was said before is not told again.
    segment.block(&[repeat.into(), numbered(2, 2, 1, 1, "b"), numbered(2, 2, 3, 3, "d")]);
    let expected = [
        boot(BootChange::Ended(End::Silence), HOST, 1),
        boot(BootChange::Began, HOST, 2),
        said("a"),
        boot(BootChange::Joined { from: 2 }, HOST, 1),
        Came::Gap(Cause::Probable, 1),
        said("d"),
    ];
    assert_eq!(drain(&mut follower), expected);
}

#[test]
fn a_run_that_gets_its_name_is_told_of() {
    let store = TestStore::new();
    let mut segment = store.segment(1);
    let mut follower = follow(&store);
    segment.block(&[run(1, 1).into(), numbered(1, 1, 0, 0, "a")]);
    segment.block(&[run(1, 1).host("web").number(4).into(), numbered(1, 1, 1, 0, "b")]);
    let expected =
        [boot(BootChange::Began, HOST, 1), said("a"), boot(BootChange::Named, "web", 4), said("b")];
    assert_eq!(drain(&mut follower), expected);
}

#[test]
fn a_follower_wakes_when_something_comes() {
    let store = TestStore::new();
    let mut segment = store.segment(1);
    let mut follower = follow(&store);
    let writer = std::thread::spawn(move || {
        segment.block(&[run(1, 1).into(), numbered(1, 1, 0, 0, "a")]);
    });
    let began = follower.next(Duration::from_mins(1)).unwrap();
    assert!(matches!(began, Some(FollowItem::Boot(BootChange::Began, _))));
    writer.join().unwrap();
}

/// Every record of a seeded store, once, in the order of arrival, however the follower's looks
/// fall between blocks, seals and segments.
#[test]
fn seeded_stores_are_followed_line_by_line() {
    for seed in 0..50 {
        let mut random = Random::new(seed);
        let lines = lines(&mut random, 200);
        let expected: Vec<Came> = lines
            .iter()
            .filter_map(|line| match line {
                Line::Said(said) => Some(Came::Said(said.text.clone())),
                _ => None,
            })
            .collect();
        let store = TestStore::new();
        let mut follower = follow(&store);
        let mut came = Vec::new();
        for (number, part) in (1..).zip(lines.chunks(60)) {
            let mut segment = store.segment(number);
            for block in part.chunks(7) {
                segment.block(block);
                if random.one_in(5) {
                    came.extend(drain(&mut follower));
                }
            }
            if random.one_in(2) {
                segment.seal(20);
            }
        }
        came.extend(drain(&mut follower));
        came.retain(|came| matches!(came, Came::Said(_)));
        assert_eq!(came, expected, "seed {seed}");
    }
}

/// All lines that are there now, those of `ordinary` blocks too, with their segments.
fn all(lines: &mut Lines, ordinary: bool) -> Vec<(u64, String)> {
    let mut all = Vec::new();
    let mut came = Vec::new();
    let mut next = |came: &mut Vec<_>| {
        let line = |line: &[u8]| came.push(String::from_utf8_lossy(line).into_owned());
        lines.next(ordinary, line).unwrap()
    };
    while let Some(segment) = next(&mut came) {
        all.extend(came.drain(..).map(|line| (segment, line)));
    }
    all
}

#[test]
fn entry_lines_begin_where_a_segment_does_and_go_on() {
    let store = TestStore::new();
    let mut first = store.segment(1);
    first.block(&[run(1, 1).into(), numbered(1, 1, 0, 0, "one")]);
    let mut second = store.segment(2);
    second.block(&[run(1, 1).into(), numbered(1, 2, 1, 1, "two")]);
    let mut of_all = Lines::from(store.path(), 0).unwrap();
    let mut of_second = Lines::from(store.path(), 2).unwrap();
    let [both, later] = [all(&mut of_all, true), all(&mut of_second, true)];
    assert_eq!(both.iter().map(|(segment, _)| *segment).collect::<Vec<_>>(), [1, 1, 2, 2]);
    assert_eq!(later, both[2..]);
    assert!(both[1].1.ends_with(";one") && both[2].1.starts_with("R 1\t"), "{both:?}");
    assert_eq!(all(&mut of_all, true), []);
    second.block(&[numbered(1, 3, 2, 2, "three")]);
    for lines in [&mut of_all, &mut of_second] {
        let [(2, line)] = &all(lines, true)[..] else { panic!("not one line") };
        assert!(line.ends_with(";three"), "{line}");
    }
}

#[test]
fn records_of_ordinary_blocks_come_to_who_asks_for_them() {
    let store = TestStore::new();
    let mut segment = store.segment(1);
    segment.block(&[run(1, 1).into(), numbered(1, 1, 0, 0, "looked at by nobody")]);
    segment.ordinary_block(&[numbered(1, 2, 1, 1, "passed over")]);
    segment.ordinary_block(&[run(2, 3).number(2).into(), numbered(2, 3, 0, 0, "passed over")]);
    segment.block(&[numbered(2, 4, 1, 1, "begins something")]);
    let mut lines = Lines::from(store.path(), 0).unwrap();
    let came = all(&mut lines, false);
    let kinds = came.iter().map(|(_, line)| line.rsplit(';').next().unwrap());
    let kinds: Vec<&str> = kinds.map(|text| text.split('\t').next().unwrap()).collect();
    assert_eq!(kinds, ["R 1", "looked at by nobody", "R 2", "begins something"]);
    segment.ordinary_block(&[numbered(2, 5, 2, 2, "its trace")]);
    let [(1, line)] = &all(&mut lines, true)[..] else { panic!("not one line") };
    assert!(line.ends_with(";its trace"), "{line}");
}

/// Who looks for incidents misses nothing that may begin one, nor a run or a gap, however its looks
/// fall between blocks and segments, and wherever a later one begins.
#[test]
fn of_seeded_stores_only_records_of_ordinary_blocks_are_passed_over() {
    for seed in 0..50 {
        let mut random = Random::new(seed);
        let lines = lines(&mut random, 200);
        let store = TestStore::new();
        let mut follower = Lines::from(store.path(), 0).unwrap();
        let (mut expected, mut came) = (Vec::new(), Vec::new());
        for (number, part) in (1..).zip(lines.chunks(60)) {
            let mut segment = store.segment(number);
            for block in part.chunks(7) {
                let ordinary = !random.one_in(3);
                if ordinary {
                    segment.ordinary_block(block);
                } else {
                    segment.block(block);
                }
                let wanted = |line: &&Line| !ordinary || !matches!(line, Line::Said(_));
                expected.extend(block.iter().filter(wanted).map(|line| (number, text(line))));
                if random.one_in(5) {
                    came.extend(all(&mut follower, false));
                }
            }
        }
        came.extend(all(&mut follower, false));
        assert_eq!(came, expected, "seed {seed}");
        let later = all(&mut Lines::from(store.path(), 2).unwrap(), false);
        expected.retain(|(number, _)| *number >= 2);
        assert_eq!(later, expected, "seed {seed}");
    }
}

fn text(line: &Line) -> String {
    let mut text = Vec::new();
    line.write(&mut text);
    String::from_utf8(text).unwrap().trim_end_matches('\n').to_owned()
}
