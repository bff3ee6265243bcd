//! When what is known is told: from the first line on, once at the end, within bounds.

use std::fmt::Write as _;

use crate::{
    Caller, Corruption, Event, Incident, Kind, Limits, Line, Severity, Text, Triage, incidents,
};

const OOPS: &[&str] = &[
    "BUG: kernel NULL pointer dereference, address: 0000000000000008",
    "#PF: supervisor write access in kernel mode",
    "Oops: Oops: 0002 [#1] SMP NOPTI",
    "CPU: 0 UID: 0 PID: 125 Comm: init Tainted: G           OE       7.3.4+deb13-amd64 #1",
    "RIP: 0010:cm_do_null+0x10/0x20 [crashme]",
    "Call Trace:",
    " <TASK>",
    " cm_write+0xfa/0x1b0 [crashme]",
    " vfs_write+0xcf/0x450",
    " entry_SYSCALL_64_after_hwframe+0x76/0x7e",
    " </TASK>",
    "---[ end trace 0000000000000000 ]---",
];

fn hear(
    triage: &mut Triage,
    at: u64,
    time: u64,
    caller: Option<Caller>,
    text: &str,
    told: &mut Vec<String>,
) {
    let line = Line { text: text.as_bytes(), time: Some(time), caller, at, ..Line::default() };
    triage.hear(line, &mut |event| told.push(word(event)));
}

fn word(event: Event<'_>) -> String {
    let name = match event {
        Event::Opened(_) => "opened",
        Event::Changed(_) => "changed",
        Event::Closed(_) => "closed",
    };
    let incident = event.incident();
    let settled = if incident.settled { ", settled" } else { "" };
    format!("{} {name}: {}{settled}", incident.id, incident.title)
}

#[test]
fn a_death_is_told_from_its_first_line_on() {
    let (mut triage, mut told) = (Triage::new(), Vec::new());
    for (at, text) in OOPS.iter().enumerate() {
        hear(&mut triage, at as u64, 1_000_000, None, text, &mut told);
        assert!(triage.is_open());
    }
    assert_eq!(triage.open().count(), 1);
    triage.finish(&mut |event| told.push(word(event)));
    assert!(!triage.is_open());
    let sentence = "BUG: unable to handle kernel NULL pointer dereference";
    let whole = format!("{sentence} in cm_do_null");
    assert_eq!(told.first().unwrap(), &format!("0 opened: {sentence}"));
    assert_eq!(told.last().unwrap(), &format!("0 closed: {whole}, settled"));
    let settled = told.iter().position(|event| event.ends_with("settled")).unwrap();
    assert_eq!(told[settled], format!("0 changed: {whole}, settled"));
}

#[test]
fn the_panic_after_an_oops_belongs_to_it() {
    let text = OOPS.join("\n") + "\nKernel panic - not syncing: Fatal exception\n";
    let found = incidents(text.as_bytes());
    assert_eq!(found.len(), 1);
    assert!(found[0].panicked);
    assert_eq!((found[0].kind, found[0].severity), (Kind::Oops, Severity::Fatal));
    assert_eq!((found[0].first_line, found[0].last_line), (1, 13));
}

