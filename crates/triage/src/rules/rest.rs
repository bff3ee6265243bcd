//! Lines that stand near the beginning of one sort of report only: where the first line was lost,
//! they tell what it was about, as far as they do.

use super::sanitizer::{access, kfence};
use super::{Blame, Rule};
use crate::guilty::symbol;
use crate::report::Verdict;
use crate::trace::{frame, stacks};
use crate::{Kind, ReportLine};

/// kernel/panic.c `__warn`, arch/*/kernel/dumpstack.c `__die_body`, kernel/watchdog.c
/// `watchdog_timer_fn`, kernel/sched/core.c `__schedule_bug` and mm/page_alloc.c `bad_page` print
/// the modules, and nothing does in which all is well.
pub(super) const RULES: &[Rule] = &[
    Rule::new("Modules linked in:", "report without its beginning", Kind::Unknown)
        .blame(Blame::Innermost)
        .refine(what_it_was),
    // mm/kasan/report.c: `print_error_description`.
    kasan("Read of size %d at addr %x by task %s", "KASAN: bad-access"),
    kasan("Write of size %d at addr %x by task %s", "KASAN: bad-access"),
    kasan("Read of size %d by task %s", "KASAN: bad-access"),
    kasan("Write of size %d by task %s", "KASAN: bad-access"),
    kasan("Read at addr %x by task %s", "KASAN: bad-access"),
    kasan("Write at addr %x by task %s", "KASAN: bad-access"),
    kasan("Free of addr %x by task %s", "KASAN: bad-free"),
    // kernel/kcsan/report.c: `print_report`.
    kcsan("read%s to %x of %d bytes by %s on cpu %d:"),
    kcsan("write%s to %x of %d bytes by %s on cpu %d:"),
    kcsan("assert no %s to %x of %d bytes by %s on cpu %d:"),
    kcsan("race at unknown origin, with %s to %x of %d bytes by %s on cpu %d:"),
    // mm/kfence/report.c: `kfence_report_error`.
    electric("Out-of-bounds %S at %x (%s of kfence-#%d):", "KFENCE: out-of-bounds {0}"),
    electric("Use-after-free %S at %x (in kfence-#%d):", "KFENCE: use-after-free {0}"),
    electric("Corrupted memory at %x [%s] (in kfence-#%d):", "KFENCE: memory corruption"),
    electric("Invalid free of %x (in kfence-#%d):", "KFENCE: invalid free"),
    electric("Invalid read at 0x%x:", "KFENCE: invalid read"),
    electric("Invalid write at 0x%x:", "KFENCE: invalid write"),
    // lib/ubsan.c: the handlers' second lines.
    ubsan("index %s is out of range for type '%s", "UBSAN: array-index-out-of-bounds"),
    ubsan("shift exponent %s is too large for %x-bit type '%s", "UBSAN: shift-out-of-bounds"),
    ubsan("shift exponent %d is negative", "UBSAN: shift-out-of-bounds"),
    ubsan("left shift of negative value %d", "UBSAN: shift-out-of-bounds"),
    ubsan(
        "left shift of %s by %s places cannot be represented in type '%s",
        "UBSAN: shift-out-of-bounds",
    ),
    ubsan("load of value %s is not a valid value for type '%s", "UBSAN: invalid-load"),
    ubsan("negation of %s cannot be represented in type '%s", "UBSAN: negation-overflow"),
    ubsan("division of %s by -1 cannot be represented in type '%s", "UBSAN: division-overflow"),
    ubsan("member access within null pointer of type '%s", "UBSAN: null-ptr-deref"),
    ubsan("member access within misaligned address %x for type '%s", "UBSAN: misaligned-access"),
    ubsan("load of misaligned address %x for type '%s", "UBSAN: misaligned-access"),
    ubsan("store to misaligned address %x for type '%s", "UBSAN: misaligned-access"),
    // kernel/locking/lockdep.c: `print_circular_bug_header` and `print_deadlock_bug`,
    // `print_irq_inversion_bug`, `print_bad_irq_dependency`, `print_usage_bug`,
    // `print_unlock_imbalance_bug`, `lockdep_sys_exit`, `lockdep_rcu_suspicious`.
    lock("%s is trying to acquire lock:", "possible deadlock", Blame::Locker),
    lock("%s just changed the state of lock:", "possible deadlock", Blame::Locker),
    lock("%s] is trying to acquire:", "possible deadlock", Blame::Past),
    lock("%s] takes:", "inconsistent lock state", Blame::InnermostOrLocker),
    lock("%s is trying to release lock (", "WARNING: bad unlock balance", Blame::Innermost),
    lock(
        "%s is leaving the kernel with locks still held!",
        "WARNING: lock held when returning to user space",
        Blame::OnlyLocker,
    ),
    lock("%s suspicious rcu_%S usage!", "WARNING: suspicious RCU usage", Blame::Innermost),
    lock(
        "%s RCU-list traversed in non-reader section!!",
        "WARNING: suspicious RCU usage",
        Blame::Innermost,
    ),
    lock("%s Illegal context switch in RCU", "WARNING: suspicious RCU usage", Blame::Innermost),
    lock(
        "%s is freeing memory %s, with a lock still held there!",
        "WARNING: held lock freed",
        Blame::Locker,
    ),
    // `register_lock_class`.
    unregistered("the code is fine but needs lockdep annotation"),
    unregistered("The code is fine but needs lockdep annotation"),
    // kernel/sched/core.c: `__might_resched`; its neighbours and those before 5.4 without
    // `non_block`.
    asleep("in_atomic(): %d, irqs_disabled(): %d, non_block: %d, pid: %d, name: %s"),
    asleep("in_atomic(): %d, irqs_disabled(): %d, pid: %d, name: %s").refine(awake),
    // kernel/hung_task.c: `check_hung_task`.
    Rule::new(
        "\"echo 0 > /proc/sys/kernel/hung_task_timeout_secs\" disables this message.",
        "INFO: task hung",
        Kind::HungTask,
    )
    .class("HANG")
    .blame(Blame::Innermost)
    .alike("hang"),
    // kernel/rcu/tree_stall.h: `print_cpu_stall`, `print_other_cpu_stall`.
    stall("rcu: %s(t=%d jiffies g=%d q=%d"),
    stall("rcu: %s(detected by %d, t=%d jiffies, g=%d, q=%d"),
    stall("(t=%d jiffies g=%d"),
    stall("(detected by %d, t=%d jiffies, g=%d"),
];

