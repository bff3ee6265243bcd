//! Who writes the store now.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

/// The process that holds the lock of the store in `dir`; 0 when it doesn't tell its number.
///
/// A shared lock is taken for an instant to find out: the writer tries more than once.
pub(super) fn holder(dir: &Path) -> Option<u32> {
    let file = File::open(dir.join("lock")).ok()?;
    let mut pid = String::new();
    // What can't be read tells no number; the lock alone says whether one runs.
    let read = (&file).take(PID_MAX).read_to_string(&mut pid);
    match Flock::lock(file, FlockArg::LockSharedNonblock) {
        Err((_, Errno::EWOULDBLOCK)) => {
            Some(read.ok().and_then(|_| pid.trim().parse().ok()).unwrap_or(0))
        }
        _ => None,
    }
}

/// More than any number of a process has digits.
const PID_MAX: u64 = 32;
