//! How a command ends.

use std::io::{self, Write as _};
use std::process::{ExitCode, Termination};

/// How a command ended, as its exit status says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done, and all is well.
    Well = 0,
    /// A problem was found, or nothing of what was asked for.
    Problem = 1,
    /// The command line or the configuration does not make sense.
    Usage = 2,
    /// It could not be done or could not be found out.
    CouldNotCheck = 3,
}

impl Termination for Exit {
    fn report(self) -> ExitCode {
        ExitCode::from(self as u8)
    }
}

/// Turns a command's result into its exit status, and tells an error on standard error.
///
/// A reader that went away (`bedside log | head`) is no error.
pub fn conclude(result: anyhow::Result<Exit>) -> Exit {
    match result {
        Ok(exit) => exit,
        Err(error) if is_broken_pipe(&error) => Exit::Well,
        Err(error) => tell(Exit::CouldNotCheck, &words(&error)),
    }
}

/// What failed and why, each cause once: many an error says its cause itself.
pub(crate) fn words(error: &anyhow::Error) -> String {
    let mut words = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !words.contains(&cause) {
            words = format!("{words}: {cause}");
        }
    }
    words
}

/// Says on standard error why it ends so.
pub(crate) fn tell(exit: Exit, why: &str) -> Exit {
    // When standard error is gone too, the exit status is all that is left to say.
    drop(writeln!(io::stderr(), "bedside: {why}"));
    exit
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_said_once() {
        let error = anyhow::anyhow!("no room").context("cannot write x: no room").context("failed");
        assert_eq!(words(&error), "failed: cannot write x: no room");
    }

    #[test]
    fn a_reader_that_left_is_no_error() {
        let error = anyhow::Error::new(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!(conclude(Err(error.context("writing"))), Exit::Well);
        assert_eq!(conclude(Err(anyhow::anyhow!("disk on fire"))), Exit::CouldNotCheck);
    }
}
