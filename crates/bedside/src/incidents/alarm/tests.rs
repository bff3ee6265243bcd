//! Rules over a book, with a clock of the test's own.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use bedside_stream::{RunId, Voice};
use bedside_triage::{Fingerprint, Incident, Kind};
use serde_json::Value;

use super::*;
use crate::config::Config;
use crate::incidents::book::Entry;
use crate::incidents::case::{Case, Key, Patient, Place};
use crate::incidents::ledger::{Said, say};

/// A book and one rule.
struct Office {
    book: Book,
    alarm: Alarm,
    dir: tempfile::TempDir,
    /// How machines speak from now on.
    voice: Voice,
}

impl Office {
    fn open(rule: &str) -> Office {
        let dir = tempfile::tempdir().unwrap();
        let text = format!("[[alert]]\nname = \"page\"\ncommand = [\"/bin/true\"]\n{rule}");
        let rules = Config::parse(&text, Path::new("a.toml")).unwrap().alert;
        let alarm = Alarm { rules, bell: Bell::deaf(), data: dir.path().to_owned() };
        Office { book: Book::open(dir.path()).unwrap(), alarm, dir, voice: Voice::Plain }
    }

    /// A case of this bug on this machine, the first line of which came then.
    fn happens(&mut self, bug: u64, host: &str, at: u64, change: fn(&mut Incident)) {
        let mut incident = Incident {
            kind: Kind::Oops,
            severity: Kind::Oops.severity(),
            title: format!("BUG {bug}"),
            fingerprint: Fingerprint(bug),
            settled: true,
            ..Incident::default()
        };
        change(&mut incident);
        let place = Place { received: WallTime(at), seq: None, time: Some(at) };
        let of = Patient {
            run: RunId(1),
            root: RunId(1),
            host: host.to_owned(),
            boot: 1,
            source: SocketAddr::from((Ipv4Addr::LOCALHOST, 6665)),
            release: None,
            voice: self.voice,
        };
        let key = Key::new(of.run, place, &format!("{host} {bug}"));
        let (first, last, open) = (place.received, place.received, true);
        let cases = vec![Case { key, of, first, last, open, incident }];
        self.book.enter(&Entry { cases, ..Entry::default() }).unwrap();
    }

    /// The letters that are made at this time.
    fn letters(&mut self, now: u64) -> Vec<Value> {
        self.alarm.look(&mut self.book, WallTime(now), WallTime(now)).unwrap();
        let letters = self.book.letters(100).unwrap();
        let read = |(letter, _): (crate::incidents::Letter, WallTime)| {
            self.book.forget_letter(letter.id).unwrap();
            serde_json::from_str(&letter.body).unwrap()
        };
        letters.into_iter().map(read).collect()
    }

    /// Their titles.
    fn titles(&mut self, now: u64) -> Vec<String> {
        let letters = self.letters(now);
        letters.iter().map(|letter| letter["title"].as_str().unwrap().to_owned()).collect()
    }
}

const SECOND: u64 = 1_000_000;
const HOUR: u64 = 3600 * SECOND;
const NOW: u64 = 1000 * HOUR;

fn as_it_is(_: &mut Incident) {}

#[test]
fn a_letter_is_made_when_the_title_has_settled_or_after_half_a_second() {
    let mut office = Office::open("");
    office.happens(1, "web1", NOW, |incident| incident.settled = false);
    assert_eq!(office.titles(NOW + 499_999), [""; 0]);
    assert_eq!(office.titles(NOW + 500_000), ["BUG 1"]);
    office.happens(2, "web1", NOW + SECOND, as_it_is);
    assert_eq!(office.titles(NOW + SECOND), ["BUG 2"]);
    assert_eq!(office.titles(NOW + 2 * SECOND), [""; 0], "each once");
}

#[test]
fn a_letter_is_what_incident_prints_as_json() {
    let mut office = Office::open("");
    office.happens(1 << 40, "web1\u{1b}\"", NOW, as_it_is);
    let letter = office.letters(NOW).remove(0);
    let keys = ["rule", "letter", "v", "kind", "title", "type", "trace", "host", "count", "state"];
    assert!(keys.iter().all(|key| letter.get(key).is_some()), "{letter}");
    assert_eq!(letter["rule"], "page");
    assert_eq!(letter["id"], "00000100");
    assert_eq!(letter["host"], "web1\u{1b}\"");
}

