//! The bounds of the stream core, as the file says them.

use std::time::Duration;

use bedside_stream::Limits;
use serde::Deserialize;

use super::{Length, Size};

/// The fields of [`Limits`], with units, and `heartbeats`: of how many boots the last heartbeat is
/// kept; `nonces`: of how many beginnings of signed streams it is known whose they were.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[allow(missing_docs, reason = "each is the field of `Limits` of that name")]
pub struct StreamLimits {
    #[serde(deserialize_with = "super::values::at_least_one")]
    pub proven_streams: usize,
    #[serde(deserialize_with = "super::values::at_least_one")]
    pub unproven_streams: usize,
    pub proven_after: u32,
    pub awake_streams: usize,
    pub sleep_after: Length,
    pub crowd: Length,
    pub tenure: Length,
    pub message_bytes: Size,
    pub pending_bytes: Size,
    pub pending_messages: usize,
    pub line_bytes: Size,
    pub pending_timeout: Length,
    pub clock_slack: Length,
    pub siblings: usize,
    pub heartbeats: usize,
    pub nonces: usize,
}

impl From<&StreamLimits> for Limits {
    fn from(said: &StreamLimits) -> Self {
        Limits {
            proven_streams: said.proven_streams,
            unproven_streams: said.unproven_streams,
            proven_after: said.proven_after,
            awake_streams: said.awake_streams,
            sleep_after_us: said.sleep_after.0.as_micros() as u64,
            crowd_us: said.crowd.0.as_micros() as u64,
            tenure_us: said.tenure.0.as_micros() as u64,
            message_bytes: said.message_bytes.in_memory(),
            pending_bytes: said.pending_bytes.in_memory(),
            pending_messages: said.pending_messages,
            line_bytes: said.line_bytes.in_memory(),
            pending_timeout_us: said.pending_timeout.0.as_micros() as u64,
            clock_slack_us: said.clock_slack.0.as_micros() as u64,
            siblings: said.siblings,
        }
    }
}

impl Default for StreamLimits {
    fn default() -> Self {
        let limits = Limits::default();
        Self {
            proven_streams: limits.proven_streams,
            unproven_streams: limits.unproven_streams,
            proven_after: limits.proven_after,
            awake_streams: limits.awake_streams,
            sleep_after: Length(Duration::from_micros(limits.sleep_after_us)),
            crowd: Length(Duration::from_micros(limits.crowd_us)),
            tenure: Length(Duration::from_micros(limits.tenure_us)),
            message_bytes: Size(limits.message_bytes as u64),
            pending_bytes: Size(limits.pending_bytes as u64),
            pending_messages: limits.pending_messages,
            line_bytes: Size(limits.line_bytes as u64),
            pending_timeout: Length(Duration::from_micros(limits.pending_timeout_us)),
            clock_slack: Length(Duration::from_micros(limits.clock_slack_us)),
            siblings: limits.siblings,
            heartbeats: 262_144,
            nonces: 262_144,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back_is_the_default() {
        assert_eq!(Limits::from(&StreamLimits::default()), Limits::default());
    }

    #[test]
    fn what_no_memory_holds_is_no_small_number_anywhere() {
        let said = StreamLimits { line_bytes: Size(1 << 63), ..StreamLimits::default() };
        assert_eq!(Limits::from(&said).line_bytes, isize::MAX as usize);
    }
}
