//! Entry lines as they stand, for who reads every one of them.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

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

    /// Gives out the lines of the next blocks, without their `\n`; waits up to `timeout` for some.
    /// Answers the number of their segment; `None`: none came. Of blocks of which it was said when
    /// they were written that no record in them begins an incident, the records come only if
    /// `ordinary` ones are asked for.
    pub fn next(
        &mut self,
        timeout: Duration,
        ordinary: bool,
        mut line: impl FnMut(&[u8]),
    ) -> Result<Option<u64>, Error> {
        let began = Instant::now();
        let dir = self.view.dir();
        loop {
            let advanced = self.arrival.block(ordinary, |_, text| line(text));
            let unreadable = |source| Error::Unreadable { path: dir.to_owned(), source };
            if let Some(segment) = advanced.map_err(unreadable)? {
                return Ok(Some(segment));
            }
            let left = timeout.saturating_sub(began.elapsed());
            if left.is_zero() {
                if !timeout.is_zero() {
                    self.arrival.rest();
                }
                return Ok(None);
            }
            self.arrival.wait(left)?;
        }
    }

    /// What could not be read and was skipped.
    pub fn damage(&self) -> Vec<Damage> {
        self.view.segments().damage()
    }
}
