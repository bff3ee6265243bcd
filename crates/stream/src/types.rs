//! The words that the floors above share with this one.

use netconsole_wire::Record;

use crate::StreamKey;

/// Time that drives: microseconds of a clock that never goes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Monotonic(pub u64);

/// Time that is carried: microseconds since 1970-01-01 UTC at which the receiver's kernel took
/// the datagram from the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct WallTime(pub u64);

/// What is known of who sent a datagram, by its tag (`netconsole_wire::tag`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Voice {
    /// No tag, or nobody with a key has looked.
    #[default]
    Plain,
    /// Made with a key of ours, in the boot that it was heard in.
    Signed,
    /// A tag that none of our keys makes.
    Forged,
    /// Made with a key of ours, but it belongs to another source or an earlier boot.
    Copied,
}

impl Voice {
    /// All there are.
    pub const ALL: [Voice; 4] = [Voice::Plain, Voice::Signed, Voice::Forged, Voice::Copied];

    /// The name used in JSON and in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Voice::Plain => "plain",
            Voice::Signed => "signed",
            Voice::Forged => "forged",
            Voice::Copied => "copied",
        }
    }

    /// Reads the name.
    pub fn parse(name: &[u8]) -> Option<Voice> {
        Voice::ALL.into_iter().find(|voice| voice.as_str().as_bytes() == name)
    }

    /// Whether it may be the machine that it says it is; what is forged or copied never shares a
    /// boot with anything.
    pub const fn is_genuine(self) -> bool {
        matches!(self, Voice::Plain | Voice::Signed)
    }
}

/// A run: the records of one stream that lie, as far as the core knows yet, in one boot.
/// Numbers rise for the life of a store and are never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct RunId(pub u64);

/// What is known of a run's place among the boots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// The numbers came back, but nothing yet tells a new boot from a repeat. Readers treat it
    /// as a boot of its own until the verdict comes.
    Provisional,
    /// A boot of its own.
    Boot,
    /// The same boot as that run: a repeat, or the numbers going on from another port.
    SameAs(RunId),
}

/// A last word that was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LastWord {
    /// A shutdown, reboot or kexec that was meant.
    Clean,
    /// "Kernel panic - not syncing".
    Panic,
}

/// All that is known of a run, given again whole whenever any of it changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Its number.
    pub id: RunId,
    /// Its stream.
    pub key: StreamKey,
    /// When its first record came.
    pub first_received: WallTime,
    /// Its place among the boots.
    pub verdict: Verdict,
    /// `host` from userdata: the first that this run carried. Raw bytes, at most 199.
    pub host: Option<Vec<u8>>,
    /// `boot_id` from userdata: the first that this run carried.
    pub boot_id: Option<Vec<u8>>,
    /// The kernel release, from the header or from the kernel's first line.
    pub release: Option<Vec<u8>>,
    /// The last word, if one was heard and nothing unlike a death came after it.
    pub last_word: Option<LastWord>,
    /// Of a newcomer among very many, who has yet to prove itself: see [`Limits`](crate::Limits).
    pub stranger: bool,
}

/// Why something is known, or feared, to be missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// A hole in `msgid`: sent by the kernel's netconsole, never heard.
    Proven,
    /// The sender's own word: `** N printk messages dropped **`.
    DroppedBySender,
    /// A hole in the sequence: filtered by the sender or lost.
    Probable,
    /// A hole in the sequence where the store itself has one: a segment in between is gone, so it
    /// was filtered, lost or deleted. Only readers tell of it.
    Unknown,
    /// Our socket's buffer was full.
    Socket,
    /// One of our own limits.
    Limit,
}

impl Cause {
    /// The name used in JSON, in the store and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Cause::Proven => "proven",
            Cause::DroppedBySender => "dropped_by_sender",
            Cause::Probable => "probable",
            Cause::Unknown => "unknown",
            Cause::Socket => "socket",
            Cause::Limit => "limit",
        }
    }
}

/// What the core says, in the order in which it came to know it.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// A run began or something about it changed. Always before the first record of the run.
    Run(&'a Run),
    /// A record, at once and in order of arrival.
    Record {
        /// Its run.
        run: RunId,
        /// When it (its last datagram) was received.
        received: WallTime,
        /// The record.
        record: &'a Record<'a>,
    },
    /// Something is missing that no number in the store can show: the sender's own word of
    /// what it dropped.
    Dropped {
        /// The run that says so.
        run: RunId,
        /// When it was said.
        received: WallTime,
        /// How many records.
        count: u64,
    },
    /// The stream is forgotten to make room; what is here brings it back.
    Evicted(&'a crate::Memory),
}
