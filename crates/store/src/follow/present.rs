//! Who follows a store is seen by who writes it: a follower holds a read lock on the empty file
//! `followers`, and the writer asks the kernel whether anybody does.
//!
//! An open file description lock (fcntl_locking(2)): the kernel lets go of it however the follower
//! ends, it needs no right to write, and asking takes no lock that could be in somebody's way.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;

/// The file's name in the store's directory.
const NAME: &str = "followers";

/// A follower, as the writer sees it; no more once it is dropped.
#[derive(Debug)]
pub(super) struct Present {
    /// None where the store was never written by a doctor that looks, or is a copy.
    _locked: Option<File>,
}

impl Present {
    /// Follows the store in `dir`. Where the writer can't be told it does not know that somebody
    /// waits for its lines, and takes its time with them: no reason not to follow.
    pub(super) fn in_store(dir: &Path) -> Present {
        let locked = File::open(dir.join(NAME))
            .ok()
            .filter(|file| fcntl(file, FcntlArg::F_OFD_SETLK(&whole_file(libc::F_RDLCK))).is_ok());
        Present { _locked: locked }
    }
}

/// The writer's end.
#[derive(Debug)]
pub(crate) struct Followers {
    file: Option<File>,
}

impl Followers {
    /// Of the store in `dir`.
    pub(crate) fn of(dir: &Path) -> Followers {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o640);
        let opened = options.open(dir.join(NAME));
        Followers {
            file: opened
                .inspect_err(|error| tracing::warn!(%error, "cannot make the file {NAME}"))
                .ok(),
        }
    }

    /// Whether there may be one.
    pub(crate) fn any(&self) -> bool {
        let Some(file) = &self.file else { return true };
        let mut lock = whole_file(libc::F_WRLCK);
        let asked: Result<_, Errno> = fcntl(file, FcntlArg::F_OFD_GETLK(&mut lock));
        asked.is_err() || i32::from(lock.l_type) != libc::F_UNLCK
    }
}

fn whole_file(kind: libc::c_int) -> libc::flock {
    libc::flock { l_type: kind as _, l_whence: libc::SEEK_SET as _, l_start: 0, l_len: 0, l_pid: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn followers_are_seen_while_they_are_there() {
        let dir = tempfile::tempdir().unwrap();
        let followers = Followers::of(dir.path());
        assert!(!followers.any());
        let (one, other) = (Present::in_store(dir.path()), Present::in_store(dir.path()));
        assert!(followers.any());
        drop(one);
        assert!(followers.any());
        drop(other);
        assert!(!followers.any());
    }

    #[test]
    fn where_it_cannot_be_known_there_may_be_one() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Followers::of(&dir.path().join("missing")).any());
        let before_any_writer = Present::in_store(dir.path());
        assert!(!Followers::of(dir.path()).any());
        drop(before_any_writer);
    }
}
