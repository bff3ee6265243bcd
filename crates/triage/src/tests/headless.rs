//! Reports whose first line was lost: netconsole loses lines.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::cases::{self, Case};
use crate::rules::rule_of;
use crate::{Caller, Corruption, Event, Incident, Kind, Limits, Line, Triage, incidents};

const WARNING: &[&str] = &[
    "------------[ cut here ]------------",
    "WARNING: CPU: 1 PID: 117 at drivers/x.c:25 guilty_one+0xe5/0x110 [drv]",
    "Modules linked in: drv(O) snd",
    "CPU: 1 UID: 0 PID: 117 Comm: program Not tainted 6.12.94 #1",
    "RIP: 0010:guilty_one+0xe5/0x110 [drv]",
    "Code: 0f 0b 48 89",
    "Call Trace:",
    " <TASK>",
    " its_caller+0xcf/0x450",
    " do_syscall_64+0x82/0x190",
    "RIP: 0033:0x7fcc341b76f0",
    "Code: 00 f7 d8 64",
    "RSP: 002b:00007ffd094d6588 EFLAGS: 00000246",
    " </TASK>",
    "---[ end trace 0000000000000000 ]---",
];

fn stamped(second: u32, lines: &[&str]) -> String {
    let stamp = |(at, line): (usize, &&str)| format!("[   {second}.{at:06}] {line}\n");
    lines.iter().enumerate().map(stamp).collect()
}

/// All but the line of this index.
fn without<'a>(lines: &[&'a str], lost: usize) -> Vec<&'a str> {
    let left = lines.iter().enumerate().filter(|(at, _)| *at != lost);
    left.map(|(_, line)| *line).collect()
}

fn only(text: &str) -> Incident {
    let mut found = incidents(text.as_bytes());
    assert_eq!(found.len(), 1, "{text}: {found:?}");
    found.remove(0)
}

#[test]
fn a_warning_without_its_sentence_is_that_warning() {
    let whole = only(&stamped(10, WARNING));
    assert_eq!((&*whole.title, whole.corrupted), ("WARNING in guilty_one", None));
    let rest = only(&stamped(10, &without(WARNING, 1)));
    assert_eq!((&rest.title, rest.fingerprint), (&whole.title, whole.fingerprint));
    assert_eq!(rest.corrupted, Some(Corruption::NoBeginning));
    assert_eq!((rest.lines.len(), rest.pid, rest.line), (WARNING.len() - 1, Some(117), None));
    assert_eq!(rest.modules, ["drv", "snd"]);
    // Cut off before its end it may be a lockup as well.
    let half = only(&stamped(10, &without(&WARNING[..10], 1)));
    assert_eq!(
        (half.kind, &*half.title),
        (Kind::Unknown, "report without its beginning in guilty_one")
    );
    assert_eq!(half.function.as_deref(), Some("guilty_one"));
    let less = only(&stamped(10, &WARNING[2..4]));
    assert_eq!((less.kind, &*less.title), (Kind::Unknown, "report without its beginning"));
}

/// arch/x86/kernel/dumpstack.c `__die_body`, `oops_end`; arch/arm64/kernel/traps.c `__die`.
#[test]
fn an_exception_without_its_sentence_is_no_warning() {
    let x86 = "RIP: 0010:guilty_one+0x10/0x30\nCall Trace:\n its_caller+0xcf/0x450\n\
               Modules linked in: drv\n---[ end trace 0000000000000000 ]---\n\
               RIP: 0010:guilty_one+0x10/0x30\nCode: 0f 0b\n";
    let arm64 = "Modules linked in: drv\nCPU: 1 PID: 117 Comm: program Not tainted 6.12.94 #1\n\
                 pc : guilty_one+0x10/0x30\nlr : its_caller+0xcf/0x450\nCall trace:\n \
                 guilty_one+0x10/0x30\n its_caller+0xcf/0x450\nCode: aa1303e0 (d4210000)\n\
                 ---[ end trace 0000000000000000 ]---\n";
    for text in [x86, arm64] {
        let found = only(text);
        assert_eq!(found.kind, Kind::Unknown, "{text}");
        assert_eq!(found.function.as_deref(), Some("guilty_one"), "{text}");
        // The panic that follows, whatever it was, is its end.
        let dead = only(&format!("{text}Kernel panic - not syncing: Fatal exception\n"));
        assert!(dead.panicked, "{text}");
    }
}

