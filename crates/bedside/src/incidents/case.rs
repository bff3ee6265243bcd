//! One time that an incident happened.

use std::net::SocketAddr;

use bedside_stream::{RunId, Voice, WallTime};
use bedside_triage::{Fingerprint, Incident, Kind};
use sha2::{Digest as _, Sha256};

/// An incident of a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Case {
    /// The same whenever the same lines of the store are read.
    pub(crate) key: Key,
    pub(crate) of: Patient,
    /// When its first and its last line were received.
    pub(crate) first: WallTime,
    pub(crate) last: WallTime,
    /// More lines may come.
    pub(crate) open: bool,
    pub(crate) incident: Incident,
}

/// Who has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Patient {
    pub(crate) run: RunId,
    /// The first run of its boot, as far as is known.
    pub(crate) root: RunId,
    pub(crate) host: String,
    /// The number of its boot; 0 where it is not known.
    pub(crate) boot: u32,
    pub(crate) source: SocketAddr,
    pub(crate) release: Option<String>,
    /// Whether its words are proven.
    pub(crate) voice: Voice,
}

/// What a case is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Key {
    /// Its first line, as this run received it.
    pub(crate) heard: u64,
    /// Its first line as the kernel said it; the same in each stream of a boot and each time that
    /// its log is sent again. None of a line without a time.
    pub(crate) said: Option<u64>,
}

/// Where an incident begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) received: WallTime,
    pub(crate) seq: Option<u64>,
    pub(crate) time: Option<u64>,
}

/// About how many bytes an incident takes up.
pub(crate) fn weight(incident: &Incident) -> usize {
    1024 + incident.lines.iter().map(|line| line.text.len() + 32).sum::<usize>()
}

impl Key {
    /// Of the incident of this run whose first line stands there.
    pub(crate) fn new(run: RunId, place: Place, text: &str) -> Key {
        let Place { received, seq, time } = place;
        let said = time.filter(|time| *time > 0).map(|time| hash(&format!("{time} {text}")));
        Key { heard: hash(&format!("{} {} {seq:?} {time:?} {text}", run.0, received.0)), said }
    }

    /// Of a heart that stopped.
    pub(crate) fn of_flatline(boot_id: &str, last: WallTime) -> Key {
        Key { heard: hash(&format!("flatline {boot_id} {}", last.0)), said: None }
    }
}

impl Case {
    /// The machine did not live on.
    pub(crate) fn is_death(&self) -> bool {
        self.incident.panicked || self.incident.kind == Kind::Panic
    }
}

/// Of a flatline, which is each machine's own.
pub(crate) fn fingerprint_of_flatline(host: &str) -> Fingerprint {
    Fingerprint(hash(&format!("flatline {host}")))
}

/// The same in every process and version: it is on the disk.
fn hash(text: &str) -> u64 {
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().take(8).fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}
