//! Whether somebody is told of a case. Pure: all that it asks for is given to it.

use crate::config::Alert;
use crate::incidents::{Row, State};
use crate::reading::Hosts;

/// What is known besides the case.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Past {
    pub(crate) state: State,
    /// It is among the first cases of this bug that concern the rule, so many as that counts. Where
    /// the rule does not ask for what is new, that need not be known.
    pub(crate) is_first: bool,
    /// How often it happened within the rule's time, this one too, as far as it concerns the rule.
    pub(crate) count: u64,
    /// How many letters the rule made within the last minute.
    pub(crate) letters: u64,
}

/// What comes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Nothing.
    Silence,
    /// A letter.
    Tell,
    /// A line in the next digest.
    Digest,
}

/// Whether a case is this rule's at all, which names these `hosts`.
pub(crate) fn concerns(rule: &Alert, hosts: &Hosts, case: &Row) -> bool {
    let address = case.source.parse::<std::net::SocketAddr>().ok().map(|source| source.ip());
    (rule.kind.is_empty() || rule.kind.contains(&case.kind))
        && case.severity >= rule.severity
        && hosts.contain(&case.host, address)
}

/// What a rule makes of a case that [`concerns`] it, and of which it has not told lately.
pub(crate) fn weigh(rule: &Alert, past: Past) -> Decision {
    let is_new = past.is_first || past.state == State::Regressed;
    let is_wanted =
        past.state != State::Ignored && (is_new || !rule.new) && past.count >= rule.count;
    match is_wanted {
        false => Decision::Silence,
        true if past.letters >= rule.storm => Decision::Digest,
        true => Decision::Tell,
    }
}
