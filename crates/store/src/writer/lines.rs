//! The latest line of each run at hand, so that every segment can stand alone.

use std::collections::HashMap;

use bedside_stream::RunId;
use foldhash::fast::RandomState;

use crate::batch::Batch;
use crate::segment::BlockHeader;

/// Lines of runs, and in which segment each was written last.
#[derive(Debug)]
pub(crate) struct RunLines {
    runs: HashMap<RunId, Held, RandomState>,
    max: usize,
}

#[derive(Debug)]
struct Held {
    line: Box<[u8]>,
    /// The segment that has a line of it already; 0: none.
    told_in: u64,
    /// When it was last needed: a segment's number, so that nothing is counted per record.
    used_in: u64,
}

impl RunLines {
    pub(crate) fn new(max: usize) -> RunLines {
        RunLines { runs: HashMap::default(), max }
    }

    /// Takes a line over that an earlier life wrote.
    pub(crate) fn restore(&mut self, run: RunId, line: Box<[u8]>, used_in: u64) {
        self.runs.entry(run).or_insert(Held { line, told_in: 0, used_in });
    }

    /// Writes, in front of a batch that goes into `segment`, the lines of those of its runs of
    /// which `segment` has none yet. How many runs nothing is known of.
    pub(crate) fn introduce(
        &mut self,
        segment: u64,
        batch: &Batch,
        text: &mut Vec<u8>,
        header: &mut BlockHeader,
    ) -> u64 {
        let mut unknown = 0;
        let mut leads =
            batch.lines.iter().filter(|line| line.leads).map(|line| line.run).collect::<Vec<_>>();
        leads.sort_unstable();
        for span in &batch.header.runs {
            if leads.binary_search(&span.run).is_ok() {
                continue;
            }
            match self.runs.get_mut(&span.run) {
                Some(held) => held.introduce(segment, text, header),
                None => unknown += 1,
            }
        }
        unknown
    }

    /// The same for blocks that are written again: in front of all of them.
    pub(crate) fn introduce_all(
        &mut self,
        segment: u64,
        runs: impl Iterator<Item = RunId>,
        text: &mut Vec<u8>,
        header: &mut BlockHeader,
    ) {
        for run in runs {
            if let Some(held) = self.runs.get_mut(&run) {
                held.introduce(segment, text, header);
            }
        }
    }

    /// Learns the lines that a batch brings, which is written to `segment`; 0: to none.
    pub(crate) fn learn(&mut self, segment: u64, batch: &Batch) {
        for line in &batch.lines {
            let bytes = &batch.text[line.line.clone()];
            let known = self.runs.get(&line.run).map_or(0, |held| held.told_in);
            let told_in = if segment == 0 { known } else { segment };
            let held = Held { line: bytes.into(), told_in, used_in: segment };
            self.runs.insert(line.run, held);
        }
        self.bound(segment);
    }

    /// Forgets those that no recent segment needed.
    fn bound(&mut self, segment: u64) {
        let mut age = 8;
        while self.runs.len() > self.max {
            self.runs.retain(|_, held| held.used_in.saturating_add(age) > segment);
            if age == 0 {
                // All of them were needed in this very segment: any may go.
                let mut left = self.max / 2;
                self.runs.retain(|_, _| {
                    left = left.saturating_sub(1);
                    left > 0
                });
            }
            age /= 2;
        }
    }
}

impl Held {
    fn introduce(&mut self, segment: u64, text: &mut Vec<u8>, header: &mut BlockHeader) {
        self.used_in = segment;
        if self.told_in != segment {
            self.told_in = segment;
            text.extend_from_slice(&self.line);
            header.count_note(None);
        }
    }
}
