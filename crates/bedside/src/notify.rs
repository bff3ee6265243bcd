//! What the service manager is told, where there is one.
//!
//! Nothing here is fatal: a doctor goes on hearing whether or not somebody follows its state.

use std::io;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use sd_notify::NotifyState;

/// A state of the doctor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It hears; also: it has read its configuration again.
    Ready,
    /// It reads its configuration again; [`State::Ready`] follows.
    Reloading,
    /// It keeps what it has heard and then ends.
    Stopping,
}

/// Tells the service manager; without one (`$NOTIFY_SOCKET`) this does nothing.
pub fn tell(state: State) -> io::Result<()> {
    match state {
        State::Ready => sd_notify::notify(&[NotifyState::Ready]),
        State::Reloading => {
            // Not `monotonic_usec_now`, which overflows where seconds have 32 bits.
            let now = Duration::from(clock_gettime(ClockId::CLOCK_MONOTONIC)?);
            let now = NotifyState::MonotonicUsec(now.as_micros().cast_signed());
            sd_notify::notify(&[NotifyState::Reloading, now])
        }
        State::Stopping => sd_notify::notify(&[NotifyState::Stopping]),
    }
}

/// A line for `systemctl status`.
pub fn status(line: &str) -> io::Result<()> {
    sd_notify::notify(&[NotifyState::Status(&one_line(line))])
}

/// The protocol knows only lines: a control character, which may come from the network, must
/// not begin another one.
fn one_line(text: &str) -> String {
    text.replace(char::is_control, " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_from_the_network_cannot_forge_a_state() {
        assert_eq!(one_line("heard evil\nMAINPID=1\r\n"), "heard evil MAINPID=1  ");
    }

    #[test]
    fn without_a_service_manager_nothing_happens() {
        for state in [State::Ready, State::Reloading, State::Stopping] {
            tell(state).unwrap();
        }
        status("hears 2 machines").unwrap();
    }
}
