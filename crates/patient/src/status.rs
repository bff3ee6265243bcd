//! `bedside-patient status`: does the kernel send, to whom, who made it so, and who heard it when.

use std::net::SocketAddr;

use bedside_host::Machine;
use bedside_plan::facts::{
    AgentKey, Console, Dumper, DumperTarget, Facts, Module, Target, UNSIGNED,
};
use bedside_plan::{Doctor, Maker, Verdict, Wish, arm, faults, path};
use netconsole_wire::question::{About, Reply};
use serde_json::{Value, json};

use crate::cli::StatusArgs;
use crate::relay::notes::Notes;
use crate::tell::say;
use crate::{Exit, ask};

pub(crate) fn run(machine: &Machine, args: StatusArgs) -> anyhow::Result<Exit> {
    let wish = machine.wish()?;
    let mut doctors: Vec<Doctor> = wish.as_ref().map_or(Ok(Vec::new()), Wish::doctors)?;
    if wish.as_ref().is_some_and(|wish| wish.relay) {
        // A relay may not have got the port that was wished.
        let notes = Notes::read(machine);
        for doctor in &mut doctors {
            doctor.source_port = notes.last(doctor).map_or(doctor.source_port, |sent| sent.port);
        }
    }
    let mut facts = machine.facts(&doctors)?;
    // Whoever may not change it may know how it is.
    facts.limits.missing_capabilities.clear();
    facts.agent = machine.agent_runs();
    let status = Status::of(&facts, wish, &doctors)?;
    if args.json {
        say!("{}", status.object());
    } else {
        status.tell();
    }
    Ok(if status.is_well() { Exit::Well } else { Exit::Problem })
}

/// How a machine is.
struct Status<'f> {
    facts: &'f Facts,
    wish: Option<Wish>,
    /// Netconsole's consoles.
    consoles: Vec<&'f Console>,
    /// Whether nothing is left to do; nothing where nothing is wished.
    as_wished: Option<bool>,
    faults: Vec<Verdict>,
    /// When each doctor heard it.
    heard: Vec<(&'f Doctor, Last)>,
}

/// When a doctor heard the kernel last.
enum Last {
    /// So many seconds ago, from that port.
    Heard { seconds: u64, source_port: u16 },
    /// Never, as far as it knows.
    Never,
    /// Nobody knows.
    Unknown(String),
}

impl<'f> Status<'f> {
    fn of(facts: &'f Facts, wish: Option<Wish>, doctors: &'f [Doctor]) -> anyhow::Result<Self> {
        let heard = doctors.iter().zip(&facts.ways).map(|(doctor, way)| {
            let at = ask::address(doctor, way);
            let last = at.map(|at| last(at, doctor.source_port)).transpose()?;
            Ok((doctor, last.unwrap_or_else(|| Last::Unknown("there is no way to it".into()))))
        });
        let heard = heard.collect::<anyhow::Result<Vec<_>>>()?;
        let able = wish.as_ref().map(|wish| arm(facts, wish, doctors));
        let mut faults = faults(facts, &wish.clone().unwrap_or_default(), doctors);
        faults.extend(heard.iter().filter_map(|(doctor, last)| last.fault(doctor)));
        Ok(Self {
            facts,
            consoles: facts
                .consoles
                .iter()
                .filter(|console| console.is_netconsole() || console.is_dumper())
                .collect(),
            as_wished: able.map(|plan| plan.is_ok_and(|plan| plan.is_empty())),
            wish,
            faults,
            heard,
        })
    }

    fn is_well(&self) -> bool {
        let unheard = self.heard.iter().any(|(_, last)| matches!(last, Last::Never));
        self.sends() && self.as_wished != Some(false) && !unheard
    }

    /// Whether user space is to send.
    fn relays(&self) -> bool {
        self.wish.as_ref().is_some_and(|wish| wish.relay)
    }

    /// The kernel, or the relay of an agent that runs, as far as that is known.
    fn sends(&self) -> bool {
        let relayed = self.relays() && self.facts.agent != Some(false);
        !self.consoles.is_empty() || relayed && self.as_wished == Some(true)
    }

