//! Streams of one address that are one machine: numbers that go on from another port, and the
//! same lines to several targets.

use crate::boots::{Evidence, differs, names_another_boot};
use crate::history::{NO_SEQ, is_precise};
use crate::mind::Mind;
use crate::track::Line;
use crate::{Core, Event, Run, StreamKey, Verdict, WallTime, World};

impl Core {
    /// The stream of the same address, to the same port of ours, whose numbers (or, in the basic
    /// format, times) a new stream's first record, `received` now, goes on with most closely.
    pub(crate) fn predecessor(
        &mut self,
        key: &StreamKey,
        line: &Line,
        evidence: &Evidence<'_>,
        received: WallTime,
    ) -> Option<u32> {
        if !line.timed || line.mark.time == 0 {
            return None;
        }
        let slots = self.table.siblings(key).take(self.limits().siblings);
        let candidates = slots.filter_map(|slot| {
            let of_kind =
                |other: &StreamKey| (other.port(), other.voice()) == (key.port(), key.voice());
            self.table.key_of(slot).filter(of_kind)?;
            let memory = self.table.memory(slot)?;
            // No machine's clock runs faster than ours: that one is another machine, or boot.
            let passed = received.0.saturating_sub(memory.last_received.0);
            let aged = line.mark.time.saturating_sub(memory.current.last_time()?);
            let in_time = aged <= passed.saturating_add(self.limits().clock_slack_us);
            Some((distance(&memory, line, evidence).filter(|_| in_time)?, slot))
        });
        let (_, slot) = candidates.min()?;
        self.table.wake(slot, &self.limits);
        Some(slot)
    }

    /// After a record: takes back that another stream had this one's numbers, if both speak; and
    /// joins the boots of two streams that carry the same line.
    pub(crate) fn look_around(&mut self, slot: u32, line: &Line, world: &mut impl World) {
        const TRIES: u32 = 4096;
        let Some(stream) = self.table.get_mut(slot) else {
            return;
        };
        let key = stream.key;
        if let Some((successor, spoken)) = stream.taken_over.as_deref_mut() {
            *spoken += 1;
            if *spoken >= 2 {
                let successor = *successor;
                stream.taken_over = None;
                self.part(&successor, &key, world);
            }
        }
        let Some(stream) = self.table.get_mut(slot) else {
            return;
        };
        let alone = stream.memory.as_ref().is_none_or(|memory| memory.linked);
        if alone
            || !key.voice().is_genuine()
            || !line.timed
            || !is_precise(line.mark.time)
            || line.incomplete
            || stream.compared >= TRIES
        {
            return;
        }
        if !self.table.is_alone(slot) {
            if let Some(stream) = self.table.get_mut(slot) {
                stream.compared += 1;
            }
            self.link(slot, &key, line, world);
        }
    }

    /// Two machines behind one address: the successor's run was a boot of its own after all.
    fn part(&mut self, successor: &StreamKey, old: &StreamKey, world: &mut impl World) {
        let slot = self.table.find(*successor);
        if let Some(memory) = slot.and_then(|slot| self.memory_mut(slot))
            && memory.continues.as_deref() == Some(old)
        {
            memory.continues = None;
            memory.current.run.verdict = Verdict::Boot;
            world.event(Event::Run(&memory.current.run));
        }
    }

    /// The same time to the microsecond and the same text, from one address: one kernel said it
    /// once, to two targets. In jiffies, as the early clock counts, two boots may agree.
    fn link(&mut self, slot: u32, key: &StreamKey, line: &Line, world: &mut impl World) {
        let holds = |other: u32| {
            let memory = self.table.memory(other)?;
            let joined =
                memory.held.is_none() && memory.current.holds(line.mark.time, line.mark.hash);
            joined.then_some((other, memory.current.run.id))
        };
        let slots = self.table.siblings(key).take(self.limits().siblings);
        let genuine = |slot: &u32| self.table.key_of(*slot).is_some_and(|k| k.voice().is_genuine());
        let found = slots.filter(|other| *other != slot).filter(genuine).find_map(holds);
        let Some((other, other_run)) = found else {
            return;
        };
        let run = self.current(slot).map(|run| run.id);
        let Some(run) = run.filter(|run| *run != other_run) else {
            return;
        };
        let (younger, root) = if run > other_run { (slot, other_run) } else { (other, run) };
        if let Some(memory) = self.memory_mut(younger)
            && memory.current.run.verdict == Verdict::Boot
        {
            memory.current.run.verdict = Verdict::SameAs(root);
            memory.linked = true;
            world.event(Event::Run(&memory.current.run));
        }
        if let Some(memory) = self.memory_mut(slot) {
            memory.linked = memory.held.is_none();
        }
    }

    fn current(&self, slot: u32) -> Option<&Run> {
        Some(&self.table.get(slot)?.memory.as_ref()?.current.run)
    }

    fn memory_mut(&mut self, slot: u32) -> Option<&mut Mind> {
        self.table.wake(slot, &self.limits);
        self.table.get_mut(slot)?.memory.as_deref_mut()
    }
}

/// How far a record is from going on with a stream's numbers or times; `None` if it does not.
fn distance(memory: &Mind, line: &Line, evidence: &Evidence<'_>) -> Option<u64> {
    let run = &memory.current.run;
    let named_apart =
        differs(run.host.as_deref(), evidence.host) || names_another_boot(run, evidence);
    let last_time = memory.current.last_time()?;
    if named_apart || memory.held.is_some() || line.mark.time < last_time {
        return None;
    }
    if line.mark.seq == NO_SEQ {
        return memory.current.next().is_none().then_some(line.mark.time - last_time);
    }
    line.mark.seq.checked_sub(memory.current.next()?)
}
