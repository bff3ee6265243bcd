//! The difference between what is and what is wanted, as steps.

pub(crate) mod dumper;
mod targets;

use netconsole_wire::parameter::MAX_LENGTH;

use self::dumper::{foreign, is_alone, set_dumper};
pub use self::targets::Maker;
use self::targets::{set_targets, taken};
use crate::facts::{Facts, Module, Way};
use crate::step::{Action, Plan};
use crate::target::{Wanted, relay_route, wanted};
use crate::{Doctor, Format, Refusal, Wish, path, permanent};

/// What is to be done so that the kernel sends to these doctors, or why it can't be.
///
/// A module that is only just to be loaded shows what it can do afterwards: then the plan ends
/// there, and the next one, from new facts, goes on. When a plan is empty, all is done.
///
/// In this order, so that the log of the boot comes whole:
/// 1. the console log level: a line that it holds back is not sent later;
/// 2. the module with its parameter: it sends what is in the ring buffer, which a target made
///    in configfs does not (`alloc_param_target` in drivers/net/netconsole.c);
/// 3. what only configfs can say: userdata, and targets that the parameter had no room for;
/// 4. the module that delivers a death, where it is installed;
/// 5. what keeps it so.
///
/// Where user space is to send, the last is all that is left of it, and what the kernel does when
/// it dies.
pub fn arm(facts: &Facts, wish: &Wish, doctors: &[Doctor]) -> Result<Plan, Vec<Refusal>> {
    let mut refusals = limits(facts);
    if wish.relay {
        return relayed(facts, wish, doctors, refusals);
    }
    refusals.extend(no_module(facts).into_iter().chain(foreign(facts)));
    let targets = match wanted(facts, doctors) {
        Ok(targets) => targets,
        Err(more) => {
            refusals.extend(more);
            Vec::new()
        }
    };
    refusals.extend(targets.iter().filter_map(|target| taken(facts, target)));
    if !refusals.is_empty() {
        return Err(refusals);
    }
    let mut plan = Plan::default();
    set_level(facts, wish, &mut plan);
    set_panic(facts, wish, &mut plan);
    match facts.module {
        Module::Loaded | Module::BuiltIn => set_targets(facts, &targets, &mut plan)?,
        _ if is_alone(facts) => {}
        _ => load(facts, &targets, false, &mut plan),
    }
    if facts.module != Module::Loadable {
        set_dumper(facts, &targets, &mut plan);
    }
    permanent::keep(facts, wish, &targets, &mut plan);
    Ok(plan)
}

/// Of a machine whose user space sends.
fn relayed(
    facts: &Facts,
    wish: &Wish,
    doctors: &[Doctor],
    mut refusals: Vec<Refusal>,
) -> Result<Plan, Vec<Refusal>> {
    let for_netconsole =
        |doctor: &&Doctor| doctor.format == Format::Basic || doctor.source.is_some();
    refusals.extend(doctors.iter().filter(for_netconsole).map(|doctor| {
        Refusal::new(
            format!("a relay sends {doctor} the extended format, from the address of the way"),
            "`bedside-patient up --relay HOST`, or HOST:PORT, without `@`",
        )
    }));
    // A way that there is not, yet, is waited for.
    let ways = doctors.iter().zip(&facts.ways).filter(|(_, way)| matches!(way, Way::Route(_)));
    refusals.extend(ways.filter_map(|(doctor, way)| relay_route(doctor, way).err()));
    if !refusals.is_empty() {
        return Err(refusals);
    }
    let mut plan = Plan::default();
    set_panic(facts, wish, &mut plan);
    permanent::keep(facts, wish, &[], &mut plan);
    if arm(facts, &Wish { relay: false, ..wish.clone() }, doctors).is_ok() {
        let note = "the kernel itself could send, without user space: `up` without --relay";
        plan.notes.push(note.into());
    }
    Ok(plan)
}

/// What forbids every change.
fn limits(facts: &Facts) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    if let Some(kind) = &facts.limits.container {
        refusals.push(Refusal::new(
            format!("this is a container ({kind}): its kernel is the host's"),
            "run this on the host; its kernel speaks for all its containers",
        ));
    }
    if !facts.limits.missing_capabilities.is_empty() {
        let missing = &facts.limits.missing_capabilities;
        let needs = NEEDS.iter().filter(|(name, _)| missing.iter().any(|other| other == name));
        let needs: Vec<String> = needs.map(|(name, step)| format!("{name} {step}")).collect();
        refusals.push(Refusal::new(
            format!("arming a kernel takes {} ({})", missing.join(", "), needs.join("; ")),
            "`sudo bedside-patient up …`; or `--dry-run` to see what would be done",
        ));
    }
    refusals
}