    /// The parameter of targets that configfs does not show, as far as it is known.
    fn hidden(&self) -> Option<(Maker, Option<&str>)> {
        let shown = self.facts.targets.iter().any(|target| target.enabled);
        if shown || !self.consoles.iter().any(|console| console.is_netconsole()) {
            return None;
        }
        if let Some(loaded) = &self.facts.loaded {
            return Some((Maker::Up, Some(&loaded.parameter)));
        }
        let mut words = self.facts.command_line.split_whitespace();
        let parameter = |word: &'f str| {
            word.strip_prefix("netconsole.").unwrap_or(word).strip_prefix("netconsole=")
        };
        Some((Maker::Parameter, words.find_map(parameter)))
    }

    fn tell(&self) {
        self.tell_kernel();
        self.tell_targets();
        tell_key(self.facts.key.as_ref());
        for (doctor, last) in &self.heard {
            say!("{doctor}: {}", last.words());
        }
        self.faults.iter().for_each(tell_fault);
        self.conclude();
    }

    fn tell_kernel(&self) {
        say!("netconsole {}", module(&self.facts.module).1);
        for console in &self.consoles {
            let kind = if console.is_threaded() { "; its lines leave from a thread" } else { "" };
            say!("the kernel writes to the console {}{kind}", console.name);
        }
        match self.facts.console_level {
            _ if self.relays() => say!("user space is to send, all levels, and nothing of a panic"),
            Some(level) => say!("lines below level {level} are sent"),
            None => {}
        }
    }

    fn tell_targets(&self) {
        for target in &self.facts.targets {
            tell_target(self.facts, target);
        }
        if let Some((maker, parameter)) = self.hidden() {
            let parameter = parameter.unwrap_or("… (this kernel does not show it)");
            say!("a target that only the parameter shows: netconsole={parameter}{}", by(maker));
        }
        self.facts.dumper.iter().for_each(tell_dumper);
    }

    fn conclude(&self) {
        match (&self.wish, self.as_wished) {
            (Some(wish), Some(true)) if self.sends() => {
                let how = if wish.relay { "relayed to" } else { "armed for" };
                say!("{how} {}, as wished", wish.words.join(", "));
            }
            (Some(wish), _) => say!("not as wished: `{}`", wish.command()),
            (None, _) => say!("`up` was not here: nothing keeps this so"),
        }
    }

    fn object(&self) -> Value {
        let hidden = self.hidden().map(
            |(made_by, parameter)| json!({ "made_by": maker(made_by), "parameter": parameter }),
        );
        let target = |target: &Target| target_object(self.facts, target);
        let doctor = |(doctor, last): &(&Doctor, Last)| last.object(doctor);
        let consoles =
            |console: &&Console| json!({ "name": console.name, "threaded": console.is_threaded() });
        json!({
            "v": 1,
            "sends": self.sends(),
            "relay": self.relays(),
            "as_wished": self.as_wished,
            "wish": self.wish.as_ref().map(|wish| &wish.words),
            "module": module(&self.facts.module).0,
            "consoles": self.consoles.iter().map(consoles).collect::<Vec<_>>(),
            "sealed": match &self.facts.key {
                Some(AgentKey::Hidden) => None,
                key => Some(matches!(key, Some(AgentKey::Usable(_)))),
            },
            "console_level": self.facts.console_level,
            "targets": self.facts.targets.iter().map(target).collect::<Vec<_>>(),
            "hidden_target": hidden,
            "dumper": self.facts.dumper.as_ref().map(dumper),
            "doctors": self.heard.iter().map(doctor).collect::<Vec<_>>(),
            "faults": self.faults.iter().map(crate::check::object).collect::<Vec<_>>(),
        })
    }
}

/// When the doctor heard that port of this machine last.
fn last(at: SocketAddr, port: u16) -> anyhow::Result<Last> {
    Ok(match ask::patiently(at, ask::nonce()?, About::Port(port)) {
        Ok(Reply::Last { source_port, seconds }) => Last::Heard { seconds, source_port },
        Ok(Reply::Never) => Last::Never,
        Ok(_) => Last::Unknown("it answers something else".into()),
        Err(error) => Last::Unknown(ask::mute(&error)),
    })
}

impl Last {
    fn words(&self) -> String {
        match self {
            Last::Heard { seconds, source_port } => {
                format!("heard this machine {seconds} s ago, from port {source_port}")
            }
            Last::Never => "never heard this machine".into(),
            Last::Unknown(why) => format!("nobody knows when it heard this machine: {why}"),
        }
    }

    fn object(&self, doctor: &Doctor) -> Value {
        let (seconds, source_port, why) = match self {
            Last::Heard { seconds, source_port } => (Some(seconds), Some(source_port), None),
            Last::Never => (None, None, None),
            Last::Unknown(why) => (None, None, Some(why)),
        };
        json!({
            "doctor": doctor.to_string(), "heard_seconds_ago": seconds,
            "source_port": source_port, "unknown_because": why,
        })
    }

