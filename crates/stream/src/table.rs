//! The streams in memory, found by key and by address.
//!
//! A stream that speaks has its memory at hand, about 1 KiB; of those that proved themselves
//! only so many are *awake*, none that has been silent for long; the others lie packed, about 300
//! bytes. Who is held at all is decided in `room`.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::hash::BuildHasher;
use std::net::IpAddr;

use foldhash::quality::RandomState;
use hashbrown::HashTable;

use crate::memory::{Memory, unpack};
use crate::mind::Mind;
use crate::stream::{Standing, Stream};
use crate::{Limits, StreamKey, WallTime};

/// Streams by key and by address.
#[derive(Debug)]
pub(crate) struct Table {
    slots: Vec<Option<Stream>>,
    free: Vec<u32>,
    /// Slots by their key's hash, which stands beside them: growing looks at no stream.
    by_key: HashTable<Entry>,
    /// The newest stream of each address; the others hang on it.
    by_address: HashTable<Entry>,
    /// Keyed, so that no sender can choose a hash.
    hasher: RandomState,
    /// Slots of unproven streams in order of arrival; some are out of date.
    newcomers: VecDeque<(u32, u32)>,
    /// Slots of proven streams that are awake, those heard longest ago in front; likewise.
    awake: VecDeque<(u32, u32)>,
    unproven: usize,
    hand: usize,
    generation: u32,
}

type Entry = (u32, u32);

/// No slot.
pub(crate) const NONE: u32 = u32::MAX;

impl Table {
    pub(crate) fn new() -> Table {
        Table {
            slots: Vec::new(),
            free: Vec::new(),
            by_key: HashTable::new(),
            by_address: HashTable::new(),
            hasher: RandomState::default(),
            newcomers: VecDeque::new(),
            awake: VecDeque::new(),
            unproven: 0,
            hand: 0,
            generation: 0,
        }
    }

    /// The keyed hash of a stream.
    pub(crate) fn hash(&self, key: StreamKey) -> u64 {
        key.hash(&self.hasher)
    }

    pub(crate) fn find(&self, key: StreamKey) -> Option<u32> {
        let hash = self.hash(key) as u32;
        let is_it = |entry: &Entry| entry.0 == hash && self.is_of(entry.1, key);
        self.by_key.find(spread(hash), is_it).map(|entry| entry.1)
    }

    /// Most likely the slot of the stream whose hash ends so: no stream is looked at.
    pub(crate) fn guess(&self, hash: u32) -> Option<u32> {
        self.by_key.find(spread(hash), |entry| entry.0 == hash).map(|entry| entry.1)
    }