/// Why there can be no netconsole.
fn no_module(facts: &Facts) -> Option<Refusal> {
    let release = &facts.identity.release;
    match &facts.module {
        Module::Absent if is_alone(facts) => None,
        Module::Absent => Some(Refusal::new(
            format!("the kernel {release} has no netconsole, built in or as a module"),
            package(&facts.distribution, release),
        )),
        Module::Forbidden { file, line } => Some(Refusal::new(
            format!("{file} forbids netconsole: `{line}`"),
            format!("take the line out of {file}, if whoever put it there agrees"),
        )),
        Module::Loadable if facts.limits.modules_disabled => Some(Refusal::new(
            "no module may be loaded until the next start (kernel.modules_disabled = 1)",
            "start the machine without that setting, `bedside-patient up …`, and set it again",
        )),
        _ => None,
    }
}

/// Which package has the module.
pub(crate) fn package(distribution: &str, release: &str) -> String {
    match distribution {
        "debian" => format!("`apt install linux-image-{release}`, and start that kernel"),
        "ubuntu" => format!("`apt install linux-modules-extra-{release}`"),
        "fedora" | "rhel" | "centos" | "rocky" | "almalinux" => {
            format!("`dnf install kernel-modules-extra-{release} kernel-modules-{release}`")
        }
        // `main_modprobe` in kmodloader.c of its ubox passes over what follows a module's name.
        "openwrt" => "`apk add kmod-netconsole`, or `opkg install kmod-netconsole`, and by hand \
                      `insmod netconsole netconsole=+@/,@DOCTOR/`: OpenWrt's modprobe takes no \
                      parameter, so `up` can't; or `bedside-patient relay DOCTOR`"
            .into(),
        "alpine" => "`apk add linux-lts` (linux-virt has it not), and start that kernel".into(),
        _ => "install your distribution's package of kernel modules, or build the kernel with \
              CONFIG_NETCONSOLE=m and CONFIG_NETCONSOLE_DYNAMIC=y"
            .into(),
    }
}

fn set_level(facts: &Facts, wish: &Wish, plan: &mut Plan) {
    let (Some(now), Some(level)) = (facts.console_level, wish.log_level) else { return };
    let ignored = facts.command_line.split_whitespace().any(|word| word == "ignore_loglevel");
    // No line has a higher level than 7.
    if now.min(8) == level.min(8) || ignored {
        return;
    }
    let why = if now < level {
        format!("at {now} the kernel keeps lines of level {now} and above from every console")
    } else {
        format!("lines of level {level} and above are not to be sent, as you said")
    };
    plan.push(Action::SetKernel { path: path::PRINTK.into(), value: level.to_string() }, why);
}

fn set_panic(facts: &Facts, wish: &Wish, plan: &mut Plan) {
    for (name, value) in &wish.panic {
        // A kernel that has no such setting is left alone.
        if facts.panic.get(name).is_some_and(|now| now != value) {
            let path = format!("/proc/sys/kernel/{name}");
            plan.push(Action::SetKernel { path, value: value.to_string() }, "as you said");
        }
    }
}

fn load(facts: &Facts, targets: &[Wanted], again: bool, plan: &mut Plan) {
    let (parameter, taken) = parameter_of(facts, targets);
    let why = if again {
        "the way has changed, and this kernel can't change a parameter's target otherwise; what \
         is in the ring buffer is sent again, and the doctor knows it again"
            .to_owned()
    } else {
        let ways = targets.iter().map(|target| target.why.as_str()).collect::<Vec<_>>().join("; ");
        format!("with a parameter the log since the start is sent as well; {ways}")
    };
    let devices = targets.iter().take(taken).map(|target| target.index).collect();
    plan.push(Action::Load { parameter, devices, again }, why);
    if !again {
        plan.notes.push(
            "once it is loaded: who the machine is, and whatever else this kernel can add to a \
             message"
                .into(),
        );
    }
}

/// The parameter with as many targets as it has room for, and how many these are.
///
/// Whether this kernel knows `r` shows when it is loaded; once it is, its parameter says so.
pub(crate) fn parameter_of(facts: &Facts, targets: &[Wanted]) -> (String, usize) {
    let release = facts
        .loaded
        .as_ref()
        .is_none_or(|loaded| loaded.parameter.contains("+r") || !loaded.parameter.contains('+'));
    parameter_with(targets, release)
}

fn parameter_with(targets: &[Wanted], release: bool) -> (String, usize) {
    let mut parameter = String::new();
    let mut taken = 0;
    for target in targets {
        let mut next = target.parameter();
        if release && target.format == Format::Extended {
            next.insert(1, 'r');
        }
        let separator = if parameter.is_empty() { "" } else { ";" };
        if parameter.len() + separator.len() + next.len() > MAX_LENGTH {
            break;
        }
        parameter = parameter + separator + &next;
        taken += 1;
    }
    (parameter, taken)
}

/// Which step needs which capability.
const NEEDS: [(&str, &str); 4] = [
    ("CAP_SYS_MODULE", "to load netconsole"),
    ("CAP_NET_ADMIN", "to bind it to a device"),
    ("CAP_SYS_ADMIN", "to mount configfs and to set the console log level"),
    ("CAP_DAC_OVERRIDE", "to write the files that are root's"),
];

#[cfg(test)]
mod tests;