    fn fault(&self, doctor: &Doctor) -> Option<Verdict> {
        let cure = "`bedside-patient test` says whether it does now, and what is in the way";
        matches!(self, Last::Never)
            .then(|| Verdict::problem("doctor", "never heard this machine", cure).on(doctor))
    }
}

/// For JSON, and for people.
fn module(module: &Module) -> (&'static str, &'static str) {
    match module {
        Module::Loaded => ("loaded", "is loaded"),
        Module::BuiltIn => ("built_in", "is part of the kernel"),
        Module::Loadable | Module::Forbidden { .. } | Module::Absent => ("none", "is not loaded"),
    }
}

fn maker(maker: Maker) -> &'static str {
    match maker {
        Maker::Up => "up",
        Maker::Parameter => "parameter",
        Maker::Configfs => "configfs",
    }
}

/// Of whoever is not `up`.
fn by(maker: Maker) -> &'static str {
    match maker {
        Maker::Up => "",
        Maker::Parameter => " (not made by `up`: of the module's parameter)",
        Maker::Configfs => " (not made by `up`: another tool's, in configfs)",
    }
}

fn remote(target: &Target) -> Option<String> {
    target.remote_ip.map(|ip| SocketAddr::new(ip, target.remote_port).to_string())
}

fn tell_target(facts: &Facts, target: &Target) {
    let state = if target.enabled { "sends" } else { "is disabled; would send" };
    let to = remote(target).unwrap_or_else(|| "nobody".into());
    let errors = match target.transmit_errors {
        None => String::new(),
        Some(errors) => format!("; {errors} could not be sent"),
    };
    let by = by(Maker::of(facts, target));
    say!("target {}{by} {state} to {to} through {}{errors}", target.name, target.device);
}

fn target_object(facts: &Facts, target: &Target) -> Value {
    json!({
        "name": target.name,
        "made_by": maker(Maker::of(facts, target)),
        "enabled": target.enabled,
        "to": remote(target),
        "device": target.device,
        "transmit_errors": target.transmit_errors,
    })
}

fn tell_key(key: Option<&AgentKey>) {
    match key {
        Some(AgentKey::Usable(_)) => {
            say!("what the agent says is sealed with the key {}", path::KEY);
        }
        Some(AgentKey::Hidden) => {
            say!("only root may see whether what the agent says is sealed with {}", path::KEY);
        }
        Some(AgentKey::Unusable(_)) => say!("what the agent says is not sealed"),
        None => say!("what the agent says is not sealed: no key"),
    }
}

fn tell_fault(Verdict { what, on, evidence, cure, .. }: &Verdict) {
    let on = on.as_ref().map(|on| format!(" {on}")).unwrap_or_default();
    say!("wrong: {what}{on}: {evidence}");
    for line in cure.iter().flat_map(|cure| cure.lines()) {
        say!("    try: {line}");
    }
}

/// The module that delivers a death.
fn tell_dumper(dumper: &Dumper) {
    if dumper.module != Module::Loaded {
        let refused = dumper.refused.as_ref().map(|why| format!(": the kernel refuses it: {why}"));
        let refused = refused.unwrap_or_default();
        say!("bedside_netconsole, which delivers the kernel's death, is not loaded{refused}");
    }
    for DumperTarget { parameter, enabled, reason, signs, sent, unsent } in &dumper.targets {
        let state = match reason {
            _ if *enabled => "would send",
            Some(reason) => reason,
            None => "can't send",
        };
        let signed = match signs.as_deref() {
            Some(UNSIGNED) => ", not signed",
            Some(_) => ", signed",
            None => "",
        };
        say!(
            "bedside_netconsole {state} the kernel's death to {parameter}{signed}; {sent} datagrams \
             were sent, {unsent} could not be"
        );
    }
}

fn dumper(dumper: &Dumper) -> Value {
    let target = |target: &DumperTarget| {
        let DumperTarget { parameter, enabled, reason, signs, sent, unsent } = target;
        let signed = signs.as_ref().map(|signs| signs != UNSIGNED);
        json!({
            "parameter": parameter, "enabled": enabled, "reason": reason, "signed": signed, "sent": sent,
            "unsent": unsent,
        })
    };
    json!({
        "module": module(&dumper.module).0,
        "refused": dumper.refused,
        "live": dumper.live == "on",
        "targets": dumper.targets.iter().map(target).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests;
