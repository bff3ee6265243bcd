//! What is known of a stream while it is awake.

use crate::track::Track;
use crate::{RunId, StreamKey, WallTime};

/// All that the core knows of one stream but its unfinished messages: about 1.3 KiB.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mind {
    pub(crate) key: StreamKey,
    pub(crate) last_received: WallTime,
    /// When it was first heard, over all its boots.
    pub(crate) since: WallTime,
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

impl Mind {
    pub(crate) fn new(key: StreamKey, received: WallTime, current: Track) -> Mind {
        Mind {
            key,
            last_received: received,
            since: received,
            current,
            held: None,
            undecided: Vec::new(),
            continues: None,
            linked: false,
        }
    }

    /// Its latest run.
    pub(crate) fn run(&self) -> RunId {
        self.current.run.id
    }
}
