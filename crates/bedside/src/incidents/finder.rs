//! Entry lines of a store to cases: one triage for each run, as long as it is needed.

mod bed;

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use bedside_store::entry::unescape_into;
use bedside_store::{Entry, StoredRun};
use bedside_stream::{RunId, WallTime};
use bedside_triage::may_begin;

use self::bed::Bed;
use super::case::{Case, Patient};
use super::rates::Rates;
use super::runs::Runs;

/// What became known.
#[derive(Debug)]
pub(crate) enum News {
    /// A case, as far as it is known; again whenever more is.
    Case(Box<Case>),
    /// A run turned out to belong to another boot, or has another name.
    Moved(Patient),
}

/// Finds cases in entry lines.
#[derive(Debug)]
pub(crate) struct Finder {
    runs: Runs,
    beds: HashMap<RunId, Bed>,
    /// How many incidents each machine begins, deaths apart.
    begun: Rates,
    /// The text of the record that is being read.
    text: Vec<u8>,
    /// Records that were looked at.
    heard: u64,
    counters: Counters,
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    /// Lines that might have begun something, of strangers and of runs not known any more.
    pub(crate) nameless: u64,
    /// Runs that were looked at no further because too many others were.
    pub(crate) without_bed: u64,
    /// Lines that would have begun another incident of a machine that had very many a moment ago.
    pub(crate) passed_over: u64,
    /// How often looking failed, by a fault of ours: what was open in that run is lost.
    pub(crate) failed: u64,
}

impl Counters {
    /// Whether looking at a run's lines came to its end, and counts if not. It always should; but
    /// what somebody sends must not end the search for everybody, now and after each restart.
    fn survives(&mut self, look: &mut dyn FnMut()) -> bool {
        let failed = catch_unwind(AssertUnwindSafe(look)).is_err();
        if failed {
            self.failed += 1;
            tracing::error!(
                "looking for incidents failed in what was heard last; that machine's is given up. \
                 This is a bug of bedside: please report it with the message above"
            );
        }
        !failed
    }
}

impl Finder {
    /// One for the store in `data`.
    pub(crate) fn new(data: &Path) -> Finder {
        Finder {
            runs: Runs::of(data),
            beds: HashMap::new(),
            begun: Rates::new(),
            text: Vec::new(),
            heard: 0,
            counters: Counters::default(),
        }
    }

    pub(crate) fn counters(&self) -> Counters {
        self.counters
    }

    /// Whether nothing is looked at that may be an incident.
    pub(crate) fn is_idle(&self) -> bool {
        !self.beds.values().any(|bed| bed.triage.is_open())
    }

    /// Takes an entry line.
    pub(crate) fn line(&mut self, line: &[u8], give: &mut dyn FnMut(News)) {
        match line.first() {
            Some(b'0'..=b'9') => self.record(line, give),
            Some(b'R') => {
                if let Some(Entry::Run(stored)) = Entry::decode(line) {
                    self.run(&stored, give);
                }
            }
            _ => {}
        }
    }

    /// Gives out what has changed of those that are open, each once, until about so many bytes were
    /// given; whether that was all.
    pub(crate) fn flush(&mut self, mut room: usize, give: &mut dyn FnMut(News)) -> bool {
        let (counters, mut all) = (&mut self.counters, true);
        self.beds.retain(|_, bed| {
            if bed.changed.is_empty() || room == 0 {
                all &= bed.changed.is_empty();
                return true;
            }
            counters.survives(&mut || room = room.saturating_sub(bed.flush(give)))
        });
        all
    }

    /// Ends what has waited too long for more lines.
    pub(crate) fn settle(&mut self, now: WallTime, give: &mut dyn FnMut(News)) {
        self.beds.retain(|_, bed| {
            let waits = now.0.abs_diff(bed.last.0) < QUIET_US;
            if !waits {
                self.counters.survives(&mut || bed.finish(give));
            }
            waits
        });
    }

