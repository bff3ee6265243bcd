//! Whether the last words get out.

use super::Verdict;
use crate::arm::dumper::MODULE;
use crate::facts::{AgentKey, Console, Dumper, Facts, Module};

/// All that is known of it.
pub(super) fn all(facts: &Facts) -> Vec<Verdict> {
    let mut verdicts = vec![panic(facts)];
    verdicts.extend(refused(facts));
    verdicts.extend(signed(facts));
    verdicts.extend(crash_kernel(facts));
    verdicts.extend(others(facts));
    verdicts
}

/// Of a machine whose user space sends.
pub(super) fn relayed() -> Verdict {
    let evidence = "user space, which sends here, is dead by then: what the kernel leaves in pstore \
                    is sent after the next start";
    Verdict::ok("panic", evidence)
}

/// Where netconsole's lines leave from a thread, a kernel that restarts itself after a panic does
/// so before they are sent: `vpanic` in kernel/panic.c flushes such consoles after
/// `emergency_restart`. Of stock 7.2 and 7.3 none of 35 and 42 lines came.
fn panic(facts: &Facts) -> Verdict {
    let Some(seconds) = facts.panic.get("panic") else {
        return Verdict::unknown("panic", "kernel.panic can't be read", "is /proc mounted?");
    };
    let ok = |what: &str| Verdict::ok("panic", format!("kernel.panic = {seconds}: {what}"));
    let mut consoles = facts.consoles.iter().filter(|console| console.is_netconsole()).peekable();
    if facts.crash_kernel == Some(false) {
        ok("a crash kernel takes over before that counts")
    } else if *seconds == 0 {
        ok("it lies still, and all is sent")
    } else if facts.dumper.as_ref().is_some_and(Dumper::is_armed) {
        ok("bedside_netconsole sends the death before it restarts")
    } else if consoles.peek().is_none() {
        let evidence = format!(
            "kernel.panic = {seconds}: the machine restarts itself after a panic, and whether \
             this kernel sends before that shows once it is armed"
        );
        Verdict::unknown("panic", evidence, "`bedside-patient up …`, and check again")
    } else if consoles.any(Console::is_threaded) {
        silent(*seconds, facts)
    } else {
        ok("it restarts after all is sent")
    }
}

fn silent(seconds: i64, facts: &Facts) -> Verdict {
    Verdict::problem(
        "panic",
        format!(
            "kernel.panic = {seconds}, and this kernel's netconsole sends from a thread: it \
             restarts before a line of the panic is sent"
        ),
        format!(
            "{}: it sends the death before the restart\nor `bedside-patient check --set-panic \
             panic=0`: it lies still until somebody restarts it, and its last words arrive\n\
             or leave it: the boot ends in silence, without a word of why",
            cure(facts)
        ),
    )
}

/// How to come by the module.
fn cure(facts: &Facts) -> String {
    let locked = facts.limits.modules_disabled;
    let first = "start the machine without kernel.modules_disabled, then ";
    let first = if locked { first } else { "" };
    match facts.dumper.as_ref().map(|dumper| &dumper.module) {
        None => format!("install {MODULE} (docs/kernel-module.md), and `bedside-patient up …`"),
        Some(Module::Forbidden { file, line }) => format!("take `{line}` out of {file}"),
        Some(_) => format!("{first}`bedside-patient up …`, which loads {MODULE}"),
    }
}

/// The kernel has refused the module.
fn refused(facts: &Facts) -> Option<Verdict> {
    let why = facts.dumper.as_ref()?.refused.as_ref()?;
    Some(Verdict::problem(
        "death",
        format!("the kernel refuses {MODULE}: {why}"),
        "with Secure Boot or lockdown it has to be signed with a key that the firmware knows: \
         `mokutil --import /var/lib/dkms/mok.pub`, restart, `bedside-patient up …` \
         (docs/kernel-module.md); or take it off the machine",
    ))
}

/// Whether a doctor can tell a death of this machine from a forged one. Without a key nobody asks
/// for that.
fn signed(facts: &Facts) -> Option<Verdict> {
    let dumper = facts.dumper.as_ref().filter(|dumper| dumper.is_armed())?;
    let Some(AgentKey::Usable(key)) = &facts.key else { return None };
    let unsigned = dumper.targets.iter().filter(|target| target.signs_otherwise(Some(*key)));
    Some(match unsigned.count() {
        0 if dumper.targets.iter().any(|target| target.signs.is_some()) => {
            Verdict::ok("signed", format!("{MODULE} signs what it sends with the machine's key"))
        }
        _ => Verdict::problem(
            "signed",
            format!("{MODULE} does not sign what it sends, though there is a key"),
            "`bedside-patient up …`, or its agent, gives it the key; a version that knows of none \
             has to be replaced first",
        ),
    })
}

/// A crash kernel takes over in `vpanic` (kernel/panic.c) before the dumpers are asked, unless
/// told otherwise; what is printed until then a console that is not threaded has sent.
fn crash_kernel(facts: &Facts) -> Option<Verdict> {
    let after_dumpers = facts.crash_kernel?;
    let armed = facts.dumper.as_ref().is_some_and(Dumper::is_armed);
    let verdict = match (after_dumpers, armed) {
        (true, true) => Verdict::ok("kdump", "in a panic the death is sent, then kdump runs"),
        (false, true) => Verdict::problem(
            "kdump",
            format!("a crash kernel is loaded: it takes over in a panic before {MODULE} is asked"),
            format!(
                "`echo Y > {POST_NOTIFIERS}`, and `crash_kexec_post_notifiers` on the kernel's \
                 command line: the death is sent, then kdump runs\n\
                 or leave it: what kdump keeps has the log"
            ),
        ),
        (_, false) => Verdict::ok(
            "kdump",
            "a crash kernel is loaded: in a panic it takes over, and what it keeps has the log",
        ),
    };
    Some(verdict)
}

const POST_NOTIFIERS: &str = "/sys/module/kernel/parameters/crash_kexec_post_notifiers";

/// What a kernel does about trouble that is no panic yet.
fn others(facts: &Facts) -> Vec<Verdict> {
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
