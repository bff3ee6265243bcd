//! Counting into a block header what its block will hold.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use bedside_stream::{RunId, WallTime};
use foldhash::fast::RandomState;

use super::{BlockHeader, RunSpan};
use crate::entry::{Head, decode_head};

/// Where the spans of runs stand in a header that is being counted, in order of their coming.
#[derive(Debug, Default)]
pub(crate) struct Places {
    /// The last record's: most come in trains.
    last: Option<(RunId, usize)>,
    of_run: HashMap<RunId, usize, RandomState>,
}

impl Places {
    /// Whether the run has a span.
    pub(crate) fn holds(&self, run: RunId) -> bool {
        self.of_run.contains_key(&run)
    }

    pub(crate) fn clear(&mut self) {
        self.last = None;
        self.of_run.clear();
    }
}

impl BlockHeader {
    /// Counts a record. The spans stand as they come until [`BlockHeader::sort`].
    pub(crate) fn count_record(
        &mut self,
        run: RunId,
        received: WallTime,
        seq: Option<u64>,
        places: &mut Places,
    ) {
        self.entries += 1;
        self.count_time(received, received);
        let place = match places.last {
            Some((last, place)) if last == run => place,
            _ => match places.of_run.entry(run) {
                Entry::Occupied(place) => *place.get(),
                Entry::Vacant(vacant) => {
                    places.last = Some((run, *vacant.insert(self.runs.len())));
                    return self.runs.push(RunSpan::of(run, received, seq));
                }
            },
        };
        places.last = Some((run, place));
        if let Some(span) = self.runs.get_mut(place) {
            span.count(received, seq);
        }
    }

    /// Puts the spans into the order of their runs.
    pub(crate) fn sort(&mut self) {
        self.runs.sort_by_cached_key(|span| span.run);
    }

    /// Counts a line that is no record; a gap has a receive time.
    pub(crate) fn count_note(&mut self, received: Option<WallTime>) {
        self.entries += 1;
        self.notes = true;
        if let Some(received) = received {
            self.count_time(received, received);
        }
    }

    /// Counts a line by its head.
    pub(crate) fn count_line(&mut self, head: Option<Head>, places: &mut Places) {
        match head {
            Some(Head::Record { run, received, seq }) => {
                self.count_record(run, received, seq, places);
            }
            Some(Head::Gap(gap)) => self.count_note(Some(gap.received)),
            Some(Head::Run(_)) | None => self.count_note(None),
        }
    }

    /// Counts all that another block holds; both have their spans in order.
    pub(crate) fn absorb(&mut self, other: &BlockHeader) {
        self.ordinary = other.ordinary && (self.ordinary || self.runs.is_empty());
        self.entries += other.entries;
        self.notes |= other.notes;
        if other.has_times() {
            self.count_time(other.first, other.last);
        }
        if self.runs.last().is_none_or(|last| other.runs.first().is_none_or(|f| last.run < f.run)) {
            self.runs.extend_from_slice(&other.runs);
            return;
        }
        let own = std::mem::take(&mut self.runs);
        self.runs.reserve(own.len() + other.runs.len());
        let mut own = own.into_iter().peekable();
        for span in &other.runs {
            while let Some(before) = own.next_if(|known| known.run < span.run) {
                self.runs.push(before);
            }
            self.runs.push(match own.next_if(|known| known.run == span.run) {
                Some(known) => known.sum(span),
                None => *span,
            });
        }
        self.runs.extend(own);
    }

    /// How many records it holds.
    pub fn records(&self) -> u64 {
        self.runs.iter().map(|span| u64::from(span.records)).sum()
    }

    /// Forgets all, but keeps the room.
    pub(crate) fn clear(&mut self) {
        let mut runs = std::mem::take(&mut self.runs);
        runs.clear();
        *self = BlockHeader { runs, ..BlockHeader::default() };
    }

    fn has_times(&self) -> bool {
        self.last != WallTime(0)
    }

    fn count_time(&mut self, first: WallTime, last: WallTime) {
        self.first = if self.has_times() { self.first.min(first) } else { first };
        self.last = self.last.max(last);
    }
}

/// Counts the lines of a block.
pub(crate) fn count(text: &[u8]) -> BlockHeader {
    let (mut header, mut places) = (BlockHeader::default(), Places::default());
    for line in text.split_inclusive(|&byte| byte == b'\n') {
        header.count_line(decode_head(line), &mut places);
    }
    header.sort();
    header
}

impl RunSpan {
    /// That of one record.
    fn of(run: RunId, received: WallTime, seq: Option<u64>) -> RunSpan {
        let (seq, numbered) = (seq.map(|seq| (seq, seq)), seq.is_some());
        let (first, last) = (received, received);
        RunSpan { run, records: 1, first, last, seq, numbered, dense: numbered }
    }

    /// Counts one more record of the run.
    fn count(&mut self, received: WallTime, seq: Option<u64>) {
        self.records += 1;
        self.first = self.first.min(received);
        self.last = self.last.max(received);
        self.numbered &= seq.is_some();
        let Some(seq) = seq else {
            self.dense = false;
            return;
        };
        let Some((low, high)) = &mut self.seq else {
            (self.seq, self.dense) = (Some((seq, seq)), false);
            return;
        };
        self.dense &= high.checked_add(1) == Some(seq);
        (*low, *high) = ((*low).min(seq), (*high).max(seq));
    }

    /// What this and another span of the same run, of what came behind it, hold together.
    fn sum(&self, other: &RunSpan) -> RunSpan {
        let follows = match (self.seq, other.seq) {
            (Some((_, high)), Some((low, _))) => high.checked_add(1) == Some(low),
            _ => false,
        };
        RunSpan {
            run: self.run,
            records: self.records + other.records,
            first: self.first.min(other.first),
            last: self.last.max(other.last),
            seq: match (self.seq, other.seq) {
                (Some((a, b)), Some((c, d))) => Some((a.min(c), b.max(d))),
                (one, other) => one.or(other),
            },
            numbered: self.numbered && other.numbered,
            dense: self.dense && other.dense && follows,
        }
    }
}

#[cfg(test)]
mod tests {
    use bedside_stream::{RunId, WallTime};
    use proptest::prelude::*;

    use super::{BlockHeader, Places};

    proptest! {
        /// Records counted one by one, and in two blocks of which one absorbs the other, come to
        /// the same.
        #[test]
        fn one_by_one_and_in_blocks(
            records in prop::collection::vec((0u64..3, 1u64..9, prop::option::of(0u64..9)), 0..20),
            cut in 0usize..20,
        ) {
            let count = |records: &[(u64, u64, Option<u64>)]| {
                let (mut header, mut places) = (BlockHeader::default(), Places::default());
                for &(run, received, seq) in records {
                    header.count_record(RunId(run), WallTime(received), seq, &mut places);
                }
                header.sort();
                header
            };
            let (front, back) = records.split_at(cut.min(records.len()));
            let mut absorbed = count(front);
            absorbed.absorb(&count(back));
            prop_assert_eq!(absorbed, count(&records));
        }
    }
}
