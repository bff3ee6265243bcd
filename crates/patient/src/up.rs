//! `bedside-patient up`: from facts to a plan, from a plan to deeds, until nothing is left to do.

use std::time::Instant;

use anyhow::Context as _;
use bedside_host::Machine;
use bedside_plan::{Doctor, Plan, Refusal, Step, Wish, arm};

use crate::cli::UpArgs;
use crate::down::take_back;
use crate::tell::{indented, say};
use crate::test::{self, Proof};
use crate::{Exit, exit};

pub(crate) fn run(machine: &Machine, args: &UpArgs) -> anyhow::Result<Exit> {
    let wish = Wish {
        words: args.doctors.clone(),
        log_level: args.log_level.0,
        permanent: !args.no_permanent,
        early: args.early,
        heartbeat_s: args.heartbeat.0,
        ..machine.wish()?.unwrap_or_default()
    };
    let doctors = match wish.doctors() {
        Ok(doctors) => doctors,
        Err(error) => return Ok(exit::tell(Exit::Usage, &error.to_string())),
    };
    if args.dry_run {
        return dry_run(machine, &wish, &doctors);
    }
    let begun = Instant::now();
    match reach(machine, &wish, &doctors, &mut tell_step)? {
        Err(refusals) => return Ok(refuse(&refusals)),
        Ok(0) => say!("nothing to do: the kernel is armed as wished"),
        Ok(_) => {}
    }
    if args.no_test {
        return Ok(Exit::Well);
    }
    let proof = test::prove(machine, &doctors)?;
    if proof == Proof::Heard {
        say!("armed and proven in {:.1} s", begun.elapsed().as_secs_f32());
    }
    Ok(proof.exit())
}

/// Makes the machine what is wished; says how many steps that took. What a step that fails
/// leaves behind is taken back.
pub(crate) fn reach(
    machine: &Machine,
    wish: &Wish,
    doctors: &[Doctor],
    tell: &mut dyn FnMut(&Step),
) -> anyhow::Result<Result<usize, Vec<Refusal>>> {
    let mut lock = None;
    let mut done = 0;
    let mut mark = 0;
    for _ in 0..ROUNDS {
        let plan = match arm(&machine.facts(doctors)?, wish, doctors) {
            Ok(plan) => plan,
            Err(refusals) => return Ok(Err(refusals)),
        };
        if plan.is_empty() {
            return Ok(Ok(done));
        }
        if lock.is_none() {
            lock = Some(machine.lock()?);
            mark = machine.undoable()?;
            // Another may have been at work until now.
            continue;
        }
        for note in plan.notes.iter().filter(|_| done == 0) {
            say!("note: {note}");
        }
        for step in &plan.steps {
            tell(step);
            if let Err(error) = machine.apply(&step.action) {
                say!("failed; taking back what was begun:");
                take_back(machine, mark)?;
                return Err(error).with_context(|| format!("not armed: {}", step.action));
            }
            done += 1;
        }
    }
    anyhow::bail!("the machine does not become what it should be: is another tool at it too?")
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
        say!("nothing to do: the kernel is armed as wished");
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

/// The lock, the module, what it shows once it is there, what depends on that; and one to spare.
const ROUNDS: usize = 6;