    /// Whether the stream in a slot is the one of this key.
    pub(crate) fn is_of(&self, slot: u32, key: StreamKey) -> bool {
        self.get(slot).is_some_and(|stream| stream.key == key)
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

    /// The streams in some slots from `from` on, and where to go on; `None` at the end.
    pub(crate) fn some_mut(
        &mut self,
        from: usize,
        most: usize,
    ) -> (impl Iterator<Item = &mut Stream>, Option<usize>) {
        let end = (from + most).min(self.slots.len());
        let next = (end < self.slots.len()).then_some(end);
        let slots = self.slots.get_mut(from..end).unwrap_or_default();
        (slots.iter_mut().flatten(), next)
    }

    pub(crate) fn len(&self) -> usize {
        self.by_key.len()
    }

    /// All slots in use.
    pub(crate) fn used(&self) -> Vec<u32> {
        (0..self.slots.len() as u32).filter(|slot| self.get(*slot).is_some()).collect()
    }

    /// The streams of the same address, the newest first.
    pub(crate) fn siblings(&self, key: &StreamKey) -> impl Iterator<Item = u32> {
        let newest = self.find_address(key.ip()).map(|entry| entry.1);
        core::iter::successors(newest, |slot| {
            self.get(*slot).map(|stream| stream.older).filter(|older| *older != NONE)
        })
    }

    /// Whether no other stream has this one's address.
    pub(crate) fn is_alone(&self, slot: u32) -> bool {
        self.get(slot).is_none_or(|stream| (stream.older, stream.newer) == (NONE, NONE))
    }

    pub(crate) fn proven(&self) -> usize {
        self.by_key.len() - self.unproven
    }

    pub(crate) fn unproven(&self) -> usize {
        self.unproven
    }

    /// Takes a new stream in.
    pub(crate) fn insert(&mut self, key: StreamKey, received: WallTime, standing: Standing) -> u32 {
        self.place(Stream { standing, ..Stream::new(key, received) })
    }

    /// Takes back in what was remembered of a stream.
    pub(crate) fn restore(&mut self, memory: Memory) -> u32 {
        self.place(Stream::of(memory))
    }

    fn place(&mut self, stream: Stream) -> u32 {
        self.generation = self.generation.wrapping_add(1);
        let (key, proven, generation) = (stream.key, stream.is_proven(), self.generation);
        let older = self.find_address(key.ip()).map_or(NONE, |entry| entry.1);
        let stream = Some(Stream { generation, older, ..stream });
        let slot = self.free.pop().unwrap_or(self.slots.len() as u32);
        match self.slots.get_mut(slot as usize) {
            Some(place) => *place = stream,
            None => self.slots.push(stream),
        }
        let hash = self.hash(key) as u32;
        self.by_key.insert_unique(spread(hash), (hash, slot), |entry| spread(entry.0));
        self.set_newest(key.ip(), older, slot);
        if !proven {
            self.unproven += 1;
            self.bound_newcomers();
            self.newcomers.push_back((slot, generation));
        }
        slot
    }

    /// Lets go of what is out of date, now and then.
    fn bound_newcomers(&mut self) {
        const FEW: usize = 64;
        if self.newcomers.len() < 2 * self.unproven + FEW {
            return;
        }
        let mut newcomers = std::mem::take(&mut self.newcomers);
        newcomers.retain(|newcomer| self.is_newcomer(*newcomer));
        newcomers.shrink_to(2 * newcomers.len());
        self.newcomers = newcomers;
    }

    fn is_newcomer(&self, (slot, generation): (u32, u32)) -> bool {
        self.get(slot).is_some_and(|s| s.generation == generation && !s.is_proven())
    }

    /// Counts a datagram; `true` when the stream has sent enough to be proven, and is not.
    pub(crate) fn hear(&mut self, slot: u32, received: WallTime, limits: &Limits) -> bool {
        let Some(stream) = self.get_mut(slot) else {
            return false;
        };
        stream.hear(received);
        let ripe = !stream.is_proven() && stream.heard.is_multiple_of(limits.proven_after.max(1));
        let asleep = stream.asleep.is_some();
        if asleep {
            self.wake(slot, limits);
        }
        ripe
    }

    /// The stream has proven itself.
    pub(crate) fn prove(&mut self, slot: u32, limits: &Limits) {
        let Some(stream) = self.get_mut(slot).filter(|stream| !stream.is_proven()) else {
            return;
        };
        stream.standing = Standing::Proven;
        let generation = stream.generation;
        self.unproven -= 1;
        self.awake.push_back((slot, generation));
        self.doze(slot, limits);
    }

    /// Brings a stream's memory to hand.
    pub(crate) fn wake(&mut self, slot: u32, limits: &Limits) {
        let Some(stream) = self.get_mut(slot) else {
            return;
        };
        let Some(bytes) = stream.asleep.take() else {
            return;
        };
        stream.memory = unpack(&bytes).map(Box::new);
        let (proven, generation) = (stream.is_proven(), stream.generation);
        if proven {
            self.awake.push_back((slot, generation));
            self.doze(slot, limits);
        }
    }

    /// Puts to sleep who has been silent for long, of some that are awake; how many that were.
    pub(crate) fn rest(&mut self, now: WallTime, limits: &Limits) -> usize {
        const LOOKS: usize = 2048;
        let mut tired = Vec::new();
        for _ in 0..LOOKS.min(self.awake.len()) {
            let Some((slot, generation)) = self.awake.pop_front() else { break };
            let Some(stream) = self.awake_mut(slot, generation) else { continue };
            let silent = u64::from(stream.silence(now).0) * 1_000_000;
            if silent >= limits.sleep_after_us && stream.pending.is_none() {
                tired.push(slot);
            } else {
                self.awake.push_back((slot, generation));
            }
        }
        self.put_to_sleep(&tired);
        tired.len()
    }

    /// First all of their minds go, and only then is what was packed given rooms: so those lie side
    /// by side, and not one in the place of each mind, where no page around them could be given back.
    fn put_to_sleep(&mut self, slots: &[u32]) {
        let (mut packed, mut ends) = (Vec::new(), Vec::new());
        for slot in slots {
            if let Some(stream) = self.get_mut(*slot) {
                let memory = stream.remember();
                packed.extend_from_slice(memory.as_ref().map_or(&[], |memory| memory.bytes()));
                stream.memory = None;
            }
            ends.push(packed.len());
        }
        let mut start = 0;
        for (slot, end) in slots.iter().zip(ends) {
            if let Some(stream) = self.get_mut(*slot) {
                stream.asleep = packed.get(start..end).map(Box::from);
            }
            start = end;
        }
    }

    /// The stream of an entry in the queue of those awake, if it is not out of date.
    fn awake_mut(&mut self, slot: u32, generation: u32) -> Option<&mut Stream> {
        let stream = self.get_mut(slot).filter(|stream| stream.generation == generation);
        stream.filter(|stream| stream.memory.is_some())
    }

    /// Puts to sleep who is awake beyond the bound, those that spoke lately last.
    fn doze(&mut self, spare: u32, limits: &Limits) {
        const LOOKS: usize = 4;
        for _ in 0..LOOKS {
            if self.awake.len() <= limits.awake_streams {
                return;
            }
            let Some((slot, generation)) = self.awake.pop_front() else {
                return;
            };
            let Some(stream) = self.awake_mut(slot, generation) else {
                continue;
            };
            let busy = slot == spare || stream.pending.is_some();
            if std::mem::take(&mut stream.fresh) || busy {
                self.awake.push_back((slot, generation));
                continue;
            }
            stream.sleep();
        }
    }

    /// What a stream knows, awake or not.
    pub(crate) fn memory(&self, slot: u32) -> Option<Cow<'_, Mind>> {
        let stream = self.get(slot)?;
        match (&stream.memory, &stream.asleep) {
            (Some(memory), _) => Some(Cow::Borrowed(memory)),
            (None, Some(bytes)) => unpack(bytes).map(Cow::Owned),
            (None, None) => None,
        }
    }

