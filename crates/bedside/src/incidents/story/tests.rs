use std::collections::HashMap;

use bedside_stream::RunId;
use bedside_triage::{Fingerprint, Kind, Severity};

use super::*;

/// 2026-11-17 08:00 UTC, a Tuesday.
const TUESDAY: u64 = 1_794_902_400_000_000;
const DAY: u64 = 86_400_000_000;

fn case(id: i64, host: &str, release: &str, day: u64) -> Row {
    Row {
        id,
        fingerprint: Fingerprint(9),
        kind: Kind::Oops,
        severity: Severity::Critical,
        title: "BUG in f".to_owned(),
        host: host.to_owned(),
        boot: 3,
        run: RunId(1),
        source: "10.0.0.7:6665".to_owned(),
        voice: bedside_stream::Voice::Plain,
        release: Some(release.to_owned()),
        first: WallTime(TUESDAY + day * DAY),
        last: WallTime(TUESDAY + day * DAY),
        open: false,
        settled: true,
    }
}

fn told(cases: Vec<Row>, shown: usize) -> Vec<String> {
    let groups = Group::all(cases, &[], &HashMap::new());
    let (group, incident) = (&groups[0], Incident::default());
    let story = Story::new(group, &group.cases[shown], &incident, &[]);
    let facts = story.facts(WallTime(TUESDAY + 3 * DAY + 5), &TimeZone::UTC);
    facts.iter().map(|(name, told)| format!("{name}: {told}")).collect()
}

#[test]
fn what_happened_often_is_told_by_machine_and_release() {
    let cases = vec![
        case(1, "web1", "6.12.94", 0),
        case(2, "web2", "6.12.94", 2),
        case(3, "web2", "6.12.95", 3),
    ];
    let expected = [
        "machine: web1, boot 3",
        "received: 2026-11-17 08:00:00 UTC",
        "happened: 2 machines, 3 times since Tuesday 2026-11-17 08:00:00 UTC, first on 6.12.94",
        "last seen: 2026-11-20 08:00:00 UTC",
        "last 7 days: ...█.██",
        "machines: web2 twice, web1 once",
        "releases: 6.12.94 twice, 6.12.95 once",
        "state: open",
    ];
    assert_eq!(told(cases, 0), expected);
}

#[test]
fn what_happened_once_is_told_shortly() {
    let expected = [
        "machine: web1, boot 3",
        "received: 2026-11-17 08:00:00 UTC",
        "happened: once",
        "state: open",
    ];
    assert_eq!(told(vec![case(1, "web1", "6.12.94", 0)], 0), expected);
}