#[test]
fn of_a_bug_no_more_is_told_than_once_a_time_whatever_the_machine() {
    let mut office = Office::open("every = \"1h\"");
    office.happens(1, "web1", NOW, as_it_is);
    office.happens(1, "web2", NOW + 1, as_it_is);
    assert_eq!(office.titles(NOW + 2), ["BUG 1"]);
    office.happens(1, "web3", NOW + HOUR, as_it_is);
    assert_eq!(office.titles(NOW + HOUR), [""; 0]);
    office.happens(1, "web3", NOW + HOUR + 2, as_it_is);
    let letter = office.letters(NOW + HOUR + 2).remove(0);
    assert_eq!(
        (letter["count"].as_u64(), letter["machines"].as_array().unwrap().len()),
        (Some(4), 3)
    );
}

#[test]
fn a_time_of_many_months_is_kept_to() {
    let mut office = Office::open("every = \"90d\"");
    office.happens(1, "web1", NOW, as_it_is);
    assert_eq!(office.titles(NOW), ["BUG 1"]);
    let day = |day: u64| NOW + day * 24 * HOUR;
    office.happens(1, "web2", day(40), as_it_is);
    office.happens(2, "web2", day(40), as_it_is);
    assert_eq!(office.titles(day(40)), ["BUG 2"]);
    office.happens(1, "web3", day(89), as_it_is);
    assert_eq!(office.titles(day(89)), [""; 0]);
    office.happens(1, "web4", day(91), as_it_is);
    assert_eq!(office.titles(day(91)), ["BUG 1"]);
}

#[test]
fn what_somebody_without_a_key_said_keeps_nobody_who_has_one_silent() {
    let mut office = Office::open("every = \"1h\"");
    office.happens(1, "anybody", NOW, as_it_is);
    assert_eq!(office.titles(NOW), ["BUG 1"]);
    office.voice = Voice::Signed;
    office.happens(1, "web1", NOW + 1, as_it_is);
    assert_eq!(office.titles(NOW + 1), ["BUG 1"]);
    office.happens(1, "web2", NOW + 2, as_it_is);
    office.voice = Voice::Plain;
    office.happens(1, "anybody", NOW + 3, as_it_is);
    assert_eq!(office.titles(NOW + 3), [""; 0]);
}

#[test]
fn a_rule_chooses_by_kind_severity_and_machine() {
    let mut office =
        Office::open("kind = [\"oops\", \"panic\"]\nseverity = \"critical\"\nhost = [\"web*\"]");
    office.happens(1, "db1", NOW, as_it_is);
    office.happens(2, "web1", NOW, |incident| incident.kind = Kind::Bug);
    office.happens(3, "web2", NOW, |incident| incident.severity = bedside_triage::Severity::Error);
    office.happens(4, "web3", NOW, as_it_is);
    assert_eq!(office.titles(NOW), ["BUG 4"]);
}

#[test]
fn new_is_what_was_never_seen_or_was_resolved() {
    let mut office = Office::open("new = true\nevery = \"1s\"");
    office.happens(1, "web1", NOW, as_it_is);
    assert_eq!(office.titles(NOW), ["BUG 1"]);
    office.happens(1, "web2", NOW + HOUR, as_it_is);
    assert_eq!(office.titles(NOW + HOUR), [""; 0]);
    let (data, resolved) = (office.dir.path().to_owned(), WallTime(NOW + HOUR + 1));
    say(&data, Fingerprint(1), Said::Resolve, None, resolved).unwrap();
    office.happens(1, "web1", NOW + 2 * HOUR, as_it_is);
    let letter = office.letters(NOW + 2 * HOUR).remove(0);
    assert_eq!(letter["state"], "regressed");
}

#[test]
fn nobody_hears_of_what_is_ignored_nor_of_what_is_too_seldom() {
    let mut office = Office::open("count = 3\nwithin = \"1h\"\nevery = \"1s\"");
    say(office.dir.path(), Fingerprint(2), Said::Ignore, None, WallTime(1)).unwrap();
    for (number, at) in [0, 1, HOUR + 2, HOUR + 3].into_iter().enumerate() {
        office.happens(1, &format!("web{number}"), NOW + at, as_it_is);
        office.happens(2, &format!("web{number}"), NOW + at, as_it_is);
        assert_eq!(office.titles(NOW + at), [""; 0], "{at}");
    }
    office.happens(1, "web9", NOW + HOUR + 4, as_it_is);
    assert_eq!(office.titles(NOW + HOUR + 4), ["BUG 1"]);
}

