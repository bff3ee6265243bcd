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
use std::path::Path;
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
        Ok(Catalogue { connection, remembered: u64::MAX })
    }

    /// A catalogue that is gone with this value.
    pub fn in_memory() -> Result<Catalogue, Error> {
        Catalogue::prepared(Connection::open_in_memory().map_err(failed("open"))?)
    }

    /// One in a new file, in place of this one whose file is gone or makes no sense; with what
    /// this one can still tell that the segments can't.
    pub(crate) fn renewed(&self) -> Result<Catalogue, Error> {
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
        Ok(Catalogue { connection, remembered: u64::MAX })
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
