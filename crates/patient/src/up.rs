//! `bedside-patient up`: arms the kernel, and proves it.

use std::time::Instant;

use bedside_host::Machine;
use bedside_plan::{Doctor, Plan, Refusal, Step, Verdict, Wish, arm, mortal_faults};

use crate::cli::UpArgs;
use crate::reach::{Goal, Reached, Turn, reach};
use crate::tell::{indented, say};
use crate::test::{self, Proof};
use crate::{Exit, exit};

pub(crate) fn run(machine: &Machine, args: &UpArgs) -> anyhow::Result<Exit> {
    let before = machine.wish().unwrap_or_else(|error| {
        say!("note: what was wished before is forgotten: {error}");
        None
    });
    if let Some(why) = before.as_ref().and_then(|before| takes_down_first(before, args)) {
        return Ok(exit::tell(Exit::Problem, why));
    }
    let wish = wished(args, before.clone().unwrap_or_default());
    let doctors = match wish.doctors() {
        Ok(doctors) => doctors,
        Err(error) => return Ok(exit::tell(Exit::Usage, &error.to_string())),
    };
    if args.dry_run {
        return dry_run(machine, &wish, &doctors);
    }
    arm_and_prove(machine, args, &Goal { wish, doctors }, before)
}

/// What is wished in another way than by a new `up`.
fn takes_down_first(before: &Wish, args: &UpArgs) -> Option<&'static str> {
    if args.no_permanent && before.permanent {
        return Some("this machine is armed for good already: `bedside-patient down` first");
    }
    let other = "who sends, the kernel or user space, is not changed: `bedside-patient down` first";
    (before.relay != args.relay).then_some(other)
}

/// What only `check --set-panic` says stays as it was.
fn wished(args: &UpArgs, before: Wish) -> Wish {
    Wish {
        words: once(&args.doctors),
        relay: args.relay,
        log_level: args.log_level.0,
        permanent: !args.no_permanent,
        early: args.early,
        heartbeat_s: args.heartbeat.0,
        panic: before.panic,
    }
}

fn arm_and_prove(
    machine: &Machine,
    args: &UpArgs,
    goal: &Goal,
    before: Option<Wish>,
) -> anyhow::Result<Exit> {
    let begun = Instant::now();
    machine.retry_dumper()?;
    let reached = reach(machine, Turn::Wait, &|| Ok(Some(goal.clone())), &mut tell_step);
    match reached.inspect_err(|_| arm_as_before(machine, before))? {
        Reached::Refused(refusals) => return Ok(refuse(&refusals)),
        Reached::Done(0) => say!("nothing to do: all is as wished"),
        Reached::Done(_) | Reached::Yielded | Reached::NothingWished => {}
    }
    tell_how_it_would_die(machine, args.relay)?;
    if args.no_test {
        return Ok(Exit::Well);
    }
    let proof = test::prove(machine, &goal.doctors)?;
    if proof == Proof::Heard {
        say!("armed and proven in {:.1} s", begun.elapsed().as_secs_f32());
    }
    Ok(proof.exit())
}

/// Each of them once, where it stands first.
fn once(words: &[String]) -> Vec<String> {
    let mut once: Vec<String> = Vec::new();
    for word in words {
        if !once.contains(word) {
            once.push(word.clone());
        }
    }
    once
}

/// What was taken away for a new wish, before that turned out to be impossible, is made again.
fn arm_as_before(machine: &Machine, before: Option<Wish>) {
    let Some(before) = before else { return };
    say!("arming it again for {}, as it was:", before.words.join(", "));
    let again = Goal::of(before)
        .and_then(|goal| reach(machine, Turn::Wait, &|| Ok(Some(goal.clone())), &mut tell_step));
    match again {
        Ok(Reached::Refused(refusals)) => drop(refuse(&refusals)),
        Ok(_) => {}
        Err(error) => say!("failed: {error:#}"),
    }
}

/// What keeps the kernel's death from being heard: no fault of the living machine's.
fn tell_how_it_would_die(machine: &Machine, relay: bool) -> anyhow::Result<()> {
    if relay {
        say!("note: a panic is not sent, only what pstore keeps of it, after the next start");
        return Ok(());
    }
    for Verdict { evidence, cure, .. } in mortal_faults(&machine.own_facts()?) {
        say!("note: {evidence}");
        cure.iter().flat_map(|cure| cure.lines()).for_each(|line| say!("    try: {line}"));
    }
    Ok(())
}

fn dry_run(machine: &Machine, wish: &Wish, doctors: &[Doctor]) -> anyhow::Result<Exit> {
    let mut facts = machine.facts(doctors)?;
    // Whoever may not do it may know what would be done.
    facts.limits.missing_capabilities.clear();
    match arm(&facts, wish, doctors) {
        Err(refusals) => Ok(refuse(&refusals)),
        Ok(plan) => {
            tell_plan(&plan);
            Ok(Exit::Well)
        }
    }
}

fn tell_plan(plan: &Plan) {
    plan.steps.iter().for_each(tell_step);
    for note in &plan.notes {
        say!("note: {note}");
    }
    if plan.is_empty() {
        say!("nothing to do: all is as wished");
    }
}

pub(crate) fn tell_step(step: &Step) {
    say!("{}", step.action);
    if !step.why.is_empty() {
        say!("{}", indented(&step.why));
    }
}

pub(crate) fn refuse(refusals: &[Refusal]) -> Exit {
    for refusal in refusals {
        exit::tell(Exit::Problem, &refusal.to_string());
    }
    Exit::Problem
}
