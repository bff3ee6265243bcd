//! What keeps lines from being heard, and what to do about it.

use std::fmt;

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