#[test]
fn what_is_new_is_told_once_it_happened_often_enough() {
    let mut office = Office::open("new = true\ncount = 3\nwithin = \"1h\"\nevery = \"1s\"");
    for (number, told) in [0, 0, 1, 0].into_iter().enumerate() {
        let at = NOW + number as u64 * 60 * SECOND;
        office.happens(1, &format!("web{number}"), at, as_it_is);
        assert_eq!(office.titles(at).len(), told, "case {number}");
    }
    for at in [NOW, NOW + 2 * HOUR, NOW + 2 * HOUR + 1, NOW + 2 * HOUR + 2] {
        office.happens(2, &format!("db{at}"), at, as_it_is);
        assert_eq!(office.titles(at), [""; 0], "it is older than the time in which it is often");
    }
}

#[test]
fn what_a_rule_leaves_out_counts_for_nothing() {
    let mut office =
        Office::open("host = [\"web*\"]\ncount = 2\nnew = true\nseverity = \"critical\"");
    for host in ["db1", "db2", "db3"] {
        office.happens(1, host, NOW, as_it_is);
    }
    let mild = |incident: &mut Incident| incident.severity = bedside_triage::Severity::Error;
    office.happens(1, "web0", NOW, mild);
    office.happens(1, "web1", NOW + 1, as_it_is);
    assert_eq!(office.titles(NOW + 1), [""; 0], "the first on a machine of the rule's");
    office.happens(1, "web2", NOW + 2, as_it_is);
    let letter = office.letters(NOW + 2).remove(0);
    assert_eq!((letter["title"].as_str(), letter["count"].as_u64()), (Some("BUG 1"), Some(6)));
    office.happens(1, "web3", NOW + 2 * HOUR, as_it_is);
    assert_eq!(office.titles(NOW + 2 * HOUR), [""; 0], "new no more");
}

#[test]
fn a_storm_is_told_in_one_letter() {
    let mut office = Office::open("storm = 2");
    for bug in 1..=8 {
        office.happens(bug, &format!("web{bug}"), NOW, as_it_is);
    }
    office.happens(9, "web9", NOW, |incident| incident.severity = bedside_triage::Severity::Fatal);
    assert_eq!(office.titles(NOW), ["BUG 1", "BUG 2"]);
    assert_eq!(office.titles(NOW + 59 * SECOND), [""; 0]);
    let digest = office.letters(NOW + 60 * SECOND).remove(0);
    assert_eq!(digest["title"], "7 more incidents of 7 kinds on 7 machines");
    assert_eq!(digest["incidents"].as_array().unwrap().len(), 7);
    assert_eq!(digest["incidents"][0]["title"], "BUG 9", "the worst first");
    assert_eq!(digest["host"], "7 machines");
    assert_eq!(digest["id"].as_str().unwrap().split(' ').count(), 7);
    assert_eq!(digest["received"], digest["first_seen"]);
    office.happens(9, "web9", NOW + 61 * SECOND, as_it_is);
    assert_eq!(office.titles(NOW + 61 * SECOND), [""; 0], "told in the digest");
    office.happens(10, "web9", NOW + 61 * SECOND, as_it_is);
    assert_eq!(office.titles(NOW + 61 * SECOND), ["BUG 10"], "a digest is one letter");
}

#[test]
fn a_storm_of_one_bug_is_one_too() {
    let mut office = Office::open("storm = 2\nevery = \"0s\"");
    for number in 1..=3 {
        office.happens(1, &format!("web{number}"), NOW, as_it_is);
    }
    assert_eq!(office.titles(NOW), ["BUG 1", "BUG 1"]);
    office.happens(1, "web4", NOW + SECOND, as_it_is);
    assert_eq!(office.titles(NOW + SECOND), [""; 0]);
    let digest = office.letters(NOW + 60 * SECOND).remove(0);
    assert_eq!(digest["title"], "2 more incidents of 1 kind on 2 machines");
}

#[test]
fn a_clock_that_was_ahead_keeps_nobody_silent() {
    let mut office = Office::open("storm = 1\nevery = \"10m\"");
    let ahead = NOW + 2 * HOUR;
    office.happens(1, "web1", ahead, as_it_is);
    office.happens(2, "web2", ahead, as_it_is);
    assert_eq!(office.titles(ahead), ["BUG 1"], "the other is withheld");
    office.happens(1, "web3", NOW, as_it_is);
    let titles = office.titles(NOW);
    assert_eq!(titles, ["BUG 1", "1 more incident of 1 kind on 1 machine"]);
    office.happens(1, "web3", NOW + 1, as_it_is);
    assert_eq!(office.titles(NOW + 1), [""; 0], "told a moment ago");
    office.happens(1, "web4", NOW, as_it_is);
    assert_eq!(office.titles(NOW), [""; 0], "that is no other clock");
}
