use super::*;
use bedside_stream::{RunId, Voice};
use bedside_triage::Kind;

fn row(id: i64, first: u64) -> Row {
    Row {
        id,
        fingerprint: Fingerprint(9 << 32),
        kind: Kind::Oops,
        severity: Severity::Critical,
        title: "BUG in f".to_owned(),
        host: format!("web{id}"),
        boot: 1,
        run: RunId(1),
        source: "10.0.0.7:6665".to_owned(),
        release: Some("6.12.94".to_owned()),
        voice: Voice::Plain,
        first: WallTime(first),
        last: WallTime(first + 10),
        open: false,
        settled: true,
    }
}

fn said(word: Said, at: u64) -> Standing {
    Standing { word: Some((word, WallTime(at))), note: None }
}

#[test]
fn what_was_resolved_and_comes_back_is_regressed() {
    let check = |standing: Option<Standing>, state| {
        let ledger = standing.map(|standing| (Fingerprint(9 << 32), standing));
        let groups = Group::all(vec![row(1, 100), row(2, 200)], &[], &ledger.into_iter().collect());
        assert_eq!(groups.len(), 1);
        assert_eq!(groups[0].state, state);
    };
    check(None, State::Open);
    check(Some(said(Said::Resolve, 200)), State::Resolved);
    check(Some(said(Said::Resolve, 199)), State::Regressed);
    check(Some(said(Said::Ignore, 0)), State::Ignored);
    check(Some(Standing::default()), State::Open);
}

#[test]
fn how_it_stands_is_the_same_whatever_is_asked_for() {
    let ledger = [(Fingerprint(9 << 32), said(Said::Resolve, 199))].into();
    let groups = Group::meant(vec![row(1, 100), row(2, 200)], &[], &ledger, |row| row.id == 1);
    assert_eq!((groups[0].count(), groups[0].state), (1, State::Regressed));
}

#[test]
fn a_group_counts_its_cases_also_those_that_were_let_go() {
    let gone = [Gone { fingerprint: Fingerprint(9 << 32), count: 5, first: WallTime(7) }];
    let groups = Group::all(vec![row(1, 100), row(2, 200)], &gone, &HashMap::new());
    let group = &groups[0];
    assert_eq!((group.count(), group.first, group.last()), (7, WallTime(7), WallTime(210)));
    assert_eq!(group.machines().into_iter().collect::<Vec<_>>(), ["web1", "web2"]);
    assert_eq!((group.id().as_str(), group.severity()), ("00000009", Severity::Critical));
    assert_eq!(group.days(WallTime(86_400_000_150)), [0, 0, 0, 0, 0, 1, 1]);
}

#[test]
fn it_is_counted_by_machine_and_by_release() {
    let release = |release: &str| Some(release.to_owned());
    let again = Row { host: "web2".to_owned(), release: release("6.12.95"), ..row(3, 300) };
    let groups = Group::all(vec![row(1, 100), row(2, 200), again], &[], &HashMap::new());
    assert_eq!(groups[0].by_machine(), [("web2", 2), ("web1", 1)]);
    assert_eq!(groups[0].by_release(), [("6.12.94", 2), ("6.12.95", 1)]);
}

#[test]
fn the_highest_day_is_the_highest_bar() {
    assert_eq!(bars([0, 0, 1, 7, 14, 0, 1]), "..▁▄█.▁");
    assert_eq!(bars([0; DAYS]), ".......");
    assert_eq!(bars([0, 0, 0, 0, 0, 0, 1]), "......█");
}
