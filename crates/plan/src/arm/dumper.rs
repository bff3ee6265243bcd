//! The module that delivers a death, where it is installed.

use super::parameter_with;
use crate::Refusal;
use crate::facts::{AgentKey, Console, Dumper, Facts, Module};
use crate::step::{Action, Plan};
use crate::target::Wanted;

/// The module, where it can be used.
pub(crate) fn usable(facts: &Facts) -> Option<&Dumper> {
    facts.dumper.as_ref().filter(|dumper| match dumper.module {
        Module::Loaded => true,
        Module::Loadable => !facts.limits.modules_disabled && dumper.refused.is_none(),
        _ => false,
    })
}

/// Whether it is to send the lines of a living machine as well: where there is no netconsole.
/// What is forbidden stays so.
pub(crate) fn is_alone(facts: &Facts) -> bool {
    facts.module == Module::Absent && usable(facts).is_some()
}

/// Its parameters for these targets. It knows `r`, whatever the kernel's own netconsole does.
pub(crate) fn parameters(facts: &Facts, targets: &[Wanted]) -> (String, &'static str) {
    (parameter_with(targets, true).0, if is_alone(facts) { "on" } else { "off" })
}

/// One that somebody else has loaded.
pub(super) fn foreign(facts: &Facts) -> Option<Refusal> {
    let dumper = usable(facts).filter(|dumper| dumper.module == Module::Loaded)?;
    (!dumper.ours && !dumper.from_start).then(|| {
        Refusal::new(
            format!("{MODULE} was loaded by somebody else, with netconsole={}", dumper.parameter),
            format!("`modprobe -r {MODULE}`, and run this again"),
        )
    })
}

/// Loads it, or changes whom it sends to.
pub(super) fn set_dumper(facts: &Facts, targets: &[Wanted], plan: &mut Plan) {
    let Some(dumper) = usable(facts) else { return };
    let (parameter, live) = parameters(facts, targets);
    if dumper.module != Module::Loaded {
        let live = live.to_owned();
        plan.push(Action::LoadDumper { parameter, live }, why(facts));
        return;
    }
    if !dumper.ours || dumper.live != live || !dumper.sends_to(&parameter) {
        let why = if dumper.sends_to(&parameter) {
            "the machine's start loaded it"
        } else {
            "the way has changed, or a device has come back"
        };
        plan.push(Action::SetDumper { parameter, live: live.to_owned() }, why);
        return;
    }
    sign(facts, dumper, plan);
}

/// Gives it the machine's key, which it forgets with each start. One that can't be read now
/// leaves it as it is.
fn sign(facts: &Facts, dumper: &Dumper, plan: &mut Plan) {
    let key = match &facts.key {
        Some(AgentKey::Usable(key)) => Some(*key),
        Some(AgentKey::Unusable(_) | AgentKey::Hidden) => return,
        None => None,
    };
    if dumper.targets.iter().any(|target| target.signs_otherwise(key)) {
        let why = match key {
            Some(_) => "the doctor can tell what this kernel says from what others say in its name",
            None => "there is no key any more",
        };
        plan.push(Action::SignDumper { with_key: key.is_some() }, why);
    }
}

/// Why it is used, beside the kernel's own netconsole or instead of it.
fn why(facts: &Facts) -> String {
    if is_alone(facts) {
        return "this kernel has no netconsole; this module is installed, and sends lines as they \
                come and, when the kernel dies, the whole death"
            .into();
    }
    let beside = "netconsole goes on with the lines of the living machine";
    match (facts.panic.get("panic"), facts.consoles.iter().any(is_silent)) {
        (Some(seconds), true) if *seconds != 0 => format!(
            "kernel.panic = {seconds}, and this kernel's own netconsole sends nothing of a panic \
             before the restart; this module, which is installed, does; {beside}"
        ),
        _ => format!(
            "it is installed: when the kernel dies it sends the tail of the log, all levels, and \
             says whether that is whole; {beside}"
        ),
    }
}

fn is_silent(console: &Console) -> bool {
    console.is_netconsole() && console.is_threaded()
}

/// The module's name.
pub(crate) const MODULE: &str = "bedside_netconsole";
