//! What brings a stream back after the doctor's restart or after it was forgotten.

use serde::{Deserialize, Serialize};

use crate::track::Track;
use crate::{RunId, StreamKey, WallTime};

/// All that the core knows of one stream but its unfinished messages. Serialises to about 1 KiB.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    pub(crate) key: StreamKey,
    pub(crate) last_received: WallTime,
    /// Datagrams heard, saturating.
    pub(crate) heard: u32,
    pub(crate) proven: bool,
    pub(crate) current: Track,
    /// While `current` is provisional: the run that it may repeat.
    pub(crate) held: Option<Box<Track>>,
    /// Earlier provisional runs that began since `held` and share its verdict if that is
    /// "the same boot".
    pub(crate) undecided: Vec<crate::Run>,
    /// The stream from which `current` took over the numbers.
    pub(crate) continues: Option<StreamKey>,
    /// `current` is known to share another stream's boot.
    pub(crate) linked: bool,
}

impl Memory {
    pub(crate) fn new(key: StreamKey, received: WallTime, current: Track) -> Memory {
        Memory {
            key,
            last_received: received,
            heard: 0,
            proven: false,
            current,
            held: None,
            undecided: Vec::new(),
            continues: None,
            linked: false,
        }
    }

    /// The stream.
    pub fn key(&self) -> StreamKey {
        self.key
    }

    /// Its latest run.
    pub fn run(&self) -> RunId {
        self.current.run.id
    }

    /// When it was last heard.
    pub fn last_received(&self) -> WallTime {
        self.last_received
    }

    /// Whether it has sent more than a few datagrams.
    pub fn proven(&self) -> bool {
        self.proven
    }
}
