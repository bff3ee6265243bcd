//! Following a store as it grows, by arrival.

mod arrival;
mod changes;
mod lines;
mod news;
mod nudge;
mod present;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use self::lines::Lines;
pub use self::nudge::Nudge;
pub(crate) use self::present::Followers;

use self::arrival::Arrival;
use self::changes::Changes;
use self::news::News;
use self::present::Present;
use crate::read::view::View;
use crate::read::{BootSummary, Damage, End, Error, Gap, OwnedRecord};

/// What came next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FollowItem {
    /// A record, under the host and boot known for it at this moment. Repeats are given until it
    /// is known that they are; those without numbers always.
    Record(OwnedRecord),
    /// Something is missing: a stored gap, or a hole in the numbers in front of the next record.
    /// A record that comes late may fill it after all.
    Gap(Gap),
    /// Something about a boot changed. The summary tells what is known of it now.
    Boot(BootChange, Box<BootSummary>),
}

/// What changed about a boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BootChange {
    /// It began; its first record or gap comes next.
    Began,
    /// A last word was heard, or a later boot of the same host began ([`End::Silence`]).
    Ended(End),
    /// What was taken for a boot of its own goes on as this older one.
    Joined {
        /// The number it had had.
        from: u32,
    },
    /// Its host is known by another name now, and the boot has a number there.
    Named,
}

/// Follows the store's entries by arrival, through sealing and the roll-over of segments.
#[derive(Debug)]
pub struct Follower {
    dir: PathBuf,
    changes: Changes,
    arrival: Arrival,
    news: News,
    ready: VecDeque<FollowItem>,
    _present: Present,
}

impl Follower {
    pub(crate) fn new(view: Arc<View>) -> Result<Follower, Error> {
        Ok(Follower {
            _present: Present::in_store(view.dir()),
            dir: view.dir().to_owned(),
            changes: Changes::of(view.dir())?,
            arrival: Arrival::new(&view)?,
            news: News::new(view),
            ready: VecDeque::new(),
        })
    }

    /// The directory of the store.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The next item; waits up to `timeout` for one. `None` when none came.
    pub fn next(&mut self, timeout: Duration) -> Result<Option<FollowItem>, Error> {
        let began = Instant::now();
        loop {
            if let Some(item) = self.ready.pop_front() {
                return Ok(Some(item));
            }
            if self.advance()? {
                continue;
            }
            let left = timeout.saturating_sub(began.elapsed());
            if self.changes.wait(left)? {
                self.arrival.look_around();
            } else if left.is_zero() {
                return Ok(None);
            }
        }
    }

    /// What could not be read and was skipped.
    pub fn damage(&self) -> Vec<Damage> {
        self.news.damage()
    }

    /// Takes in one block more, if there is one.
    fn advance(&mut self) -> Result<bool, Error> {
        let (news, ready) = (&mut self.news, &mut self.ready);
        let unreadable = |source| Error::Unreadable { path: self.dir.clone(), source };
        let advanced = self.arrival.block(true, |segment, line| news.line(segment, line, ready));
        advanced.map(|segment| segment.is_some()).map_err(unreadable)
    }
}
