//! Whether the times that will be written down are right.

use std::path::Path;
use std::process::Command;

use bedside_stream::WallTime;

use super::Verdict;
use crate::time;

/// Looks at the clock, and at what keeps it right.
pub(super) fn clock() -> Verdict {
    judge(time::now(), synchronised())
}

/// Whether the kernel's clock follows another: systemd's word for it, where there is one.
fn synchronised() -> Option<bool> {
    if Path::new("/run/systemd/timesync/synchronized").exists() {
        return Some(true);
    }
    let mut ask = Command::new("timedatectl");
    let said = ask.args(["show", "--property=NTPSynchronized", "--value"]).output().ok()?;
    match said.stdout.trim_ascii() {
        b"yes" => Some(true),
        b"no" => Some(false),
        _ => None,
    }
}

fn judge(now: WallTime, synchronised: Option<bool>) -> Verdict {
    const CURE: &str = "`timedatectl set-ntp true`, or chrony";
    let date = time::rfc3339(now);
    if now.0 < BEFORE_US {
        return Verdict::problem("clock", format!("it is {date}: that is in the past"), CURE);
    }
    match synchronised {
        Some(true) => Verdict::ok("clock", format!("it is {date}, and kept right")),
        Some(false) => Verdict::unknown(
            "clock",
            format!("it is {date}, but nothing keeps it right: times may be wrong"),
            CURE,
        ),
        None => Verdict::unknown(
            "clock",
            format!("it is {date}; whether something keeps it right cannot be seen"),
            "`chronyc tracking`, or whatever keeps this machine's clock",
        ),
    }
}

/// 2025-01-01, before this was written: no clock that is right is behind it.
const BEFORE_US: u64 = 1_735_689_600_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::State;

    #[test]
    fn a_clock_in_the_past_is_a_problem_whoever_keeps_it() {
        let verdict = judge(WallTime(7_000_000), Some(true));
        assert_eq!(verdict.state, State::Problem);
        assert_eq!(verdict.evidence, "it is 1970-01-01T00:00:07.000000Z: that is in the past");
    }

    #[test]
    fn a_clock_that_nobody_keeps_may_be_right_or_wrong() {
        assert_eq!(judge(WallTime(BEFORE_US), Some(true)).state, State::Ok);
        assert_eq!(judge(WallTime(BEFORE_US), Some(false)).state, State::Unknown);
        assert_eq!(judge(WallTime(BEFORE_US), None).state, State::Unknown);
    }
}
