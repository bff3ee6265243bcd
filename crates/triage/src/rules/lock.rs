//! The lock validator and the simpler watchers of locks, RCU and preemption.

use super::{Blame, Rule};
use crate::Kind;
use crate::words::between;

const LOCKDEP: &str = "LOCKDEP";

const fn deadlock(form: &'static str) -> Rule {
    Rule::new(form, "possible deadlock", Kind::Lockdep).class(LOCKDEP).blame(Blame::Locker)
}

const fn lock(form: &'static str, title: &'static str) -> Rule {
    Rule::new(form, title, Kind::Lockdep).class(LOCKDEP).blame(Blame::Innermost)
}

/// kernel/locking/lockdep.c: `print_circular_bug_header`, `print_deadlock_bug`,
/// `print_irq_inversion_bug`, `print_bad_irq_dependency`, `print_usage_bug` and their neighbours;
/// before 4.12 with `INFO:` in brackets.
pub(super) const RULES: &[Rule] = &[
    deadlock("WARNING: possible circular locking dependency detected"),
    deadlock("INFO: possible circular locking dependency detected"),
    deadlock("WARNING: possible recursive locking detected"),
    deadlock("INFO: possible recursive locking detected"),
    deadlock("WARNING: possible irq lock inversion dependency detected"),
    deadlock("INFO: possible irq lock inversion dependency detected"),
    deadlock("WARNING: %s-safe -> %S lock order detected").blame(Blame::Past),
    deadlock("INFO: %s-safe -> %S lock order detected").blame(Blame::Past),
    lock("WARNING: inconsistent lock state", "inconsistent lock state")
        .blame(Blame::InnermostOrLocker),
    lock("INFO: inconsistent lock state", "inconsistent lock state")
        .blame(Blame::InnermostOrLocker),
    lock("BUG: Invalid wait context", "BUG: Invalid wait context").blame(Blame::Locker),
    // kernel/locking/rtmutex-debug.c before 5.11: `debug_rt_mutex_print_deadlock`.
    lock("WARNING: circular locking deadlock detected!", "WARNING: circular locking deadlock"),
    // include/linux/rcupdate.h by way of `lockdep_rcu_suspicious`.
    lock("WARNING: suspicious RCU usage", "WARNING: suspicious RCU usage"),
    Rule::new("INFO: suspicious RCU usage", "INFO: suspicious RCU usage", Kind::Lockdep)
        .blame(Blame::Innermost),
    // `print_unlock_imbalance_bug`, `print_freed_lock_bug`, `print_held_locks_bug`,
    // `lockdep_sys_exit`, `print_lock_nested_lock_not_held`, `print_lock_contention_bug`.
    lock("WARNING: bad unlock balance detected", "WARNING: bad unlock balance"),
    lock("BUG: bad unlock balance detected", "BUG: bad unlock balance"),
    lock("WARNING: bad contention detected", "WARNING: bad contention"),
    lock("WARNING: held lock freed!", "WARNING: held lock freed").blame(Blame::Locker),
    lock("BUG: held lock freed!", "BUG: held lock freed").blame(Blame::Locker),
    lock("WARNING: %S still has locks held!", "WARNING: still has locks held").blame(Blame::Locker),
    lock("BUG: %S still has locks held!", "BUG: still has locks held").blame(Blame::Locker),
    lock(
        "WARNING: lock held when returning to user space!",
        "WARNING: lock held when returning to user space",
    )
    .blame(Blame::OnlyLocker),
    lock(
        "BUG: lock held when returning to user space!",
        "BUG: lock held when returning to user space",
    )
    .blame(Blame::OnlyLocker),
    lock("WARNING: Nested lock was not taken", "WARNING: nested lock was not taken"),
    lock("BUG: Nested lock was not taken", "BUG: nested lock was not taken"),
    lock("WARNING: lock held at task exit time!", "WARNING: lock held at task exit time"),
    lock("BUG: lock held at task exit time!", "BUG: lock held at task exit time"),
    Rule::new(
        "INFO: trying to register non-static key",
        "INFO: trying to register non-static key",
        Kind::Lockdep,
    )
    .blame(Blame::Innermost),
    Rule::new("BUG: MAX_%S too low!", "BUG: MAX_{0} too low!", Kind::Lockdep).blame(Blame::Silent),
    // kernel/locking/spinlock_debug.c: `spin_bug`, `rwlock_bug`.
    lock("BUG: spinlock %s on CPU#%d, %s", "BUG: spinlock {0}"),
    lock("BUG: rwlock %s on CPU#%d, %s", "BUG: rwlock {0}"),
    lock("BUG: rwlock-%s on CPU#%d, %s", "BUG: rwlock-{0}"),
    // kernel/workqueue.c: `process_one_work`.
    Rule::new("BUG: workqueue leaked %S: ", "BUG: workqueue leaked {0}", Kind::Lockdep)
        .blame(Blame::Innermost)
        .refine(workqueue),
    Rule::new("BUG: workqueue leaked %s: %s", "BUG: workqueue leaked {0}", Kind::Lockdep)
        .blame(Blame::Innermost)
        .refine(workqueue),
    // lib/smp_processor_id.c: `check_preemption_disabled`.
    lock("BUG: using %S in preemptible [%x] code: %s", "BUG: using {0} in preemptible code"),
    // kernel/sched/core.c: `__schedule_bug`, `__might_resched`.
    atomic("BUG: scheduling while atomic: %s", "BUG: scheduling while atomic"),
    atomic(
        "BUG: sleeping function called from invalid context at %s",
        "BUG: sleeping function called from invalid context",
    ),
    atomic(
        "BUG: sleeping function called from invalid context",
        "BUG: sleeping function called from invalid context",
    ),
    atomic("BUG: atomic scheduling while %s", "BUG: scheduling while atomic"),
    atomic(
        "BUG: scheduling in a non-blocking section: %s",
        "BUG: scheduling in a non-blocking section",
    ),
    // `dequeue_task_idle`.
    atomic("bad: scheduling from the idle thread!", "bad: scheduling from the idle thread"),
    // `__cant_sleep`, `__cant_migrate`.
    atomic("BUG: assuming %s context at %s", "BUG: assuming {0} context"),
];

const fn atomic(form: &'static str, title: &'static str) -> Rule {
    Rule::new(form, title, Kind::AtomicSleep).class("ATOMIC_SLEEP").blame(Blame::Innermost)
}

/// `last function: %ps` names the work that leaked, and since 6.10 `workfn=%ps`.
fn workqueue(lines: &[crate::ReportLine], verdict: &mut crate::report::Verdict) {
    let named = lines.iter().take(5).find_map(|line| {
        let text = line.text.trim();
        text.strip_prefix("last function: ").or_else(|| between(text, "workfn=", ""))
    });
    if let Some(named) = named {
        verdict.named = Some(named.to_owned());
        verdict.blame = Blame::Hole(0);
    }
}
