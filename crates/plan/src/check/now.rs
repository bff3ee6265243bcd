//! What keeps lines of a living machine from being heard.

use netconsole_wire::parameter::Mac;

use super::Verdict;
use crate::arm::dumper::{MODULE, is_alone};
use crate::arm::{arm, package};
use crate::facts::{AgentKey, Dumper, DumperTarget, Facts, Init, Link, Module, Rival, Target, Way};
use crate::rules::Word;
use crate::target::{relay_route, wanted};
use crate::{Doctor, Wish, path};

pub(super) fn module(facts: &Facts) -> Verdict {
    let release = &facts.identity.release;
    match &facts.module {
        Module::BuiltIn => Verdict::ok("module", "netconsole is part of the kernel"),
        Module::Loaded => Verdict::ok("module", "netconsole is loaded"),
        Module::Loadable => Verdict::ok("module", "netconsole can be loaded"),
        Module::Forbidden { file, line } => Verdict::problem(
            "module",
            format!("{file} forbids netconsole: `{line}`"),
            format!("take the line out of {file}"),
        ),
        Module::Absent if is_alone(facts) => {
            Verdict::ok("module", format!("the kernel has no netconsole; {MODULE} is there"))
        }
        Module::Absent => Verdict::problem(
            "module",
            format!("the kernel {release} has no netconsole"),
            package(&facts.distribution, release),
        ),
    }
}

pub(super) fn limits(facts: &Facts) -> Vec<Verdict> {
    let limits = &facts.limits;
    let mut verdicts = Vec::new();
    if let Some(kind) = &limits.container {
        let evidence = format!("this is a container ({kind}): its kernel is the host's");
        verdicts.push(Verdict::problem("container", evidence, "run this on the host"));
    }
    if let Some(mode) = &limits.lockdown {
        let evidence = format!("the kernel is locked down ({mode})");
        verdicts.push(if facts.module == Module::Loadable {
            let cure = "`bedside-patient up` says whether it does";
            Verdict::unknown("lockdown", format!("{evidence}, which may forbid changes"), cure)
        } else {
            Verdict::ok("lockdown", format!("{evidence}, which did not forbid netconsole"))
        });
    }
    if limits.modules_disabled && facts.module == Module::Loadable {
        let evidence = "no module may be loaded until the next start (kernel.modules_disabled)";
        let cure = "have netconsole loaded before that is set, or built in";
        verdicts.push(Verdict::problem("module loading", evidence, cure));
    }
    verdicts
}

/// The doctor of a relay: any device will do.
pub(super) fn any_way(doctor: &Doctor, way: &Way) -> Verdict {
    let verdict = match relay_route(doctor, way) {
        Ok(route) => Verdict::ok("way", format!("user space sends to {}", route.address)),
        Err(refusal) => Verdict::problem("way", refusal.why, refusal.cure),
    };
    verdict.on(doctor)
}

/// The doctor at place `at` of those whose ways the facts hold.
pub(super) fn way(facts: &Facts, doctor: &Doctor, at: usize) -> Vec<Verdict> {
    let Some(way) = facts.ways.get(at) else { return Vec::new() };
    let alone = Facts { ways: vec![way.clone()], ..facts.clone() };
    let target = match wanted(&alone, std::slice::from_ref(doctor)) {
        Ok(targets) => targets.into_iter().next(),
        Err(refusals) => {
            let problem = |r: crate::Refusal| Verdict::problem("way", r.why, r.cure).on(doctor);
            return refusals.into_iter().map(problem).collect();
        }
    };
    let Some(target) = target else { return Vec::new() };
    let evidence = format!("{}; frames go to {}", target.why, target.mac);
    let device = facts.link(target.index).map(device);
    std::iter::once(Verdict::ok("way", evidence).on(doctor)).chain(device).collect()
}

fn device(link: &Link) -> Verdict {
    let name = &link.name;
    let verdict = if !link.up {
        let cure = format!("`ip link set {name} up`");
        Verdict::problem("device", "is switched off: what is printed meanwhile is not sent", cure)
    } else if !link.carrier {
        Verdict::problem("device", "has no carrier", "is the cable in, and the switch on?")
    } else {
        Verdict::ok("device", "is on, and something is at the other end")
    };
    verdict.on(name)
}

/// Debug messages (7) are left out by default, and by everybody's will.
pub(super) fn level(facts: &Facts, wish: &Wish) -> Verdict {
    let has = |word: &str| facts.command_line.split_whitespace().any(|other| other == word);
    match facts.console_level {
        _ if has("ignore_loglevel") => Verdict::ok("log level", "ignored (ignore_loglevel)"),
        None => Verdict::unknown("log level", "it can't be read", "is /proc mounted?"),
        Some(level @ 7..) => Verdict::ok("log level", format!("lines below {level} are sent")),
        Some(level) if wish.log_level.is_none_or(|wished| wished <= level) => {
            Verdict::ok("log level", format!("lines below {level} are sent, as was wished"))
        }
        Some(level) => {
            let quiet =
                if has("quiet") { " (`quiet` is on the kernel's command line)" } else { "" };
            Verdict::problem(
                "log level",
                format!("lines of level {level} and above are kept from every console{quiet}"),
                "`bedside-patient up …`, or for now `dmesg -n 8`",
            )
        }
    }
}