/// What stands below the sentence, and the title that it proves.
const SECONDS: &[(&str, &str)] = &[
    (
        "Read of size 8 at addr ffff888012345678 by task a/117",
        "KASAN: bad-access Read in guilty_one",
    ),
    ("Write at addr f7ff000005e1c800 by task a b/117", "KASAN: bad-access Write in guilty_one"),
    ("Free of addr ffff888012345678 by task a/117", "KASAN: bad-free in guilty_one"),
    (
        "Use-after-free read at 0x000000001234abcd (in kfence-#12):\n guilty_one+0x1/0x2",
        "KFENCE: use-after-free read in guilty_one",
    ),
    (
        "Out-of-bounds write at 0x000000001234abcd (1B right of kfence-#12):\n guilty_one+0x1/0x2",
        "KFENCE: out-of-bounds write in guilty_one",
    ),
    (
        "Corrupted memory at 0x000000001234abcd [ ! . . ] (in kfence-#12):\n guilty_one+0x1/0x2",
        "KFENCE: memory corruption in guilty_one",
    ),
    (
        "Invalid free of 0x000000001234abcd (in kfence-#12):\n guilty_one+0x1/0x2",
        "KFENCE: invalid free in guilty_one",
    ),
    (
        "Invalid write at 0x000000001234abcd:\n guilty_one+0x1/0x2",
        "KFENCE: invalid write in guilty_one",
    ),
    (
        "write (marked) to 0xffff888012345678 of 4 bytes by interrupt on cpu 1:\n second_one+0x1/0x2\n\nread to 0xffff888012345678 of 4 bytes by task 7 on cpu 0:\n guilty_one+0x1/0x2",
        "KCSAN: data-race in guilty_one / second_one",
    ),
    (
        "assert no accesses to 0xffff888012345678 of 4 bytes by task 7 on cpu 0:\n guilty_one+0x1/0x2",
        "KCSAN: assert: race in guilty_one",
    ),
    (
        "race at unknown origin, with read to 0xffff888012345678 of 4 bytes by task 7 on cpu 0:\n guilty_one+0x1/0x2",
        "KCSAN: data-race in guilty_one",
    ),
    (
        "index 12 is out of range for type 'int [12]'",
        "UBSAN: array-index-out-of-bounds in guilty_one",
    ),
    (
        "shift exponent 64 is too large for 64-bit type 'long int'",
        "UBSAN: shift-out-of-bounds in guilty_one",
    ),
    ("shift exponent -1 is negative", "UBSAN: shift-out-of-bounds in guilty_one"),
    ("load of value 12 is not a valid value for type '_Bool'", "UBSAN: invalid-load in guilty_one"),
    (
        "program/117 is trying to acquire lock:\nff12 (a){+.+.}-{4:4}, at: guilty_one+0x1/0x2",
        "possible deadlock in guilty_one",
    ),
    (
        "program/117 just changed the state of lock:\nff12 (a){+.+.}-{4:4}, at: guilty_one+0x1/0x2",
        "possible deadlock in guilty_one",
    ),
    (
        "program/117 [HC0[0]:SC0[0]:HE0:SE1] takes:\nff12 (a){+.+.}-{4:4}, at: guilty_one+0x1/0x2",
        "inconsistent lock state in guilty_one",
    ),
    ("program/117 is trying to release lock (a) at:", "WARNING: bad unlock balance in guilty_one"),
    (
        "program/117 is freeing memory ff12-ff34, with a lock still held there!\nff12 (a){+.+.}-{4:4}, at: guilty_one+0x1/0x2",
        "WARNING: held lock freed in guilty_one",
    ),
    (
        "net/x.c:12 suspicious rcu_dereference_check() usage!",
        "WARNING: suspicious RCU usage in guilty_one",
    ),
    (
        "net/x.c:12 RCU-list traversed in non-reader section!!",
        "WARNING: suspicious RCU usage in guilty_one",
    ),
    (
        "The code is fine but needs lockdep annotation, or maybe",
        "INFO: trying to register non-static key in guilty_one",
    ),
    (
        "in_atomic(): 1, irqs_disabled(): 0, non_block: 0, pid: 117, name: program",
        "BUG: sleeping function called from invalid context in guilty_one",
    ),
    (
        "in_atomic(): 0, irqs_disabled(): 0, pid: 117, name: program\n __cant_sleep+0x1/0x2",
        "BUG: assuming atomic context in guilty_one",
    ),
    (
        "\"echo 0 > /proc/sys/kernel/hung_task_timeout_secs\" disables this message.",
        "INFO: task hung in guilty_one",
    ),
    ("rcu: \t(t=10500 jiffies g=12 q=34 ncpus=2)", "INFO: rcu detected stall in sys_read"),
    (
        "rcu: \t(detected by 1, t=10500 jiffies, g=12, q=34 ncpus=2)",
        "INFO: rcu detected stall in sys_read",
    ),
    ("\t(t=10500 jiffies g=12 c=11 q=34)", "INFO: rcu detected stall in sys_read"),
];

