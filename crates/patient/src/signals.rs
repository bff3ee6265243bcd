//! Waiting, until a signal says that it is enough.

use std::os::fd::{AsFd as _, BorrowedFd};
use std::time::Duration;

use anyhow::Context as _;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// SIGTERM and SIGINT, caught.
pub(crate) struct Signals(SignalFd);

/// Why a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Woken {
    /// A signal came.
    Signal,
    /// There is something to read.
    Ready,
    /// Nothing came in time.
    Late,
}

impl Signals {
    /// From now on they end a wait instead of the process.
    pub(crate) fn catch() -> anyhow::Result<Self> {
        let set = SigSet::from_iter([Signal::SIGTERM, Signal::SIGINT]);
        let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
        set.thread_block()
            .and_then(|()| SignalFd::with_flags(&set, flags))
            .map(Self)
            .context("cannot catch signals")
    }

    /// Waits for a signal, for something to read, or for `patience`.
    pub(crate) fn wait(
        &self,
        other: Option<BorrowedFd<'_>>,
        patience: Duration,
    ) -> anyhow::Result<Woken> {
        let ours = [Some(self.0.as_fd()), other];
        if !wait(&ours.into_iter().flatten().collect::<Vec<_>>(), patience)? {
            return Ok(Woken::Late);
        }
        let signal = self.0.read_signal().context("cannot read a signal")?;
        Ok(if signal.is_some() { Woken::Signal } else { Woken::Ready })
    }

    /// Waits for a signal, however long.
    pub(crate) fn wait_for_one(&self) -> anyhow::Result<()> {
        while self.wait(None, LONG)? != Woken::Signal {}
        Ok(())
    }
}

/// Waits until one of these can be read, which it answers, or for `patience`.
pub(crate) fn wait(fds: &[BorrowedFd<'_>], patience: Duration) -> anyhow::Result<bool> {
    let millis = u16::try_from(patience.as_millis()).unwrap_or(u16::MAX);
    let mut polled: Vec<_> = fds.iter().map(|fd| PollFd::new(*fd, PollFlags::POLLIN)).collect();
    match poll(&mut polled, PollTimeout::from(millis)) {
        Ok(count) => Ok(count > 0),
        Err(Errno::EINTR) => Ok(true),
        Err(error) => Err(error).context("cannot wait"),
    }
}

const LONG: Duration = Duration::from_mins(1);
