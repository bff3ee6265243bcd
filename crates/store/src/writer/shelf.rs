//! Memories of streams on their way to the catalogue, and which the catalogue has.

use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bedside_stream::{Memory, StreamKey};
use foldhash::quality::RandomState;

use crate::catalogue::MemoryRow;

/// Where a stream's memory is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Here.
    Held(Arc<Memory>),
    /// In the catalogue.
    Stored,
    /// Nowhere: most that ask are strangers, and must not cost a look into the catalogue.
    Nowhere,
}

/// Shared by the receiver's thread, which forgets and recalls, and the keeper's, which stores.
#[derive(Debug)]
pub(crate) struct Shelf {
    state: Mutex<State>,
    max: usize,
}

#[derive(Debug, Default)]
struct State {
    held: HashMap<StreamKey, Arc<Memory>, RandomState>,
    /// Hashes of the keys of those in the catalogue; a wrong one costs a look into it.
    stored: HashSet<u64, RandomState>,
    hasher: RandomState,
}

impl Shelf {
    pub(crate) fn new(max: usize, stored: impl Iterator<Item = StreamKey>) -> Shelf {
        let mut state = State::default();
        let State { stored: hashes, hasher, .. } = &mut state;
        hashes.extend(stored.map(|key| hasher.hash_one(key)));
        Shelf { state: Mutex::new(state), max }
    }

    /// Takes a memory until it is stored; `false` when there is no room for it.
    pub(crate) fn hold(&self, memory: &Arc<Memory>) -> bool {
        let mut state = self.lock();
        let full = state.held.len() >= self.max && !state.held.contains_key(&memory.key());
        // Strangers come in any number; those that proved themselves are bounded by the core.
        if full && !memory.proven() {
            return false;
        }
        state.held.insert(memory.key(), Arc::clone(memory));
        true
    }

    pub(crate) fn find(&self, key: &StreamKey) -> Found {
        let state = self.lock();
        match state.held.get(key) {
            Some(memory) => Found::Held(Arc::clone(memory)),
            None if state.stored.contains(&state.hasher.hash_one(key)) => Found::Stored,
            None => Found::Nowhere,
        }
    }

    /// Notes which memories the catalogue has now, and which it had to drop.
    pub(crate) fn stored(&self, rows: &[MemoryRow], dropped: &[StreamKey]) {
        let mut state = self.lock();
        for row in rows {
            let key = row.memory.key();
            let hash = state.hasher.hash_one(key);
            state.stored.insert(hash);
            // A newer one may have come meanwhile.
            if state.held.get(&key).is_some_and(|held| Arc::ptr_eq(held, &row.memory)) {
                state.held.remove(&key);
            }
        }
        for key in dropped {
            let hash = state.hasher.hash_one(key);
            state.stored.remove(&hash);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
