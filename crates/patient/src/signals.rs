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
        let millis = u16::try_from(patience.as_millis()).unwrap_or(u16::MAX);
        let mut polled = vec![PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
        polled.extend(other.map(|fd| PollFd::new(fd, PollFlags::POLLIN)));
        match poll(&mut polled, PollTimeout::from(millis)) {
            Ok(0) => return Ok(Woken::Late),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error).context("cannot wait"),
        }
        let signal = self.0.read_signal().context("cannot read a signal")?;
        Ok(if signal.is_some() { Woken::Signal } else { Woken::Ready })
    }
}
