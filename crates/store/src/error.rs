//! What can go wrong with a store, each with what was done, to what, and the source.

use std::io;

/// A failed operation on a store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused.
    #[error("cannot {operation} {object}: {source}")]
    Io {
        /// What was tried, as a verb.
        operation: &'static str,
        /// On what.
        object: String,
        /// Why not.
        source: io::Error,
    },
    /// A file is not what its name says.
    #[error("{object}: {problem}")]
    Damaged {
        /// The file, and where in it.
        object: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Another process writes this store.
    #[error("the store in {dir} is being written by {holder}: stop that one, or give another directory", dir = dir.display(), holder = holder(*pid))]
    Locked {
        /// The store.
        dir: std::path::PathBuf,
        /// The process, where it has told its number.
        pid: Option<u32>,
    },
    /// SQLite refused.
    #[error("cannot {operation} the catalogue: {source}")]
    Catalogue {
        /// What was tried, as a verb.
        operation: &'static str,
        /// Why not.
        source: rusqlite::Error,
    },
    /// Written by a later version.
    #[error(
        "{object} has format version {found}, this program reads up to {known}: use a newer one"
    )]
    TooNew {
        /// The file.
        object: String,
        /// Its version.
        found: u16,
        /// Ours.
        known: u16,
    },
}

impl Error {
    /// Wraps an error of the operating system.
    pub fn io(operation: &'static str, object: impl Into<String>, source: io::Error) -> Error {
        Error::Io { operation, object: object.into(), source }
    }

    pub(crate) fn damaged(object: impl Into<String>, problem: &'static str) -> Error {
        Error::Damaged { object: object.into(), problem }
    }

    /// Whether a file holds something else than it should, as far as can be told.
    pub(crate) fn is_damaged(&self) -> bool {
        use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
        match self {
            Error::Damaged { .. } => true,
            Error::Catalogue { source, .. } => {
                matches!(source.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase))
            }
            _ => false,
        }
    }

    /// Whether the catalogue's file makes no sense, or is no longer where it was opened: no
    /// attempt with it will ever work again.
    pub(crate) fn needs_new_catalogue(&self) -> bool {
        /// SQLITE_READONLY_DBMOVED in sqlite3.h.
        const MOVED: i32 = 8 | (4 << 8);
        let Error::Catalogue { source, .. } = self else { return false };
        self.is_damaged() || source.sqlite_error().is_some_and(|e| e.extended_code == MOVED)
    }

    /// Whether this one file can't be read, and others can: it is damaged, or somebody else's, or
    /// no file, or its disk is damaged where it lies.
    pub(crate) fn is_of_one_file(&self) -> bool {
        let Error::Io { source, .. } = self else { return matches!(self, Error::Damaged { .. }) };
        let kinds = [io::ErrorKind::PermissionDenied, io::ErrorKind::IsADirectory];
        kinds.contains(&source.kind()) || source.raw_os_error() == Some(nix::libc::EIO)
    }

    /// Whether the file is simply not there (any more).
    pub fn is_not_found(&self) -> bool {
        matches!(self, Error::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}
