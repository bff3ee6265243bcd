//! Ends a wait from another thread or from a signal handler.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::unistd::{pipe2, read, write};

use crate::Error;

/// Wakes the [`crate::Receiver`] that it came from: its next or present wait ends at once.
///
/// It is the writing end of a pipe that never blocks, so a signal handler can write to it too:
/// any byte will do (see [`Waker::to_fd`]).
#[derive(Clone, Debug)]
pub struct Waker(Arc<OwnedFd>);

impl Waker {
    /// Ends the wait. Many calls before the receiver looks count as one.
    pub fn wake(&self) {
        loop {
            match write(&*self.0, &[1]) {
                // A full pipe wakes as well as one more byte; a closed one has nobody to wake.
                Ok(_) | Err(Errno::EAGAIN | Errno::EPIPE) => return,
                Err(Errno::EINTR) => {}
                Err(error) => {
                    debug_assert!(false, "writing to the wake-up pipe: {error}");
                    return;
                }
            }
        }
    }

    /// The pipe's end for somebody else to write to, a signal handler for instance.
    pub fn to_fd(&self) -> io::Result<OwnedFd> {
        self.0.try_clone()
    }
}

/// The receiver's end.
#[derive(Debug)]
pub(crate) struct Sleeper(OwnedFd);

impl Sleeper {
    /// Forgets the wake-ups so far.
    pub(crate) fn clear(&self) {
        let mut bytes = [0; 64];
        while let Ok(count) = read(&self.0, &mut bytes)
            && count == bytes.len()
        {}
    }
}

impl AsFd for Sleeper {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Both ends.
pub(crate) fn waker() -> Result<(Waker, Sleeper), Error> {
    let (reading, writing) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)
        .map_err(|error| Error::Wait { operation: "pipe2", source: error.into() })?;
    Ok((Waker(Arc::new(writing)), Sleeper(reading)))
}
