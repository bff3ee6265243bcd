//! `bedside-patient agent`: whatever happens to the network, the kernel sends to its doctor.
//!
//! It knows no cases. Something happened, so the facts are gathered again, and what differs from
//! the wish is mended; mostly nothing does.

use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use bedside_host::{Changes, Machine, touch};
use bedside_plan::{Doctor, Wish};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use crate::tell::say;
use crate::up::{reach, tell_step};
use crate::{Exit, exit};

pub(crate) fn run(machine: &Machine) -> anyhow::Result<Exit> {
    let Some(wish) = machine.wish()? else {
        let why = "nothing is wished of this machine: `bedside-patient up DOCTOR`";
        return Ok(exit::tell(Exit::Usage, why));
    };
    let doctors = wish.doctors()?;
    let signals = signals().context("cannot catch signals")?;
    // Before the first look, so that nothing falls between.
    let changes = Changes::listen().context("cannot hear of changes from the kernel")?;
    let mut agent = Agent { machine, wish, doctors, told: String::new() };
    loop {
        agent.look();
        if await_news(&changes, &signals)? == News::End {
            return Ok(Exit::Well);
        }
    }
}

/// What it keeps true.
struct Agent<'m> {
    machine: &'m Machine,
    wish: Wish,
    doctors: Vec<Doctor>,
    /// The last trouble, which is told once.
    told: String,
}

impl Agent<'_> {
    /// Mends what differs from the wish. Trouble is tried again with the next news.
    fn look(&mut self) {
        let trouble = match reach(self.machine, &self.wish, &self.doctors, &mut tell_step) {
            Ok(Ok(_)) => String::new(),
            Ok(Err(refusals)) => {
                let lines: Vec<String> = refusals.iter().map(ToString::to_string).collect();
                lines.join("\n")
            }
            Err(error) => format!("{error:#}"),
        };
        if trouble != self.told {
            say!("{}", if trouble.is_empty() { "well again" } else { &trouble });
            self.told = trouble;
        }
        if let Ok(facts) = self.machine.facts(&self.doctors) {
            touch(&facts.ways);
        }
    }
}

/// Why a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum News {
    /// Something may have changed.
    Look,
    /// It is to end.
    End,
}

/// Waits until something happens, or for a while. What happens comes in bursts: their end is
/// waited for, but not for long.
fn await_news(changes: &Changes, signals: &SignalFd) -> anyhow::Result<News> {
    let begun = Instant::now();
    let mut until = begun + BETWEEN_LOOKS;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let millis = u16::try_from(left.as_millis()).unwrap_or(u16::MAX);
        let mut polled = [
            PollFd::new(changes.as_fd(), PollFlags::POLLIN),
            PollFd::new(signals.as_fd(), PollFlags::POLLIN),
        ];
        match poll(&mut polled, PollTimeout::from(millis)) {
            Ok(0) => return Ok(News::Look),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error).context("cannot wait for news"),
        }
        if signals.read_signal()?.is_some() {
            return Ok(News::End);
        }
        if changes.take() {
            until = until.min(Instant::now() + BURST);
        }
    }
}

fn signals() -> nix::Result<SignalFd> {
    let set = SigSet::from_iter([Signal::SIGTERM, Signal::SIGINT]);
    set.thread_block()?;
    SignalFd::with_flags(&set, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)
}

/// A router that is replaced without a word is noticed by looking.
const BETWEEN_LOOKS: Duration = Duration::from_secs(10);
/// After the first news of a burst, the facts are gathered this much later.
const BURST: Duration = Duration::from_millis(100);
