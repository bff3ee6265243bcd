//! Panics that nothing before explains.

use super::{Blame, Rule};
use crate::report::Verdict;
use crate::{Kind, ReportLine};

const fn panic(form: &'static str, title: &'static str) -> Rule {
    Rule::new(form, title, Kind::Panic).class("DoS").blame(Blame::Silent)
}

/// kernel/panic.c `vpanic` prints the sentence; its words come from kernel/exit.c `do_exit`,
/// mm/oom_kill.c `out_of_memory`, kernel/sched/core.c `schedule_debug`, kernel/panic.c
/// `__stack_chk_fail`, drivers/tty/sysrq.c `sysrq_handle_crash` and everywhere else.
pub(super) const RULES: &[Rule] = &[
    Rule::new(
        "Kernel panic - not syncing: stack-protector: Kernel stack is corrupted in: %S",
        "kernel panic: stack is corrupted",
        Kind::Panic,
    )
    .class("DoS")
    .blame(Blame::Hole(0))
    .refine(symbol),
    Rule::new(
        "Kernel panic - not syncing: corrupted stack end detected inside scheduler",
        "kernel panic: corrupted stack end",
        Kind::Panic,
    )
    .class("DoS")
    .blame(Blame::Entry)
    .alike("stack-overflow"),
    Rule::new(
        "Kernel panic - not syncing: Attempted to kill init!",
        "kernel panic: Attempted to kill init!",
        Kind::InitDeath,
    )
    .class("DoS")
    .blame(Blame::Silent),
    Rule::new(
        "Kernel panic - not syncing: Out of memory and no killable processes",
        "kernel panic: Out of memory and no killable processes",
        Kind::OomPanic,
    )
    .class("DoS"),
    Rule::new(
        "Kernel panic - not syncing: Out of memory%s",
        "kernel panic: Out of memory{0}",
        Kind::OomPanic,
    )
    .class("DoS"),
    Rule::new(
        "Kernel panic - not syncing: System is deadlocked on memory",
        "kernel panic: System is deadlocked on memory",
        Kind::OomPanic,
    )
    .class("DoS"),
    Rule::new(
        "Kernel panic - not syncing: out of memory%s",
        "kernel panic: out of memory",
        Kind::OomPanic,
    )
    .class("DoS")
    .blame(Blame::Silent),
    // The report before it is lost: a panic of these words has one.
    panic("Kernel panic - not syncing: Fatal exception", "kernel panic: Fatal exception")
        .refine(lost),
    panic("Kernel panic - not syncing: panic_on_warn set", "kernel panic: panic_on_warn set")
        .refine(lost),
    panic("Kernel panic - not syncing: %s: panic_on_warn set", "kernel panic: panic_on_warn set")
        .refine(lost),
    // drivers/tty/tty_ldisc.c: `tty_ldisc_reinit`; which terminal, and why, is chance.
    panic(
        "Kernel panic - not syncing: Couldn't open N_TTY ldisc",
        "kernel panic: Couldn't open N_TTY ldisc",
    ),
    Rule::new("Kernel panic - not syncing: kernel: %s", "kernel panic: {0}", Kind::Panic)
        .class("DoS")
        .blame(Blame::Silent),
    panic("Kernel panic - not syncing: %s", "kernel panic: {0}"),
];

fn lost(_: &[ReportLine], verdict: &mut Verdict) {
    verdict.garbled = true;
}

/// Before 4.x an address stood where the symbol is: the trace knows better.
fn symbol(_: &[ReportLine], verdict: &mut Verdict) {
    let named = verdict.named.as_ref();
    if named.is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_hexdigit())) {
        verdict.named = None;
        verdict.blame = Blame::Innermost;
    }
}
