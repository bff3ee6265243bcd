//! Counting into a block header what its block will hold.

use bedside_stream::{RunId, WallTime};

use super::{BlockHeader, RunSpan};

impl BlockHeader {
    /// Counts a record. `hint` is where the last one's run stood: most records come in trains.
    pub(crate) fn count_record(
        &mut self,
        run: RunId,
        received: WallTime,
        seq: Option<u64>,
        hint: &mut usize,
    ) {
        self.entries += 1;
        self.count_time(received, received);
        let seq = seq.map(|seq| (seq, seq));
        let one = RunSpan { run, records: 1, first: received, last: received, seq };
        if self.runs.get(*hint).is_none_or(|span| span.run != run) {
            *hint = self.runs.partition_point(|span| span.run < run);
        }
        self.add_span(*hint, &one);
    }

    /// Counts a line that is no record; a gap has a receive time.
    pub(crate) fn count_note(&mut self, received: Option<WallTime>) {
        self.entries += 1;
        self.notes = true;
        if let Some(received) = received {
            self.count_time(received, received);
        }
    }

    /// Counts all that another block holds.
    pub(crate) fn absorb(&mut self, other: &BlockHeader) {
        self.entries += other.entries;
        self.notes |= other.notes;
        if other.has_times() {
            self.count_time(other.first, other.last);
        }
        for span in &other.runs {
            let at = self.runs.partition_point(|known| known.run < span.run);
            self.add_span(at, span);
        }
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

    /// Adds to the span at `at`, or puts one there when that is another run's.
    fn add_span(&mut self, at: usize, new: &RunSpan) {
        match self.runs.get_mut(at) {
            Some(span) if span.run == new.run => {
                span.records += new.records;
                span.first = span.first.min(new.first);
                span.last = span.last.max(new.last);
                span.seq = match (span.seq, new.seq) {
                    (Some((a, b)), Some((c, d))) => Some((a.min(c), b.max(d))),
                    (one, other) => one.or(other),
                };
            }
            _ => self.runs.insert(at, *new),
        }
    }
}
