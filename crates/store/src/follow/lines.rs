//! Entry lines as they stand, for who reads every one of them.

use std::path::Path;
use std::sync::Arc;

use super::arrival::Arrival;
use crate::read::view::View;
use crate::read::{Damage, Error};

/// All entry lines of a store by arrival, those of the past first; knows nothing of runs.
///
/// Each segment stands alone: in it, a run's line comes before its first record. So the beginning
/// of a segment is the place to go on from.
#[derive(Debug)]
pub struct Lines {
    view: Arc<View>,
    arrival: Arrival,
}

impl Lines {
    /// From the beginning of this segment on, or of the first one after it that is held.
    pub fn from(dir: &Path, segment: u64) -> Result<Lines, Error> {
        let view = Arc::new(View::of_segments(dir)?);
        let arrival = Arrival::behind(segment.saturating_sub(1), &view)?;
        Ok(Lines { view, arrival })
    }

    /// Gives out the lines of the next blocks that are there, without their `\n`. Answers the
    /// number of their segment; `None`: there is none yet. Of blocks of which it was said when they
    /// were written that no record in them begins an incident, the records come only if `ordinary`
    /// ones are asked for; where nothing is left of them, many are passed over at once.
    pub fn next(
        &mut self,
        ordinary: bool,
        mut line: impl FnMut(&[u8]),
    ) -> Result<Option<u64>, Error> {
        // Nothing else tells of a new segment.
        self.arrival.look_around();
        let advanced = self.arrival.block(ordinary, |_, text| line(text));
        let path = self.view.dir();
        advanced.map_err(|source| Error::Unreadable { path: path.to_owned(), source })
    }

    /// Gives room back that is not needed while nothing comes.
    pub fn rest(&mut self) {
        self.arrival.rest();
    }

    /// What could not be read and was skipped.
    pub fn damage(&self) -> Vec<Damage> {
        self.view.segments().damage()
    }
}
