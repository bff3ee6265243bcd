//! Waiting for a condition, never longer than a deadline.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Long enough for any step on a loaded machine; what takes longer has failed.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// Asks again until there is an answer; after [`PATIENCE`] the wait is an error.
pub fn until<T>(what: &str, ask: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    until_within(PATIENCE, what, ask)
}

/// Asks again until there is an answer, for at most `patience`.
pub fn until_within<T>(
    patience: Duration,
    what: &str,
    mut ask: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let begun = Instant::now();
    loop {
        if let Some(answer) = ask()? {
            return Ok(answer);
        }
        if begun.elapsed() > patience {
            bail!("waited {patience:?} for {what} in vain");
        }
        std::thread::sleep(BETWEEN);
    }
}

/// Between two questions.
const BETWEEN: Duration = Duration::from_millis(2);
