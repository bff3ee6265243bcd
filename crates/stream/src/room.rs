//! Who is held in memory, when there are more than can be.
//!
//! Anybody can make up senders, ten million of them; a real one must not suffer from it.
//!
//! 1. A newcomer is *unproven* until it has sent [`Limits::proven_after`] datagrams. The unproven
//!    have room of their own; when it is full, the one that came first goes.
//! 2. When that one was heard within the last [`Limits::crowd_us`], newcomers come in a *crowd*,
//!    and the newcomer is a *stranger*: its records are given out like all others, but its runs
//!    say so, and whoever keeps lists may leave them out. No one remembers a stranger that is
//!    forgotten, but for a filter of fixed size ([`Returns`](crate::returns)).
//! 3. A stranger that is in the filter has come back: it is proven at once.
//! 4. A proven stream makes room for another only when it has been silent for
//!    [`Limits::tenure_us`], and for longer than it had been heard before: who was there for a
//!    week may be silent for a week. Where nobody may go, the newcomer stays unproven, and that
//!    is counted.
//! 5. Who was proven and goes is remembered by the world, and comes back into its boot.
//!
//! So whatever comes, what is held is bounded, a proven stream is not pushed out by speaking
//! rarely, and every record is given out.

use crate::stream::{Standing, Stream};
use crate::{Core, Event, Limits, Memory, Monotonic, StreamKey, WallTime, World};

impl Core {
    /// The slot of a stream, made or recalled if need be.
    pub(crate) fn enter(
        &mut self,
        key: &StreamKey,
        received: WallTime,
        world: &mut impl World,
    ) -> u32 {
        let found = self.take_expected(*key).or_else(|| self.table.find(*key));
        let slot = found.unwrap_or_else(|| self.welcome(*key, received, world));
        if self.table.hear(slot, received, &self.limits) {
            self.prove(slot, received, world);
        }
        slot
    }

    /// The slot of a stream that was looked up with others of its batch. Those in front of it were
    /// expected in vain, as somebody else took their datagrams; more than a few are not passed over.
    fn take_expected(&mut self, key: StreamKey) -> Option<u32> {
        const LOOKS: usize = 4;
        let mut looks = self.expected.iter().take(LOOKS);
        let at = looks.position(|slot| self.table.is_of(*slot, key))?;
        self.expected.drain(..=at).next_back()
    }

    /// Takes a stream in that is not held.
    fn welcome(&mut self, key: StreamKey, received: WallTime, world: &mut impl World) -> u32 {
        if let Some(mut memory) = world.recall(&key).filter(|memory| memory.key == key) {
            self.counters.recalled += 1;
            memory.proven &= self.has_room(received, world);
            self.make_room_for_newcomer(memory.proven, received, world);
            return self.table.restore(memory);
        }
        let crowded = self.is_crowded(received);
        let returns = crowded && self.returns.knows(self.table.hash(key));
        if returns && self.has_room(received, world) {
            self.counters.returned += 1;
            self.make_room_for_newcomer(true, received, world);
            let slot = self.table.insert(key, received, Standing::Newcomer);
            self.table.prove(slot, &self.limits);
            return slot;
        }
        self.counters.strangers += u64::from(crowded);
        self.make_room_for_newcomer(false, received, world);
        let standing = if crowded { Standing::Stranger } else { Standing::Newcomer };
        self.table.insert(key, received, standing)
    }

    /// Takes a stream back in, as it was remembered. A full table stays as it is.
    pub fn restore(&mut self, memory: Memory) {
        self.advance_runs_past(memory.run);
        let (held, room) = if memory.proven {
            (self.table.proven(), self.limits.proven_streams)
        } else {
            (self.table.unproven(), self.limits.unproven_streams)
        };
        if held < room && self.table.find(memory.key).is_none() {
            self.table.restore(memory);
        }
    }

    /// A stream has sent enough: it is proven, if there is room.
    fn prove(&mut self, slot: u32, received: WallTime, world: &mut impl World) {
        if !self.has_room(received, world) {
            self.counters.unproven_for_want_of_room += 1;
            return;
        }
        self.table.prove(slot, &self.limits);
        let memory = self.table.get_mut(slot).and_then(|stream| stream.memory.as_mut());
        if let Some(memory) = memory {
            let held = memory.held.as_mut().map(|held| &mut held.run);
            let runs = memory.undecided.iter_mut().chain(held).chain([&mut memory.current.run]);
            for run in runs.filter(|run| run.stranger) {
                run.stranger = false;
                world.event(Event::Run(run));
            }
        }
    }

    /// Whether newcomers push each other out faster than anybody could prove himself.
    fn is_crowded(&mut self, now: WallTime) -> bool {
        if self.table.unproven() < self.limits.unproven_streams {
            return false;
        }
        let crowd = self.limits.crowd_us / 1_000_000;
        let oldest = self.table.oldest_newcomer().and_then(|slot| self.table.get(slot));
        oldest.is_some_and(|oldest| u64::from(oldest.silence(now).0) < crowd)
    }

    /// Whether one more may be proven; who has been silent for very long goes for it.
    fn has_room(&mut self, now: WallTime, world: &mut impl World) -> bool {
        if self.table.proven() < self.limits.proven_streams {
            return true;
        }
        let limits = self.limits;
        let victim = self.table.next_proven(|stream| may_go(stream, now, &limits));
        victim.map(|slot| self.forget(slot, now, world)).is_some()
    }

    fn make_room_for_newcomer(&mut self, proven: bool, now: WallTime, world: &mut impl World) {
        if proven || self.table.unproven() < self.limits.unproven_streams {
            return;
        }
        if let Some(slot) = self.table.oldest_newcomer() {
            self.forget(slot, now, world);
        }
    }

    /// Forgets a stream; what it was waiting for is given out.
    fn forget(&mut self, slot: u32, now: WallTime, world: &mut impl World) {
        self.table.wake(slot, &self.limits);
        let generation = self.table.get(slot).map_or(0, |stream| stream.generation);
        self.give_out(slot, generation, Monotonic(u64::MAX), world);
        let Some(stream) = self.table.remove(slot) else {
            return;
        };
        if stream.is_proven() {
            self.counters.evicted_proven += 1;
        } else {
            self.counters.evicted_unproven += 1;
            let crowd = self.limits.crowd_us / 1_000_000;
            if stream.is_stranger() || u64::from(stream.silence(now).0) < crowd {
                return self.returns.note(self.table.hash(stream.key), now);
            }
        }
        if let Some(memory) = stream.remember() {
            world.event(Event::Evicted(&memory));
        }
    }
}

/// Whether a proven stream may go for another.
fn may_go(stream: &Stream, now: WallTime, limits: &Limits) -> bool {
    let (silent, heard_for) = stream.silence(now);
    stream.pending.is_none()
        && silent >= heard_for
        && u64::from(silent) >= limits.tenure_us / 1_000_000
}
