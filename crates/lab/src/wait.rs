//! Waiting for a condition, never longer than a deadline.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Long enough for any step on a loaded machine; what takes longer has failed.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// Asks again until there is an answer; after [`PATIENCE`] the wait is an error.
pub fn until<T>(what: &str, ask: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    until_within(PATIENCE, what, ask)
}

/// Asks again until there is an answer, for at most `patience`. While nothing here was let run, with
/// a host that slept say, nobody has waited.
pub fn until_within<T>(
    patience: Duration,
    what: &str,
    mut ask: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let mut waited = Duration::ZERO;
    while waited <= patience {
        let begun = Instant::now();
        if let Some(answer) = ask()? {
            return Ok(answer);
        }
        std::thread::sleep(BETWEEN);
        waited += begun.elapsed().min(LONGEST);
    }
    bail!("waited {patience:?} for {what} in vain");
}

/// No question takes longer.
const LONGEST: Duration = Duration::from_secs(10);

/// Between two questions.
const BETWEEN: Duration = Duration::from_millis(2);
