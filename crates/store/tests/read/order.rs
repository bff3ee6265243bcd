//! Readers against a model that is obviously right, on seeded stores.

use bedside_store::read::{BootSummary, Item, Losses, Reader, Search, Window};
use bedside_store::{Needle, StoredRecord, Word};
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

/// The records of each boot whose text holds `word`.
fn found(reader: &Reader, boots: &[BootSummary], word: &str, window: Window) -> Vec<Vec<Shown>> {
    let text = word.as_bytes().to_vec();
    let needle = Needle::new(&[vec![Word { text, case_matters: true }]]);
    let wants = |_: &StoredRecord<'_>, text: &[u8]| {
        text.windows(word.len()).any(|part| part == word.as_bytes())
    };
    let search = Search { needle: &needle, wants: &wants, window };
    let mut all = vec![Vec::new(); boots.len()];
    for found in reader.search(&boots.iter().collect::<Vec<_>>(), &search).unwrap().unwrap() {
        let found = found.unwrap();
        all[found.boot] = found.items.into_iter().map(Shown::from).collect();
    }
    all
}

fn check_search(
    random: &mut Random,
    reader: &Reader,
    boots: &[BootSummary],
    expected: &[Vec<Shown>],
) {
    let word = ["line 1", "2", "line", "nothing"][random.below(4) as usize];
    let is_hit = |item: &&Shown| match item {
        Shown::Record { text, .. } => text.contains(word),
        Shown::Gap { numbers, .. } => numbers.is_none(),
    };
    let all = found(reader, boots, word, Window::default());
    for (found, expected) in all.iter().zip(expected) {
        let expected = expected.iter().filter(is_hit).cloned();
        // A stored gap may stand elsewhere among the records: what was not read is not known.
        let is_gap = |item: &Shown| matches!(item, Shown::Gap { .. });
        let (gaps, records): (Vec<_>, Vec<_>) = expected.partition(is_gap);
        let (found_gaps, found): (Vec<_>, Vec<_>) = found.iter().cloned().partition(is_gap);
        assert_eq!(found, records, "{word}");
        assert_eq!(found_gaps.len(), gaps.len(), "{word}");
        assert!(gaps.iter().all(|gap| found_gaps.contains(gap)), "{word}");
    }
    // Of some boots only what there is of all.
    let some = random.below(boots.len() as u64 + 1) as usize;
    assert_eq!(found(reader, &boots[some..], word, Window::default()), all[some..]);
    let since = 1_000_000 + random.below(600_000);
    let window = Window { since: Some(WallTime(since)), until: None };
    for (part, all) in found(reader, boots, word, window).into_iter().zip(all) {
        let inside: Vec<_> = all.iter().filter(|item| item.received() >= since).collect();
        assert!(inside.iter().all(|item| part.contains(item)), "{window:?}");
        // What came a second time within the window may be given for what came before it.
        let is_known = |item: &Shown| all.iter().any(|known| known.is_repeated_by(item));
        assert!(part.iter().all(is_known), "{window:?}");
    }
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
    let expected: Vec<_> = expected.into_iter().map(|(_, items)| items).collect();
    check_search(&mut random, &reader, &boots, &expected);
    assert_eq!(reader.damage(), []);
}

#[test]
fn seeded_stores_are_read_as_the_model_says() {
    for seed in 0..SEEDS {
        let checked = std::panic::catch_unwind(|| check(seed));
        assert!(checked.is_ok(), "seed {seed}");
    }
}
