//! A stream as it is held in memory, awake or asleep.

use crate::memory::Memory;
use crate::mind::Mind;
use crate::pending::Pending;
use crate::table::NONE;
use crate::{StreamKey, WallTime};

/// A stream in memory.
///
/// What every datagram asks for stands in front, within the length of a line of the cache.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Stream {
    pub(crate) key: StreamKey,
    /// Datagrams heard.
    pub(crate) heard: u32,
    /// `None` until its first whole record, and while it is asleep.
    pub(crate) memory: Option<Box<Mind>>,
    /// When it was heard last, in seconds.
    pub(crate) last_heard: u32,
    /// How often this run was compared with its siblings'.
    pub(crate) compared: u32,
    pub(crate) standing: Standing,
    /// Heard since it was last considered for sleep.
    pub(crate) fresh: bool,
    /// Heard since the last checkpoint.
    pub(crate) changed: bool,
    /// Tells this stream from one that had the same slot before.
    pub(crate) generation: u32,
    /// The packed memory of a stream that is not awake.
    pub(crate) asleep: Option<Box<[u8]>>,
    pub(crate) pending: Option<Box<Pending>>,
    /// The stream that took the numbers over, and how often this one has spoken since.
    pub(crate) taken_over: Option<Box<(StreamKey, u32)>>,
    /// When it was heard first, in seconds.
    pub(crate) first_heard: u32,
    /// The streams of the same address that began before and after it.
    pub(crate) older: u32,
    pub(crate) newer: u32,
}

/// What a stream has shown of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It has sent a few datagrams only, and came among very many that had.
    Stranger,
    /// It has sent a few datagrams only.
    Newcomer,
    /// It has sent more.
    Proven,
}

impl Stream {
    pub(crate) fn new(key: StreamKey, received: WallTime) -> Stream {
        Stream {
            key,
            memory: None,
            asleep: None,
            pending: None,
            taken_over: None,
            heard: 0,
            first_heard: seconds(received),
            last_heard: seconds(received),
            generation: 0,
            compared: 0,
            older: NONE,
            newer: NONE,
            standing: Standing::Newcomer,
            fresh: true,
            changed: false,
        }
    }

    pub(crate) fn of(memory: Memory) -> Stream {
        Stream {
            heard: memory.heard,
            standing: if memory.proven { Standing::Proven } else { Standing::Newcomer },
            first_heard: seconds(memory.since),
            asleep: Some(memory.bytes),
            ..Stream::new(memory.key, memory.last_received)
        }
    }

    /// Looks at all of it, at each line of the cache; of what it sees comes a number that means
    /// nothing.
    pub(crate) fn touch(&self) -> u64 {
        self.key.first_word() ^ u64::from(self.last_heard ^ self.newer)
    }

    /// Counts a datagram.
    pub(crate) fn hear(&mut self, received: WallTime) {
        self.last_heard = self.last_heard.max(seconds(received));
        self.fresh = true;
        self.changed = true;
        self.heard = self.heard.saturating_add(1);
    }

    /// When it was heard last, to the second.
    pub(crate) fn last_received(&self) -> WallTime {
        WallTime(u64::from(self.last_heard) * 1_000_000)
    }

    pub(crate) fn is_proven(&self) -> bool {
        self.standing == Standing::Proven
    }

    pub(crate) fn is_stranger(&self) -> bool {
        self.standing == Standing::Stranger
    }

    /// What brings this stream back.
    pub(crate) fn remember(&self) -> Option<Memory> {
        match &self.memory {
            Some(memory) => Some(memory.pack(self.heard, self.is_proven())),
            None => self.asleep.clone().and_then(Memory::from_bytes),
        }
    }

    /// Packs its memory.
    pub(crate) fn sleep(&mut self) {
        self.asleep = self.remember().map(|packed| packed.bytes);
        self.memory = None;
    }

    /// For how many seconds it has been silent, and for how many it was heard before.
    pub(crate) fn silence(&self, now: WallTime) -> (u32, u32) {
        let silent = seconds(now).saturating_sub(self.last_heard);
        (silent, self.last_heard.saturating_sub(self.first_heard))
    }
}

/// Whole seconds: good until 2106.
fn seconds(time: WallTime) -> u32 {
    u32::try_from(time.0 / 1_000_000).unwrap_or(u32::MAX)
}