/// Without a caller in the lines, and less than ten seconds later.
#[test]
fn a_panic_of_another_cause_is_not_the_warning_s() {
    const WARNING: &str = "WARNING: CPU: 1 PID: 1 at drivers/x.c:25 x_check+0xe5/0x110";
    const KASAN: &str = "BUG: KASAN: slab-use-after-free in x_check+0xe5/0x110";
    const HUNG: &str = "INFO: task x:117 blocked for more than 143 seconds.";
    const STALL: &str = "rcu: INFO: rcu_preempt self-detected stall on CPU";
    const NULL: &str = "BUG: kernel NULL pointer dereference, address: 0000000000000008";
    for (first, panic, count) in [
        (WARNING, "VFS: Unable to mount root fs on unknown-block(0,0)", 2),
        (WARNING, "Attempted to kill init! exitcode=0x0000000b", 2),
        (WARNING, "Out of memory: system-wide panic_on_oom is enabled", 2),
        (WARNING, "kernel: panic_on_warn set ...", 1),
        (WARNING, "panic_on_taint set ...", 1),
        (KASAN, "Out of memory: system-wide panic_on_oom is enabled", 2),
        (KASAN, "kasan.fault=panic set ...", 1),
        (HUNG, "hung_task: blocked tasks", 1),
        (HUNG, "Fatal exception", 2),
        (STALL, "softlockup: hung tasks", 1),
        (STALL, "RCU Stall", 1),
        (STALL, "VFS: Unable to mount root fs on unknown-block(0,0)", 2),
        (NULL, "Fatal exception in interrupt", 1),
        (NULL, "Aiee, killing interrupt handler!", 1),
        (NULL, "VFS: Unable to mount root fs on unknown-block(0,0)", 2),
    ] {
        let mut text = format!("[   10.000000] {first}\n");
        for line in &OOPS[3..] {
            writeln!(text, "[   10.000000] {line}").unwrap();
        }
        writeln!(text, "[   15.000000] Kernel panic - not syncing: {panic}").unwrap();
        let found = incidents(text.as_bytes());
        assert_eq!(found.len(), count, "{first}, {panic}");
        assert_eq!(found[0].panicked, count == 1, "{first}, {panic}");
        assert_eq!(found.last().unwrap().severity, Severity::Fatal, "{first}, {panic}");
    }
}

/// kernel/panic.c: `vpanic`.
#[test]
fn a_panic_of_which_only_the_end_was_heard_is_one() {
    const END: &str = "---[ end Kernel panic - not syncing: VFS: Unable to mount root fs ]---";
    let found = incidents(END.as_bytes());
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].title, "kernel panic: VFS: Unable to mount root fs");
    assert_eq!((found[0].kind, found[0].severity), (Kind::Panic, Severity::Fatal));
    assert!(found[0].panicked);
    assert_eq!(found[0].corrupted, Some(Corruption::Garbled));
    // A whole one has its end for itself, also where it comes late.
    let whole = "Kernel panic - not syncing: VFS: Unable to mount root fs";
    let late = format!("[   10.000000] {whole}\n[   70.000000] {END}\n");
    for (text, count) in [
        (format!("[   10.000000] {whole}\n[   10.000000] {END}\n"), 1),
        (late.clone(), 1),
        (late + "[    5.000000] " + END, 2),
    ] {
        assert_eq!(incidents(text.as_bytes()).len(), count, "{text}");
    }
    let oops = OOPS.join("\n") + "\n---[ end Kernel panic - not syncing: Fatal exception ]---\n";
    let found = incidents(oops.as_bytes());
    assert_eq!(found.len(), 1);
    assert!(found[0].panicked);
}

#[test]
fn what_others_say_in_between_is_not_part_of_it() {
    let mut text = String::new();
    for line in OOPS {
        writeln!(text, "[    6.000001][  T125] {line}\n[    6.000002][   T77] usb 1-1: new device")
            .unwrap();
    }
    let found = incidents(text.as_bytes());
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].lines.len(), OOPS.len());
    assert!(found[0].lines.iter().all(|line| line.at % 2 == 1));
    assert_eq!(found[0].caller, Some(Caller::Task(125)));
}

#[test]
fn two_deaths_at_once_are_told_apart_by_their_callers() {
    let mut text = String::new();
    for line in OOPS {
        let other = line.replace("cm_do_null", "another_one").replace("125", "126");
        writeln!(text, "[    6.000001][  T125] {line}\n[    6.000002][  T126] {other}").unwrap();
    }
    let found = incidents(text.as_bytes());
    let functions: Vec<_> = found.iter().filter_map(|found| found.function.as_deref()).collect();
    assert_eq!(functions, ["cm_do_null", "another_one"]);
}

#[test]
fn a_death_cut_off_in_the_middle_is_marked() {
    for count in 1..OOPS.len() - 4 {
        let found = incidents(OOPS[..count].join("\n").as_bytes());
        assert_eq!(found.len(), 1, "{count} lines");
        assert!(found[0].corrupted.is_some(), "{count} lines");
    }
    assert_eq!(incidents(OOPS[..6].join("\n").as_bytes())[0].corrupted, Some(Corruption::CutOff));
    assert_eq!(incidents(OOPS.join("\n").as_bytes())[0].corrupted, None);
}

