//! Why a machine is not armed.

use std::fmt;

/// A refusal: what is in the way, why that matters, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What is refused, and why.
    pub why: String,
    /// The way out.
    pub cure: String,
}

impl Refusal {
    /// Refuses.
    pub fn new(why: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { why: why.into(), cure: cure.into() }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}\ntry: {}", self.why, self.cure)
    }
}

impl std::error::Error for Refusal {}
