//! How a command ends.

use std::io::{self, Write as _};
use std::process::{ExitCode, Termination};

use crate::tell::trouble;

/// How a command ended, as its exit status says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done, and all is well.
    Well = 0,
    /// A problem was found, the machine was refused, or its doctor did not hear it.
    Problem = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// It could not be done or could not be found out.
    CouldNot = 3,
}

impl Termination for Exit {
    fn report(self) -> ExitCode {
        ExitCode::from(self as u8)
    }
}

/// Turns a command's result into its exit status, and tells an error on standard error.
pub fn conclude(result: anyhow::Result<Exit>) -> Exit {
    match result {
        Ok(exit) => match trouble() {
            Some(error) => {
                let exit = if exit == Exit::Well { Exit::CouldNot } else { exit };
                tell(exit, &format!("can't write to standard output: {error}"))
            }
            None => exit,
        },
        Err(error) => tell(Exit::CouldNot, &format!("{error:#}")),
    }
}

/// Says on standard error why it ends so.
pub(crate) fn tell(exit: Exit, why: &str) -> Exit {
    // When standard error is gone too, the exit status is all that is left to say.
    drop(writeln!(io::stderr(), "bedside-patient: {why}"));
    exit
}
