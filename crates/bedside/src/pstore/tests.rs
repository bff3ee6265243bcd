//! Dumps on their way, into the file, and which boot they tell of.

use bedside_store::read::{BootSummary, Reader};
use bedside_stream::Monotonic;

use super::*;
use crate::config::Config;
use crate::doctor::Doctor;
use crate::time;

const S: u64 = 1_000_000;

fn key(source: &str) -> StreamKey {
    StreamKey::new(source.parse().unwrap(), 6666)
}

/// A datagram with line `number` of the dump `id`.
fn line(id: u8, number: u32, lines: u32, text: &str) -> Vec<u8> {
    let dump = Dump {
        id: Nonce([id; 16]),
        host: Some("web1"),
        pid: 7,
        boot_id: "b",
        lines,
        died_s: 1_700_000_000,
        from: "ramoops",
        why: "Panic#1",
    };
    let line = DumpLine { dump, number, text: text.as_bytes() };
    [line.head().to_string().as_bytes(), line.text].concat()
}

/// A store in which web1 said these things in these boots: `boot_id`, printk's seconds, text.
fn store(data: &Path, said: &[(&str, u64, &str)]) {
    let (mut doctor, _) = Doctor::open(data, &Config::default(), None, true).unwrap();
    let began = time::now().0 - 1000 * S;
    for (at, (boot_id, seconds, text)) in (1..).zip(said) {
        let payload = format!("6,{at},{},-;{text}\n host=web1\n boot_id={boot_id}\n", seconds * S);
        let received = WallTime(began + at * S);
        doctor.hear(Monotonic(at * S), &key("10.0.0.7:6665"), received, payload.as_bytes());
    }
    doctor.close().unwrap();
}

/// Gathers one dump of these lines, files it, and gives what is told of each boot: its number of
/// lines, and those that nobody heard.
fn filed(data: &Path, lines: &[&str]) -> Vec<(u32, usize, Vec<String>)> {
    let mut dumps = Dumps::open(data, 1 << 20);
    let count = lines.len() as u32;
    for (number, text) in (1..).zip(lines) {
        assert!(dumps.take(&key("10.0.0.7:40000"), WallTime(5), &line(1, number, count, text)));
    }
    assert_eq!(dumps.reply(Nonce([1; 16]), [10, 0, 0, 7].into()), Reply::Waiting);
    dumps.keep(WallTime(6));
    drop(dumps);
    let deaths = Deaths::read(data).unwrap();
    let boots = Reader::open(data).unwrap().boots(time::now());
    let of = |boot: &BootSummary| {
        let text = |record: bedside_store::read::OwnedRecord| {
            String::from_utf8_lossy(&record.text).into_owned()
        };
        deaths
            .of(boot)
            .map(|death| (boot.number, death.lines(), death.records(boot).map(text).collect()))
            .collect::<Vec<_>>()
    };
    boots.iter().flat_map(of).collect()
}

#[test]
fn a_dump_is_filed_under_the_boot_that_said_its_lines_and_they_are_not_doubled() {
    let dir = tempfile::tempdir().unwrap();
    let said =
        [("a", 1, "one"), ("a", 2, "two"), ("c", 1, "other"), ("b", 1, "now"), ("b", 2, "two")];
    store(dir.path(), &said);
    let lines =
        ["<6>[    1.000000] one", "<6>[    2.000000][    T7] two", "<0>[    3.000000] Panic"];
    assert_eq!(filed(dir.path(), &lines), [(1, 3, vec!["Panic".to_owned()])]);
}

#[test]
fn a_dump_of_which_nothing_was_heard_is_of_the_boot_before() {
    let dir = tempfile::tempdir().unwrap();
    store(dir.path(), &[("a", 1, "one"), ("c", 1, "other"), ("b", 1, "now")]);
    let all = filed(dir.path(), &["<6>[    0.000000] one", "<0>[    3.000000] Panic"]);
    assert_eq!(all, [(2, 2, vec!["one".to_owned(), "Panic".to_owned()])]);
}

#[test]
fn a_dump_of_a_machine_that_was_shut_down_or_never_heard_is_of_no_boot() {
    for said in [&[("a", 1, "reboot: Power down"), ("b", 1, "now")][..], &[("b", 1, "now")]] {
        let dir = tempfile::tempdir().unwrap();
        store(dir.path(), said);
        assert_eq!(filed(dir.path(), &["<0>[    3.000000] Panic"]), []);
        let boots = Reader::open(dir.path()).unwrap().boots(time::now());
        assert_eq!(Deaths::read(dir.path()).unwrap().of_none(&boots).count(), 1);
    }
}