pub(super) fn armed(facts: &Facts, wish: &Wish, doctors: &[Doctor]) -> Verdict {
    if facts.oops_only {
        return Verdict::problem(
            "armed",
            "netconsole was loaded with oops_only: it sends nothing but the last words",
            "`modprobe -r netconsole`, take oops_only out of /etc/modprobe.d, and `up` again",
        );
    }
    if doctors.is_empty() {
        let consoles =
            facts.consoles.iter().any(|console| console.is_netconsole() || console.is_dumper());
        let cure = "`bedside-patient up DOCTOR`";
        return if consoles {
            Verdict::ok("armed", "the kernel sends, though `up` was not here")
        } else {
            Verdict::problem("armed", "the kernel sends to nobody", cure)
        };
    }
    as_wished(facts, wish, doctors)
}

/// Whether a step is missing.
pub(super) fn as_wished(facts: &Facts, wish: &Wish, doctors: &[Doctor]) -> Verdict {
    let mut able = facts.clone();
    able.limits.missing_capabilities.clear();
    let named = || doctors.iter().map(ToString::to_string).collect();
    let words = if wish.words.is_empty() { named() } else { wish.words.clone() };
    let again = format!("`{}`", Wish { words, ..wish.clone() }.command());
    match arm(&able, wish, doctors) {
        Ok(plan) if plan.is_empty() => Verdict::ok("armed", "all is as wished"),
        Ok(plan) => {
            let first = plan.steps.first().map(|step| step.action.to_string()).unwrap_or_default();
            let evidence = match plan.steps.len() {
                1 => format!("a step is missing: {first}"),
                many => format!("{many} steps are missing, first: {first}"),
            };
            Verdict::problem("armed", evidence, again)
        }
        Err(_) => {
            let cure = format!("mend that, then {again}");
            Verdict::problem("armed", "it can't be, as told beside", cure)
        }
    }
}

pub(super) fn target(target: &Target) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    if !target.enabled {
        let evidence = "is disabled: its device went away, joined a bridge, or somebody did it";
        verdicts.push(Verdict::problem("target", evidence, "`bedside-patient up …`"));
    }
    if target.remote_mac == Some(Mac::BROADCAST) {
        let evidence = "sends to every machine of the network; some switches drop that";
        let cure = "name a hardware address, or leave it to `bedside-patient up …`";
        verdicts.push(Verdict::problem("target", evidence, cure));
    }
    if let Some(errors @ 1..) = target.transmit_errors {
        let evidence = format!("{errors} datagrams could not be sent");
        verdicts.push(Verdict::problem("target", evidence, "was the device down, or overrun?"));
    }
    if verdicts.is_empty() {
        verdicts.push(Verdict::ok("target", format!("sends through {}", target.device)));
    }
    verdicts.into_iter().map(|verdict| verdict.on(&target.name)).collect()
}

/// The module that delivers a death: each of its targets.
pub(super) fn dumper(facts: &Facts, dumper: &Dumper) -> Vec<Verdict> {
    match &dumper.module {
        Module::Loaded => dumper.targets.iter().map(dumper_target).collect(),
        Module::Forbidden { file, line } => {
            vec![Verdict::ok("death", format!("{MODULE} is not used: {file} has `{line}`"))]
        }
        _ if dumper.refused.is_some() => Vec::new(),
        _ if facts.limits.modules_disabled => {
            let evidence = format!(
                "{MODULE} is installed, but no module may be loaded until the \
                                    next start (kernel.modules_disabled)"
            );
            vec![Verdict::ok("death", evidence)]
        }
        _ => vec![Verdict::ok("death", format!("{MODULE} is installed; `up` loads it"))],
    }
}

fn dumper_target(target: &DumperTarget) -> Verdict {
    let DumperTarget { parameter, enabled, reason, sent, unsent, .. } = target;
    let verdict = if !enabled {
        let reason = reason.as_deref().unwrap_or("unknown reason");
        let evidence = format!("{MODULE} can't send: {reason}");
        Verdict::problem("death", evidence, "`bedside-patient up …` tries again")
    } else if *unsent > 0 {
        let evidence = format!("{unsent} datagrams of {MODULE} could not be sent, {sent} were");
        Verdict::problem("death", evidence, "was the device down, or overrun?")
    } else {
        Verdict::ok("death", format!("{MODULE} sends it, with the whole tail of the log"))
    };
    verdict.on(parameter)
}