#[test]
fn the_fingerprint_is_the_cause_s() {
    let base = incidents(OOPS.join("\n").as_bytes()).remove(0);
    let elsewhere = OOPS
        .join("\n")
        .replace("0x10/0x20", "0x40/0x90")
        .replace("PID: 125", "PID: 9")
        .replace("7.3.4", "6.12.1")
        .replace("CPU: 0", "CPU: 7")
        .replace("Comm: init", "Comm: x");
    assert_eq!(incidents(elsewhere.as_bytes())[0].fingerprint, base.fingerprint);
    let another = OOPS.join("\n").replace("cm_write", "cm_read");
    assert_ne!(incidents(another.as_bytes())[0].fingerprint, base.fingerprint);
}

/// arch/x86/kernel/dumpstack.c: `oops_end` prints the place again.
#[test]
fn a_place_that_is_lost_is_told_again() {
    let whole = format!("{}\n{}\n", OOPS.join("\n"), OOPS[4]);
    let lost = whole.replacen(OOPS[4], "", 1);
    let (whole, lost) = (incidents(whole.as_bytes()), incidents(lost.as_bytes()));
    assert_eq!(lost[0].title, whole[0].title);
    assert_eq!(lost[0].fingerprint, whole[0].fingerprint);
}

#[test]
fn silence_ends_it() {
    let (mut triage, mut told) = (Triage::new(), Vec::new());
    hear(&mut triage, 0, 1_000_000, None, OOPS[0], &mut told);
    hear(&mut triage, 1, 12_000_000, None, "usb 1-1: new device", &mut told);
    assert!(!triage.is_open());
    assert!(told.last().unwrap().starts_with("0 closed"), "{told:?}");
}

/// No line says who printed it.
#[test]
fn what_is_over_hides_nothing_that_follows() {
    let untraced = [
        "BUG: Bad rss-counter state mm:00000000abcd1234 type:MM_ANONPAGES val:1",
        "BUG: workqueue lockup - pool cpus=0 node=0 flags=0x0 nice=0 stuck for 34s!",
        "EDAC MC0: 1 CE memory read error on DIMM#0 (channel:1)",
        "EXT4-fs error (device sda1): ext4_lookup:1855: inode #2: comm ls: deleted inode: 12",
    ];
    for first in untraced {
        let mut text = format!("[  100.000000] {first}\n");
        for second in 101..150 {
            writeln!(text, "[  {second}.000000] usb 1-1: new device").unwrap();
        }
        for line in OOPS {
            writeln!(text, "[  150.000000] {line}").unwrap();
        }
        let found = incidents(text.as_bytes());
        assert_eq!(found.len(), 2, "{first}");
        assert_eq!((found[0].last_line, found[1].first_line), (1, 51), "{first}");
    }
}

#[test]
fn an_oops_whose_end_was_lost_hides_no_second_one() {
    let lost = OOPS.len() - 1;
    let mut text = String::new();
    for (second, function) in [(10, "cm_do_null"), (15, "another_one")] {
        for line in &OOPS[..lost] {
            writeln!(text, "[   {second}.000000] {}", line.replace("cm_do_null", function))
                .unwrap();
        }
    }
    assert_eq!(incidents(text.as_bytes()).len(), 2);
    let at_once = text.replace("   15.", "   10.");
    assert_eq!(incidents(at_once.as_bytes()).len(), 2, "its trace was over");
}

/// kernel/sched/core.c: `__might_resched`, `__schedule_bug`; no line says who printed it.
#[test]
fn two_tasks_that_sleep_where_they_must_not_are_two() {
    let report = |second: u32, sentence: &str, function: &str| {
        let lines = [sentence, "CPU: 1 PID: 11 Comm: x Not tainted 6.12.94 #1", "Call Trace:"];
        let frame = format!(" {function}+0xcf/0x450");
        let lines = lines.into_iter().chain([frame.as_str(), " do_syscall_64+0x1/0x2"]);
        lines.fold(String::new(), |text, line| text + &format!("[  {second}.000000] {line}\n"))
    };
    let sleeping =
        "BUG: sleeping function called from invalid context at kernel/locking/mutex.c:580";
    let text = report(100, sleeping, "alpha") + &report(103, sleeping, "beta");
    let functions: Vec<_> =
        incidents(text.as_bytes()).into_iter().filter_map(|incident| incident.function).collect();
    assert_eq!(functions, ["alpha", "beta"]);
    let again = |task: &str| {
        let sentence = format!("BUG: scheduling while atomic: {task}/0x00000002");
        let text: String = (100..150).map(|second| report(second, &sentence, "alpha")).collect();
        incidents(text.as_bytes()).len()
    };
    assert_eq!(again("prog/117"), 1, "one task again and again");
}