#[test]
fn what_is_kept_is_known_to_the_next_doctor_and_told_to_whoever_asks() {
    let dir = tempfile::tempdir().unwrap();
    store(dir.path(), &[("b", 1, "now")]);
    let asker = [10, 0, 0, 7].into();
    let mut dumps = Dumps::open(dir.path(), 1 << 20);
    assert_eq!(dumps.reply(Nonce([1; 16]), asker), Reply::Missing(1));
    assert!(dumps.take(&key("10.0.0.7:4"), WallTime(1), &line(1, 1, 3, "<0>a")));
    assert!(dumps.take(&key("10.0.0.7:4"), WallTime(1), &line(1, 3, 3, "<0>c")));
    assert_eq!(dumps.reply(Nonce([1; 16]), asker), Reply::Missing(2));
    assert_eq!(dumps.reply(Nonce([1; 16]), [10, 0, 0, 8].into()), Reply::Missing(1));
    // The rest does not come: what there is counts.
    dumps.keep(WallTime(2 + IDLE_US));
    drop(dumps);
    let mut dumps = Dumps::open(dir.path(), 1 << 20);
    assert_eq!(dumps.reply(Nonce([1; 16]), asker), Reply::Kept);
    assert!(dumps.take(&key("10.0.0.7:4"), WallTime(9), &line(1, 2, 3, "<0>b")), "nothing new");
    assert!(dumps.open.is_empty());
    assert_eq!(dumps.reply(Nonce([1; 16]), [10, 0, 0, 8].into()), Reply::Missing(1), "not theirs");
    let deaths = Deaths::read(dir.path()).unwrap();
    let missing: Vec<usize> = deaths.of_none(&[]).map(|death| death.missing).collect();
    assert_eq!(missing, [1]);
}

#[test]
fn a_flood_of_dumps_is_lines_like_all_others_and_the_file_keeps_its_size() {
    let dir = tempfile::tempdir().unwrap();
    store(dir.path(), &[("b", 1, "now")]);
    let mut dumps = Dumps::open(dir.path(), 1 << 20);
    for id in 0..OPEN as u8 {
        let room = usize::from(id) < OPEN_OF_ONE;
        assert_eq!(dumps.take(&key("10.0.0.9:4"), WallTime(1), &line(id, 1, 9, "<0>a")), room);
    }
    for id in 0..(OPEN - OPEN_OF_ONE) as u8 {
        let sender = key(&format!("10.0.0.{}:4", 7 - id / OPEN_OF_ONE as u8));
        assert!(dumps.take(&sender, WallTime(1), &line(id, 1, 9, "<0>a")), "their own {id}");
    }
    assert!(!dumps.take(&key("10.0.0.7:4"), WallTime(1), &line(99, 1, 9, "<0>a")));
    assert_eq!(dumps.reply(Nonce([99; 16]), [10, 0, 0, 7].into()), Reply::Waiting, "not now");
    assert!(!dumps.take(&key("10.0.0.7:4"), WallTime(1), &line(1, 10, 10, "<0>a")), "it had 9");
    let huge = line(98, 1, LINES as u32 + 1, "<0>a");
    assert!(!Dumps::open(dir.path(), 1).take(&key("10.0.0.7:4"), WallTime(1), &huge));
    assert_eq!(dumps.without_room(), 2 + (OPEN - OPEN_OF_ONE) as u64);
    drop(dumps);
    let text = "x".repeat(3000);
    for id in 100..110 {
        let mut dumps = Dumps::open(dir.path(), 10_000);
        dumps.take(&key("10.0.0.7:4"), WallTime(1), &line(id, 1, 1, &text));
        dumps.keep(WallTime(2));
    }
    assert!(dir.path().join("pstore").metadata().unwrap().len() <= 10_000);
    let dumps = Dumps::open(dir.path(), 10_000);
    assert_eq!(dumps.reply(Nonce([109; 16]), [10, 0, 0, 7].into()), Reply::Kept);
    assert_eq!(dumps.reply(Nonce([100; 16]), [10, 0, 0, 7].into()), Reply::Missing(1));
}
