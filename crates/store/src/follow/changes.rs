//! What happens in the directory of the segments, as the kernel tells.

use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use inotify::{EventMask, Inotify, WatchMask};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::arrival::LOOK_AGAIN;
use crate::read::Error;

/// Ends a wait when somebody writes there.
#[derive(Debug)]
pub(super) struct Changes {
    path: PathBuf,
    inotify: Inotify,
}

impl Changes {
    /// Of the store in `dir`, from now on.
    pub(super) fn of(dir: &Path) -> Result<Changes, Error> {
        let path = dir.join("segments");
        let watch = |source| Error::Watch { path: path.clone(), source };
        let inotify = Inotify::init().map_err(watch)?;
        let mask = WatchMask::CREATE | WatchMask::MODIFY | WatchMask::MOVED_TO;
        inotify.watches().add(&path, mask).map_err(watch)?;
        Ok(Changes { path, inotify })
    }

    /// Waits until something may have changed, at most for `timeout`; whether a segment may have
    /// come.
    pub(super) fn wait(&mut self, timeout: Duration) -> Result<bool, Error> {
        let waited = self.sleep(timeout.min(LOOK_AGAIN)).and_then(|()| self.take());
        waited.map_err(|source| Error::Watch { path: self.path.clone(), source })
    }

    fn sleep(&self, timeout: Duration) -> io::Result<()> {
        if timeout.is_zero() {
            return Ok(());
        }
        let mut fds = [PollFd::new(self.inotify.as_fd(), PollFlags::POLLIN)];
        match poll(&mut fds, PollTimeout::from(timeout.as_millis().max(1) as u16)) {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes what was told, so that it wakes nobody again.
    fn take(&mut self) -> io::Result<bool> {
        let mut buffer = [0; 4096];
        let mut came = false;
        loop {
            let mut events = match self.inotify.read_events(&mut buffer) {
                Ok(events) => events.peekable(),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(came),
                Err(error) => return Err(error),
            };
            if events.peek().is_none() {
                return Ok(came);
            }
            // Also where the kernel says that it had too much to tell.
            came |= events.any(|event| !event.mask.contains(EventMask::MODIFY));
        }
    }
}
