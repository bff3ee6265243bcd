//! The numbers of boots: 1, 2, 3, … per host label.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::num::NonZeroU64;

use bedside_stream::{Run, RunId, Verdict};
use foldhash::fast;
use foldhash::quality::RandomState;

use crate::batch::{Batch, RunLine};
use crate::entry::{StoredRun, host_label, write_run};

/// Gives each run the number of its boot, and writes the lines of runs into batches.
#[derive(Debug)]
pub(crate) struct Numbering {
    /// Next number by the hash of a label; the hash is keyed, so that no sender can choose one.
    next: HashMap<LabelHash, u32, fast::RandomState>,
    hasher: RandomState,
    runs: HashMap<RunId, Numbered, fast::RandomState>,
    labels_max: usize,
    runs_max: usize,
    turn: u32,
    scratch: Vec<u8>,
}

/// Not 0, so that one that is missing takes no room.
type LabelHash = NonZeroU64;

/// The number of a run: there may be a million.
#[derive(Clone, Copy, Debug)]
struct Numbered {
    /// The label whose boots were counted for it; `None`: the number is its root's.
    label: Option<LabelHash>,
    /// 0: it has none.
    boot: u32,
    turn: u32,
}

impl Numbered {
    fn boot(&self) -> Option<u32> {
        (self.boot > 0).then_some(self.boot)
    }
}

impl Numbering {
    pub(crate) fn new(labels_max: usize, runs_max: usize) -> Numbering {
        Numbering {
            next: HashMap::default(),
            hasher: RandomState::default(),
            runs: HashMap::default(),
            labels_max,
            runs_max,
            turn: 0,
            scratch: Vec::new(),
        }
    }

    /// Continues a label's numbers where an earlier life of the doctor ended.
    pub(crate) fn restore_label(&mut self, label: &[u8], next: u32) {
        let label = self.hash(label);
        self.next.insert(label, next);
    }

    fn hash(&self, label: &[u8]) -> LabelHash {
        NonZeroU64::new(self.hasher.hash_one(label)).unwrap_or(NonZeroU64::MIN)
    }

    /// Whether the number of a run is at hand.
    pub(crate) fn knows(&self, run: RunId) -> bool {
        self.runs.contains_key(&run)
    }

    /// Takes over the number that a run has.
    pub(crate) fn restore_run(&mut self, stored: &StoredRun) {
        let own = !matches!(stored.run.verdict, Verdict::SameAs(_));
        let label = own.then(|| self.hash(&stored.host_label()));
        self.remember(stored.run.id, label, stored.boot);
    }

    /// Writes the lines of a batch's runs to where they belong, behind `preface`, which holds
    /// whole lines that are no records.
    pub(crate) fn settle(&mut self, batch: &mut Batch, preface: &[u8]) {
        if batch.marks.is_empty() && preface.is_empty() {
            return;
        }
        let mut text = std::mem::take(&mut self.scratch);
        text.clear();
        text.extend_from_slice(preface);
        let mut copied = 0;
        for mark in batch.marks.drain(..) {
            text.extend_from_slice(&batch.text[copied..mark.at]);
            copied = mark.at;
            let boot = self.number(&mark.run);
            let start = text.len();
            let (run, leads, stranger) = (mark.run.id, mark.leads, mark.run.stranger);
            write_run(&mut text, &StoredRun { run: mark.run, boot });
            batch.lines.push(RunLine { run, line: start..text.len(), leads, stranger });
            batch.header.count_note(None);
        }
        text.extend_from_slice(&batch.text[copied..]);
        self.scratch = std::mem::replace(&mut batch.text, text);
    }

    /// Gives back what is only for speed.
    pub(crate) fn rest(&mut self) {
        self.scratch = Vec::new();
    }

    /// The number of the boot that a run belongs to, as far as is known now.
    fn number(&mut self, run: &Run) -> Option<u32> {
        // Strangers come in any number, and must not push out anybody's.
        if run.stranger {
            return None;
        }
        let held = self.runs.get(&run.id).copied().filter(|held| held.label.is_some());
        let (boot, label) = match run.verdict {
            Verdict::SameAs(root) => (self.runs.get(&root).and_then(Numbered::boot), None),
            Verdict::Boot | Verdict::Provisional => {
                let label = self.hash(&host_label(run));
                match held {
                    Some(held) if held.label == Some(label) => (held.boot(), Some(label)),
                    _ => (Some(self.take(label)), Some(label)),
                }
            }
        };
        if let Some(held) = held.filter(|held| held.label != label) {
            self.give_back(held);
        }
        self.remember(run.id, label, boot);
        self.bound_runs();
        boot
    }

    fn remember(&mut self, run: RunId, label: Option<LabelHash>, boot: Option<u32>) {
        self.turn = self.turn.saturating_add(1);
        self.runs.insert(run, Numbered { label, boot: boot.unwrap_or(0), turn: self.turn });
    }

    fn take(&mut self, label: LabelHash) -> u32 {
        self.bound_labels();
        let next = self.next.entry(label).or_insert(1);
        let number = *next;
        *next = next.saturating_add(1);
        number
    }

    /// A number that no later boot followed is free again.
    fn give_back(&mut self, held: Numbered) {
        if let (Some(label), Some(boot)) = (held.label, held.boot())
            && let Some(next) = self.next.get_mut(&label)
            && *next == boot.saturating_add(1)
        {
            *next = boot;
        }
    }

    fn bound_labels(&mut self) {
        let mut fewest = 2;
        while self.next.len() >= self.labels_max {
            self.next.retain(|_, next| *next > fewest);
            fewest = fewest.saturating_mul(2);
        }
    }

    /// Forgets the half that was not told of for longest.
    fn bound_runs(&mut self) {
        if self.runs.len() <= self.runs_max {
            return;
        }
        let mut turns: Vec<u32> = self.runs.values().map(|run| run.turn).collect();
        let middle = turns.len() / 2;
        let (_, median, _) = turns.select_nth_unstable(middle);
        let median = *median;
        self.runs.retain(|_, run| run.turn >= median);
    }
}

#[cfg(test)]
mod tests;
