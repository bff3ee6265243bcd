//! What is found, and what is not, whatever is sent.

use super::bed::MOST_A_MINUTE;
use super::*;

#[test]
fn a_failure_in_one_machines_lines_does_not_end_the_search_in_others() {
    let mut finder = Finder::new(Path::new("/nonexistent"));
    let mut found = 0;
    let mut give = |_| {
        found += 1;
        assert!(found > 1, "as if there were a fault");
    };
    for run in 1..=2 {
        let of = format!("R {run}\tsource=10.0.0.{run}:6665\tport=6666\tfirst=1\tverdict=boot");
        finder.line(format!("{of}\tboot=1\n").as_bytes(), &mut give);
        let bug = "BUG: kernel NULL pointer dereference, address: 0000000000000008";
        finder.line(format!("{run} 5 e ,1,7,1000,,;{bug}\n").as_bytes(), &mut give);
    }
    assert!(!finder.is_idle());
    assert!(finder.flush(usize::MAX, &mut give));
    finder.settle(WallTime(10 * QUIET_US), &mut give);
    assert_eq!((found, finder.counters().failed), (3, 1), "one is told of, then ends");
}

/// The titles of all cases that are found in these lines.
fn titles(lines: impl Iterator<Item = String>) -> Vec<String> {
    let mut finder = Finder::new(Path::new("/nonexistent"));
    let mut titles = HashMap::new();
    let mut give = |news| {
        if let News::Case(case) = news {
            titles.insert(case.key.heard, case.incident.title);
        }
    };
    for line in lines {
        finder.line(line.as_bytes(), &mut give);
    }
    finder.flush(usize::MAX, &mut give);
    titles.into_values().collect()
}

#[test]
fn who_makes_up_incidents_without_end_hides_no_death() {
    let of = |run| {
        format!("R {run}\tsource=10.0.0.{run}:6665\tport=6666\tfirst=1\tverdict=boot\tboot=1\n")
    };
    let said = |run, seq, text: &str| format!("{run} 5 e ,1,{seq},1000,,;{text}\n");
    let storm = (0..5000).flat_map(|at| {
        let warning = "WARNING: CPU: 1 PID: 7 at a.c:1 f+0x1/0x2";
        [said(1, 2 * at, warning), said(1, 2 * at + 1, "Linux version 6.12")]
    });
    let panic = "Kernel panic - not syncing: VFS: Unable to mount root fs";
    let deaths = [said(1, 20_000, panic), said(2, 1, panic)];
    let titles = titles([of(1), of(2)].into_iter().chain(storm).chain(deaths));
    let deaths = titles.iter().filter(|title| title.starts_with("kernel panic: VFS")).count();
    assert_eq!(deaths, 2);
    assert!(titles.len() <= 2 + usize::from(MOST_A_MINUTE), "{}", titles.len());
}

#[test]
fn what_is_held_of_all_lines_is_bounded_in_bytes() {
    let mut finder = Finder::new(Path::new("/nonexistent"));
    let long = "x".repeat(4000);
    for run in 1..=60 {
        let of = format!("R {run}\tsource=10.0.0.7:{run}\tport=6666\tfirst=1\tverdict=boot");
        finder.line(format!("{of}\tboot=1\n").as_bytes(), &mut drop);
        let bug = "BUG: kernel NULL pointer dereference, address: 0000000000000008";
        finder.line(format!("{run} 5 e ,1,7,1000,,;{bug}\n").as_bytes(), &mut drop);
        for seq in 8..88 {
            let line = format!("{run} 5 e ,1,{seq},1000,,;{long}\n");
            finder.line(line.as_bytes(), &mut drop);
        }
        let slack = BEDS_COUNTED as usize * 2 * 2048;
        assert!(finder.bytes() < BEDS_BYTES + slack, "{run}: {}", finder.bytes());
    }
    assert!(finder.counters().without_bed > 0);
}

/// A second target of the same kernel may have heard it.
#[test]
fn a_report_without_its_beginning_is_told_once_it_is_over() {
    let mut finder = Finder::new(Path::new("/nonexistent"));
    let mut told = Vec::new();
    let mut give = |news| {
        if let News::Case(case) = news {
            told.push((case.open, case.incident.title));
        }
    };
    let of = "R 1\tsource=10.0.0.1:6665\tport=6666\tfirst=1\tverdict=boot\tboot=1\n";
    finder.line(of.as_bytes(), &mut give);
    for (seq, text) in (7..).zip(["Modules linked in: drv", "RIP: 0010:guilty_one+0x1/0x2"]) {
        finder.line(format!("1 5 e ,1,{seq},1000,,;{text}\n").as_bytes(), &mut give);
    }
    assert!(!finder.is_idle());
    assert!(finder.flush(usize::MAX, &mut give));
    finder.settle(WallTime(10 * QUIET_US), &mut give);
    assert_eq!(told, [(false, "report without its beginning in guilty_one".to_owned())]);
}
