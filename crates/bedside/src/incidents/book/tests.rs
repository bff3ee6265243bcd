//! The book: the same case twice, cases of one boot heard twice, bounds.

use std::net::{Ipv4Addr, SocketAddr};

use bedside_stream::{RunId, Voice};
use bedside_triage::{Fingerprint, ReportLine};

use super::*;
use crate::incidents::case::{Key, Place};

fn patient(run: u64, root: u64) -> Patient {
    Patient {
        run: RunId(run),
        root: RunId(root),
        host: "web1".to_owned(),
        boot: 3,
        source: SocketAddr::from((Ipv4Addr::LOCALHOST, 6665)),
        release: None,
        voice: Voice::Plain,
    }
}

/// A case of a bug that began at this time, of the kernel and of the day.
fn case(of: Patient, bug: u64, time: u64, title: &str) -> Case {
    let place = Place { received: WallTime(time + 1_000), seq: None, time: Some(time) };
    let incident = Incident {
        kind: Kind::Oops,
        title: title.to_owned(),
        fingerprint: Fingerprint(bug),
        lines: vec![ReportLine { at: 1, text: "x".repeat(1000) }],
        ..Incident::default()
    };
    let key = Key::new(of.run, place, "BUG: x");
    Case { key, of, first: place.received, last: place.received, open: true, incident }
}

fn enter(book: &mut Book, cases: Vec<Case>, moved: Vec<Patient>) {
    book.enter(&Entry { cases, moved, ..Entry::default() }).unwrap();
}

fn titles(book: &Book) -> Vec<String> {
    book.rows().unwrap().into_iter().map(|row| row.title).collect()
}

#[test]
fn a_case_that_is_entered_again_is_better_known() {
    let dir = tempfile::tempdir().unwrap();
    let mut book = Book::open(dir.path()).unwrap();
    enter(&mut book, vec![case(patient(1, 1), 7, 5, "BUG")], vec![]);
    enter(&mut book, vec![case(patient(1, 1), 8, 5, "BUG in f")], vec![]);
    assert_eq!(titles(&book), ["BUG in f"]);
    let row = book.rows().unwrap().remove(0);
    assert_eq!((row.fingerprint, row.boot, row.open), (Fingerprint(8), 3, true));
    assert_eq!(book.incident(row.id).unwrap().unwrap().title, "BUG in f");
}

#[test]
fn what_two_streams_of_a_boot_tell_is_one_case() {
    let dir = tempfile::tempdir().unwrap();
    let mut book = Book::open(dir.path()).unwrap();
    let both = vec![case(patient(1, 1), 7, 5, "first"), case(patient(2, 1), 7, 5, "second")];
    enter(&mut book, both, vec![]);
    assert_eq!(titles(&book), ["first"]);
    enter(&mut book, vec![case(patient(3, 3), 7, 5, "of another boot")], vec![]);
    assert_eq!(titles(&book).len(), 2);
    enter(&mut book, vec![], vec![patient(3, 1)]);
    assert_eq!(titles(&book), ["first"], "that boot was this one, which said it again");
}

#[test]
fn the_oldest_make_room_and_are_still_counted() {
    let dir = tempfile::tempdir().unwrap();
    let mut book = Book::open(dir.path()).unwrap();
    let cases: Vec<Case> =
        (0..100).map(|time| case(patient(1, 1), time % 2, time + 1, &time.to_string())).collect();
    enter(&mut book, cases, vec![]);
    book.bound(u64::MAX).unwrap();
    assert_eq!(titles(&book).len(), 100);
    book.bound(20_000).unwrap();
    let titles = titles(&book);
    assert!((5..=20).contains(&titles.len()), "{titles:?}");
    assert_eq!(titles[..2], ["0", "1"], "the first of each");
    assert_eq!(titles.last().unwrap(), "99");
    let texts = "SELECT count(*) FROM texts WHERE id IN (SELECT id FROM cases)";
    let all = "SELECT count(*) FROM texts";
    let count = |sql: &str| book.connection.query_row(sql, [], |row| row.get(0)).unwrap();
    let left = i64::try_from(titles.len()).unwrap();
    assert_eq!((count(texts), count(all)), (left, left));
    let gone: u64 = book.gone().unwrap().iter().map(|gone| gone.count).sum();
    assert_eq!(gone + titles.len() as u64, 100);
}

#[test]
fn who_has_most_of_the_room_makes_room_first() {
    let dir = tempfile::tempdir().unwrap();
    let mut book = Book::open(dir.path()).unwrap();
    let quiet = case(patient(1, 1), 1, 1, "the only one of its machine");
    let mut cases = vec![quiet];
    for bug in 2..100 {
        let mut raving = case(patient(2, 2), bug, bug, &format!("bug {bug}"));
        raving.of.source = ([10, 0, 0, 9], 1000 + bug as u16).into();
        cases.push(raving);
    }
    enter(&mut book, cases, vec![]);
    book.bound(20_000).unwrap();
    let titles = titles(&book);
    assert!(titles.len() < 50, "{titles:?}");
    assert_eq!(titles[0], "the only one of its machine");
}

#[test]
fn what_comes_after_a_look_at_the_bound_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    let mut book = Book::open(dir.path()).unwrap();
    for time in 1..100 {
        enter(&mut book, vec![case(patient(1, 1), 7, time, "BUG")], vec![]);
        book.bound(20_000).unwrap();
        let held = "SELECT sum(length) FROM cases";
        let held: i64 = book.connection.query_row(held, [], |row| row.get(0)).unwrap();
        assert!(held <= 20_000, "{held} bytes");
    }
    assert!(titles(&book).len() > 5, "no more than needed goes");
}

