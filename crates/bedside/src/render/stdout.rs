//! Standard output, whose errors say what failed.

use std::io::{self, StdoutLock, Write};
use std::os::fd::AsFd as _;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// Locks standard output.
pub fn stdout() -> Stdout {
    Stdout(io::stdout().lock())
}

/// Whether nobody reads standard output any more: the pipe's other end is closed, or the terminal
/// gone. Otherwise only a write would tell.
pub(crate) fn is_unread() -> bool {
    let stdout = io::stdout();
    let mut asked = [PollFd::new(stdout.as_fd(), PollFlags::empty())];
    // Those two are told unasked, poll(2).
    let gone = PollFlags::POLLERR | PollFlags::POLLHUP;
    poll(&mut asked, PollTimeout::ZERO).is_ok()
        && asked.iter().any(|one| one.revents().is_some_and(|told| told.intersects(gone)))
}

/// Standard output, locked.
#[derive(Debug)]
pub struct Stdout(StdoutLock<'static>);

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).map_err(told)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush().map_err(told)
    }
}

/// Of the same kind: whether nobody reads any more is seen by that.
fn told(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::Interrupted => error,
        kind => io::Error::new(kind, format!("can't write to standard output: {error}")),
    }
}
