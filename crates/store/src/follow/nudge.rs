//! From who writes a store to who follows it in the same process: there is something to look at.

use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Ends the wait of a follower in the writer's own process. What there is to see stands in the
/// segments; this only says that it is worth looking.
#[derive(Clone, Debug, Default)]
pub struct Nudge(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    state: Mutex<State>,
    given: Condvar,
}

#[derive(Debug, Default)]
struct State {
    given: bool,
    /// Ordinary blocks are waited for too.
    eager: bool,
}

impl Nudge {
    /// Ends the wait that is under way, or the next one.
    pub fn give(&self) {
        self.lock().given = true;
        self.0.given.notify_one();
    }

    /// Waits until a block is written of which it is not known that no record in it begins an
    /// incident, or, with `ordinary`, any; at most for `most`. Answers whether one was, since the
    /// last wait. One that begins to wait for ordinary blocks ends at once: of those that were
    /// written up to now nobody was told.
    pub fn wait(&self, ordinary: bool, most: Duration) -> bool {
        let mut state = self.lock();
        let begins = !mem::replace(&mut state.eager, ordinary) && ordinary;
        if !begins {
            let waited = self.0.given.wait_timeout_while(state, most, |state| !state.given);
            (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
        mem::take(&mut state.given) || begins
    }

    /// A block was written.
    pub(crate) fn written(&self, ordinary: bool) {
        if !ordinary || self.lock().eager {
            self.give();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No test waits for it.
    const LONG: Duration = Duration::from_hours(1);

    #[test]
    fn a_block_that_may_begin_an_incident_ends_the_wait_whenever_it_was_written() {
        let nudge = Nudge::default();
        nudge.written(false);
        assert!(nudge.wait(false, LONG));
        let writer = nudge.clone();
        let waiter = std::thread::spawn(move || nudge.wait(false, LONG));
        writer.written(true);
        writer.written(false);
        assert!(waiter.join().unwrap());
    }

    #[test]
    fn ordinary_blocks_end_only_the_wait_of_who_asks_for_them() {
        let nudge = Nudge::default();
        nudge.written(true);
        assert!(!nudge.wait(false, Duration::ZERO));
        assert!(nudge.wait(true, LONG), "of what was written before nobody was told");
        assert!(!nudge.wait(true, Duration::ZERO));
        nudge.written(true);
        assert!(nudge.wait(true, LONG));
        assert!(!nudge.wait(false, Duration::ZERO));
        nudge.written(true);
        assert!(!nudge.wait(false, Duration::ZERO));
    }
}