#[test]
fn the_second_line_tells_what_it_was() {
    const TRACE: &str = "CPU: 1 PID: 117 Comm: program Not tainted 6.12.94 #1\nCall Trace:\n \
                         dump_stack_lvl+0x5d/0x80\n guilty_one+0xcf/0x450\n do_syscall_64+0x1/0x2\n";
    for (line, title) in SECONDS {
        let trace = TRACE.replace(" do_sys", " __x64_sys_read+0x1/0x2\n do_sys");
        let found = only(&format!("{line}\n{trace}"));
        assert_eq!(found.title, *title, "{line}");
        assert_eq!(found.corrupted, Some(Corruption::NoBeginning), "{line}");
    }
}

/// Which report's modules they are tells who reports.
#[test]
fn the_trace_tells_what_it_was() {
    for (reporter, title) in [
        ("__schedule_bug", "BUG: scheduling while atomic in guilty_one"),
        ("refcount_warn_saturate", "WARNING: refcount bug in guilty_one"),
        ("debug_print_object", "WARNING: ODEBUG bug in guilty_one"),
        ("__warn", "WARNING in guilty_one"),
    ] {
        let text = format!(
            "Modules linked in: drv\nCPU: 1 PID: 117 Comm: program Not tainted 6.12.94 #1\n\
             Call Trace:\n {reporter}+0x5d/0x80\n guilty_one+0xcf/0x450\n do_syscall_64+0x1/0x2\n"
        );
        assert_eq!(only(&text).title, title);
    }
}

/// drivers/tty/sysrq.c, lib/dump_stack.c, lib/nmi_backtrace.c, kernel/locking/lockdep.c
/// `debug_show_all_locks`; a driver that shows where it is.
#[test]
fn what_is_shown_of_a_healthy_kernel_is_no_report() {
    const TRACE: &str = "CPU: 1 UID: 0 PID: 117 Comm: program Not tainted 6.12.94 #1\n\
                         Hardware name: QEMU\nCall Trace:\n <TASK>\n dump_stack_lvl+0x5d/0x80\n \
                         healthy_one+0xcf/0x450\n </TASK>\n";
    for above in [
        "usb 1-1: this is where I am\n",
        "sysrq: Show backtrace of all active CPUs\nSending NMI from CPU 0 to CPUs 1:\n\
         NMI backtrace for cpu 1\n",
        "sysrq: Show State\ntask:program         state:S stack:0     pid:117   ppid:1\n",
        "sysrq: Show Locks Held\n\nShowing all locks held in the system:\n1 lock held by a/12:\n \
         #0: ff12 (a){+.+.}-{4:4}, at: healthy_one+0x1/0x2\n\n\
         =============================================\n\n",
        "------------[ cut here ]------------\n",
    ] {
        assert_eq!(incidents(format!("{above}{TRACE}{TRACE}").as_bytes()), [], "{above}");
    }
    for line in [
        "Read of size 8 failed",
        "read to 0x12 of 4 bytes by hand",
        "load of value 12 is not a valid value for type 7",
        "program/117 is trying to acquire a lock",
        "nf_conntrack: modules linked in: none",
    ] {
        assert_eq!(incidents(format!("{line}\n{TRACE}").as_bytes()), [], "{line}");
    }
    let program = format!("12,345,1234567,-;{}\n", WARNING[2]);
    assert_eq!(incidents(program.as_bytes()), [], "what a program says is not the kernel's");
}

#[test]
fn a_whole_report_is_one_incident() {
    let headless = |one: &&Incident| one.corrupted == Some(Corruption::NoBeginning);
    for case in cases::all() {
        let found = incidents(case.log.as_bytes());
        assert_eq!(found.iter().find(headless), None, "{}", case.name);
    }
}

/// Datagrams overtake each other.
#[test]
fn a_sentence_that_comes_late_is_the_beginning() {
    let whole = only(&stamped(10, WARNING));
    let text = stamped(10, WARNING);
    let mut lines: Vec<&str> = text.lines().collect();
    lines.swap(1, 5);
    let late = only(&lines.join("\n"));
    assert_eq!((&late.title, late.fingerprint), (&whole.title, whole.fingerprint));
    assert_eq!((late.corrupted, late.line, late.lines.len()), (None, Some(25), WARNING.len()));
}

