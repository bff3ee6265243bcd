//! Whether the last words get out.

use super::Verdict;
use crate::facts::{Console, Facts};

/// Where netconsole's lines leave from a thread, a kernel that restarts itself after a panic does
/// so before they are sent: `vpanic` in kernel/panic.c flushes such consoles after
/// `emergency_restart`. Of stock 7.2 and 7.3 none of 35 and 42 lines came.
pub(super) fn panic(facts: &Facts) -> Verdict {
    let Some(seconds) = facts.panic.get("panic") else {
        return Verdict::unknown("panic", "kernel.panic can't be read", "is /proc mounted?");
    };
    let mut consoles = facts.consoles.iter().filter(|console| console.is_netconsole()).peekable();
    if consoles.peek().is_none() && *seconds != 0 {
        return Verdict::unknown(
            "panic",
            format!(
                "kernel.panic = {seconds}: the machine restarts itself after a panic, and whether \
                 this kernel sends before that shows once it is armed"
            ),
            "`bedside-patient up …`, and check again",
        );
    }
    if *seconds == 0 {
        return Verdict::ok("panic", "kernel.panic = 0: it lies still, and all is sent");
    }
    if !consoles.any(Console::is_threaded) {
        let evidence = format!("kernel.panic = {seconds}: it restarts after all is sent");
        return Verdict::ok("panic", evidence);
    }
    Verdict::problem(
        "panic",
        format!(
            "kernel.panic = {seconds}, and this kernel's netconsole sends from a thread: it \
             restarts before a line of the panic is sent"
        ),
        "`bedside-patient check --set-panic panic=0`: it lies still until somebody restarts it, \
         and its last words arrive\nor leave it: the boot ends in silence, without a word of why",
    )
}

/// What a kernel does about trouble that is no panic yet.
pub(super) fn others(facts: &Facts) -> Vec<Verdict> {
    let verdict = |(name, trouble): &(&str, &'static str)| {
        let value = facts.panic.get(*name)?;
        let goes_on = if *value == 0 { "goes on as it can" } else { "panics" };
        let evidence = format!("kernel.{name} = {value}: after {trouble} it {goes_on}");
        Some(Verdict::ok("trouble", evidence))
    };
    OTHERS.iter().filter_map(verdict).collect()
}

const OTHERS: [(&str, &str); 5] = [
    ("panic_on_oops", "an oops"),
    ("panic_on_warn", "a warning"),
    ("softlockup_panic", "a processor stuck in the kernel"),
    ("hardlockup_panic", "a processor stuck with interrupts off"),
    ("hung_task_panic", "a task stuck for minutes"),
];