    /// The unproven stream that came first.
    pub(crate) fn oldest_newcomer(&mut self) -> Option<u32> {
        while let Some(&newcomer) = self.newcomers.front() {
            if self.is_newcomer(newcomer) {
                return Some(newcomer.0);
            }
            self.newcomers.pop_front();
        }
        None
    }

    /// The next proven stream that `may_go`, of the few that are looked at.
    pub(crate) fn next_proven(&mut self, may_go: impl Fn(&Stream) -> bool) -> Option<u32> {
        const LOOKS: usize = 32;
        for _ in 0..LOOKS.min(self.slots.len()) {
            self.hand = (self.hand + 1) % self.slots.len();
            let stream = self.slots.get(self.hand).and_then(Option::as_ref);
            if stream.is_some_and(|stream| stream.is_proven() && may_go(stream)) {
                return Some(self.hand as u32);
            }
        }
        None
    }

    pub(crate) fn remove(&mut self, slot: u32) -> Option<Stream> {
        let stream = self.slots.get_mut(slot as usize)?.take()?;
        let hash = self.hash(stream.key) as u32;
        if let Ok(found) = self.by_key.find_entry(spread(hash), |entry| entry.1 == slot) {
            found.remove();
        }
        if let Some(older) = self.get_mut(stream.older) {
            older.newer = stream.newer;
        }
        match self.get_mut(stream.newer) {
            Some(newer) => newer.older = stream.older,
            None => self.unset_newest(stream.key.ip(), slot, stream.older),
        }
        if !stream.is_proven() {
            self.unproven -= 1;
        }
        self.free.push(slot);
        Some(stream)
    }

    pub(crate) fn key_of(&self, slot: u32) -> Option<StreamKey> {
        self.get(slot).map(|stream| stream.key)
    }

    fn address_hash(&self, address: IpAddr) -> u32 {
        self.hasher.hash_one(address) as u32
    }

    fn find_address(&self, address: IpAddr) -> Option<Entry> {
        let hash = self.address_hash(address);
        let has_it = |entry: &Entry| {
            entry.0 == hash && self.get(entry.1).is_some_and(|s| s.key.ip() == address)
        };
        self.by_address.find(spread(hash), has_it).copied()
    }

    fn set_newest(&mut self, address: IpAddr, older: u32, slot: u32) {
        let hash = self.address_hash(address);
        if let Some(stream) = self.get_mut(older) {
            stream.newer = slot;
        }
        match self.by_address.find_mut(spread(hash), |entry| entry.1 == older) {
            Some(entry) => entry.1 = slot,
            None => {
                self.by_address.insert_unique(spread(hash), (hash, slot), |e| spread(e.0));
            }
        }
    }

    fn unset_newest(&mut self, address: IpAddr, slot: u32, older: u32) {
        let hash = self.address_hash(address);
        let Ok(mut found) = self.by_address.find_entry(spread(hash), |entry| entry.1 == slot)
        else {
            return;
        };
        if older == NONE {
            found.remove();
        } else {
            found.get_mut().1 = older;
        }
    }
}

/// 32 bits of a hash as the table wants them: it looks at the highest and the lowest.
fn spread(hash: u32) -> u64 {
    u64::from(hash) << 32 | u64::from(hash)
}
