//! What a run remembers of its records, in bounded room: a few exact marks to tell a repeat from
//! a new boot, and the holes in its numbers.

use core::ops::Range;

/// The number of a record that has none (basic format).
pub(crate) const NO_SEQ: u64 = u64::MAX;

/// What is kept of one record: enough to say "this very record" with certainty that suffices.
///
/// Packed: there are 24 of them in a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(Rust, packed(4))]
pub(crate) struct Mark {
    /// printk's number, or [`NO_SEQ`].
    pub(crate) seq: u64,
    /// printk's time in microseconds.
    pub(crate) time: u64,
    /// `words::hash` of the text.
    pub(crate) hash: u32,
}

/// Marks of a run: the first few above time 0, the first few of a precise clock and the latest
/// are dense, those between thin out as the run grows.
///
/// What every record asks for stands in front, in half a line of the cache.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Marks {
    pub(crate) seen: u64,
    /// The highest time that is no longer among the recent.
    pub(crate) passed: u64,
    /// The time of the last of the precise.
    precise_until: u64,
    /// How many there are of each row.
    lens: [u8; Row::ALL.len()],
    /// Where in the row of the recent the oldest stands once it is full.
    pub(crate) oldest: u8,
    /// Every how many records one is sampled, as a power of two.
    pub(crate) stride_log2: u8,
    /// The better clock went back too: it is not known any more which times are early.
    pub(crate) precise_again: bool,
    /// The rows, each with all its room.
    held: [Mark; 24],
}

/// A row of marks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Row {
    /// The latest, as a ring.
    Recent,
    /// The first few above time 0.
    Early,
    /// The first few whose time is no whole millisecond. The clock counts jiffies at first and
    /// jumps, also back, when a better one is found (`kernel/sched/clock.c`): two boots can share
    /// the times of jiffies, not those of the better clock.
    Precise,
    /// One of so many.
    Sampled,
}

impl Row {
    pub(crate) const ALL: [Row; 4] = [Row::Recent, Row::Early, Row::Precise, Row::Sampled];

    /// Where its room is.
    fn room(self) -> Range<usize> {
        match self {
            Row::Recent => 0..8,
            Row::Early => 8..12,
            Row::Precise => 12..16,
            Row::Sampled => 16..24,
        }
    }
}

impl Marks {
    pub(crate) fn push(&mut self, mark: Mark) {
        if mark.time > 0 {
            self.add(Row::Early, mark);
        }
        if is_precise(mark.time) && !self.add(Row::Precise, mark) {
            self.precise_again |= mark.time < self.precise_until;
        }
        if self.seen & ((1 << self.stride_log2) - 1) == 0 {
            self.sample(mark);
        }
        self.seen += 1;
        if self.add(Row::Recent, mark) {
            return;
        }
        let recent = Row::Recent.room();
        if let Some(slot) = self.held.get_mut(recent.start + usize::from(self.oldest)) {
            self.passed = self.passed.max(slot.time);
            *slot = mark;
            self.oldest = (self.oldest + 1) % recent.len() as u8;
        }
    }

    /// Adds a mark to a row; `false` where there is no room.
    pub(crate) fn add(&mut self, row: Row, mark: Mark) -> bool {
        let len = &mut self.lens[row as usize];
        let room = row.room();
        if usize::from(*len) >= room.len() {
            return false;
        }
        self.held[room.start + usize::from(*len)] = mark;
        *len += 1;
        if row == Row::Precise {
            self.precise_until = mark.time;
        }
        true
    }

    /// The marks of a row.
    pub(crate) fn row(&self, row: Row) -> &[Mark] {
        let start = row.room().start;
        &self.held[start..start + usize::from(self.lens[row as usize])]
    }

    /// Looks at what [`Marks::push`] will need besides what stands in front.
    pub(crate) fn touch(&self) -> u64 {
        self.held.get(usize::from(self.oldest)).map_or(0, |mark| mark.time)
    }

    fn sample(&mut self, mark: Mark) {
        let room = Row::Sampled.room();
        if self.row(Row::Sampled).len() == room.len() {
            for half in 0..room.len() / 2 {
                self.held[room.start + half] = self.held[room.start + 2 * half];
            }
            self.lens[Row::Sampled as usize] /= 2;
            self.stride_log2 = (self.stride_log2 + 1).min(62);
            if self.seen & ((1 << self.stride_log2) - 1) != 0 {
                return;
            }
        }
        self.add(Row::Sampled, mark);
    }

    fn all(&self) -> impl Iterator<Item = &Mark> {
        Row::ALL.into_iter().flat_map(|row| self.row(row))
    }

    /// The mark of the record with this number.
    pub(crate) fn numbered(&self, seq: u64) -> Option<&Mark> {
        self.all().find(|mark| mark.seq == seq)
    }

    /// Whether a record of this time and text is held for certain, whatever its number.
    pub(crate) fn holds(&self, time: u64, hash: u32) -> bool {
        self.all().any(|mark| mark.time == time && mark.hash == hash)
    }

