//! What is known of a stream while it is awake.

use crate::track::Track;
use crate::{RunId, StreamKey, WallTime};

/// All that the core knows of one stream but its unfinished messages: about 1 KiB.
///
/// What every record asks for stands in front, in a few lines of the cache: of very many streams
/// that speak in turns none is there still when it speaks again.
#[derive(Clone, Debug, PartialEq, Eq)]
#[repr(C, align(64))]
pub(crate) struct Mind {
    pub(crate) last_received: WallTime,
    /// While `current` is provisional: the run that it may repeat.
    pub(crate) held: Option<Box<Track>>,
    /// `current` is known to share another stream's boot.
    pub(crate) linked: bool,
    pub(crate) current: Track,
    /// When it was first heard, over all its boots.
    pub(crate) since: WallTime,
    /// Earlier provisional runs that began since `held` and share its verdict if that is
    /// "the same boot".
    pub(crate) undecided: Vec<crate::Run>,
    /// The stream from which `current` took over the numbers.
    pub(crate) continues: Option<Box<StreamKey>>,
}

impl Mind {
    pub(crate) fn new(received: WallTime, current: Track) -> Mind {
        Mind {
            last_received: received,
            since: received,
            current,
            held: None,
            undecided: Vec::new(),
            continues: None,
            linked: false,
        }
    }

    /// Looks at what a record will need, and decides nothing by it; of what it sees comes a number
    /// that means nothing.
    pub(crate) fn touch(&self) -> u64 {
        let Track { run, numbers, marks, .. } = &self.current;
        let named = run.boot_id.is_some() ^ run.release.is_some();
        let next = numbers.map_or(0, |(_, next)| next);
        self.last_received.0 ^ next ^ run.id.0 ^ u64::from(named) ^ marks.seen
    }

    /// Likewise, at what lies behind it.
    pub(crate) fn touch_behind(&self) -> u64 {
        let Track { run, marks, .. } = &self.current;
        let names = [&run.boot_id, &run.release].into_iter().flatten();
        let initials = names.filter_map(|name| name.first()).fold(0, |all, byte| all ^ byte);
        marks.touch() ^ u64::from(initials)
    }

    /// Its latest run.
    pub(crate) fn run(&self) -> RunId {
        self.current.run.id
    }
}