#[test]
fn what_is_worse_or_of_another_disk_is_an_incident_of_its_own() {
    for (first, second, count) in [
        (
            "pcieport 0000:00:1c.0: PCIe Bus Error: severity=Corrected, type=Physical Layer, (Receiver ID)",
            "pcieport 0000:00:1d.0: PCIe Bus Error: severity=Uncorrected (Fatal), type=Transaction Layer, (Requester ID)",
            2,
        ),
        (
            "mce: [Hardware Error]: Machine check events logged",
            "mce: [Hardware Error]: CPU 3: Machine Check Exception: 5 Bank 4: be00000000800400",
            2,
        ),
        (
            "mce: [Hardware Error]: CPU 3: Machine Check: 0 Bank 7: 8c00004000010090",
            "mce: [Hardware Error]: CPU 3: Machine Check: 0 Bank 4: bc00000000010090",
            2,
        ),
        (
            "EDAC MC0: 1 UE memory read error on DIMM#0 (channel:1)",
            "irq 16: nobody cared (try booting with the \"irqpoll\" option)",
            2,
        ),
        (
            "EXT4-fs error (device sda1): ext4_lookup:1855: inode #2: comm ls: deleted inode: 12",
            "Aborting journal on device sda1-8.",
            1,
        ),
        (
            "I/O error, dev sda, sector 123 op 0x0:(READ) flags 0x0 phys_seg 1 prio class 2",
            "EXT4-fs error (device sdb1): ext4_lookup:1855: inode #2: comm ls: deleted inode: 12",
            2,
        ),
        (
            "I/O error, dev sda, sector 123 op 0x0:(READ) flags 0x0 phys_seg 1 prio class 2",
            "EXT4-fs error (device sda1): ext4_lookup:1855: inode #2: comm ls: deleted inode: 12",
            1,
        ),
        (
            "I/O error, dev nvme0n1, sector 123 op 0x0:(READ) flags 0x0 phys_seg 1 prio class 2",
            "nvme nvme0: Disabling device after reset failure: -19",
            2,
        ),
        (
            "XFS (sda1): log I/O error -5",
            "XFS (sda1): Filesystem has been shut down due to log error (0x2).",
            2,
        ),
    ] {
        let text = format!("[  100.000000] {first}\n[  101.000000] {second}\n");
        assert_eq!(incidents(text.as_bytes()).len(), count, "{first}, {second}");
    }
}

#[test]
fn a_flood_stays_within_its_bounds() {
    let limits = Limits { lines: 50, bytes: 4000, open: 2, ..Limits::default() };
    let mut triage = Triage::with_limits(limits);
    let mut closed: Vec<Incident> = Vec::new();
    let mut told = Vec::new();
    for at in 0..1000 {
        let caller = Some(Caller::Task(at as u32 / 100));
        hear(
            &mut triage,
            at,
            1_000_000,
            caller,
            if at % 100 == 0 { OOPS[0] } else { OOPS[7] },
            &mut told,
        );
        assert!(triage.open().count() <= 2);
        for open in triage.open() {
            assert!(open.lines.len() <= 50);
            assert!(open.lines.iter().map(|line| line.text.len()).sum::<usize>() <= 4000);
        }
    }
    triage.finish(&mut |event| closed.push(event.incident().clone()));
    assert!(closed.iter().all(|incident| incident.omitted > 0));
    assert_eq!(told.iter().filter(|event| event.contains("opened")).count(), 10);
}

