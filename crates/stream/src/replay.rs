//! What the store held when the last life ended, told again: runs and records that came after
//! the memories were taken.

use netconsole_wire::{PrintkTime, Sequence};

use crate::desk::place_of_kept;
use crate::mind::Mind;
use crate::track::Track;
use crate::{Core, Run, RunId, Verdict, WallTime};

/// A record as the store gives it back: enough to go on from it.
#[derive(Clone, Copy, Debug)]
pub struct Kept<'a> {
    /// Its run.
    pub run: RunId,
    /// When it was received.
    pub received: WallTime,
    /// printk's number.
    pub seq: Option<Sequence>,
    /// printk's time.
    pub time: Option<PrintkTime>,
    /// The text, as in the record.
    pub text: netconsole_wire::Text<'a>,
    /// A part was missing.
    pub incomplete: bool,
}

impl Core {
    /// A run as the store last knew it. Call in the order in which they were written, before the
    /// records of the run.
    pub fn replay_run(&mut self, run: &Run) {
        self.advance_runs_past(run.id);
        // Strangers are not remembered: they would take the room of those that are.
        if run.stranger {
            return;
        }
        let begun = || Mind::new(run.first_received, Track::new(run.clone()));
        let Some(slot) = self.table.find(run.key) else {
            return self.restore(begun().pack(0, false));
        };
        self.table.wake(slot, &self.limits);
        let Some(stream) = self.table.get_mut(slot) else {
            return;
        };
        match &mut stream.memory {
            Some(memory) => memory.adopt(run),
            None => stream.memory = Some(Box::new(begun())),
        }
    }

    /// A record of a run that was told of before.
    pub fn replay_record(&mut self, kept: &Kept<'_>, of: &Run) {
        let Some(slot) = self.table.find(of.key) else {
            return;
        };
        let ripe = self.table.hear(slot, kept.received, &self.limits);
        if ripe && self.table.proven() < self.limits.proven_streams {
            self.table.prove(slot, &self.limits);
        }
        let Some(memory) = self.table.get_mut(slot).and_then(|stream| stream.memory.as_mut())
        else {
            return;
        };
        memory.last_received = memory.last_received.max(kept.received);
        if let Some(held) = memory.held.take_if(|held| held.run.id == kept.run) {
            memory.current = *held;
        }
        if memory.current.run.id == kept.run {
            memory.current.accept_again(&place_of_kept(kept));
        }
    }
}

impl Mind {
    /// Takes a run over as the store knew it.
    fn adopt(&mut self, run: &Run) {
        if run.id == self.current.run.id {
            self.current.run = run.clone();
            self.settled(run);
        } else if let Some(held) = self.held.as_mut().filter(|held| held.run.id == run.id) {
            held.run = run.clone();
        } else if run.id > self.current.run.id {
            let old = std::mem::replace(&mut self.current, Track::new(run.clone()));
            self.continues = None;
            self.linked = false;
            match run.verdict {
                Verdict::Provisional if self.held.is_none() => self.held = Some(Box::new(old)),
                Verdict::Provisional => self.undecided.push(old.run),
                Verdict::Boot | Verdict::SameAs(_) => {
                    self.held = None;
                    self.undecided.clear();
                }
            }
        }
    }

    /// The verdict on the current run, as far as it has come.
    fn settled(&mut self, run: &Run) {
        match run.verdict {
            Verdict::Provisional | Verdict::SameAs(_) => {}
            Verdict::Boot => self.held = None,
        }
    }
}
