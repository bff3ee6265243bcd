//! Which panics are the end of what was reported before.

use crate::Kind;

/// Whether a panic's words are those of what the incident is about. A machine that warned and then
/// dies of something else has two incidents.
pub(super) fn follows(kind: Kind, panic: &str) -> bool {
    let any = |words: &[&str]| words.iter().any(|word| panic.contains(word));
    // Of what may be anything, anything may be the end.
    let unknown = || kind == Kind::Unknown && [DEATHS, STALLS].into_iter().any(any);
    // kernel/panic.c: `add_taint`, whatever taints.
    panic.contains("panic_on_taint") || any(words(kind)) || unknown()
}

fn words(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Oops | Kind::Bug | Kind::ListCorruption => DEATHS,
        Kind::SoftLockup
        | Kind::HardLockup
        | Kind::RcuStall
        | Kind::HungTask
        | Kind::WorkqueueLockup => STALLS,
        Kind::Mce | Kind::Hardware => HARDWARE,
        Kind::Filesystem => &["-fs (", "XFS (", "BTRFS", "JBD2"],
        _ => CHECKS,
    }
}

/// `die`, `oops_end` and their kin in arch/*/kernel/traps.c and arch/x86/kernel/dumpstack.c;
/// kernel/exit.c `do_exit`, `make_task_dead`; include/asm-generic/bug.h `BUG`; arch/x86's
/// doublefault_32.c; arch/arm/kernel/traps.c `bad_mode`; arch/arm64/kernel/traps.c
/// `panic_bad_stack`; arch/powerpc/kernel/traps.c; arch/s390/kernel/traps.c; lib/bug.c by way of
/// panic_on_warn.
const DEATHS: &[&str] = &[
    "atal exception",
    "Attempted to kill",
    "Aiee",
    "BUG",
    "Oops",
    "panic_on_oops",
    "panic_on_warn",
    "nrecoverable",
    "tack overflow",
    "kernel stack",
    "double fault",
    "Machine halted",
    "bad mode",
    "Unhandled exception",
    "ernel fault",
    "ernel Fault",
    "kernel mode",
];

/// kernel/hung_task.c `check_hung_task`, kernel/watchdog.c `watchdog_timer_fn`,
/// `watchdog_hardlockup_check`, arch/powerpc/kernel/watchdog.c, kernel/rcu/tree_stall.h
/// `panic_on_rcu_stall`, kernel/workqueue.c `panic_on_wq_watchdog`.
const STALLS: &[&str] = &[
    "hung_task",
    "hung task",
    "softlockup",
    "soft lockup",
    "LOCKUP",
    "hard lockup",
    "RCU",
    "rcu",
    "workqueue",
];

/// arch/x86/kernel/cpu/mce/core.c, arch/x86/kernel/nmi.c, drivers/acpi/apei/ghes.c,
/// arch/arm64/kernel/traps.c.
const HARDWARE: &[&str] =
    &["achine check", "NMI", "ardware error", "SError", "broadcast exception"];

/// kernel/panic.c `check_panic_on_warn`, mm/kasan/report.c, mm/kmsan/report.c, mm/kfence/report.c
/// (their `fault=panic`), kernel/sched/core.c `__schedule_bug`.
const CHECKS: &[&str] = &["panic_on_warn", "fault=panic", "kmsan.panic", "while atomic"];