    /// Whether this very record is one of the latest.
    pub(crate) fn holds_recent(&self, wanted: &Mark) -> bool {
        self.row(Row::Recent).contains(wanted)
    }

    /// Whether every record of this time would have a mark: the time lies among the first few of
    /// the better clock or among the latest.
    pub(crate) fn dense_at(&self, time: u64) -> bool {
        let few = self.row(Row::Precise).len() < Row::Precise.room().len();
        let early = is_precise(time) && !self.precise_again;
        early && (few || time < self.precise_until) || time > self.passed
    }

    /// Of so many records in a row, one has a mark.
    pub(crate) fn stride(&self) -> u64 {
        1 << self.stride_log2
    }

    /// The times of the nearest marks below and above a number.
    pub(crate) fn bracket(&self, seq: u64) -> (u64, u64) {
        let numbered = || self.all().filter(|mark| mark.seq != NO_SEQ);
        let below = numbered().filter(|mark| mark.seq < seq).max_by_key(|mark| mark.seq);
        let above = numbered().filter(|mark| mark.seq > seq).min_by_key(|mark| mark.seq);
        (below.map_or(0, |mark| mark.time), above.map_or(u64::MAX, |mark| mark.time))
    }
}

/// Whether a time is finer than jiffies, at the rates that kernels are built with (up to 1000 Hz).
pub(crate) fn is_precise(time: u64) -> bool {
    !time.is_multiple_of(1000)
}

/// The numbers below the highest one heard that have not been heard.
///
/// At most [`Holes::MOST`] are kept; of older ones nothing is known any more, and a record in
/// that region is never taken for a repeat.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Holes {
    /// Half-open, ascending, apart from each other.
    pub(crate) spans: Vec<(u64, u64)>,
    /// Below this number holes have been forgotten.
    pub(crate) unsure_below: u64,
}

/// Whether a number was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    Yes,
    No,
    Unsure,
}

impl Holes {
    pub(crate) const MOST: usize = 16;

    /// The numbers `from..to` were passed over.
    pub(crate) fn open(&mut self, from: u64, to: u64) {
        self.insert(self.spans.len(), (from, to));
    }

    pub(crate) fn heard(&self, seq: u64) -> Heard {
        if self.spans.iter().any(|&(from, to)| (from..to).contains(&seq)) {
            Heard::No
        } else if seq < self.unsure_below {
            Heard::Unsure
        } else {
            Heard::Yes
        }
    }

    /// A late record: its number is missing no more.
    pub(crate) fn fill(&mut self, seq: u64) {
        let Some(at) = self.spans.iter().position(|&(from, to)| (from..to).contains(&seq)) else {
            return;
        };
        let (from, to) = self.spans.remove(at);
        if from < seq {
            self.insert(at, (from, seq));
        }
        if seq + 1 < to {
            let behind = self.spans.partition_point(|(start, _)| *start <= seq);
            self.insert(behind, (seq + 1, to));
        }
    }

    /// Puts a hole where it belongs; where there is no room, the first is forgotten.
    fn insert(&mut self, at: usize, hole: (u64, u64)) {
        let mut at = at;
        if self.spans.len() == Self::MOST {
            let (_, end) = self.spans.remove(0);
            self.unsure_below = end;
            at = at.saturating_sub(1);
        }
        self.spans.insert(at, hole);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_agree_with_a_set() {
        let mut holes = Holes::default();
        let mut missing = std::collections::BTreeSet::new();
        for (from, to) in [(3, 9), (12, 13), (20, 40)] {
            holes.open(from, to);
            missing.extend(from..to);
        }
        for seq in [5, 12, 3, 39, 20, 8, 4] {
            holes.fill(seq);
            missing.remove(&seq);
            for n in 0..50 {
                assert_eq!(holes.heard(n) == Heard::No, missing.contains(&n), "{n} after {seq}");
            }
        }
    }

    #[test]
    fn forgotten_holes_leave_their_region_unsure() {
        let mut holes = Holes::default();
        for n in 0..=Holes::MOST as u64 {
            holes.open(n * 10, n * 10 + 5);
        }
        assert_eq!(holes.heard(2), Heard::Unsure);
        assert_eq!(holes.heard(12), Heard::No);
        assert_eq!(holes.heard(17), Heard::Yes);
    }

    #[test]
    fn marks_stay_few_and_keep_the_first_and_the_latest() {
        let mut marks = Marks::default();
        for seq in 0..100_000 {
            marks.push(Mark { seq, time: seq.saturating_sub(30), hash: seq as u32 });
        }
        assert!(marks.all().count() <= marks.held.len());
        assert!(marks.numbered(31).is_some() && marks.numbered(99_999).is_some());
        assert!(marks.row(Row::Sampled).len() >= Row::Sampled.room().len() / 2);
        let (below, above) = marks.bracket(50_000);
        assert!(below < 49_970 && above > 49_970);
    }
}
