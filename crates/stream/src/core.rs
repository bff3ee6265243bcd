//! The core: datagrams in, events out.

use std::collections::VecDeque;

use netconsole_wire::{Datagram, Record, parse};

use crate::desk::Desk;
use crate::pending::Message;
use crate::table::Table;
use crate::{Counters, Event, Limits, Memory, Monotonic, RunId, StreamKey, WallTime};

/// Who hears the core's events and keeps what it forgets.
pub trait World {
    /// Takes an event; what it borrows is gone afterwards.
    fn event(&mut self, event: Event<'_>);

    /// What is remembered of a stream that the core does not hold, from [`Event::Evicted`] of
    /// this or an earlier life.
    fn recall(&mut self, key: &StreamKey) -> Option<Memory>;
}

/// Makes records, boots, repeats and loss of datagrams.
///
/// It cannot fail and cannot block: whatever comes is an event, or counted, or both. The same
/// calls give the same events.
#[derive(Debug)]
pub struct Core {
    pub(crate) limits: Limits,
    pub(crate) counters: Counters,
    pub(crate) next_run: RunId,
    pub(crate) table: Table,
    /// When what waits in which stream (slot, generation) is due, in order of time.
    pub(crate) due: VecDeque<(Monotonic, u32, u32)>,
    pub(crate) pending_bytes: usize,
    pub(crate) body: Vec<u8>,
}

impl Core {
    /// A core that holds no streams and numbers its runs from `next_run`.
    pub fn new(limits: Limits, next_run: RunId) -> Core {
        Core {
            limits,
            counters: Counters::default(),
            next_run,
            table: Table::new(),
            due: VecDeque::new(),
            pending_bytes: 0,
            body: Vec::new(),
        }
    }

    /// Takes one datagram.
    pub fn handle_datagram(
        &mut self,
        now: Monotonic,
        key: StreamKey,
        received: WallTime,
        payload: &[u8],
        world: &mut impl World,
    ) {
        self.counters.datagrams += 1;
        let slot = self.enter(key, world);
        let mut desk = Desk { core: self, slot, now, received, world };
        match parse(payload) {
            Datagram::Extended(datagram) => desk.extended(&datagram, payload),
            Datagram::Syslog(syslog) => desk.record(&syslog.record()),
            Datagram::Basic(basic) => desk.basic(basic),
            Datagram::Raw(bytes) => desk.record(&Record::raw(bytes)),
        }
    }

    /// Gives out, marked incomplete, what has waited too long for its rest.
    pub fn handle_timeout(&mut self, now: Monotonic, world: &mut impl World) {
        while let Some(&(at, slot, generation)) = self.due.front() {
            if at > now {
                return;
            }
            self.due.pop_front();
            self.give_out(slot, generation, at, world);
        }
    }

    /// When [`Core::handle_timeout`] is to be called next.
    pub fn poll_timeout(&self) -> Option<Monotonic> {
        self.due.front().map(|(at, _, _)| *at)
    }

    /// Gives out all that waits, as at the end.
    pub fn flush(&mut self, world: &mut impl World) {
        self.due.clear();
        for slot in self.table.used() {
            let generation = self.table.get(slot).map_or(0, |stream| stream.generation);
            self.give_out(slot, generation, Monotonic(u64::MAX), world);
        }
    }

    /// Takes a stream back in, as it was remembered. A full table stays as it is.
    pub fn restore(&mut self, memory: Memory) {
        self.advance_runs_past(memory.run());
        let full = self.table.is_full(memory.proven, &self.limits);
        if !full && self.table.find(&memory.key).is_none() {
            self.table.insert(memory.key, Some(memory));
        }
    }

    /// What is known of every stream.
    pub fn memories(&self) -> impl Iterator<Item = Memory> {
        self.table.iter().filter_map(crate::table::Stream::remember)
    }

    /// Gives what is known of every stream heard since the last checkpoint. What waits for its
    /// rest is not part of it.
    pub fn checkpoint(&mut self, mut each: impl FnMut(&Memory)) {
        for stream in self.table.iter_mut().filter(|stream| stream.changed) {
            stream.changed = false;
            if let Some(memory) = stream.refresh() {
                each(memory);
            }
        }
    }

    /// What was counted since the core was made.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// How many streams are held in memory.
    pub fn streams(&self) -> usize {
        self.table.len()
    }

    /// Bytes of unfinished messages and lines.
    pub fn pending_bytes(&self) -> usize {
        self.pending_bytes
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(crate) fn advance_runs_past(&mut self, run: RunId) {
        self.next_run = self.next_run.max(RunId(run.0.saturating_add(1)));
    }

    /// Counts a datagram of an earlier life; whether the stream is proven.
    pub(crate) fn hear_again(&mut self, slot: u32) -> bool {
        self.table.hear(slot, &self.limits);
        self.table.get(slot).is_some_and(|stream| stream.proven)
    }

    /// The slot of a stream, made or recalled if need be.
    fn enter(&mut self, key: StreamKey, world: &mut impl World) -> u32 {
        let slot = if let Some(slot) = self.table.find(&key) {
            slot
        } else {
            let memory = world.recall(&key).filter(|memory| memory.key == key);
            self.counters.recalled += u64::from(memory.is_some());
            self.make_room(memory.as_ref().is_some_and(|m| m.proven), None, world);
            self.table.insert(key, memory)
        };
        if self.table.hear(slot, &self.limits) && self.table.proven() > self.limits.proven_streams {
            self.make_room(true, Some(slot), world);
        }
        slot
    }

    fn make_room(&mut self, proven: bool, spare: Option<u32>, world: &mut impl World) {
        if spare.is_none() && !self.table.is_full(proven, &self.limits) {
            return;
        }
        let Some(slot) = self.table.victim(proven, spare) else {
            return;
        };
        let generation = self.table.get(slot).map_or(0, |stream| stream.generation);
        self.give_out(slot, generation, Monotonic(u64::MAX), world);
        if let Some(stream) = self.table.remove(slot) {
            let counter = if stream.proven {
                &mut self.counters.evicted_proven
            } else {
                &mut self.counters.evicted_unproven
            };
            *counter += 1;
            if let Some(memory) = stream.remember() {
                world.event(Event::Evicted(&memory));
            }
        }
    }

    /// Gives out what of a stream was due by `at`.
    fn give_out(&mut self, slot: u32, generation: u32, at: Monotonic, world: &mut impl World) {
        let Some(stream) = self.table.get_mut(slot).filter(|s| s.generation == generation) else {
            return;
        };
        let Some(pending) = &mut stream.pending else {
            return;
        };
        let line = pending.line.take_if(|line| line.deadline <= at);
        let messages: Vec<Message> =
            pending.messages.extract_if(.., |message| message.deadline <= at).collect();
        if pending.earliest().is_none() {
            stream.pending = None;
        }
        for message in messages {
            self.pending_bytes -= message.weight();
            let received = message.received;
            Desk { core: self, slot, now: at, received, world }.message(&message, true);
        }
        if let Some(line) = line {
            self.pending_bytes -= line.bytes.len();
            let received = line.received;
            Desk { core: self, slot, now: at, received, world }.whole_lines(&line.bytes, true);
        }
    }

    /// Keeps what waits within its bound: the oldest goes first.
    pub(crate) fn bound_pending(&mut self, world: &mut impl World) {
        while self.pending_bytes > self.limits.pending_bytes {
            let Some((at, slot, generation)) = self.due.pop_front() else {
                return;
            };
            self.counters.pending_evicted += 1;
            self.give_out(slot, generation, at, world);
        }
    }
}
