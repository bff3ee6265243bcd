//! Readers against a model that is obviously right, on seeded stores.

use bedside_store::read::{BootSummary, Item, Losses, Reader, Window};
use bedside_stream::WallTime;

use crate::model::{self, Shown};
use crate::random::{Random, lines};
use crate::store::{Line, TestStore};

const NOW: WallTime = WallTime(u64::MAX);

/// As many as take a few seconds.
const SEEDS: u64 = 100;

/// Writes `lines` into segments and blocks of any size, sealed or live, each segment alone.
fn write(random: &mut Random, lines: &[Line]) -> TestStore {
    let store = TestStore::new();
    let (mut number, mut rest) = (1, lines);
    while !rest.is_empty() {
        let (part, others) = rest.split_at(rest.len().min(1 + random.below(200) as usize));
        let mut segment = store.segment(number);
        let mut part = part;
        while !part.is_empty() {
            let (block, blocks) = part.split_at(part.len().min(1 + random.below(20) as usize));
            segment.block(block);
            part = blocks;
        }
        if !others.is_empty() || random.one_in(2) {
            segment.seal(1 + random.below(60) as usize);
        }
        (number, rest) = (number + 1 + random.below(2), others);
    }
    store
}

fn shown(items: impl Iterator<Item = Result<Item, bedside_store::read::Error>>) -> Vec<Shown> {
    items.map(|item| Shown::from(item.unwrap())).collect()
}

fn losses(items: &[Shown]) -> (u64, Losses) {
    let (mut records, mut losses) = (0, Losses::default());
    for item in items {
        match item {
            Shown::Record { .. } => records += 1,
            Shown::Gap { cause, count, .. } => losses.add(*cause, *count),
        }
    }
    (records, losses)
}

fn check_boot(random: &mut Random, reader: &Reader, boot: &BootSummary, expected: &[Shown]) {
    let everything = Window::default();
    assert_eq!(shown(reader.items(boot, everything).unwrap()), expected);
    let mut backward = shown(reader.items_rev(boot, everything).unwrap());
    backward.reverse();
    assert_eq!(backward, expected, "backward");
    let counts = reader.counts(boot).unwrap();
    assert_eq!((counts.records, counts.losses), losses(expected));
    check_tail(reader, boot, expected, random.below(12) as usize);
    check_window(random, reader, boot, expected);
}

fn check_tail(reader: &Reader, boot: &BootSummary, expected: &[Shown], count: usize) {
    let tail: Vec<Shown> = reader.tail(boot, count).unwrap().into_iter().map(Shown::from).collect();
    assert!(expected.ends_with(&tail), "{tail:?} at the end of {expected:?}");
    let records = losses(expected).0 as usize;
    assert_eq!(losses(&tail).0 as usize, count.min(records));
}

fn check_window(random: &mut Random, reader: &Reader, boot: &BootSummary, expected: &[Shown]) {
    let (Some(first), Some(last)) =
        (expected.iter().map(Shown::received).min(), expected.iter().map(Shown::received).max())
    else {
        return;
    };
    let since = first + random.below(last - first + 1);
    let until = since + random.below(last - first + 1);
    let window = Window { since: Some(WallTime(since)), until: Some(WallTime(until)) };
    let inside = |item: &&Shown| (since..=until).contains(&item.received());
    let expected: Vec<Shown> = expected.iter().filter(inside).cloned().collect();
    assert_eq!(shown(reader.items(boot, window).unwrap()), expected, "{window:?}");
    let mut backward = shown(reader.items_rev(boot, window).unwrap());
    backward.reverse();
    assert_eq!(backward, expected, "{window:?} backward");
}

fn check(seed: u64) {
    let mut random = Random::new(seed);
    let length = 20 + random.below(600) as usize;
    let lines = lines(&mut random, length);
    let store = write(&mut random, &lines);
    let reader = Reader::open(store.path()).unwrap();
    let boots = reader.boots(NOW);
    let expected = model::boots(&lines);
    let runs = |boot: &BootSummary| boot.runs.iter().map(|run| run.0).collect::<Vec<_>>();
    let expected_runs: Vec<_> = expected.iter().map(|(runs, _)| runs.clone()).collect();
    assert_eq!(boots.iter().map(runs).collect::<Vec<_>>(), expected_runs);
    for (boot, (_, expected)) in boots.iter().zip(&expected) {
        check_boot(&mut random, &reader, boot, expected);
    }
    assert_eq!(reader.damage(), []);
}

#[test]
fn seeded_stores_are_read_as_the_model_says() {
    for seed in 0..SEEDS {
        let checked = std::panic::catch_unwind(|| check(seed));
        assert!(checked.is_ok(), "seed {seed}");
    }
}
