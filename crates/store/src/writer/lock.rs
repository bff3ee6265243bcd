//! One writer per store.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use super::SEGMENTS_NAME;
use crate::error::Error;

/// The file's name in the store's directory.
pub const LOCK_NAME: &str = "lock";

/// Held as long as the store is written; the system lets go of it however the process ends.
#[derive(Debug)]
pub(crate) struct Lock {
    file: Flock<File>,
    /// The directory of the segments: whoever takes the file away for one that was left over does
    /// not let a second writer in. Some network file systems have no such locks.
    _segments: Option<Flock<File>>,
    dir: PathBuf,
}

impl Lock {
    /// Takes the lock of the store in `dir`, or says who has it.
    pub(crate) fn take(dir: &Path) -> Result<Lock, Error> {
        let file = take_file(dir)?;
        let segments = File::open(dir.join(SEGMENTS_NAME)).ok();
        let segments = segments.map(|it| Flock::lock(it, FlockArg::LockExclusiveNonblock));
        if let Some(Err((_, Errno::EWOULDBLOCK))) = segments {
            return Err(Error::Locked { dir: dir.to_owned(), pid: None });
        }
        Ok(Lock { file, _segments: segments.and_then(Result::ok), dir: dir.to_owned() })
    }

    /// Takes it again where its file was removed: a lock that nobody can find keeps nobody out.
    pub(crate) fn renew(&mut self) {
        if self.file.metadata().is_ok_and(|metadata| metadata.nlink() == 0)
            && let Ok(file) = take_file(&self.dir)
        {
            self.file = file;
        }
    }
}

fn take_file(dir: &Path) -> Result<Flock<File>, Error> {
    let path = dir.join(LOCK_NAME);
    let object = || path.display().to_string();
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o640);
    let mut file = options.open(&path).map_err(|e| Error::io("open", object(), e))?;
    for _ in 0..TRIES {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(mut locked) => {
                // On a full disk there may be no room to say it; the lock holds all the same.
                if let Err(error) = tell_pid(&mut locked) {
                    tracing::warn!(%error, "cannot write the pid into {}", object());
                }
                return Ok(locked);
            }
            Err((back, Errno::EWOULDBLOCK)) => file = back,
            Err((_, errno)) => return Err(Error::io("lock", object(), errno.into())),
        }
        std::thread::sleep(PAUSE);
    }
    Err(Error::Locked { dir: dir.to_owned(), pid: holder(&mut file) })
}

/// A reader that asks whether a writer is there holds the lock for a moment.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(10);

fn tell_pid(file: &mut File) -> std::io::Result<()> {
    file.set_len(0)?;
    file.write_all(format!("{}\n", std::process::id()).as_bytes())
}

fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
