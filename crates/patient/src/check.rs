//! `bedside-patient check`: the trouble-shooting of a lifetime, as verdicts.

use bedside_host::Machine;
use bedside_plan::{Doctor, Facts, State, Verdict, check};
use serde_json::json;

use crate::cli::CheckArgs;
use crate::reach::{Goal, Reached, Turn, reach};
use crate::tell::say;
use crate::up::{refuse, tell_step};
use crate::{Exit, exit};

pub(crate) fn run(machine: &Machine, args: &CheckArgs) -> anyhow::Result<Exit> {
    if !args.set_panic.is_empty() {
        return set_panic(machine, &args.set_panic);
    }
    let mut wish = machine.wish()?.unwrap_or_default();
    if !args.doctors.is_empty() {
        wish.words.clone_from(&args.doctors);
    }
    let doctors: Vec<Doctor> = match wish.doctors() {
        Ok(doctors) => doctors,
        Err(error) => return Ok(exit::tell(Exit::Usage, &error.to_string())),
    };
    let (rules, agent) = (machine.rules(), machine.agent_runs());
    let facts = Facts { rules, agent, ..machine.facts(&doctors)? };
    let verdicts = check(&facts, &wish, &doctors);
    if args.json {
        say!("{}", report(&verdicts));
    } else {
        tell(&verdicts);
    }
    Ok(conclusion(&verdicts))
}

/// One more thing that is wished of the machine; `down` takes it back with the rest.
fn set_panic(machine: &Machine, settings: &[String]) -> anyhow::Result<Exit> {
    let before = machine.wish()?;
    let is_armed = before.is_some();
    let mut wish = before.unwrap_or_default();
    for setting in settings {
        let (name, value) = setting.split_once('=').unwrap_or((setting, ""));
        if let Err(why) = wish.set_panic(name.trim(), value.trim()) {
            return Ok(exit::tell(Exit::Usage, &format!("--set-panic {why}")));
        }
    }
    if !is_armed {
        let why = "nothing is wished of this machine yet: `bedside-patient up DOCTOR` first";
        return Ok(exit::tell(Exit::Problem, why));
    }
    let goal = Goal::of(wish)?;
    match reach(machine, Turn::Wait, &|| Ok(Some(goal.clone())), &mut tell_step)? {
        Reached::Refused(refusals) => Ok(refuse(&refusals)),
        Reached::Done(_) | Reached::Yielded | Reached::NothingWished => Ok(Exit::Well),
    }
}

/// What the exit status says: a problem weighs more than what is unknown.
fn conclusion(verdicts: &[Verdict]) -> Exit {
    let any = |state| verdicts.iter().any(|verdict| verdict.state == state);
    match (any(State::Problem), any(State::Unknown)) {
        (true, _) => Exit::Problem,
        (false, true) => Exit::CouldNot,
        (false, false) => Exit::Well,
    }
}

/// A line for each, a line for each cure.
fn tell(verdicts: &[Verdict]) {
    for verdict in verdicts {
        let mark = match verdict.state {
            State::Ok => "ok",
            State::Problem => "PROBLEM",
            State::Unknown => "unknown",
        };
        let on = verdict.on.as_ref().map(|on| format!(" {on}")).unwrap_or_default();
        say!("{mark:<8} {}{on}: {}", verdict.what, verdict.evidence);
        for line in verdict.cure.iter().flat_map(|cure| cure.lines()) {
            say!("{:8} try: {line}", "");
        }
    }
}

fn report(verdicts: &[Verdict]) -> serde_json::Value {
    json!({ "v": 1, "checks": verdicts.iter().map(object).collect::<Vec<_>>() })
}

pub(crate) fn object(verdict: &Verdict) -> serde_json::Value {
    let Verdict { what, on, state, evidence, cure } = verdict;
    json!({
        "what": what, "on": on, "state": state.as_str(), "evidence": evidence, "cure": cure,
    })
}
