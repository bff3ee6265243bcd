//! Holes in the numbers, told by what the store holds: what is held is never called lost.

use bedside_stream::Cause;

use crate::entry::StoredRecord;

/// A numbered record as far as holes are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// printk's number.
    pub seq: u64,
    /// How many messages the sender had counted by then.
    pub msgid: Option<u32>,
}

impl Edge {
    /// What a record tells of it; nothing without a number.
    pub fn of(record: &StoredRecord<'_>) -> Option<Edge> {
        // The last `msgid` is the kernel's; of an unfinished record the last may be missing.
        let msgid = record.msgid().filter(|_| !record.incomplete);
        record.seq.map(|seq| Edge { seq: seq.0, msgid })
    }
}

/// What is missing between two neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hole {
    /// The first number that is missing.
    pub from: u64,
    /// The last one.
    pub to: u64,
    /// How many of it were sent for certain.
    pub proven: u64,
    /// How many were filtered or lost.
    pub probable: u64,
    /// How many were filtered, lost or deleted.
    pub unknown: u64,
}

impl Hole {
    /// The hole between two records that are neighbours by number, if there is one.
    pub fn between(before: Edge, after: Edge) -> Option<Hole> {
        let missing = after.seq.checked_sub(before.seq)?.checked_sub(1).filter(|&n| n > 0)?;
        let proven = sent_between(before.msgid, after.msgid).min(missing);
        Some(Hole {
            from: before.seq + 1,
            to: after.seq - 1,
            proven,
            probable: missing - proven,
            unknown: 0,
        })
    }

    /// The same where a segment between the two records is gone: nobody knows any more.
    pub(crate) fn within_deleted(self) -> Hole {
        let missing = self.proven.saturating_add(self.probable);
        Hole { proven: 0, probable: 0, unknown: missing, ..self }
    }

    /// What there is of each cause, in the order in which it is told.
    pub fn causes(self) -> impl DoubleEndedIterator<Item = (Cause, u64)> {
        let all = [
            (Cause::Proven, self.proven),
            (Cause::Probable, self.probable),
            (Cause::Unknown, self.unknown),
        ];
        all.into_iter().filter(|&(_, count)| count > 0)
    }
}

/// How many messages the sender counted between these two. `msgid` is a u32 that wraps
/// (drivers/net/netconsole.c, `sysdata_append_msgid`); half its range and more is going back.
fn sent_between(before: Option<u32>, after: Option<u32>) -> u64 {
    let (Some(before), Some(after)) = (before, after) else { return 0 };
    match after.wrapping_sub(before).wrapping_sub(1) {
        sent @ 0..=0x7fff_ffff => u64::from(sent),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::{Edge, Hole};

    fn hole(before: (u64, Option<u32>), after: (u64, Option<u32>)) -> Option<(u64, u64)> {
        let edge = |(seq, msgid)| Edge { seq, msgid };
        Hole::between(edge(before), edge(after)).map(|hole| (hole.proven, hole.probable))
    }

    #[test]
    fn neighbours_and_repeats_leave_no_hole() {
        assert_eq!(hole((7, None), (8, None)), None);
        assert_eq!(hole((7, Some(1)), (7, Some(5))), None);
        assert_eq!(hole((8, None), (7, None)), None);
    }

    #[test]
    fn a_hole_is_proven_as_far_as_the_sender_counted() {
        assert_eq!(hole((1, None), (5, None)), Some((0, 3)));
        assert_eq!(hole((1, Some(1)), (5, Some(2))), Some((0, 3)), "all filtered");
        assert_eq!(hole((1, Some(1)), (5, Some(4))), Some((2, 1)));
        assert_eq!(hole((1, Some(1)), (5, Some(9))), Some((3, 0)), "no more than the hole");
        assert_eq!(hole((1, Some(u32::MAX)), (5, Some(1))), Some((1, 2)), "wrapped");
        assert_eq!(hole((1, Some(9)), (5, Some(1))), Some((0, 3)), "gone back");
        assert_eq!(hole((1, Some(1)), (5, None)), Some((0, 3)));
    }

    #[test]
    fn the_widest_hole_is_counted() {
        assert_eq!(hole((0, None), (u64::MAX, None)), Some((0, u64::MAX - 1)));
    }
}