#[test]
fn letters_that_nobody_takes_have_a_quarter_and_cases_the_rest() {
    let dir = tempfile::tempdir().unwrap();
    let mut book = Book::open(dir.path()).unwrap();
    book.bound(40_000).unwrap();
    for number in 0..100 {
        enter(&mut book, vec![case(patient(1, 1), number, number + 1, "BUG")], vec![]);
        let row = book.rows().unwrap().pop().unwrap();
        let body = format!("{number:01000}");
        let letters = vec![("page".to_owned(), body.clone())];
        let weighed = Weighed { letters, ..Weighed::default() };
        book.weighed(&[(row, weighed)], WallTime(0), WallTime(number)).unwrap();
        book.digested("page", &[], &body, WallTime(number)).unwrap();
        book.bound(40_000).unwrap();
        let held: i64 = book.connection.query_row(MEASURE, [], |row| row.get(0)).unwrap();
        assert!(held <= 40_000, "{held} bytes after {number}");
    }
    let letters = book.letters(100).unwrap();
    assert!((8..=10).contains(&letters.len()), "{}", letters.len());
    assert_eq!(letters.last().unwrap().0.body, format!("{:01000}", 99), "the oldest go");
    assert!(titles(&book).len() > 10, "cases have the rest");
    let told: i64 =
        book.connection.query_row("SELECT count(*) FROM told", [], |row| row.get(0)).unwrap();
    assert!(
        told.cast_unsigned() <= titles(&book).len() as u64,
        "{told}: of bugs that are held only"
    );
}

#[test]
fn the_doctor_waits_for_its_own_book() {
    let dir = tempfile::tempdir().unwrap();
    let (mut post, search) = (Book::open(dir.path()).unwrap(), Book::open(dir.path()).unwrap());
    search.connection.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let (tells, told) = std::sync::mpsc::channel();
    let writes = std::thread::spawn(move || {
        tells.send(post.digested("page", &[], "{}", WallTime(1))).unwrap();
    });
    let early = told.recv_timeout(std::time::Duration::from_secs(1));
    assert!(early.is_err(), "a busy disk may take a second: {early:?}");
    search.connection.execute_batch("COMMIT").unwrap();
    told.recv().unwrap().unwrap();
    writes.join().unwrap();
    assert_eq!(search.letters(10).unwrap().len(), 1);
}

#[test]
fn a_book_that_makes_no_sense_is_set_aside() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join(NAME), vec![b'x'; 5000]).unwrap();
    let mut book = Book::open(dir.path()).unwrap();
    enter(&mut book, vec![case(patient(1, 1), 7, 5, "found again")], vec![]);
    assert_eq!(titles(&book), ["found again"]);
    assert!(dir.path().join("incidents.sqlite.damaged").exists());
}

#[test]
fn a_book_of_another_store_is_set_aside_and_none_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    set_aside_foreign(dir.path(), 1);
    let mut book = Book::open(dir.path()).unwrap();
    let case = case(patient(1, 1), 7, 5, "of segment 4");
    book.enter(&Entry { cases: vec![case], resume: Some(4), ..Entry::default() }).unwrap();
    drop(book);
    for (next_segment, kept) in [(5, true), (4, true), (3, false)] {
        set_aside_foreign(dir.path(), next_segment);
        let titles = titles(&Book::open(dir.path()).unwrap());
        assert_eq!(titles.len(), usize::from(kept), "next is {next_segment}");
    }
    assert!(dir.path().join("incidents.sqlite.damaged").exists());
}

#[test]
fn a_panic_that_another_stream_tells_of_a_death_is_no_second_one() {
    let dir = tempfile::tempdir().unwrap();
    let mut book = Book::open(dir.path()).unwrap();
    let mut oops = case(patient(1, 1), 7, 5, "BUG");
    oops.incident.panicked = true;
    let mut echo = case(patient(2, 1), 8, 900, "kernel panic: Fatal exception");
    echo.incident.kind = Kind::Panic;
    let mut other = case(patient(3, 3), 8, 900, "kernel panic: of another boot");
    other.incident.kind = Kind::Panic;
    enter(&mut book, vec![oops, echo, other], vec![]);
    assert_eq!(titles(&book), ["BUG", "kernel panic: of another boot"]);
}

#[test]
fn what_one_stream_lost_the_first_line_of_is_no_second_case() {
    let dir = tempfile::tempdir().unwrap();
    let mut book = Book::open(dir.path()).unwrap();
    let rest = |run, root, time| {
        let title = format!("the rest of run {run}");
        let mut rest = case(patient(run, root), 8, time, &title);
        rest.incident.corrupted = Some(Corruption::NoBeginning);
        rest
    };
    let whole = case(patient(1, 1), 7, 5_000_000, "WARNING in f");
    enter(&mut book, vec![whole, rest(2, 1, 5_000_200), rest(3, 3, 5_000_300)], vec![]);
    enter(&mut book, vec![rest(1, 1, 5_000_400), rest(4, 1, 9_000_000)], vec![]);
    let told = ["WARNING in f", "the rest of run 3", "the rest of run 1", "the rest of run 4"];
    assert_eq!(titles(&book), told, "of another boot, of the same stream, and of later");
}
