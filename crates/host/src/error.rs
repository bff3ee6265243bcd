//! What could not be done.

use std::io;
use std::path::PathBuf;

/// What could not be done to a machine.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be read.
    #[error("cannot read {}: {cause}{}", path.display(), hint_of(cause))]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's word.
        cause: io::Error,
    },
    /// A file could not be written.
    #[error("cannot write {value:?} to {}: {cause}{hint}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What was to be written.
        value: String,
        /// The system's word.
        cause: io::Error,
        /// What that mostly means.
        hint: String,
    },
    /// A file or directory could not be made or removed.
    #[error("cannot {what} {}: {cause}{hint}", path.display())]
    Change {
        /// What was to be done.
        what: &'static str,
        /// To which.
        path: PathBuf,
        /// The system's word.
        cause: io::Error,
        /// What that mostly means.
        hint: String,
    },
    /// The module that delivers a death can't send to a target.
    #[error(
        "bedside_netconsole can't send to {parameter}: {reason}\ntry: what the kernel says of it \
         (`dmesg`)"
    )]
    Dumper {
        /// The target, as a kernel parameter has it.
        parameter: String,
        /// Why not, in the module's word.
        reason: String,
    },
    /// The key can't be used.
    #[error("the key {} is not used: {why}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// Why not, and what to do.
        why: &'static str,
    },
    /// A program did not start.
    #[error("cannot run `{words}`: {cause}")]
    Start {
        /// The program and its arguments.
        words: String,
        /// The system's word.
        cause: io::Error,
    },
    /// A program said no.
    #[error("`{words}` ended with {status}: {said}")]
    Program {
        /// The program and its arguments.
        words: String,
        /// How it ended.
        status: std::process::ExitStatus,
        /// What it said.
        said: String,
    },
    /// The kernel did not answer a question about the network.
    #[error("cannot ask the kernel for {what}: {cause}")]
    Netlink {
        /// What was asked for.
        what: &'static str,
        /// The system's word.
        cause: io::Error,
    },
}

/// What a refusal mostly means, of a file on a disk.
pub(crate) fn hint_of(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "\ntry: as root",
        io::ErrorKind::ReadOnlyFilesystem => {
            "\ntry: `mount -o remount,rw …`, for it is mounted read-only; or, until the next start of \
             the machine only, `up --no-permanent`"
        }
        io::ErrorKind::StorageFull => "\ntry: with room on the disk",
        _ => "",
    }
}

impl Error {
    pub(crate) fn read(path: PathBuf) -> impl FnOnce(io::Error) -> Error {
        move |cause| Error::Read { path, cause }
    }

    pub(crate) fn change(what: &'static str, path: PathBuf) -> impl FnOnce(io::Error) -> Error {
        move |cause| Error::Change { what, hint: hint_of(&cause).into(), path, cause }
    }

    pub(crate) fn netlink(what: &'static str) -> impl FnOnce(io::Error) -> Error {
        move |cause| Error::Netlink { what, cause }
    }
}
