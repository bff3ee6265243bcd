//! What a reader shows of a day, held against what was sent.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use bedside_stream::{Cause, WallTime};

use super::Account;
use super::machines::Sent;
use crate::disk::Disk;
use crate::disk::faulty::FaultyDisk;
use crate::read::{Item, Reader, Window};

/// A copy of the store where a reader finds it, without a catalogue.
pub(super) fn copy(disk: &FaultyDisk, dir: &Path) {
    let to = dir.join("segments");
    std::fs::create_dir(&to).unwrap();
    for name in disk.list().unwrap() {
        let file = disk.open(&name).unwrap();
        let mut bytes = vec![0; file.len().unwrap() as usize];
        file.read_at(&mut bytes, 0).unwrap();
        std::fs::write(to.join(name), bytes).unwrap();
    }
}

/// A boot as it is shown.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) host: String,
    pub(super) number: u32,
    /// Number (or time, where there is none) and text of each record.
    pub(super) records: Vec<(u64, String)>,
    /// The numbers told as missing, but for those in front of the first record.
    missing: BTreeSet<u64>,
}

pub(super) fn shown(dir: &Path) -> Vec<Shown> {
    let mut reader = Reader::open(dir).unwrap();
    assert!(reader.damage().is_empty());
    reader.take_strangers_in(|_| true).unwrap();
    let boots = reader.boots(WallTime(u64::MAX >> 2));
    let told = boots.iter().map(|boot| {
        let (mut records, mut missing) = (Vec::new(), BTreeSet::new());
        for item in reader.items(boot, Window::default()).unwrap() {
            match item.unwrap() {
                Item::Record(record) => {
                    let number = record.seq.or(record.time_us).unwrap_or_default();
                    records.push((number, String::from_utf8(record.text).unwrap()));
                }
                Item::Gap(gap) => {
                    assert_eq!(gap.cause, Cause::Probable, "{gap:?}");
                    let (from, to) = (gap.from_seq.unwrap(), gap.to_seq.unwrap());
                    assert_eq!(gap.count, to - from + 1);
                    if !records.is_empty() {
                        missing.extend(from..=to);
                    }
                }
            }
        }
        Shown { host: boot.host.to_string(), number: boot.number, records, missing }
    });
    told.collect()
}

/// What was sent, as it can be found again.
pub(super) struct Truth<'a> {
    sent: &'a [Sent],
    /// The boot that a text with a time is of; those without look alike in all.
    boots: BTreeMap<(String, &'a str), u32>,
    /// The sendings of each line of a boot.
    lines: BTreeMap<(String, u32, u64, &'a str), Vec<usize>>,
}

impl<'a> Truth<'a> {
    pub(super) fn of(sent: &'a [Sent]) -> Truth<'a> {
        let timed = sent.iter().filter(|sent| sent.time > 0);
        let boots = timed.map(|sent| ((sent.host(), &*sent.text), sent.boot)).collect();
        let mut lines = BTreeMap::<_, Vec<usize>>::new();
        for (number, sent) in sent.iter().enumerate() {
            let line = (sent.host(), sent.boot, sent.number(), &*sent.text);
            lines.entry(line).or_default().push(number);
        }
        Truth { sent, boots, lines }
    }

    /// The one boot that all records of a shown one are of; none where none of them has a time.
    fn boot(&self, shown: &Shown) -> Option<u32> {
        let texts = shown.records.iter().map(|(_, text)| (shown.host.clone(), text.as_str()));
        let mut boots = texts.filter_map(|text| self.boots.get(&text).copied());
        let first = boots.next()?;
        assert!(boots.all(|boot| boot == first), "two boots in one: {shown:?}");
        Some(first)
    }

    /// The sendings that a shown boot's records come from, each of which is shown once.
    fn sendings(&self, shown: &Shown, boot: u32) -> Vec<usize> {
        let mut sendings = Vec::new();
        let mut seen = BTreeSet::new();
        for (number, text) in &shown.records {
            let line = (shown.host.clone(), boot, *number, text.as_str());
            let from = self.lines.get(&line).unwrap_or_else(|| panic!("invented: {line:?}"));
            sendings.extend(from);
            let timed = self.sent[from[0]].time > 0;
            assert!(seen.insert(line) || !timed, "twice: {text}");
        }
        sendings
    }
}

/// Holds what is shown against what was sent; the sendings that are held.
pub(super) fn judge_boots(shown: &[Shown], truth: &Truth<'_>) -> BTreeSet<usize> {
    let mut held = BTreeSet::new();
    let mut latest = BTreeMap::<&str, (u32, u32)>::new();
    for boot in shown {
        let numbers: Vec<u64> = boot.records.iter().map(|record| record.0).collect();
        assert!(numbers.is_sorted(), "{} {}: {numbers:?}", boot.host, boot.number);
        let Some(true_boot) = truth.boot(boot) else { continue };
        // Shown once, and in their order.
        let last = latest.entry(&boot.host).or_insert((0, 0));
        let first = last.0 == 0;
        // A stranger's boot has no number.
        let numbered = last.0 < boot.number || boot.number == 0;
        assert!(numbered && (first || last.1 < true_boot), "{last:?}, {boot:?}");
        *last = (boot.number, true_boot);
        let sendings = truth.sendings(boot, true_boot);
        if truth.sent[sendings[0]].seq.is_some() {
            let there: BTreeSet<u64> = numbers.iter().copied().collect();
            let mut span = numbers[0]..=numbers[numbers.len() - 1];
            let holes: BTreeSet<u64> = span.by_ref().filter(|n| !there.contains(n)).collect();
            assert_eq!(boot.missing, holes, "{} {}", boot.host, boot.number);
        }
        held.extend(sendings);
    }
    held
}

/// All that the disk had confirmed is held, and nothing that was never heard.
pub(super) fn judge_records(held: &BTreeSet<usize>, sent: &[Sent], account: &Account) {
    let timed = |number: &&usize| sent[**number].time > 0;
    let lost: Vec<_> = account.must.difference(held).filter(timed).map(|n| &sent[*n]).collect();
    assert!(lost.is_empty(), "{} synced and lost: {:?}", lost.len(), lost[0]);
    let heard: BTreeSet<usize> = account.must.union(&account.may).copied().collect();
    let invented: Vec<_> = held.difference(&heard).filter(timed).map(|n| &sent[*n]).collect();
    assert!(invented.is_empty(), "{} held and never heard: {:?}", invented.len(), invented[0]);
}