#[test]
fn a_report_soon_after_another_is_its_own() {
    for (second, count) in [(12, 2), (10, 2)] {
        let other = without(WARNING, 1);
        let text = stamped(10, WARNING)
            + &stamped(second, &other)
                .replace("guilty_one", "another_one")
                .replace(".00000", ".10000");
        let found = incidents(text.as_bytes());
        let functions: Vec<_> = found.iter().filter_map(|one| one.function.as_deref()).collect();
        assert_eq!(functions, ["guilty_one", "another_one"], "{second}");
        assert_eq!(found.len(), count);
    }
    // A sentence is never part of what may be anything.
    let text = stamped(10, &WARNING[2..4]) + &stamped(11, WARNING);
    assert_eq!(incidents(text.as_bytes()).len(), 2);
}

/// Five at once, of which four are looked at.
#[test]
fn what_was_closed_to_make_room_begins_nothing() {
    let limits = Limits { open: 4, ..Limits::default() };
    let (mut triage, mut opened) = (Triage::with_limits(limits), 0);
    for text in WARNING {
        for task in 0..5 {
            let (text, caller) = (text.as_bytes(), Some(Caller::Task(task)));
            let line = Line { text, time: Some(1_000_000), caller, ..Line::default() };
            triage
                .hear(line, &mut |event| opened += usize::from(matches!(event, Event::Opened(_))));
        }
    }
    assert_eq!(opened, 5);
}

/// The log without its first incident's sentence.
fn without_sentence(log: &str, whole: &Incident) -> Option<String> {
    let sentence = whole.lines.iter().find(|line| rule_of(&line.text).is_some())?.at;
    let lines = (1..).zip(log.lines());
    let left = |(at, line)| if at == sentence { "\n".into() } else { format!("{line}\n") };
    Some(lines.map(left).collect())
}

/// The log up to the panic: most machines go on after a warning.
fn without_panic(log: &str) -> String {
    let panic = |line: &&str| !line.contains("Kernel panic - not syncing");
    log.lines().take_while(panic).collect::<Vec<_>>().join("\n")
}

/// Of how many reports what is left is an incident, names the function that the whole names, and has
/// the same title.
#[derive(Debug, Default)]
struct Share {
    all: usize,
    found: usize,
    function: usize,
    title: usize,
}

impl Share {
    /// Of logs whose report is whole without the panic, if there is one.
    fn count(&mut self, case: &Case, known: &Incident) {
        let log = without_panic(&case.log);
        let Some(whole) = incidents(log.as_bytes()).into_iter().next() else { return };
        let Some(rest) = without_sentence(&log, &whole) else { return };
        if whole.title != known.title {
            return;
        }
        self.all += 1;
        let is_of_whole = |one: &Incident| {
            one.lines.iter().any(|line| whole.lines.iter().any(|other| other.at == line.at))
        };
        let Some(left) = incidents(rest.as_bytes()).into_iter().find(is_of_whole) else { return };
        self.found += 1;
        self.function += usize::from(left.function == whole.function);
        self.title += usize::from(left.title == whole.title);
    }
}

#[test]
#[expect(clippy::print_stdout, reason = "the figures are what people want to see")]
fn score_of_reports_without_their_first_line() {
    let mut kinds = BTreeMap::<Kind, Share>::new();
    for case in cases::all().iter().filter(|case| !case.corrupted) {
        let Some(known) = incidents(case.log.as_bytes()).into_iter().next() else { continue };
        kinds.entry(known.kind).or_default().count(case, &known);
    }
    let mut table = String::new();
    for (kind, Share { all, found, function, title }) in &kinds {
        writeln!(table, "  {kind:20} {found:3} {function:3} {title:3} of {all}").unwrap();
    }
    let sum = |of: fn(&Share) -> usize| kinds.values().map(of).sum::<usize>();
    let (all, found, function) = (sum(|s| s.all), sum(|s| s.found), sum(|s| s.function));
    let title = sum(|share| share.title);
    println!(
        "first line lost: of {all} {found} are found, {function} with function, {title} with title"
    );
    println!("{table}");
    assert!(all > 250, "{all}");
    assert!(found * 100 >= all * 80, "{found} of {all}:\n{table}");
    assert!(function * 100 >= all * 70, "{function} of {all}:\n{table}");
}
