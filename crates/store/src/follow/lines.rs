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

    /// Gives out the lines of the next blocks, without their `\n`, each with the number of its
    /// segment; waits up to `timeout` for some. `false`: none came.
    pub fn next(
        &mut self,
        timeout: Duration,
        mut line: impl FnMut(u64, &[u8]),
    ) -> Result<bool, Error> {
        let began = Instant::now();
        let dir = self.view.dir();
        loop {
            let advanced = self.arrival.block(&mut line);
            if advanced.map_err(|source| Error::Unreadable { path: dir.to_owned(), source })? {
                return Ok(true);
            }
            let left = timeout.saturating_sub(began.elapsed());
            if left.is_zero() {
                self.arrival.rest();
                return Ok(false);
            }
            self.arrival.wait(left)?;
        }
    }

    /// What could not be read and was skipped.
    pub fn damage(&self) -> Vec<Damage> {
        self.view.segments().damage()
    }
}
