//! `bedside-patient status`: does the kernel send, and to whom.

use bedside_host::Machine;
use bedside_plan::facts::{Facts, Module, Target};
use bedside_plan::{Doctor, Wish, arm};

use crate::Exit;
use crate::tell::say;

pub(crate) fn run(machine: &Machine) -> anyhow::Result<Exit> {
    let wish = machine.wish()?;
    let doctors: Vec<Doctor> = wish.as_ref().map_or(Ok(Vec::new()), Wish::doctors)?;
    let mut facts = machine.facts(&doctors)?;
    let sends = tell_kernel(&facts);
    for target in &facts.targets {
        tell_target(target);
    }
    let Some(wish) = wish else {
        say!("`up` was not here: nothing keeps this so");
        return Ok(if sends { Exit::Well } else { Exit::Problem });
    };
    facts.limits.missing_capabilities.clear();
    match arm(&facts, &wish, &doctors) {
        Err(refusals) => {
            for refusal in refusals {
                say!("wrong: {refusal}");
            }
            Ok(Exit::Problem)
        }
        Ok(plan) if plan.is_empty() && sends => {
            say!("armed for {}, as wished", wish.words.join(", "));
            Ok(Exit::Well)
        }
        Ok(plan) => {
            say!("not as wished; `bedside-patient up {}` would:", wish.words.join(" "));
            for step in plan.steps {
                say!("    {}", step.action);
            }
            Ok(Exit::Problem)
        }
    }
}

/// Whether any console of netconsole's is registered.
fn tell_kernel(facts: &Facts) -> bool {
    let consoles: Vec<_> =
        facts.consoles.iter().filter(|console| console.is_netconsole()).collect();
    match facts.module {
        Module::Loaded => say!("netconsole is loaded"),
        Module::BuiltIn => say!("netconsole is part of the kernel"),
        _ => say!("netconsole is not loaded"),
    }
    for console in &consoles {
        let kind = if console.is_threaded() { "; its lines leave from a thread" } else { "" };
        say!("the kernel writes to the console {}{kind}", console.name);
    }
    if let Some(loaded) = &facts.loaded {
        say!("loaded by `up` with netconsole={}", loaded.parameter);
    }
    if let Some(level) = facts.console_level {
        say!("lines below level {level} are sent");
    }
    !consoles.is_empty()
}

fn tell_target(target: &Target) {
    let name = &target.name;
    let state = if target.enabled { "sends" } else { "is disabled; would send" };
    let to = match target.remote_ip {
        Some(ip) => std::net::SocketAddr::new(ip, target.remote_port).to_string(),
        None => "nobody".into(),
    };
    let errors = match target.transmit_errors {
        Some(0) | None => String::new(),
        Some(errors) => format!("; {errors} could not be sent"),
    };
    let by = if name.starts_with("bedside") { "" } else { " (not made by `up` in configfs)" };
    say!("target {name}{by} {state} to {to} through {}{errors}", target.device);
}
