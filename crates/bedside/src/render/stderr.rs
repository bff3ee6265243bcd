//! Standard error of a doctor, which must not wait for whoever reads it.

use std::fmt;
use std::io::{self, Write};
use std::sync::atomic::Ordering;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use portable_atomic::AtomicU64;

/// Standard error, where each message is written at once or lost: a pipe that nobody empties, a
/// terminal that was stopped, a log daemon that hangs would hold up hearing.
pub fn stderr() -> Stderr {
    Stderr
}

/// Standard error that never waits.
#[derive(Clone, Copy, Debug)]
pub struct Stderr;

impl Write for Stderr {
    /// Takes a whole message.
    fn write(&mut self, message: &[u8]) -> io::Result<usize> {
        let mut stderr = io::stderr().lock();
        if !takes_more(&stderr) {
            LOST.fetch_add(1, Ordering::Relaxed);
            return Ok(message.len());
        }
        match LOST.swap(0, Ordering::Relaxed) {
            0 => {}
            lost => writeln!(stderr, " WARN {lost} messages were lost here: nobody took them")?,
        }
        stderr.write_all(message)?;
        Ok(message.len())
    }

    /// In one piece.
    fn write_fmt(&mut self, message: fmt::Arguments<'_>) -> io::Result<()> {
        self.write_all(message.to_string().as_bytes())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether it takes at least a page (Linux: fs/pipe.c `pipe_poll`), or fails at once.
fn takes_more(stderr: &io::StderrLock<'_>) -> bool {
    use std::os::fd::AsFd as _;
    let mut fds = [PollFd::new(stderr.as_fd(), PollFlags::POLLOUT)];
    poll(&mut fds, PollTimeout::ZERO) != Ok(0)
}

/// Messages since the last one that was taken.
static LOST: AtomicU64 = AtomicU64::new(0);
