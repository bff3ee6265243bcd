//! netconsole's targets: what those that are there have to become.

use std::collections::BTreeSet;

use super::{load, parameter_of};
use crate::facts::{Configfs, Facts, Loaded, Module, Target};
use crate::step::{Action, Plan};
use crate::target::Wanted;
use crate::{Format, Refusal, path};

/// Who made a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Maker {
    /// `up`.
    Up,
    /// Whoever loaded the module with a parameter: a file of modprobe's, the kernel's command line.
    Parameter,
    /// Another tool, or somebody by hand, in configfs.
    Configfs,
}

impl Maker {
    /// Of a target that configfs shows.
    pub fn of(facts: &Facts, target: &Target) -> Maker {
        if target.name.starts_with(OURS) {
            return Maker::Up;
        }
        match (target.name.starts_with(FROM_PARAMETER), &facts.loaded) {
            (true, Some(_)) => Maker::Up,
            (true, None) => Maker::Parameter,
            (false, _) => Maker::Configfs,
        }
    }
}

/// Somebody else's target to the same doctor.
pub(super) fn taken(facts: &Facts, wanted: &Wanted) -> Option<Refusal> {
    let other = facts
        .targets
        .iter()
        .find(|target| target.enabled && !is_ours(facts, target) && reaches(target, wanted))?;
    let name = &other.name;
    Some(Refusal::new(
        format!("the target {name}, which another tool made, sends to {} already", wanted.doctor),
        format!(
            "take it away first (of Debian's netconsole package: `systemctl disable --now \
             netconsole`; by hand: `rmdir {}/{name}`), or leave things as they are",
            path::TARGETS
        ),
    ))
}

fn is_ours(facts: &Facts, target: &Target) -> bool {
    Maker::of(facts, target) == Maker::Up
}

fn reaches(target: &Target, wanted: &Wanted) -> bool {
    (target.remote_ip, target.remote_port) == (Some(wanted.ip), wanted.port)
}

/// What of the targets has to change, of a module that is there.
pub(super) fn set_targets(
    facts: &Facts,
    targets: &[Wanted],
    plan: &mut Plan,
) -> Result<(), Vec<Refusal>> {
    if let Some(loaded) = facts.loaded.as_ref().filter(|_| facts.from_start) {
        plan.push(
            Action::Adopt(loaded.clone()),
            "the machine's start loaded it; whatever else this kernel can comes next",
        );
        return Ok(());
    }
    if needs_reload(facts, targets) {
        load(facts, targets, true, plan);
        return Ok(());
    }
    let open: Vec<&Wanted> = targets.iter().filter(|wanted| !is_hidden(facts, wanted)).collect();
    match facts.configfs {
        _ if open.is_empty() && stale(facts, targets).next().is_none() => return Ok(()),
        Configfs::NotYet => {
            plan.push(Action::MountConfigfs, "netconsole's targets are set up there");
            return Ok(());
        }
        Configfs::Never => return Err(vec![not_dynamic(facts, targets)]),
        Configfs::Ready => {}
    }
    set_each(facts, targets, &open, plan);
    Ok(())
}

/// Removes who is wanted no more, mends who is there, makes who is not.
fn set_each(facts: &Facts, targets: &[Wanted], open: &[&Wanted], plan: &mut Plan) {
    for target in stale(facts, targets) {
        plan.push(Action::RemoveTarget(target.name.clone()), "nobody is to hear it any more");
    }
    let names: BTreeSet<&str> = facts.targets.iter().map(|target| &*target.name).collect();
    let fresh = (0..).map(|number| format!("{OURS}{number}"));
    let mut fresh = fresh.filter(|name| !names.contains(name.as_str()));
    for wanted in open {
        if let Some(found) = held(facts, wanted) {
            mend(facts, found, wanted, plan);
        } else if let Some(name) = fresh.next() {
            make(facts, &name, wanted, plan);
        }
    }
}

/// The target of ours that reaches a doctor.
fn held<'f>(facts: &'f Facts, wanted: &Wanted) -> Option<&'f Target> {
    facts.targets.iter().find(|target| is_ours(facts, target) && reaches(target, wanted))
}

/// Targets of ours that reach nobody wanted, or whom another one reaches.
fn stale<'f>(facts: &'f Facts, targets: &'f [Wanted]) -> impl Iterator<Item = &'f Target> {
    facts.targets.iter().filter(|target| {
        let is_held = |wanted| held(facts, wanted).is_some_and(|held| held.name == target.name);
        is_ours(facts, target) && !targets.iter().any(is_held)
    })
}

/// Whether a parameter's target that configfs does not show sends to this doctor.
fn is_hidden(facts: &Facts, wanted: &Wanted) -> bool {
    let mut loaded = facts.loaded.iter().flat_map(Loaded::targets);
    hides(facts) && loaded.any(|(doctor, _)| doctor == (wanted.ip, wanted.port))
}

/// Whether there are targets of our parameter which configfs does not show.
fn hides(facts: &Facts) -> bool {
    facts.loaded.as_ref().is_some_and(|loaded| !loaded.devices.is_empty())
        && !facts.targets.iter().any(|target| target.name.starts_with(FROM_PARAMETER))
}

/// Hidden targets are changed by loading the module again; that ends those of others too.
fn needs_reload(facts: &Facts, targets: &[Wanted]) -> bool {
    let Some(loaded) = facts.loaded.as_ref().filter(|_| hides(facts)) else { return false };
    let others = facts.targets.iter().any(|target| target.enabled && !is_ours(facts, target));
    let (parameter, taken) = parameter_of(facts, targets);
    let same =
        targets.iter().take(taken).map(|target| target.index).eq(loaded.devices.iter().copied());
    !others && facts.module == Module::Loaded && (parameter != loaded.parameter || !same)
}