#[test]
fn every_way_of_writing_a_log_is_read() {
    let sentence = "Kernel panic - not syncing: VFS: Unable to mount root fs";
    let ways = [
        sentence.to_owned(),
        format!("[    1.234567] {sentence}"),
        format!("[    1.234567][    T1] {sentence}"),
        format!("[    1.234567] [    T1] {sentence}"),
        format!("<0>[    1.234567] {sentence}"),
        format!("0,345,1234567,-;{sentence}"),
        format!("0,345,1234567,-,caller=T1;{sentence}"),
        format!("[Tue Nov 28 04:02:11 2017] {sentence}"),
        format!("kern  :emerg : [    1.234567] {sentence}"),
        format!("Nov 28 04:02:11 host kernel: [    1.234567] {sentence}"),
        format!("Nov 28 04:02:11 host kernel: {sentence}"),
        format!("2026-11-21T14:22:16.123456+00:00 host kernel: {sentence}"),
        format!("[   12.000001 <    0.000001>] {sentence}"),
        format!("[<    0.000001>] {sentence}"),
        format!("[Sun Nov 22 21:10:56 2026 <    0.000001>] {sentence}"),
        format!("2026-11-22T21:10:56,123456+00:00 {sentence}"),
        format!("kern  :emerg : [Sun Nov 22 21:10:56 2026] {sentence}"),
        format!("\x1b[32m[   12.000002] \x1b[0m\x1b[1m\x1b[31m{sentence}\x1b[0m"),
        format!("[  T117] {sentence}"),
        format!("[   12.000002] host kernel: {sentence}"),
        format!("1763846000.123456 host kernel: {sentence}"),
        format!("6.12.94,0,345,1234567,-;{sentence}"),
        format!("2026-11-22 21:10:56 {sentence}"),
        format!("MESSAGE={sentence}"),
        format!("MESSAGE\n\x20\0\0\0\0\0\0\0{sentence}"),
        format!("host login: {sentence}\r"),
        format!("host login: \r[    1.234567] {sentence}\r"),
    ];
    for way in ways {
        let found = incidents(way.as_bytes());
        let titles: Vec<&str> = found.iter().map(|incident| &*incident.title).collect();
        assert_eq!(titles, ["kernel panic: VFS: Unable to mount root fs"], "{way:?}");
    }
}

/// include/linux/bug.h `CHECK_DATA_CORRUPTION`, fs/dcache.c `umount_check`, kernel/cfi.c; before 4.17
/// the message of a warning stood below it (kernel/panic.c: `__warn`).
#[test]
fn a_warning_and_its_message_are_one() {
    const CUT: &str = "------------[ cut here ]------------\n";
    const BELOW: &str = "CPU: 0 PID: 117 Comm: a Not tainted 6.12.0 #1\nCall Trace:\n\
                         \x20guilty_one+0x10/0x30\n do_syscall_64+0x1/0x2\n";
    let warning = |place: &str| format!("WARNING: CPU: 0 PID: 117 at {place}+0x1/0x2");
    let busy = "VFS: Busy inodes after unmount of sda1 (ext4)\n";
    let list = "list_add corruption. prev->next should be next (ff), but was fe.\n";
    let use_after_free = "VFS: Busy inodes after unmount (use-after-free)";
    for (text, title) in [
        (
            format!(
                "{CUT}BUG: Dentry ff{{i=1,n=a}}  still in use (1) [unmount of tmpfs tmpfs]\n{}\n",
                warning("fs/dcache.c:1590 umount_check")
            ),
            "BUG: Dentry still in use in guilty_one",
        ),
        (
            format!("{CUT}{busy}{}\n", warning("fs/super.c:650 generic_shutdown_super")),
            use_after_free,
        ),
        (
            format!("{busy}{CUT}kernel BUG at fs/super.c:650!\ninvalid opcode: 0000 [#1] SMP\n"),
            use_after_free,
        ),
        (
            format!("{CUT}{}()\n{list}", warning("lib/list_debug.c:33 __list_add")),
            "BUG: corrupted list in guilty_one",
        ),
        (
            format!(
                "{CUT}CFI failure (target: a.cfi_jt+0x0/0x4):\n{}\n",
                warning("kernel/cfi.c:29 __cfi_slowpath_diag")
            ),
            "CFI failure in guilty_one",
        ),
    ] {
        let found = incidents(format!("{text}{BELOW}").as_bytes());
        let titles: Vec<&str> = found.iter().map(|incident| &*incident.title).collect();
        assert_eq!(titles, [title], "{text}");
        assert_eq!(found[0].corrupted, None, "{text}");
    }
}

