//! What could not be kept, until it can at least be told.

use std::collections::BTreeMap;

use bedside_stream::{Cause, RunId, WallTime};

use crate::entry::{Head, decode_head, write_gap};
use crate::segment::BlockHeader;

/// Records that were lost to a limit of the store, and gap entries that were lost with them.
#[derive(Debug, Default)]
pub(crate) struct Shortfall {
    sums: BTreeMap<(Option<RunId>, Cause), (u64, WallTime)>,
}

impl Shortfall {
    /// Counts what a block or a batch held; answers how many records.
    pub(crate) fn add<'t>(
        &mut self,
        header: &BlockHeader,
        text: impl IntoIterator<Item = &'t [u8]>,
    ) -> u64 {
        for span in &header.runs {
            self.count(Some(span.run), Cause::Limit, u64::from(span.records), span.last);
        }
        if header.notes {
            let lines = text.into_iter().flat_map(|piece| piece.split(|&b| b == b'\n'));
            for line in lines.filter(|line| line.starts_with(b"G")) {
                if let Some(Head::Gap(gap)) = decode_head(line) {
                    self.count(gap.run, gap.cause, gap.count, gap.received);
                }
            }
        }
        header.records()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.sums.is_empty()
    }

    /// How many records were lost to a limit of the store.
    pub(crate) fn records(&self) -> u64 {
        let limit = self.sums.iter().filter(|((_, cause), _)| *cause == Cause::Limit);
        limit.map(|(_, (count, _))| count).sum()
    }

    /// The runs that it names.
    pub(crate) fn runs(&self) -> impl Iterator<Item = RunId> {
        self.sums.keys().filter_map(|(run, _)| *run)
    }

    /// Writes it as gap entries, and is empty.
    pub(crate) fn tell(&mut self, text: &mut Vec<u8>, header: &mut BlockHeader) {
        for ((run, cause), (count, received)) in std::mem::take(&mut self.sums) {
            write_gap(text, run, received, cause, count);
            header.count_note(Some(received));
        }
    }

    fn count(&mut self, run: Option<RunId>, cause: Cause, count: u64, received: WallTime) {
        let known = self.sums.contains_key(&(run, cause));
        let run = run.filter(|_| known || self.sums.len() < SUMS_MAX);
        let sum = self.sums.entry((run, cause)).or_default();
        *sum = (sum.0.saturating_add(count), sum.1.max(received));
    }
}

/// So many sums are kept apart; what comes then is counted without its run.
const SUMS_MAX: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Batch;
    use crate::testing::record;

    #[test]
    fn what_is_lost_twice_is_told_once() {
        let mut shortfall = Shortfall::default();
        let mut batch = Batch::new();
        for seq in 0..3 {
            batch.push_record(RunId(7), WallTime(10 + seq), &record(seq, b"x"));
        }
        batch.push_gap(Some(RunId(7)), WallTime(13), Cause::DroppedBySender, 40);
        batch.push_gap(None, WallTime(14), Cause::Socket, 5);
        assert_eq!(shortfall.add(&batch.header, [&*batch.text]), 3);
        // Told in a batch that is lost in its turn.
        let (mut text, mut header) = (Vec::new(), BlockHeader::default());
        shortfall.tell(&mut text, &mut header);
        assert!(shortfall.is_empty());
        assert_eq!(shortfall.add(&header, [&*text]), 0);
        shortfall.add(&batch.header, [&*batch.text]);
        text.clear();
        shortfall.tell(&mut text, &mut header);
        let text = String::from_utf8(text).unwrap();
        assert_eq!(text, "G - 14 socket 10\nG 7 13 dropped_by_sender 80\nG 7 12 limit 6\n");
    }

    #[test]
    fn its_memory_is_bounded_and_its_sums_are_not_wrong() {
        let mut shortfall = Shortfall::default();
        let mut batch = Batch::new();
        for run in 0..5000 {
            batch.push_record(RunId(run), WallTime(1), &record(1, b"x"));
        }
        shortfall.add(&batch.header, [&*batch.text]);
        let (mut text, mut header) = (Vec::new(), BlockHeader::default());
        shortfall.tell(&mut text, &mut header);
        let lines = text.split(|&b| b == b'\n').filter_map(decode_head);
        let counts = lines.map(|head| if let Head::Gap(gap) = head { gap.count } else { 0 });
        assert_eq!(counts.sum::<u64>(), 5000);
        assert!(header.entries as usize <= SUMS_MAX + 1);
    }
}
