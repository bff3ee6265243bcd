//! What stands still: stalls, lockups, hung tasks, starved work.

use super::{Blame, Rule};
use crate::report::Verdict;
use crate::words::between;
use crate::{Kind, ReportLine};

const fn stall(form: &'static str) -> Rule {
    Rule::new(form, "INFO: rcu detected stall", Kind::RcuStall)
        .class("HANG")
        .blame(Blame::Entry)
        .alike("stall")
}

const fn hang(form: &'static str, title: &'static str) -> Rule {
    Rule::new(form, title, Kind::HungTask).class("HANG").blame(Blame::Innermost).alike("hang")
}

const fn lockup(form: &'static str) -> Rule {
    Rule::new(form, "BUG: soft lockup", Kind::SoftLockup)
        .class("HANG")
        .blame(Blame::Entry)
        .alike("stall")
}

const fn hard(form: &'static str) -> Rule {
    Rule::new(form, "BUG: hard lockup", Kind::HardLockup).class("HANG").blame(Blame::Silent)
}

/// kernel/rcu/tree_stall.h `print_cpu_stall`, `print_other_cpu_stall`; kernel/rcu/tree_exp.h
/// `synchronize_rcu_expedited_wait`; kernel/rcu/tasks.h `check_all_holdout_tasks`;
/// kernel/hung_task.c `check_hung_task`; kernel/watchdog.c `watchdog_timer_fn`,
/// `watchdog_hardlockup_check`; kernel/workqueue.c `wq_watchdog_timer_fn`.
pub(super) const RULES: &[Rule] = &[
    stall("INFO: %S detected stalls on CPUs/tasks"),
    stall("INFO: %S detected stalls on tasks"),
    stall("INFO: %S detected stall on CPU"),
    stall("INFO: %S self-detected stall on CPU"),
    stall("INFO: %S detected expedited stalls on CPUs/tasks"),
    stall("INFO: %S stall detected"),
    hang("INFO: task %s blocked for more than %d seconds", "INFO: task hung"),
    hang("INFO: task %s blocked on %s for more than %d seconds", "INFO: task hung"),
    hang("INFO: task %s can't die for more than %d seconds", "INFO: task can't die"),
    // A command with a newline in it takes the rest of the sentence into the next line.
    hang("INFO: task ", "INFO: task hung"),
    lockup("BUG: soft lockup - CPU#%d stuck for %ds! [%s]"),
    lockup("BUG: soft lockup"),
    hard("BUG: hard lockup"),
    hard("Watchdog detected hard LOCKUP on cpu %d"),
    hard("CPU%d: Watchdog detected hard LOCKUP on cpu %d"),
    // arch/powerpc/kernel/watchdog.c: `soft_nmi_interrupt`, `watchdog_smp_panic`,
    // `wd_lockup_ipi`.
    hard("CPU %d self-detected hard LOCKUP @ %s"),
    hard("CPU %d detected hard LOCKUP on other CPUs %s"),
    hard("CPU %d Hard LOCKUP"),
    // kernel/smp.c: `csd_lock_wait_toolong`.
    Rule::new(
        "smp: csd: Detected non-responsive CSD lock (#%d) on CPU#%d",
        "smp: non-responsive CSD lock",
        Kind::HardLockup,
    )
    .class("HANG")
    .blame(Blame::Silent),
    Rule::new("BUG: workqueue lockup - pool%s", "BUG: workqueue lockup", Kind::WorkqueueLockup)
        .class("HANG")
        .blame(Blame::Nobody)
        .refine(at_work),
];

/// What the pool is at stands below its own line (kernel/workqueue.c: `show_pwq`).
fn at_work(lines: &[ReportLine], verdict: &mut Verdict) {
    let pool = lines.first().and_then(|line| between(&line.text, " - pool ", " stuck"));
    let Some(pool) = pool else { return };
    let own = |line: &&ReportLine| {
        let text = line.text.trim_start();
        text.starts_with("pwq ") && text.contains(pool)
    };
    let mut below = lines.iter().skip_while(|line| !own(line)).skip(1);
    let work = below.next().and_then(|line| between(&line.text, "in-flight: ", ""));
    let function = work.and_then(|work| work.split_once(':')).map(|(_, function)| function);
    if let Some(function) = function.and_then(|text| text.split([' ', ',']).next()) {
        verdict.named = Some(function.to_owned());
        verdict.blame = Blame::Silent;
        verdict.bare = true;
    }
}
