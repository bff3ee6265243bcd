//! Where one report ends and another begins: lines of several tasks, boots and causes together.

use std::fmt::Write as _;

use crate::{Caller, Incident, Limits, Line, Triage, incidents};

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

/// arch/x86/kernel/cpu/mce/core.c `mce_panic`, arch/x86/kernel/nmi.c `io_check_error`,
/// fs/ext4/super.c `ext4_handle_error`, fs/btrfs/messages.c `__btrfs_panic`.
#[test]
fn a_panic_belongs_to_what_its_words_are_of() {
    let mce = "mce: [Hardware Error]: CPU 3: Machine Check Exception: 5 Bank 4: be00000000800400";
    let bus = "NMI: PCI system error (SERR) for reason a1 on CPU 0.";
    let disk =
        "EXT4-fs error (device sda1): ext4_lookup:1855: inode #2: comm ls: deleted inode: 12";
    for (first, panic, count) in [
        (mce, "Fatal machine check", 1),
        (mce, "VFS: Unable to mount root fs on unknown-block(0,0)", 2),
        (bus, "NMI IOCK error: Not continuing", 1),
        (bus, "Fatal exception", 2),
        (disk, "EXT4-fs (device sda1): panic forced after error", 1),
        (disk, "Fatal exception", 2),
    ] {
        let text =
            format!("[   10.000000] {first}\n[   12.000000] Kernel panic - not syncing: {panic}\n");
        let found = incidents(text.as_bytes());
        assert_eq!(found.len(), count, "{first}, {panic}: {found:?}");
        assert_eq!(found[0].panicked, count == 1, "{first}, {panic}");
    }
}

/// mm/show_mem.c, mm/memcontrol.c, mm/oom_kill.c: no line of them says whose it is.
#[test]
fn lists_of_memory_belong_to_who_ran_out_of_it() {
    let report = |kind: &str, line: &str| {
        let list = format!("{line}\n").repeat(20);
        let text =
            format!("{kind}\nCall Trace:\n out_of_memory+0x1ee/0x4d0\n{list}note: the end\n");
        incidents(text.as_bytes()).remove(0).lines.len()
    };
    let out = "a invoked oom-killer: gfp_mask=0x140dca(GFP_HIGHUSER_MOVABLE), order=0";
    let stall = "BUG: workqueue lockup - pool cpus=0 node=0 flags=0x0 nice=0 stuck for 34s!";
    for line in [
        "1024 pages RAM",
        "52 total pagecache pages",
        "anon 52297728",
        "[   4242]  1000  4242   262400    12800",
        "kmalloc-64          12KB         16KB",
        "Tasks state (memory values in pages):",
    ] {
        assert_eq!(report(out, line), 24, "{line}");
        assert_eq!(report(stall, line), 4, "{line}");
    }
    for line in
        ["usb 1-1: new device", "anon of 12", "x 12 y", "12 pagesets", "[sda] 12 x", "a 12KB b"]
    {
        assert_eq!(report(out, line), 4, "{line}");
    }
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

/// mm/oom_kill.c: `dump_header`, `__oom_kill_process`.
#[test]
fn each_time_that_memory_ran_out_is_one() {
    let mut text = String::new();
    for second in [10, 12] {
        for line in [
            "a invoked oom-killer: gfp_mask=0x140dca(GFP_HIGHUSER_MOVABLE), order=0",
            "Call Trace:",
            " out_of_memory+0x1ee/0x4d0",
            "Out of memory: Killed process 4242 (a) total-vm:1049600kB",
        ] {
            writeln!(text, "[   {second}.000000] {line}").unwrap();
        }
    }
    let lines: Vec<usize> =
        incidents(text.as_bytes()).iter().map(|found| found.lines.len()).collect();
    assert_eq!(lines, [4, 4]);
}

/// Other CPUs' traces are part of a stall, and of nothing else.
#[test]
fn others_have_their_say_in_what_stands_still() {
    for (first, count) in [
        ("rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:", 4),
        ("watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [a:12]", 4),
        ("WARNING: CPU: 1 PID: 7 at drivers/x.c:25 x+0xe5/0x110", 2),
    ] {
        let text = format!(
            "[    6.000001][  T12] {first}\n[    6.000002][   C1] NMI backtrace for cpu 1\n\
             [    6.000003][   C1]  its_loop+0x1/0x2\n[    6.000004][   C1] usb 1-1: new device\n\
             [    6.000005][  T12] Call Trace:\n"
        );
        assert_eq!(incidents(text.as_bytes())[0].lines.len(), count, "{first}");
    }
}

#[test]
fn what_is_kept_of_a_report_is_exactly_its_bounds() {
    let report = warning("x");
    let held = |limits: Limits| {
        let mut triage = Triage::with_limits(limits);
        for text in &report {
            triage.hear(Line { text: text.as_bytes(), ..Line::default() }, &mut |_| ());
        }
        let open = triage.open().next().unwrap();
        (open.lines.len(), open.omitted, triage.bytes())
    };
    let bytes = |count: usize| report[..count].iter().map(String::len).sum::<usize>();
    let all = Limits::default();
    assert_eq!(held(all), (9, 0, bytes(9)));
    assert_eq!(held(Limits { lines: 9, bytes: bytes(9), ..all }), (9, 0, bytes(9)));
    assert_eq!(held(Limits { lines: 7, ..all }), (7, 2, bytes(7)));
    assert_eq!(held(Limits { bytes: bytes(9) - 1, ..all }), (8, 1, bytes(8)));
}

/// What was too much to be part of it is not held either.
#[test]
fn what_stood_between_two_lines_is_let_go() {
    let mut triage = Triage::new();
    let mut hear = |text: &str| {
        triage.hear(Line { text: text.as_bytes(), ..Line::default() }, &mut |_| ());
        triage.bytes()
    };
    let report = &warning("x")[..7];
    let held = report.iter().map(|line| hear(line)).last().unwrap();
    (0..30).for_each(|_| assert!(hear("usb 1-1: new device") > held));
    assert_eq!(hear(" more+0x1/0x2"), held + " more+0x1/0x2".len());
}
