//! The tables.

use std::time::Duration;

use rusqlite::{Connection, Result};

const VERSION: i64 = 3;

const TABLES: &str = "
CREATE TABLE IF NOT EXISTS cases (
    id INTEGER PRIMARY KEY,
    heard INTEGER NOT NULL UNIQUE,
    said INTEGER,
    run INTEGER NOT NULL,
    root INTEGER NOT NULL,
    fingerprint INTEGER NOT NULL,
    kind TEXT NOT NULL,
    severity TEXT NOT NULL,
    title TEXT NOT NULL,
    host TEXT NOT NULL,
    boot INTEGER NOT NULL,
    source TEXT NOT NULL,
    release TEXT,
    voice INTEGER NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    open INTEGER NOT NULL,
    settled INTEGER NOT NULL,
    death INTEGER NOT NULL,
    weighed INTEGER NOT NULL,
    length INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS texts (
    id INTEGER PRIMARY KEY,
    incident TEXT NOT NULL
);
CREATE TRIGGER IF NOT EXISTS without_its_case AFTER DELETE ON cases
    BEGIN DELETE FROM texts WHERE id = old.id; END;
CREATE INDEX IF NOT EXISTS of_fingerprint ON cases (fingerprint, first);
CREATE INDEX IF NOT EXISTS of_boot ON cases (root, said);
CREATE INDEX IF NOT EXISTS of_host ON cases (host, boot, fingerprint);
CREATE INDEX IF NOT EXISTS of_run ON cases (run);
CREATE INDEX IF NOT EXISTS deaths ON cases (host, last) WHERE death;
CREATE INDEX IF NOT EXISTS unweighed ON cases (id) WHERE NOT weighed;
CREATE TABLE IF NOT EXISTS gone (
    fingerprint INTEGER PRIMARY KEY,
    count INTEGER NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS surplus (id INTEGER PRIMARY KEY);
CREATE TABLE IF NOT EXISTS letters (
    id INTEGER PRIMARY KEY,
    rule TEXT NOT NULL,
    made INTEGER NOT NULL,
    due INTEGER NOT NULL,
    tries INTEGER NOT NULL,
    body TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS told (
    rule TEXT NOT NULL,
    fingerprint INTEGER NOT NULL,
    at INTEGER NOT NULL,
    signed INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (rule, fingerprint)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS made (
    rule TEXT NOT NULL,
    at INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS withheld (
    rule TEXT NOT NULL,
    id INTEGER NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (rule, id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS meta (
    key TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) WITHOUT ROWID;
";

/// Makes the tables where there are none, and sets how this connection writes.
pub(super) fn prepare(connection: &Connection) -> Result<()> {
    connection.busy_timeout(WRITERS_PATIENCE)?;
    // A reader without write permission can't do anything with a write-ahead log.
    connection.pragma_update(None, "journal_mode", "TRUNCATE")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // A doctor that is confined to its store has no other place.
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    // In KiB, for a minus: what a storm changes at a time. It is given back afterwards.
    connection.pragma_update(None, "cache_size", -4096)?;
    // What earlier versions lacked, only the writer needs.
    let lacks = match version(connection)? {
        0 => "",
        1 | 2 => "ALTER TABLE told ADD COLUMN signed INTEGER NOT NULL DEFAULT 0;",
        _ => return is_known(connection),
    };
    let make =
        format!("BEGIN IMMEDIATE; {lacks} {TABLES} PRAGMA user_version = {VERSION}; COMMIT;");
    connection.execute_batch(&make)
}

/// Whether this program knows these tables, for one who only reads.
pub(super) fn check(connection: &Connection) -> Result<()> {
    connection.busy_timeout(PATIENCE)?;
    is_known(connection)
}

fn is_known(connection: &Connection) -> Result<()> {
    match version(connection)? {
        1..=VERSION => Ok(()),
        other => Err(rusqlite::Error::IntegralValueOutOfRange(0, other)),
    }
}

fn version(connection: &Connection) -> Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Others hold the book for the moment of a commit only.
const PATIENCE: Duration = Duration::from_millis(500);
/// In a storm the search and the post commit without a pause. Who gives up here begins a segment
/// anew, or has a letter told twice; nobody waits for either.
const WRITERS_PATIENCE: Duration = Duration::from_secs(30);
