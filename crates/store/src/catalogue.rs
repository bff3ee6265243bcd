//! The catalogue: what the segments hold, told in hosts, runs and counters, and the stream core's
//! memory. `docs/store-format.md`, section 3.
//!
//! It makes readers fast and restarts short, but it is never the truth: [`Summary`] is the fold
//! that fills it, and whoever can't read it folds the segments instead.

mod commit;
mod fold;
mod load;
mod memory;
mod of_hosts;
mod schema;
mod source;
mod strangers;
mod summary;

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::error::Error;

pub use commit::News;
pub(crate) use fold::Told;
use load::SELECT_RUNS;
pub use memory::{MemoryRow, Place};
pub(crate) use of_hosts::Asked;
pub use strangers::Strangers;
pub use summary::{RunState, SegmentSummary, Spans, Summary, Tally};

/// The file's name in the store's directory.
pub const FILE_NAME: &str = "catalogue.sqlite";

/// An open catalogue.
#[derive(Debug)]
pub struct Catalogue {
    connection: Connection,
    /// It holds at most so many memories.
    remembered: u64,
    /// The file that can't be written, and in whose place this one in memory is.
    stands_in_for: Option<PathBuf>,
}

impl Catalogue {
    /// Opens the catalogue for writing, made new where there is none.
    pub fn open(path: &Path) -> Result<Catalogue, Error> {
        // SQLite would give the file to the whole world to read; the journal takes after it.
        let mut options = OpenOptions::new();
        options.append(true).create(true).mode(0o640);
        options.open(path).map_err(|e| Error::io("open", path.display().to_string(), e))?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(failed("open"))?;
        Catalogue::prepared(connection)
    }

    /// Opens the catalogue for reading, which needs read permission only.
    pub fn open_read_only(path: &Path) -> Result<Catalogue, Error> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(failed("open"))?;
        connection.busy_timeout(READER_PATIENCE).map_err(failed("open"))?;
        schema::check(&connection)?;
        Ok(Catalogue { connection, remembered: u64::MAX, stands_in_for: None })
    }

    /// A catalogue that is gone with this value.
    pub fn in_memory() -> Result<Catalogue, Error> {
        Catalogue::prepared(Connection::open_in_memory().map_err(failed("open"))?)
    }

    /// One in memory, as long as the file can't be written, with what can't be had from the
    /// segments if that can be read.
    pub(crate) fn standing_in_for(path: &Path) -> Result<Catalogue, Error> {
        let mut catalogue = Catalogue::in_memory()?;
        catalogue.stands_in_for = Some(path.to_owned());
        if let Ok(file) = Catalogue::open_read_only(path)
            && let Err(error) = catalogue.adopt(&file)
        {
            tracing::warn!(%error, "what the catalogue remembers of streams is not at hand");
        }
        Ok(catalogue)
    }

    /// Whether it is one in memory for a file that can't be written.
    pub(crate) fn is_stand_in(&self) -> bool {
        self.stands_in_for.is_some()
    }

    /// The file that a stand-in stands in for, made anew, with what this one remembers.
    fn made_good(&self, path: &Path) -> Result<Catalogue, Error> {
        let new = path.with_extension("sqlite.new");
        // An attempt before may have failed.
        drop(std::fs::remove_file(&new));
        Catalogue::open(&new)?.adopt(self)?;
        // Neither is the new file's under its name.
        for journal in ["sqlite.new-journal", "sqlite-journal"] {
            drop(std::fs::remove_file(path.with_extension(journal)));
        }
        std::fs::rename(&new, path)
            .map_err(|e| Error::io("rename", new.display().to_string(), e))?;
        Catalogue::open(path)
    }

    /// One in a new file, in place of this one whose file is gone, makes no sense or could not be
    /// written; with what this one can still tell that the segments can't.
    pub(crate) fn renewed(&self) -> Result<Catalogue, Error> {
        if let Some(path) = &self.stands_in_for {
            return self.made_good(path);
        }
        let path = self.connection.path().map_or(Path::new(""), Path::new);
        if let Err(error) = std::fs::rename(path, path.with_extension("sqlite.damaged"))
            && error.kind() != std::io::ErrorKind::NotFound
        {
            return Err(Error::io("rename", path.display().to_string(), error));
        }
        let mut fresh = Catalogue::open(path)?;
        if let Err(error) = fresh.adopt(self) {
            tracing::warn!(%error, "what the catalogue remembered of streams is gone");
        }
        Ok(fresh)
    }

    /// Lets a test break things.
    #[cfg(test)]
    pub(crate) fn run_sql(&self, sql: &str) {
        self.connection.execute_batch(sql).unwrap();
    }

    fn prepared(connection: Connection) -> Result<Catalogue, Error> {
        connection.busy_timeout(WRITER_PATIENCE).map_err(failed("open"))?;
        connection.set_prepared_statement_cache_capacity(32);
        schema::prepare(&connection)?;
        Ok(Catalogue { connection, remembered: u64::MAX, stands_in_for: None })
    }
}

/// A reader meets a writer's lock for the moment of a commit only.
const READER_PATIENCE: Duration = Duration::from_millis(500);
/// What could not be committed now is committed a little later.
const WRITER_PATIENCE: Duration = Duration::from_millis(250);

/// Wraps SQLite's error.
fn failed(operation: &'static str) -> impl Fn(rusqlite::Error) -> Error {
    move |source| Error::Catalogue { operation, source }
}

#[cfg(test)]
mod tests;
