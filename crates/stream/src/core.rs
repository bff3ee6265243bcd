//! The core: datagrams in, events out.

use std::collections::VecDeque;
use std::hint::black_box;

use netconsole_wire::{Datagram, Record, parse};

use crate::desk::Desk;
use crate::mind::Mind;
use crate::pending::Message;
use crate::returns::Returns;
use crate::stream::Stream;
use crate::table::{NONE, Table};
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
    pub(crate) returns: Returns,
    /// When what waits in which stream (slot, generation) is due, in order of time.
    pub(crate) due: VecDeque<(Monotonic, u32, u32)>,
    pub(crate) pending_bytes: usize,
    pub(crate) body: Vec<u8>,
    /// Slots of the streams whose datagrams come next.
    pub(crate) expected: VecDeque<u32>,
}

impl Core {
    /// A core that holds no streams and numbers its runs from `next_run`.
    pub fn new(limits: Limits, next_run: RunId) -> Core {
        Core {
            limits,
            counters: Counters::default(),
            next_run,
            table: Table::new(),
            returns: Returns::default(),
            due: VecDeque::new(),
            pending_bytes: 0,
            body: Vec::new(),
            expected: VecDeque::new(),
        }
    }

    /// Finds the streams of datagrams that will be handled next, in this order, and looks at what is
    /// known of them: memory is waited for once for all of them, not for each. Few streams are in
    /// the cache anyway. Changes no event.
    pub fn expect(&mut self, keys: impl Iterator<Item = StreamKey>) {
        const MANY: usize = 500;
        self.expected.clear();
        if self.table.len() < MANY {
            return;
        }
        // Hashes first, then slots: what is done between two looks at memory is to be short, so that
        // the processor does not wait for one stream before the next.
        self.expected.extend(keys.map(|key| self.table.hash(key) as u32));
        for place in &mut self.expected {
            *place = self.table.guess(*place).unwrap_or(NONE);
        }
        // Three times over all of them: each time it is known where to look, and nothing is decided
        // by what is seen.
        self.look_at_expected(Stream::touch);
        self.look_at_expected(|stream| stream.memory.as_deref().map_or(0, Mind::touch));
        self.look_at_expected(|stream| stream.memory.as_deref().map_or(0, Mind::touch_behind));
    }

    fn look_at_expected(&self, look: impl Fn(&Stream) -> u64) {
        for slot in &self.expected {
            black_box(self.table.get(*slot).map_or(0, &look));
        }
    }

    /// Takes one datagram.
    pub fn handle_datagram(
        &mut self,
        now: Monotonic,
        key: &StreamKey,
        received: WallTime,
        payload: &[u8],
        world: &mut impl World,
    ) {
        self.counters.datagrams += 1;
        let slot = self.enter(key, received, world);
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

    /// Packs what is known of streams that have been silent for long, of some of them; how many
    /// that were. To be called now and then; changes no event.
    pub fn rest(&mut self, now: WallTime) -> usize {
        self.returns.rest(now);
        self.table.rest(now, &self.limits)
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

    /// What is known of every stream.
    pub fn memories(&self) -> impl Iterator<Item = Memory> {
        self.table.iter().filter_map(Stream::remember)
    }

    /// Gives what is known of the streams heard since the last checkpoint, of some of them: begin
    /// with 0 and go on with what is answered, until that is `None`. What waits for its rest is
    /// not part of it; strangers are not remembered.
    pub fn checkpoint(&mut self, from: usize, mut each: impl FnMut(Memory)) -> Option<usize> {
        const LOOKED_AT: usize = 1024;
        let (streams, next) = self.table.some_mut(from, LOOKED_AT);
        for stream in streams.filter(|stream| stream.changed && !stream.is_stranger()) {
            stream.changed = false;
            stream.remember().into_iter().for_each(&mut each);
        }
        next
    }

    /// What was counted since the core was made.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// How many streams are held in memory.
    pub fn streams(&self) -> usize {
        self.table.len()
    }

    /// When that stream was heard last, to the second; if it is not known, the one of its address
    /// and our port that began last. With the stream's own key.
    pub fn last_heard(&self, key: &StreamKey) -> Option<(StreamKey, WallTime)> {
        let slot = self.table.find(*key).or_else(|| {
            let mut siblings = self.table.siblings(key).take(self.limits.siblings);
            let speaks = |k: StreamKey| k.port() == key.port() && k.voice().is_genuine();
            siblings.find(|slot| self.table.key_of(*slot).is_some_and(speaks))
        })?;
        self.table.get(slot).map(|stream| (stream.key, stream.last_received()))
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

    /// Gives out what of a stream was due by `at`.
    pub(crate) fn give_out(
        &mut self,
        slot: u32,
        generation: u32,
        at: Monotonic,
        world: &mut impl World,
    ) {
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
