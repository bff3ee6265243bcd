//! The latest line of each run at hand, so that every segment can stand alone.

use std::collections::HashMap;

use bedside_stream::RunId;
use foldhash::fast::RandomState;

use crate::batch::Batch;
use crate::segment::BlockHeader;

/// Lines of runs, and in which segment each was written last.
#[derive(Debug)]
pub(crate) struct RunLines {
    runs: Lines,
    max: usize,
    /// Those of strangers, which come in any number: the latest, and those before them.
    strangers: [Lines; 2],
    told: Told,
}

type Lines = HashMap<RunId, Held, RandomState>;

#[derive(Debug)]
struct Held {
    line: Box<[u8]>,
    /// The segment that has a line of it already; 0: none. The lower half of its number.
    told_in: u32,
    /// When it was last needed: likewise a segment, so that nothing is counted per record.
    used_in: u32,
}

/// Runs of which a segment is known to have a line, as far as they are remembered: most need no
/// look at [`Held`], which is far away where runs are many.
#[derive(Debug)]
struct Told {
    segment: u64,
    /// Each in the one place that it may have.
    runs: Box<[RunId]>,
}

impl Told {
    const PLACES: usize = 1 << 14;
    /// No run has this number.
    const NOBODY: RunId = RunId(u64::MAX);

    fn begin(&mut self, segment: u64) {
        if self.segment != segment {
            *self = Told { segment, ..Told::default() };
        }
    }

    fn place(&mut self, run: RunId) -> &mut RunId {
        &mut self.runs[run.0 as usize % Told::PLACES]
    }
}

impl Default for Told {
    fn default() -> Told {
        Told { segment: 0, runs: vec![Told::NOBODY; Told::PLACES].into() }
    }
}

/// Twice as many as the stream core holds.
const STRANGERS_MAX: usize = 32_768;

impl RunLines {
    pub(crate) fn new(max: usize) -> RunLines {
        RunLines {
            runs: Lines::default(),
            max,
            strangers: Default::default(),
            told: Told::default(),
        }
    }

    /// Takes a line over that an earlier life wrote.
    pub(crate) fn restore(&mut self, run: RunId, line: Box<[u8]>, used_in: u64) {
        self.runs.entry(run).or_insert(Held { line, told_in: 0, used_in: used_in as u32 });
    }

    fn get_mut(&mut self, run: RunId) -> Option<&mut Held> {
        let [latest, before] = &mut self.strangers;
        let known = self.runs.get_mut(&run);
        known.or_else(|| latest.get_mut(&run)).or_else(|| before.get_mut(&run))
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
        self.told.begin(segment);
        let mut leads =
            batch.lines.iter().filter(|line| line.leads).map(|line| line.run).collect::<Vec<_>>();
        leads.sort_unstable();
        for span in &batch.header.runs {
            if *self.told.place(span.run) == span.run || leads.binary_search(&span.run).is_ok() {
                continue;
            }
            let Some(held) = self.get_mut(span.run) else {
                unknown += 1;
                continue;
            };
            held.introduce(segment, text, header);
            *self.told.place(span.run) = span.run;
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
            if let Some(held) = self.get_mut(run) {
                held.introduce(segment, text, header);
            }
        }
    }

    /// Learns the lines that a batch brings, which is written to `segment`; 0: to none.
    pub(crate) fn learn(&mut self, segment: u64, batch: &Batch) {
        for line in &batch.lines {
            let bytes = &batch.text[line.line.clone()];
            let known = self.get_mut(line.run).map_or(0, |held| held.told_in);
            let told_in = if segment == 0 { known } else { segment as u32 };
            let held = Held { line: bytes.into(), told_in, used_in: segment as u32 };
            let [latest, before] = &mut self.strangers;
            if line.stranger {
                latest.insert(line.run, held);
            } else {
                // It may have been one.
                latest.remove(&line.run);
                before.remove(&line.run);
                self.runs.insert(line.run, held);
            }
            if latest.len() >= STRANGERS_MAX {
                *before = std::mem::take(latest);
            }
        }
        self.bound(segment as u32);
    }

    /// Forgets those that no recent segment needed.
    fn bound(&mut self, segment: u32) {
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
        self.used_in = segment as u32;
        if self.told_in != segment as u32 {
            self.told_in = segment as u32;
            text.extend_from_slice(&self.line);
            header.count_note(None);
        }
    }
}