    fn record(&mut self, line: &[u8], give: &mut dyn FnMut(News)) {
        if !(may_begin(text_of(line)) || self.is_open(line)) {
            return;
        }
        let Some(Entry::Record(record)) = Entry::decode(line) else { return };
        if record.prefix.is_some_and(|prefix| prefix.facility() != KERNEL) {
            return;
        }
        let bed = match self.beds.entry(record.run) {
            Slot::Occupied(bed) => bed.into_mut(),
            Slot::Vacant(slot) => {
                let Some(patient) = self.runs.get(record.run) else {
                    self.counters.nameless += 1;
                    return;
                };
                slot.insert(Bed::of(patient))
            }
        };
        self.text.clear();
        unescape_into(record.text, &mut self.text);
        let (text, begun, mut passed_over) = (&self.text, &mut self.begun, 0);
        let hear = &mut || passed_over += bed.hear(&record, text, begun, give);
        let heard = self.counters.survives(hear);
        self.counters.passed_over += passed_over;
        if !heard || bed.idle > IDLE_LINES {
            self.beds.remove(&record.run);
        }
        self.heard += 1;
        let full = self.heard.is_multiple_of(BEDS_COUNTED) && self.bytes() > BEDS_BYTES;
        if full || self.beds.len() > BEDS {
            self.make_room(record.received, give);
        }
    }

    /// About how many bytes of lines are held.
    fn bytes(&self) -> usize {
        self.beds.values().map(|bed| bed.triage.bytes()).sum()
    }

    /// Whether something is open in the run of this line, so that any line may be of it.
    fn is_open(&self, line: &[u8]) -> bool {
        let bed = || self.beds.get(&run_of(line)?);
        !self.beds.is_empty() && bed().is_some_and(|bed| bed.triage.is_open())
    }

    /// Whoever sends, no more are looked at.
    fn make_room(&mut self, now: WallTime, give: &mut dyn FnMut(News)) {
        self.settle(now, give);
        while self.beds.len() > BEDS * 3 / 4 {
            let oldest = self.beds.iter().min_by_key(|(_, bed)| bed.last).map(|(run, _)| *run);
            self.give_up(oldest, give);
        }
        while self.bytes() > BEDS_BYTES * 3 / 4 {
            let most = self.beds.iter().max_by_key(|(_, bed)| bed.triage.bytes());
            self.give_up(most.map(|(run, _)| *run), give);
        }
    }

    fn give_up(&mut self, run: Option<RunId>, give: &mut dyn FnMut(News)) {
        let Some(mut bed) = run.and_then(|run| self.beds.remove(&run)) else { return };
        self.counters.without_bed += 1;
        self.counters.survives(&mut || bed.finish(give));
    }

    fn run(&mut self, stored: &StoredRun, give: &mut dyn FnMut(News)) {
        let Some(patient) = self.runs.learn(stored) else { return };
        if let Some(bed) = self.beds.get_mut(&stored.run.id) {
            bed.patient = patient.clone();
        }
        give(News::Moved(patient));
    }
}

/// A record's text, as it stands in its line, and what follows it.
fn text_of(line: &[u8]) -> &[u8] {
    let begin = memchr::memchr(b';', line).map_or(line.len(), |at| at + 1);
    line.get(begin..).unwrap_or_default()
}

/// The run that a record's line begins with.
fn run_of(line: &[u8]) -> Option<RunId> {
    let digits = line.split(|byte| *byte == b' ').next()?;
    std::str::from_utf8(digits).ok()?.parse().ok().map(RunId)
}

/// Runs that are looked at at a time.
const BEDS: usize = 1024;
/// Bytes of their lines, counted after so many records.
const BEDS_BYTES: usize = if cfg!(test) { 4 << 20 } else { 64 << 20 };
const BEDS_COUNTED: u64 = 256;
/// Lines that only looked like an incident's, after which a run is looked at no more.
const IDLE_LINES: u32 = 8;
/// Without a line for so long, an incident is over.
const QUIET_US: u64 = 10_000_000;
/// printk's own facility, `LOG_KERN`; what programs write to /dev/kmsg has another
/// (kernel/printk/printk.c: `devkmsg_write`).
const KERNEL: u8 = 0;

#[cfg(test)]
mod tests;
