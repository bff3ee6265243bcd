//! A map that forgets what was not asked for lately.

use std::collections::HashMap;
use std::hash::Hash;

/// Keeps at least the `half` entries used last, and at most twice as many.
#[derive(Debug)]
pub(crate) struct Recent<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    half: usize,
}

impl<K: Hash + Eq + Clone, V> Recent<K, V> {
    pub(crate) fn new(half: usize) -> Recent<K, V> {
        Recent { young: HashMap::new(), old: HashMap::new(), half }
    }

    /// Puts it in; gives back what was there.
    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        if self.young.len() >= self.half {
            self.old = std::mem::take(&mut self.young);
        }
        let aged = self.old.remove(&key);
        self.young.insert(key, value).or(aged)
    }

    /// What is there; it counts as used.
    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        if !self.young.contains_key(key) {
            let aged = self.old.remove(key)?;
            self.insert(key.clone(), aged);
        }
        self.young.get_mut(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_stays_and_the_rest_goes() {
        let mut recent = Recent::new(4);
        recent.insert(0, "kept");
        for key in 1..100 {
            recent.insert(key, "passing");
            assert_eq!(recent.get_mut(&0), Some(&mut "kept"), "{key}");
            assert!(recent.young.len() + recent.old.len() <= 8);
        }
        assert_eq!(recent.get_mut(&1), None);
        assert_eq!(recent.insert(99, "again"), Some("passing"));
    }
}
