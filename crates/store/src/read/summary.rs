//! What a reader knows of hosts and boots as wholes.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bedside_stream::{Cause, RunId, Voice, WallTime};
use netconsole_wire::Format;

/// How a boot ended, as far as was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// A last word of a shutdown was heard.
    Clean,
    /// A last word of a panic was heard.
    Panic,
    /// No last word was heard. Not proof of a crash: a clean reboot of a 7.x kernel looks the
    /// same on the wire.
    Silence,
}

impl End {
    /// The name used in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            End::Clean => "clean",
            End::Panic => "panic",
            End::Silence => "silence",
        }
    }
}

/// How much is missing, by cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Losses {
    /// Records lost for certain: holes in `msgid`.
    pub proven: u64,
    /// Records that the sender said it dropped.
    pub dropped_by_sender: u64,
    /// Records filtered by the sender or lost: holes in the numbers.
    pub probable: u64,
    /// Records filtered, lost or deleted by retention: holes in the numbers where a segment is
    /// gone.
    pub unknown: u64,
    /// Datagrams that did not fit our socket's buffer.
    pub socket: u64,
    /// What one of our own limits cost.
    pub limit: u64,
}

impl Losses {
    /// Counts `count` more under `cause`; stops at the largest number.
    pub fn add(&mut self, cause: Cause, count: u64) {
        let sum = match cause {
            Cause::Proven => &mut self.proven,
            Cause::DroppedBySender => &mut self.dropped_by_sender,
            Cause::Probable => &mut self.probable,
            Cause::Unknown => &mut self.unknown,
            Cause::Socket => &mut self.socket,
            Cause::Limit => &mut self.limit,
        };
        *sum = sum.saturating_add(count);
    }

    /// Counts all of `other` too.
    pub fn merge(&mut self, other: &Losses) {
        for (cause, count) in other.by_cause() {
            self.add(cause, count);
        }
    }

    /// Each cause with its count, zeros too.
    pub fn by_cause(&self) -> [(Cause, u64); 6] {
        [
            (Cause::Proven, self.proven),
            (Cause::DroppedBySender, self.dropped_by_sender),
            (Cause::Probable, self.probable),
            (Cause::Unknown, self.unknown),
            (Cause::Socket, self.socket),
            (Cause::Limit, self.limit),
        ]
    }
}

/// One boot of one machine, cheaply known: no record was read for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootSummary {
    /// The machine: userdata's `host`, else the IP address. Invalid UTF-8 is replaced.
    pub host: Arc<str>,
    /// From 1 per host; 0 where the store no longer knows it.
    pub number: u32,
    /// Its runs, in the order in which they began.
    pub runs: Vec<RunId>,
    /// Who sent, each once, in the order in which they were first heard.
    pub sources: Vec<SocketAddr>,
    /// Our ports, each once, in the order in which they first heard it.
    pub ports: Vec<u16>,
    /// `boot_id` from userdata, exact bytes.
    pub boot_id: Option<Vec<u8>>,
    /// The kernel's release, exact bytes.
    pub release: Option<Vec<u8>>,
    /// When its first record was received.
    pub first_received: WallTime,
    /// When the last record held of it was received.
    pub last_received: WallTime,
    /// How it ended; none while it may still speak.
    pub end: Option<End>,
    /// A later boot of the same host is known.
    pub superseded: bool,
    /// The numbers came back, but nothing yet tells a new boot from a repeat.
    pub provisional: bool,
    /// By whom the last word was said that it ended with; where there is none, by whom it was
    /// proven to be heard, if anything was.
    pub voice: Voice,
    /// How many of its records were heard signed, repeats counted.
    pub signed_records: u64,
    /// Of this host something was heard that was signed, in this boot or another: what it says
    /// without a tag proves nothing.
    pub signs: bool,
}

impl BootSummary {
    /// What its tags prove, in words, where there is something to say.
    pub fn proof(&self) -> Option<&'static str> {
        match self.voice {
            Voice::Signed => Some("signed"),
            Voice::Plain if self.signs && matches!(self.end, Some(End::Clean | End::Panic)) => {
                Some("not signed: unproven")
            }
            Voice::Plain => None,
            Voice::Forged => Some("forged: its tag is of no key that is known here"),
            Voice::Copied => Some("copied: signed by another source or in an earlier boot"),
        }
    }

    /// The addresses it was heard from, each once.
    pub fn addresses(&self) -> Vec<IpAddr> {
        let mut addresses: Vec<IpAddr> = self.sources.iter().map(SocketAddr::ip).collect();
        addresses.sort_unstable();
        addresses.dedup();
        addresses
    }
}

/// What a boot holds, exactly as [`Reader::items`](super::Reader::items) gives it out.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct BootCounts {
    /// Records, repeats not counted.
    pub records: u64,
    /// What is missing of it.
    pub losses: Losses,
    /// The formats of its records, each once.
    pub formats: Vec<Format>,
}

/// One machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostSummary {
    /// The machine: userdata's `host`, else the IP address. Invalid UTF-8 is replaced.
    pub host: Arc<str>,
    /// The addresses it was heard from, each once.
    pub addresses: Vec<IpAddr>,
    /// How many boots the store holds of it.
    pub boots: u64,
    /// When its first record held was received.
    pub first_received: WallTime,
    /// When its last record was received.
    pub last_received: WallTime,
    /// Records of all its boots, repeats not counted.
    pub records: u64,
    /// What is missing of all its boots.
    pub losses: Losses,
    /// Records received in the 60 s before now.
    pub last_minute: u64,
    /// Records received in the 3600 s before now.
    pub last_hour: u64,
    /// The text of the record received last, exact bytes.
    pub last_line: Option<Vec<u8>>,
}
