//! Where one report ends and another begins: lines of several tasks, boots and causes together.

use std::fmt::Write as _;

use crate::{Caller, Incident, Line, Triage, incidents};

const CUT: &str = "------------[ cut here ]------------";

/// A warning as x86-64 writes it.
fn warning(function: &str) -> Vec<String> {
    [
        CUT,
        "Hello from NAME",
        "WARNING: CPU: 1 PID: 7 at drivers/x.c:25 NAME+0xe5/0x110",
        "RIP: 0010:NAME+0xe5/0x110",
        "Call Trace:",
        " <TASK>",
        " x_caller+0x5/0x10",
        " </TASK>",
        "---[ end trace 0000000000000000 ]---",
    ]
    .map(|line| line.replace("NAME", function))
    .to_vec()
}

/// The numbers of a report's lines, and which function it is about.
fn told(found: &[Incident]) -> Vec<(Option<&str>, Vec<u64>)> {
    let lines = |one: &Incident| one.lines.iter().map(|line| line.at).collect();
    found.iter().map(|one| (one.function.as_deref(), lines(one))).collect()
}

#[test]
fn what_stands_above_a_warning_is_part_of_it() {
    let text = format!("usb 1-1: new device\n{}\nusb 1-2: new device\n", warning("x").join("\n"));
    assert_eq!(told(&incidents(text.as_bytes())), [(Some("x"), (2..=10).collect())]);
}

/// Lines above a sentence, the sentence and its trace, of three tasks in turns.
#[test]
fn of_lines_in_turns_each_report_has_its_own() {
    let names = ["first", "second", "third"];
    let mut text = String::new();
    for at in 0..warning("x").len() {
        for (task, name) in names.iter().enumerate() {
            writeln!(text, "[    6.000001][  T12{task}] {}", warning(name)[at]).unwrap();
        }
    }
    let mine = |task: u64| (0..9).map(|at| at * 3 + task + 1).collect();
    let expected: Vec<_> = (0..3).map(|task| (Some(names[task]), mine(task as u64))).collect();
    let found = incidents(text.as_bytes());
    assert_eq!(told(&found), expected);
    assert_eq!(found[2].caller, Some(Caller::Task(122)));
}

/// Of nine lines the first is a top without a sentence; what comes then is another's.
#[test]
fn a_top_without_a_sentence_is_forgotten() {
    let mut text = format!("{CUT}\n");
    (0..8).for_each(|n| writeln!(text, "usb 1-{n}: new device").unwrap());
    writeln!(text, "WARNING: CPU: 1 PID: 7 at drivers/x.c:25 x+0xe5/0x110").unwrap();
    assert_eq!(told(&incidents(text.as_bytes())), [(None, vec![10])]);
    // A second top begins anew.
    let text = format!("{CUT}\nusb 1-1: new device\n{}\n", warning("x").join("\n"));
    assert_eq!(told(&incidents(text.as_bytes())), [(Some("x"), (3..=11).collect())]);
}

#[test]
fn a_new_boot_and_a_wish_to_crash_end_what_was_open() {
    for end in ["Linux version 6.12.94 (builder@host)", "sysrq: Trigger a crash"] {
        let mut log = warning("x");
        log.truncate(4);
        log.push(end.to_owned());
        log.extend(
            [" x_caller+0x5/0x10", "Kernel panic - not syncing: sysrq triggered crash"]
                .map(String::from),
        );
        let found = incidents(log.join("\n").as_bytes());
        assert_eq!(found.len(), 2, "{end}");
        assert_eq!((found[0].lines.len(), found[0].panicked, found[1].panicked), (4, false, true));
    }
}

#[test]
fn lines_of_others_end_a_report_without_time_or_caller() {
    let mut triage = Triage::new();
    let mut hear = |text: &str| {
        triage.hear(Line { text: text.as_bytes(), ..Line::default() }, &mut |_| ());
        (triage.is_open(), triage.bytes())
    };
    let report = warning("x");
    let held: usize = report.iter().map(String::len).sum();
    assert_eq!(report.iter().map(|line| hear(line)).last(), Some((true, held)));
    let open = (0..300).take_while(|_| hear("usb 1-1: new device").0).count();
    assert_eq!(open, 20, "its end was heard");
    let cut: Vec<_> = report[..7].iter().map(|line| hear(line)).collect();
    assert!(cut[6].0);
    let open = (0..300).take_while(|_| hear("usb 1-1: new device").0).count();
    assert_eq!(open, 200, "its end may still come");
    assert_eq!(hear("usb 1-1: new device"), (false, 0));
}

/// mm/kasan/report.c: the frames of two reports.
#[test]
fn of_two_framed_reports_each_has_its_frame() {
    let frame = "==================================================================";
    let report = |function: &str| {
        format!(
            "{frame}\nBUG: KASAN: slab-use-after-free in {function}+0x1/0x2\nRead of size 8 at addr \
             ff12 by task a/1\nCall Trace:\n {function}+0x1/0x2\nMemory state around it:\n{frame}\n"
        )
    };
    let found = incidents((report("first") + &report("second")).as_bytes());
    let expected = [(Some("first"), (1..=7).collect()), (Some("second"), (8..=14).collect())];
    assert_eq!(told(&found), expected);
}