pub(super) fn permanence(facts: &Facts, wish: &Wish) -> Vec<Verdict> {
    if !wish.permanent {
        return Vec::new();
    }
    let late = facts.blacklisted.as_ref().map(|(file, line)| {
        Verdict::problem(
            "next start",
            format!("{file} has `{line}`: systemd will not load netconsole as early as it could"),
            format!("take the line out of {file}; until then the agent loads it, a little later"),
        )
    });
    let rival = facts.rival.as_ref().filter(|_| facts.files.contains_key(path::MODPROBE));
    let rival = rival.map(|Rival { file, line, wins }| {
        let outcome = if *wins {
            "that counts, and the agent makes its own targets a little later"
        } else {
            "that does not count any more"
        };
        Verdict::problem(
            "next start",
            format!("{file} has `{line}`: of two parameters the kernel takes one; {outcome}"),
            format!("take the line out of {file}; `bedside-patient up` takes several doctors"),
        )
    });
    late.into_iter().chain(rival).collect()
}

/// Whether somebody keeps it so.
pub(super) fn agent(facts: &Facts, wish: &Wish) -> Option<Verdict> {
    if facts.agent? {
        return Some(Verdict::ok("agent", "runs"));
    }
    let what = if wish.relay { "sends the kernel's log" } else { "follows the network" };
    let cure = if facts.init == Init::Systemd {
        "`systemctl start bedside-patient.service`; `systemctl status` tells why it ended"
    } else {
        "have `bedside-patient agent` started, also at every start of the machine"
    };
    let evidence = format!("does not run: nobody {what}, or says that the machine lives");
    Some(Verdict::problem("agent", evidence, cure))
}

/// Whether a doctor can tell what this machine's agent says from what others say in its name.
pub(super) fn key(facts: &Facts) -> Verdict {
    match &facts.key {
        None => Verdict::ok("key", "none: what the agent says is not sealed"),
        Some(AgentKey::Usable(_)) => Verdict::ok("key", "what the agent says is sealed"),
        Some(AgentKey::Hidden) => {
            let evidence = "there is one, which only root may look at";
            Verdict::unknown("key", evidence, "`sudo bedside-patient check`")
        }
        Some(AgentKey::Unusable(why)) => {
            Verdict::problem("key", why, "until then it is said without a seal")
        }
    }
}

/// netpoll hands its frames to the driver itself (`netpoll_send_skb` in net/core/netpoll.c): no rule
/// of this machine sees them. The agent's own datagrams and questions are like all others, and so
/// are a relay's.
pub(super) fn firewall(facts: &Facts, wish: &Wish, doctors: &[Doctor]) -> Vec<Verdict> {
    let unseen = if wish.relay { "" } else { "; netconsole's frames no rule sees" };
    if facts.rules.is_empty() {
        let evidence = "whether this machine's own rules let out what the agent says itself was not \
                        found out: nft and iptables show none";
        return vec![Verdict::ok("firewall", format!("{evidence}{unseen}"))];
    }
    let mut ports: Vec<u16> = doctors.iter().map(|doctor| doctor.port).collect();
    ports.sort_unstable();
    ports.dedup();
    let verdict = |port| rules_for(facts, port, unseen).on(format!("udp {port}"));
    let mut verdicts: Vec<Verdict> = ports.into_iter().map(verdict).collect();
    let deaf = facts.rules.iter().find(|(_, incoming)| !incoming.lets_answers_pass());
    if let Some(closed) = deaf.and_then(|(_, incoming)| incoming.closed()) {
        let evidence = format!("{} drops a doctor's answers{unseen}", closed.chain());
        let cure = "accept what belongs to a connection (`ct state established accept`), or go \
                    without answers to `test` and `status`";
        verdicts.push(Verdict::problem("firewall", evidence, cure).on("answers"));
    }
    verdicts
}

/// What is done to that the agent says itself to a doctor at that port.
fn rules_for(facts: &Facts, port: u16, unseen: &str) -> Verdict {
    for (outgoing, _) in &facts.rules {
        match (outgoing.word_on(port), outgoing.closed()) {
            (Some((Word::Drop, rule)), _) => {
                let evidence = format!("`{rule}` drops what the agent says itself{unseen}");
                return Verdict::problem("firewall", evidence, "take this rule away");
            }
            (None, Some(closed)) => {
                let chain = closed.chain();
                let evidence = format!(
                    "{chain} drops what the agent says itself, as no rule accepts it{unseen}"
                );
                return Verdict::problem("firewall", evidence, closed.cure(port));
            }
            _ => {}
        }
    }
    Verdict::ok("firewall", format!("no rule that drops what the agent says was found{unseen}"))
}
