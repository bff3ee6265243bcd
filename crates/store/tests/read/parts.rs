//! What is read of a part of a store, or with the help of a catalogue, is what all of it tells.

use std::collections::BTreeMap;

use bedside_store::catalogue::{Catalogue, FILE_NAME, News, Summary};
use bedside_store::disk::Directory;
use bedside_store::read::{BootSummary, Found, Matches, Reader, Search, Window};
use bedside_store::segment::{SegmentFile, list};
use bedside_store::{Needle, StoredRecord, Word};
use bedside_stream::WallTime;

use crate::model::Shown;
use crate::random::{Random, lines};
use crate::store::{Line, TestStore};

fn open(store: &TestStore) -> Reader {
    Reader::open(store.path()).unwrap()
}

/// Reads the store with and without a catalogue that has a part of it.
#[test]
fn a_catalogue_changes_nothing_but_the_cost() {
    for seed in 0..40 {
        let mut random = Random::new(seed);
        let lines = lines(&mut random, 300);
        let store = some_sealed(&lines);
        let without = everything(&open(&store));
        let hosts = open(&store).hosts(WallTime(0)).unwrap();
        fill_catalogue(&store, random.below(lines.len() as u64));
        assert_eq!(everything(&open(&store)), without, "seed {seed}");
        assert_eq!(open(&store).hosts(WallTime(0)).unwrap(), hosts, "seed {seed}");
        std::fs::write(store.path().join(FILE_NAME), "no catalogue").unwrap();
        assert_eq!(everything(&open(&store)), without, "seed {seed}, damaged");
    }
}

/// A store in several segments, the last one live.
fn some_sealed(lines: &[Line]) -> TestStore {
    let store = TestStore::new();
    let parts = lines.chunks(50);
    let last = parts.len();
    for (number, part) in (1..).zip(parts) {
        let mut segment = store.segment(number);
        part.chunks(7).for_each(|lines| segment.block(lines));
        if (number as usize) < last && number != 3 {
            segment.seal(5);
        }
    }
    store
}

/// A reader that was opened for one host tells of it what one of the whole store does.
#[test]
fn one_host_is_known_without_the_others() {
    for seed in 0..40 {
        let mut random = Random::new(seed);
        let lines = lines(&mut random, 300);
        let store = some_sealed(&lines);
        let whole = everything(&open(&store));
        fill_catalogue(&store, random.below(lines.len() as u64));
        let counts = |reader: &Reader, boot: &BootSummary| reader.counts(boot).unwrap();
        for (asked, _) in whole.values() {
            let of_it = |boot: &BootSummary| boot.host == asked.host;
            let reader = Reader::open_of(store.path(), |name, _| *name == *asked.host).unwrap();
            let mut expected = whole.clone();
            expected.retain(|_, (boot, _)| of_it(boot));
            let mut told = everything(&reader);
            told.retain(|_, (boot, _)| of_it(boot));
            assert_eq!(told, expected, "seed {seed}, {}", asked.host);
            assert_eq!(counts(&reader, asked), counts(&open(&store), asked), "seed {seed}");
            let heard = |boot: &BootSummary| boot.addresses().contains(&asked.addresses()[0]);
            let address = asked.addresses()[0];
            let reader = Reader::open_of(store.path(), |_, from| from == address).unwrap();
            let mut told = everything(&reader);
            told.retain(|_, (boot, _)| heard(boot));
            let mut expected = whole.clone();
            expected.retain(|_, (boot, _)| heard(boot));
            assert_eq!(told, expected, "seed {seed}, {address}");
        }
    }
}

/// A search of the store finds what a search of all its boots finds.
#[test]
fn what_is_found_before_the_boots_are_known_is_the_same() {
    for seed in 0..40 {
        let mut random = Random::new(seed);
        let lines = lines(&mut random, 300);
        let store = some_sealed(&lines);
        fill_catalogue(&store, random.below(lines.len() as u64));
        for word in ["line 1", "line 17", "wolpertinger"] {
            let wants = |_: &StoredRecord<'_>, text: &[u8]| text.ends_with(word.as_bytes());
            let needle = Word { text: word.as_bytes().to_vec(), case_matters: true };
            let needle = Needle::new(&[vec![needle]]);
            let search = Search { needle: &needle, wants: &wants, window: Window::default() };
            let reader = open(&store);
            let boots = reader.boots(WallTime(0));
            let boots: Vec<&BootSummary> = boots.iter().collect();
            let expected = shown(&boots, reader.search(&boots, &search).unwrap().unwrap());
            let (reader, finds) = Reader::open_found(store.path(), &search).unwrap().unwrap();
            let boots = reader.boots(WallTime(0));
            let boots: Vec<&BootSummary> = boots.iter().collect();
            let found = shown(&boots, reader.matches(&boots, finds, search.window));
            assert_eq!(found, expected, "seed {seed}, {word}");
        }
    }
}

fn shown(boots: &[&BootSummary], found: Matches<'_>) -> Vec<(BootSummary, Vec<Shown>)> {
    let found = found.map(|found| {
        let Found { boot, items } = found.unwrap();
        (boots[boot].clone(), items.into_iter().map(Shown::from).collect())
    });
    found.collect()
}

/// Commits what lies in front of entry `until` of the store.
fn fill_catalogue(store: &TestStore, mut until: u64) {
    let disk = Directory::new(store.path().join("segments"));
    let mut summary = Summary::default();
    for listed in list(&disk).unwrap() {
        let file = SegmentFile::open(&disk, listed).unwrap();
        let scan = file.scan().unwrap();
        summary.fold(&file, &scan.blocks, until).unwrap();
        if until <= scan.end.entries {
            break;
        }
        until -= scan.end.entries;
    }
    let mut catalogue = Catalogue::open(&store.path().join(FILE_NAME)).unwrap();
    catalogue.commit(&News { summary, ..News::default() }).unwrap();
}

fn everything(reader: &Reader) -> BTreeMap<Vec<u64>, (BootSummary, Vec<Shown>)> {
    let boots = reader.boots(WallTime(0)).into_iter();
    let boots = boots.map(|boot| {
        let items = reader.items(&boot, Window::default()).unwrap();
        let items = items.map(|item| Shown::from(item.unwrap())).collect();
        (boot.runs.iter().map(|run| run.0).collect(), (boot, items))
    });
    boots.collect()
}
