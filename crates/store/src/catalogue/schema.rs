//! The tables.

use rusqlite::Connection;

use super::failed;
use crate::error::Error;

const VERSION: i64 = WITH_DELETED;
/// The first one with the table `deleted`; there was no other difference.
pub(super) const WITH_DELETED: i64 = 2;

const TABLES: &str = "
CREATE TABLE IF NOT EXISTS segments (
    number INTEGER PRIMARY KEY,
    entries INTEGER NOT NULL,
    strangers BLOB NOT NULL,
    stranger_records INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS spans (
    segment INTEGER NOT NULL,
    run INTEGER NOT NULL,
    records INTEGER NOT NULL,
    first INTEGER,
    last INTEGER,
    dropped INTEGER NOT NULL,
    limited INTEGER NOT NULL,
    mixed INTEGER NOT NULL,
    PRIMARY KEY (segment, run)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS gaps (
    segment INTEGER NOT NULL,
    cause TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (segment, cause)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS runs (
    id INTEGER PRIMARY KEY,
    source BLOB NOT NULL,
    port INTEGER NOT NULL,
    first INTEGER NOT NULL,
    verdict INTEGER NOT NULL,
    same_as INTEGER,
    boot INTEGER,
    label BLOB NOT NULL,
    named INTEGER NOT NULL,
    boot_id BLOB,
    release BLOB,
    last_word INTEGER NOT NULL,
    segment INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS hosts (
    label BLOB PRIMARY KEY,
    next_boot INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS memory (
    source BLOB NOT NULL,
    port INTEGER NOT NULL,
    run INTEGER NOT NULL,
    last_received INTEGER NOT NULL,
    proven INTEGER NOT NULL,
    segment INTEGER NOT NULL,
    entries INTEGER NOT NULL,
    state BLOB NOT NULL,
    PRIMARY KEY (source, port)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS deleted (
    number INTEGER PRIMARY KEY
);
CREATE TABLE IF NOT EXISTS meta (
    key TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) WITHOUT ROWID;
";

/// Makes the tables where there are none, and sets how this connection writes.
pub(super) fn prepare(connection: &Connection) -> Result<(), Error> {
    let failed = failed("prepare");
    // A reader without write permission can't do anything with a write-ahead log.
    connection.pragma_update(None, "journal_mode", "TRUNCATE").map_err(&failed)?;
    connection.pragma_update(None, "synchronous", "FULL").map_err(&failed)?;
    // A doctor that is confined to its store has no other place.
    connection.pragma_update(None, "temp_store", "MEMORY").map_err(&failed)?;
    // In KiB, for a minus. The file is small, and the system caches it as well.
    connection.pragma_update(None, "cache_size", -256).map_err(&failed)?;
    // What one change changes stays in memory until its end, up to so many KiB: to write a page
    // of it before costs a sync.
    connection.pragma_update(None, "cache_spill", -8192).map_err(&failed)?;
    if version(connection)? < VERSION {
        let make = format!("BEGIN IMMEDIATE; {TABLES} PRAGMA user_version = {VERSION}; COMMIT;");
        connection.execute_batch(&make).map_err(&failed)?;
    }
    check(connection)
}

/// Whether this program knows these tables.
pub(super) fn check(connection: &Connection) -> Result<(), Error> {
    match version(connection)? {
        1..=VERSION => Ok(()),
        _ => Err(Error::damaged(super::FILE_NAME, "its version is not one this program knows")),
    }
}

pub(super) fn version(connection: &Connection) -> Result<i64, Error> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(failed("read"))
}
