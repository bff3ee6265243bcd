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
    /// printk's time; none where a log daemon forwarded it.
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
        let is_boot = run.verdict == Verdict::Boot;
        if run.id == self.current.run.id {
            self.current.run = run.clone();
            if self.held.take_if(|_| is_boot).is_some() {
                self.undecided.clear();
            }
        } else if let Some(held) = self.held.as_mut().filter(|held| held.run.id == run.id) {
            held.run = run.clone();
        } else if run.id > self.current.run.id {
            self.continues = None;
            self.linked = false;
            let fresh = Track::new(run.clone());
            if run.verdict == Verdict::Provisional {
                self.provisionally(fresh);
            } else {
                self.current = fresh;
                self.held = None;
                self.undecided.clear();
            }
        }
    }
}