const fn kasan(form: &'static str, title: &'static str) -> Rule {
    Rule::new(form, title, Kind::Kasan).blame(Blame::Innermost).refine(access)
}

const fn kcsan(form: &'static str) -> Rule {
    Rule::new(form, "KCSAN: data-race", Kind::Kcsan).class("KCSAN-DATARACE").refine(race)
}

const fn electric(form: &'static str, title: &'static str) -> Rule {
    Rule::new(form, title, Kind::Kfence).blame(Blame::Innermost).refine(kfence)
}

const fn ubsan(form: &'static str, title: &'static str) -> Rule {
    Rule::new(form, title, Kind::Ubsan).class("UBSAN").blame(Blame::Innermost)
}

const fn lock(form: &'static str, title: &'static str, blame: Blame) -> Rule {
    Rule::new(form, title, Kind::Lockdep).class("LOCKDEP").blame(blame)
}

const fn unregistered(form: &'static str) -> Rule {
    Rule::new(form, "INFO: trying to register non-static key", Kind::Lockdep)
        .blame(Blame::Innermost)
}

const fn asleep(form: &'static str) -> Rule {
    Rule::new(form, "BUG: sleeping function called from invalid context", Kind::AtomicSleep)
        .class("ATOMIC_SLEEP")
        .blame(Blame::Innermost)
}

const fn stall(form: &'static str) -> Rule {
    Rule::new(form, "INFO: rcu detected stall", Kind::RcuStall)
        .class("HANG")
        .blame(Blame::Entry)
        .alike("stall")
}

/// `__cant_sleep` says the same.
fn awake(lines: &[ReportLine], verdict: &mut Verdict) {
    if is_in_trace(lines, "__cant_sleep") {
        verdict.head = "BUG: assuming atomic context".into();
    }
}

/// The parties stand below the lines that say what they did, and in the title in the order of their
/// names.
fn race(lines: &[ReportLine], verdict: &mut Verdict) {
    let did = |line: &ReportLine| line.text.contains(" to 0x") && line.text.contains(" bytes by ");
    let below = lines.windows(2).filter(|pair| did(&pair[0]));
    let mut parties: Vec<String> = below
        .filter_map(|pair| frame(&pair[1].text))
        .map(|frame| symbol(&frame.function))
        .collect();
    parties.truncate(2);
    parties.sort();
    let mut parties = parties.into_iter();
    verdict.named = parties.next();
    verdict.blame = Blame::Hole(0);
    verdict.suffix = parties.next().map(|other| format!(" / {other}")).unwrap_or_default();
    if lines.iter().any(|line| line.text.starts_with("assert no ")) {
        verdict.head = "KCSAN: assert: race".into();
        verdict.class = Some("KCSAN-ASSERT");
    }
}

/// Who reports, and what it would have called it.
const REPORTERS: &[(&str, &str, Kind, Option<&str>)] = &[
    ("__schedule_bug", "BUG: scheduling while atomic", Kind::AtomicSleep, Some("ATOMIC_SLEEP")),
    ("refcount_warn_saturate", "WARNING: refcount bug", Kind::Refcount, Some("REFCOUNT_WARNING")),
    ("debug_print_object", "WARNING: ODEBUG bug", Kind::Odebug, Some("WARNING")),
    ("bad_page", "BUG: Bad page state", Kind::BadPage, None),
    ("__warn", "WARNING", Kind::Warning, Some("WARNING")),
];

/// A trace that has an end is a warning's; of an exception the modules stand below the trace, or
/// the code does (arch/x86/kernel/dumpstack.c `__die_body`, arch/arm64/kernel/traps.c `__die`).
fn what_it_was(lines: &[ReportLine], verdict: &mut Verdict) {
    let reporter = REPORTERS.iter().find(|(name, ..)| is_in_trace(lines, name));
    let end = lines.iter().position(|line| line.text.contains("---[ end trace"));
    let trace = &lines[..end.unwrap_or(0)];
    let headed = trace
        .iter()
        .any(|line| line.text.starts_with("Call Trace") || line.text.starts_with("Call trace"));
    let code = trace.last().is_some_and(|line| line.text.starts_with("Code: "));
    (verdict.head, verdict.kind, verdict.class) = match reporter {
        Some((_, head, kind, class)) => ((*head).into(), *kind, *class),
        None if headed && !code => ("WARNING".into(), Kind::Warning, Some("WARNING")),
        None => {
            verdict.bare = true;
            return;
        }
    };
}

fn is_in_trace(lines: &[ReportLine], function: &str) -> bool {
    stacks(lines).iter().flat_map(|stack| &stack.frames).any(|frame| frame.function == function)
}
