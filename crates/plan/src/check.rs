//! What keeps lines from being heard, and what to do about it.

mod dying;
mod now;

use std::fmt;

use crate::{Doctor, Facts, Wish};

/// Looks at everything that the facts tell. The likeliest cause of silence comes first.
pub fn check(facts: &Facts, wish: &Wish, doctors: &[Doctor]) -> Vec<Verdict> {
    let mut verdicts = alive(facts, wish, doctors);
    verdicts.extend(now::firewall(facts, wish, doctors));
    verdicts.extend(if wish.relay { vec![dying::relayed()] } else { dying::all(facts) });
    verdicts
}

/// What keeps the kernel's death from being heard.
pub fn mortal_faults(facts: &Facts) -> Vec<Verdict> {
    let mut faults = dying::all(facts);
    faults.retain(|verdict| verdict.state == State::Problem);
    faults
}

/// What keeps lines of the living machine from being heard; nothing of its death.
pub fn faults(facts: &Facts, wish: &Wish, doctors: &[Doctor]) -> Vec<Verdict> {
    let mut faults = alive(facts, wish, doctors);
    faults.retain(|verdict| verdict.state == State::Problem);
    faults
}

fn alive(facts: &Facts, wish: &Wish, doctors: &[Doctor]) -> Vec<Verdict> {
    if wish.relay {
        return relayed(facts, wish, doctors);
    }
    let mut verdicts = vec![now::module(facts)];
    verdicts.extend(now::limits(facts));
    verdicts
        .extend(doctors.iter().enumerate().flat_map(|(at, doctor)| now::way(facts, doctor, at)));
    verdicts.push(now::level(facts, wish));
    verdicts.push(now::armed(facts, wish, doctors));
    verdicts.extend(facts.targets.iter().flat_map(now::target));
    verdicts.extend(facts.dumper.iter().flat_map(|dumper| now::dumper(facts, dumper)));
    verdicts.extend(now::permanence(facts, wish));
    verdicts.extend(now::agent(facts, wish));
    verdicts.push(now::key(facts));
    verdicts
}

/// Of a machine whose user space sends: nothing of the kernel's netconsole matters.
fn relayed(facts: &Facts, wish: &Wish, doctors: &[Doctor]) -> Vec<Verdict> {
    let ways = doctors.iter().zip(&facts.ways);
    let mut verdicts: Vec<_> = ways.map(|(doctor, way)| now::any_way(doctor, way)).collect();
    verdicts.push(now::as_wished(facts, wish, doctors));
    verdicts.extend(now::agent(facts, wish));
    verdicts.push(now::key(facts));
    verdicts
}

/// What a look at one thing came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What was looked at, in one word.
    pub what: &'static str,
    /// Which one, where there may be several.
    pub on: Option<String>,
    /// How it is.
    pub state: State,
    /// What was seen.
    pub evidence: String,
    /// What to do about it.
    pub cure: Option<String>,
}

/// How a thing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Well.
    Ok,
    /// In the way of being heard.
    Problem,
    /// It could not be looked at.
    Unknown,
}

impl State {
    /// Its name in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Ok => "ok",
            State::Problem => "problem",
            State::Unknown => "unknown",
        }
    }
}

impl Verdict {
    /// All is well with `what`.
    pub fn ok(what: &'static str, evidence: impl Into<String>) -> Self {
        Self { what, on: None, state: State::Ok, evidence: evidence.into(), cure: None }
    }

    /// There is a problem with `what`.
    pub fn problem(
        what: &'static str,
        evidence: impl Into<String>,
        cure: impl Into<String>,
    ) -> Self {
        Self { state: State::Problem, cure: Some(cure.into()), ..Self::ok(what, evidence) }
    }

    /// `what` could not be looked at.
    pub fn unknown(
        what: &'static str,
        evidence: impl Into<String>,
        cure: impl Into<String>,
    ) -> Self {
        Self { state: State::Unknown, ..Self::problem(what, evidence, cure) }
    }

    /// Says which one of several.
    #[must_use]
    pub fn on(self, which: impl fmt::Display) -> Self {
        Self { on: Some(which.to_string()), ..self }
    }
}

#[cfg(test)]
mod tests;
