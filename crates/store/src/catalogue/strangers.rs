//! Whose entries a segment holds without a row for each: strangers come by the million.

use bedside_stream::RunId;

/// The runs of strangers in a segment, nearly: ranges of numbers, few enough to keep. All of them
/// are within, and perhaps others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Strangers {
    /// Both ends included, ascending, apart from each other.
    ranges: Vec<(u64, u64)>,
    /// Their records.
    pub records: u64,
}

/// Of more ranges, the two that lie closest become one.
const RANGES_MAX: usize = 256;

impl Strangers {
    /// Whether it holds nothing of any.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Whether it may hold something of a run.
    pub fn may_hold(&self, run: RunId) -> bool {
        let at = self.ranges.partition_point(|(_, last)| *last < run.0);
        self.ranges.get(at).is_some_and(|(first, _)| *first <= run.0)
    }

    /// A run beyond all that are within; 0 when there is none.
    pub(super) fn end(&self) -> u64 {
        self.ranges.last().map_or(0, |(_, last)| last.saturating_add(1))
    }

    /// Takes a run in.
    pub(super) fn insert(&mut self, run: RunId) {
        let run = run.0;
        let at = self.ranges.partition_point(|(_, last)| last.saturating_add(1) < run);
        let joined = match self.ranges.get_mut(at) {
            Some((first, last)) if first.saturating_sub(1) <= run => {
                (*first, *last) = (run.min(*first), run.max(*last));
                true
            }
            _ => false,
        };
        if !joined {
            self.ranges.insert(at, (run, run));
            return self.bound();
        }
        if let [(_, last), (next, end), ..] = self.ranges[at..]
            && last.saturating_add(1) >= next
        {
            self.ranges[at].1 = end;
            self.ranges.remove(at + 1);
        }
    }

    fn bound(&mut self) {
        if self.ranges.len() <= RANGES_MAX {
            return;
        }
        let gaps = self.ranges.windows(2).map(|pair| pair[1].0 - pair[0].1);
        if let Some((at, _)) = gaps.enumerate().min_by_key(|(_, gap)| *gap) {
            let (_, end) = self.ranges.remove(at + 1);
            self.ranges[at].1 = end;
        }
    }

    /// As they stand in a row: pairs of 64-bit numbers, little-endian.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let ends = self.ranges.iter().flat_map(|(first, last)| [first, last]);
        ends.flat_map(|end| end.to_le_bytes()).collect()
    }

    pub(super) fn from_bytes(bytes: &[u8], records: u64) -> Strangers {
        let (words, _) = bytes.as_chunks::<8>();
        let (pairs, _) = words.as_chunks::<2>();
        let range =
            |[first, last]: &[[u8; 8]; 2]| (u64::from_le_bytes(*first), u64::from_le_bytes(*last));
        Strangers { ranges: pairs.iter().map(range).collect(), records }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Against a set: all that were taken in are within, and as long as there is room for
        /// all ranges nothing else is.
        #[test]
        fn ranges_agree_with_a_set(runs in prop::collection::vec(0u64..300, 0..400)) {
            let mut strangers = Strangers::default();
            let mut set = BTreeSet::new();
            for run in runs {
                strangers.insert(RunId(run));
                set.insert(run);
            }
            for run in 0..301 {
                prop_assert_eq!(strangers.may_hold(RunId(run)), set.contains(&run), "{}", run);
            }
            prop_assert!(strangers.ranges.windows(2).all(|pair| pair[0].1 + 1 < pair[1].0));
            prop_assert_eq!(strangers.end(), set.last().map_or(0, |last| last + 1));
            prop_assert_eq!(&Strangers::from_bytes(&strangers.to_bytes(), 0), &strangers);
        }
    }

    #[test]
    fn there_are_never_many_ranges() {
        let mut strangers = Strangers::default();
        for run in (0..1_000_000).step_by(1_000).chain((500..1_000_000).step_by(7_000)) {
            strangers.insert(RunId(run));
        }
        assert!(strangers.ranges.len() <= RANGES_MAX);
        let runs = (0..1_000_000).step_by(1_000).chain((500..1_000_000).step_by(7_000));
        assert!(runs.map(RunId).all(|run| strangers.may_hold(run)));
        assert!(!strangers.may_hold(RunId(1_000_000)));
    }
}