/// Another CPU's sentence below the cut hides no warning.
#[test]
fn what_comes_between_a_cut_and_its_warning_is_not_its_message() {
    let text = "------------[ cut here ]------------\nI/O error, dev sda, sector 1 op 0x0:(READ)\n\
                WARNING: CPU: 0 PID: 117 at fs/x.c:12 guilty_one+0x10/0x30\nCall Trace:\n\
                \x20guilty_one+0x10/0x30\n do_syscall_64+0x1/0x2\n";
    let kinds: Vec<Kind> = incidents(text.as_bytes()).iter().map(|found| found.kind).collect();
    assert_eq!(kinds, [Kind::Io, Kind::Warning]);
}

/// kernel/printk/printk.c: `devkmsg_write`.
#[test]
fn what_programs_write_to_kmsg_is_not_the_kernel_s() {
    let sentence = OOPS[0];
    for way in [
        format!("12,345,1234567,-;{sentence}"),
        format!("6.12.94,30,345,1234567,-,caller=T1;{sentence}"),
        format!("<12>[    1.234567] {sentence}"),
        format!("<30>[    1.234567][    T1] {sentence}"),
        format!("user  :warn  : [    1.234567] {sentence}"),
        format!("daemon:info  : [Sun Nov 22 21:10:56 2026] {sentence}"),
    ] {
        assert_eq!(incidents(way.as_bytes()), [], "{way}");
    }
}

/// Console servers and containers' logs.
#[test]
fn what_others_put_before_each_line_is_no_line() {
    let plain = incidents(OOPS.join("\n").as_bytes()).remove(0);
    for prefix in ["web1 | ", "[web1] ", "web1: ", "2026-11-22 21:10:56 ", "[21:10:56.123] "] {
        let text = OOPS
            .iter()
            .fold(String::new(), |text, line| text + &format!("{prefix}[   12.000001] {line}\n"));
        let found = incidents(text.as_bytes());
        assert_eq!(found.len(), 1, "{prefix}");
        assert_eq!(found[0].lines, plain.lines, "{prefix}");
    }
}

#[test]
fn words_in_the_middle_of_a_line_begin_nothing() {
    let lines = [
        "audit: comm=\"BUG: KASAN: x in y\" exe=\"/bin/Kernel panic - not syncing: z\"",
        "traps: worker[3615] general protection fault ip:7feb96eb56a1 sp:20000fd0 error:0",
        "worker[10]: segfault at 4cb420 ip 00000000004cb420 sp 00007f27fd37a250 error 15",
        "xfs: Unknown parameter 'WARNING: CPU: 0 PID: 1 at x.c:1 f+0x1/0x2'",
        "overflow: 12 packets dropped",
        "int3: emulated",
    ];
    for line in lines {
        assert_eq!(incidents(line.as_bytes()), [], "{line}");
    }
}

#[test]
fn any_bytes_are_read() {
    let mut text = Text::new();
    let mut count = 0;
    let raw = [
        b"BUG: \xff\xfe in \x1b[2J\0".as_slice(),
        b"\x80\x81",
        b"[",
        b"<",
        b"[ 1.",
        b"MESSAGE",
        b"x",
    ];
    for line in raw {
        text.hear(line, &mut |_| count += 1);
    }
    text.finish(&mut |_| count += 1);
    assert_eq!(count, 2);
}

#[test]
fn a_title_is_never_empty() {
    let found = incidents(b"rust_kernel: panicked at drivers/a.rs:1:2:\n \n");
    assert_eq!(found[0].title, "Rust panic in corrupted");
    // A symbol's offset without the symbol; found by fuzzing.
    let found = incidents(b"rust_kernel: panicked at drivers/a.rs:1:2:\n+0x336 \n");
    assert_eq!(found[0].title, "+ADDR in corrupted");
}
