//! How often somebody did something within a minute.

use std::hash::{BuildHasher as _, Hash, RandomState};

use bedside_stream::WallTime;

/// Counts by parts of hashes that no sender knows: whoever makes up names takes no memory by it.
#[derive(Debug)]
pub(super) struct Rates {
    counts: Box<[u16]>,
    since: WallTime,
    hasher: RandomState,
}

impl Rates {
    pub(super) fn new() -> Rates {
        Rates { counts: vec![0; APART].into(), since: WallTime(0), hasher: RandomState::new() }
    }

    /// How often they did it in this minute of the log.
    pub(super) fn of(&mut self, who: impl Hash, now: WallTime) -> u16 {
        *self.count_of(who, now)
    }

    /// Counts it once more; how often that makes.
    pub(super) fn add(&mut self, who: impl Hash, now: WallTime) -> u16 {
        let count = self.count_of(who, now);
        *count = count.saturating_add(1);
        *count
    }

    fn count_of(&mut self, who: impl Hash, now: WallTime) -> &mut u16 {
        if now < self.since || now.0 - self.since.0 >= MINUTE_US {
            self.counts.fill(0);
            self.since = now;
        }
        let at = self.hasher.hash_one(who) as usize % APART;
        &mut self.counts[at]
    }
}

/// Who is told apart.
const APART: usize = 1 << 16;
const MINUTE_US: u64 = 60_000_000;