fn not_dynamic(facts: &Facts, targets: &[Wanted]) -> Refusal {
    let parameter = parameter_of(facts, targets).0;
    if facts.module == Module::BuiltIn {
        return Refusal::new(
            "netconsole is part of this kernel, without dynamic configuration",
            format!("put `netconsole={parameter}` on the kernel's command line, and start it anew"),
        );
    }
    Refusal::new(
        "netconsole is loaded already, and this kernel can't change it while it runs",
        "`modprobe -r netconsole`, and run this again",
    )
}

/// A target that is not there yet.
fn make(facts: &Facts, name: &str, wanted: &Wanted, plan: &mut Plan) {
    plan.push(Action::MakeTarget(name.into()), wanted.why.clone());
    for (attribute, value, where_present) in attributes(wanted) {
        set(name, attribute, value, where_present, "", plan);
    }
    if wanted.format == Format::Extended {
        for (key, value) in facts.identity.userdata() {
            plan.push(Action::MakeUserdata { target: name.into(), key: key.into() }, "");
            set(name, &format!("userdata/{key}/value"), value.into(), true, "", plan);
        }
        for key in SYSDATA {
            set(name, &format!("userdata/{key}_enabled"), "1".into(), true, "", plan);
        }
    }
    set(name, "enabled", "1".into(), false, "it sends what is printed from now on", plan);
}

/// A target that is there, made what it should be.
fn mend(facts: &Facts, found: &Target, wanted: &Wanted, plan: &mut Plan) {
    let name = &found.name;
    let differing: Vec<_> = attributes(wanted)
        .into_iter()
        .filter(|(key, value, _)| differs(found, key, value))
        .collect();
    let mut why = match differing.as_slice() {
        [] => "it was disabled".to_owned(),
        [(key, value, _), ..] => format!("{key} has to be {value}: {}", wanted.why),
    };
    if found.enabled && !differing.is_empty() {
        let why = std::mem::take(&mut why);
        set(name, "enabled", "0".into(), false, &why, plan);
    }
    let enable = !found.enabled || !differing.is_empty();
    for (attribute, value, where_present) in differing {
        set(name, attribute, value, where_present, "", plan);
    }
    if wanted.format == Format::Extended {
        tell_who(facts, found, plan);
    }
    if enable {
        set(name, "enabled", "1".into(), false, &why, plan);
    }
}

/// Userdata and sysdata of a target that is there; both can be changed while it sends.
fn tell_who(facts: &Facts, found: &Target, plan: &mut Plan) {
    let Some(has) = &found.userdata else { return };
    let mut why = "the doctor then knows the machine and its boot whatever its address";
    for (key, value) in facts.identity.userdata() {
        if has.get(key).is_some_and(|held| held == value) {
            continue;
        }
        if !has.contains_key(key) {
            plan.push(Action::MakeUserdata { target: found.name.clone(), key: key.into() }, why);
            why = "";
        }
        set(&found.name, &format!("userdata/{key}/value"), value.into(), true, why, plan);
    }
    let mut why = "msgid proves what is lost, the others say where a line comes from";
    for key in SYSDATA.iter().filter(|key| found.sysdata.get(**key) == Some(&false)) {
        set(&found.name, &format!("userdata/{key}_enabled"), "1".into(), true, why, plan);
        why = "";
    }
}

/// What can be changed only while the target is disabled, and whether every kernel has it.
fn attributes(wanted: &Wanted) -> Vec<(&'static str, String, bool)> {
    let extended = wanted.format == Format::Extended;
    let bit = |on: bool| u8::from(on).to_string();
    let mut attributes = vec![
        ("dev_name", wanted.device.clone(), false),
        ("local_port", wanted.source_port.to_string(), false),
        ("remote_port", wanted.port.to_string(), false),
        ("local_ip", wanted.source.to_string(), false),
        ("remote_ip", wanted.ip.to_string(), false),
        ("remote_mac", wanted.mac.to_string(), false),
        ("extended", bit(extended), false),
    ];
    // A kernel refuses `release` without `extended`.
    attributes.push(("release", bit(extended), true));
    attributes
}

fn differs(found: &Target, attribute: &str, value: &str) -> bool {
    let ip = |ip: Option<std::net::IpAddr>| ip.map(|ip| ip.to_string()).unwrap_or_default();
    let held = match attribute {
        "dev_name" => found.device.clone(),
        "local_port" => found.local_port.to_string(),
        "remote_port" => found.remote_port.to_string(),
        "local_ip" => ip(found.local_ip),
        "remote_ip" => ip(found.remote_ip),
        "remote_mac" => found.remote_mac.map(|mac| mac.to_string()).unwrap_or_default(),
        "extended" => u8::from(found.extended.unwrap_or_default()).to_string(),
        // What the kernel does not have is as good as set.
        _ => found.release.map_or(value.into(), |on| u8::from(on).to_string()),
    };
    held != value
}

fn set(
    target: &str,
    attribute: &str,
    value: String,
    where_present: bool,
    why: &str,
    plan: &mut Plan,
) {
    let (target, attribute) = (target.into(), attribute.into());
    plan.push(Action::SetTarget { target, attribute, value, where_present }, why);
}

/// What our targets in configfs are called, before a number.
const OURS: &str = "bedside";
/// What the kernel calls those of its parameter (`NETCONSOLE_PARAM_TARGET_PREFIX`).
const FROM_PARAMETER: &str = "cmdline";
/// `userdata/*_enabled`.
pub(super) const SYSDATA: [&str; 4] = ["cpu_nr", "taskname", "release", "msgid"];
