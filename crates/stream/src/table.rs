//! The streams in memory: bounded, with room of their own for those that have yet to prove
//! themselves.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

use crate::pending::Pending;
use crate::{Limits, Memory, StreamKey};

/// A stream in memory.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) key: StreamKey,
    /// `None` until its first whole record.
    pub(crate) memory: Option<Memory>,
    pub(crate) pending: Option<Box<Pending>>,
    /// Datagrams heard.
    pub(crate) heard: u32,
    pub(crate) proven: bool,
    /// Heard since the hand last passed (second chance).
    fresh: bool,
    /// Heard since the last checkpoint.
    pub(crate) changed: bool,
    /// Tells this stream from one that had the same slot before.
    pub(crate) generation: u32,
    /// The stream that took the numbers over, and how often this one has spoken since.
    pub(crate) taken_over: Option<(StreamKey, u32)>,
    /// How often this run was compared with its siblings'.
    pub(crate) compared: u32,
}

impl Stream {
    /// What brings this stream back.
    pub(crate) fn remember(&self) -> Option<Memory> {
        let memory = self.memory.as_ref()?;
        Some(Memory { heard: self.heard, proven: self.proven, ..memory.clone() })
    }

    /// The same, in place.
    pub(crate) fn refresh(&mut self) -> Option<&Memory> {
        let memory = self.memory.as_mut()?;
        (memory.heard, memory.proven) = (self.heard, self.proven);
        Some(memory)
    }
}

/// Streams by key and by address.
#[derive(Debug)]
pub(crate) struct Table {
    slots: Vec<Option<Stream>>,
    free: Vec<u32>,
    by_key: HashMap<StreamKey, u32>,
    by_address: HashMap<IpAddr, Vec<u32>>,
    /// Slots of unproven streams in order of arrival; some are out of date.
    newcomers: VecDeque<(u32, u32)>,
    unproven: usize,
    hand: usize,
    generation: u32,
}

impl Table {
    pub(crate) fn new() -> Table {
        Table {
            slots: Vec::new(),
            free: Vec::new(),
            by_key: HashMap::new(),
            by_address: HashMap::new(),
            newcomers: VecDeque::new(),
            unproven: 0,
            hand: 0,
            generation: 0,
        }
    }

    pub(crate) fn find(&self, key: &StreamKey) -> Option<u32> {
        self.by_key.get(key).copied()
    }

    pub(crate) fn get(&self, slot: u32) -> Option<&Stream> {
        self.slots.get(slot as usize)?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, slot: u32) -> Option<&mut Stream> {
        self.slots.get_mut(slot as usize)?.as_mut()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Stream> {
        self.slots.iter().flatten()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Stream> {
        self.slots.iter_mut().flatten()
    }

    pub(crate) fn len(&self) -> usize {
        self.by_key.len()
    }

    /// All slots in use.
    pub(crate) fn used(&self) -> Vec<u32> {
        (0..self.slots.len() as u32).filter(|slot| self.get(*slot).is_some()).collect()
    }

    /// The other streams of the same address.
    pub(crate) fn siblings(&self, key: &StreamKey) -> &[u32] {
        self.by_address.get(&key.source.ip()).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn proven(&self) -> usize {
        self.by_key.len() - self.unproven
    }

    /// Whether a stream of this standing has to go before another may come.
    pub(crate) fn is_full(&self, proven: bool, limits: &Limits) -> bool {
        if proven {
            self.proven() >= limits.proven_streams
        } else {
            self.unproven >= limits.unproven_streams
        }
    }

    pub(crate) fn insert(&mut self, key: StreamKey, memory: Option<Memory>) -> u32 {
        let (heard, proven) = memory.as_ref().map_or((0, false), |m| (m.heard, m.proven));
        self.generation = self.generation.wrapping_add(1);
        let stream = Stream {
            key,
            memory,
            pending: None,
            heard,
            proven,
            fresh: true,
            changed: false,
            generation: self.generation,
            taken_over: None,
            compared: 0,
        };
        let slot = if let Some(slot) = self.free.pop() {
            if let Some(place) = self.slots.get_mut(slot as usize) {
                *place = Some(stream);
            }
            slot
        } else {
            self.slots.push(Some(stream));
            (self.slots.len() - 1) as u32
        };
        self.by_key.insert(key, slot);
        self.by_address.entry(key.source.ip()).or_default().push(slot);
        if !proven {
            self.unproven += 1;
            self.newcomers.push_back((slot, self.generation));
        }
        slot
    }

    /// Counts a datagram; `true` at the moment the stream has proven itself.
    pub(crate) fn hear(&mut self, slot: u32, limits: &Limits) -> bool {
        let Some(stream) = self.slots.get_mut(slot as usize).and_then(Option::as_mut) else {
            return false;
        };
        stream.fresh = true;
        stream.changed = true;
        stream.heard = stream.heard.saturating_add(1);
        if stream.proven || stream.heard < limits.proven_after {
            return false;
        }
        stream.proven = true;
        self.unproven -= 1;
        true
    }

    /// The stream to forget: the oldest unproven one, or a proven one that was not heard lately.
    pub(crate) fn victim(&mut self, proven: bool, spare: Option<u32>) -> Option<u32> {
        if proven { self.stale(spare) } else { self.oldest_newcomer() }
    }

    fn oldest_newcomer(&mut self) -> Option<u32> {
        while let Some((slot, generation)) = self.newcomers.pop_front() {
            let stream = self.get(slot);
            if stream.is_some_and(|s| s.generation == generation && !s.proven) {
                return Some(slot);
            }
        }
        None
    }

    fn stale(&mut self, spare: Option<u32>) -> Option<u32> {
        for _ in 0..2 * self.slots.len() {
            self.hand = (self.hand + 1) % self.slots.len();
            let slot = self.hand as u32;
            let Some(stream) = self.slots.get_mut(self.hand).and_then(Option::as_mut) else {
                continue;
            };
            if !stream.proven || spare == Some(slot) {
                continue;
            }
            if !std::mem::take(&mut stream.fresh) {
                return Some(slot);
            }
        }
        None
    }

    pub(crate) fn remove(&mut self, slot: u32) -> Option<Stream> {
        let stream = self.slots.get_mut(slot as usize)?.take()?;
        self.by_key.remove(&stream.key);
        let address = stream.key.source.ip();
        if let Some(slots) = self.by_address.get_mut(&address) {
            slots.retain(|other| *other != slot);
            if slots.is_empty() {
                self.by_address.remove(&address);
            }
        }
        if !stream.proven {
            self.unproven -= 1;
        }
        self.free.push(slot);
        Some(stream)
    }
}
