//! The book of cases: `incidents.sqlite` in the store's directory. `docs/store-format.md`,
//! section 4, has its tables.
//!
//! Cases come from the segments and can be had from them again; the letters that wait to be sent
//! can't, and what people said of incidents lies elsewhere ([`super::ledger`]).

mod letters;
mod rows;
mod schema;

use std::fs::{self, OpenOptions};
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::{fmt, io};

use rusqlite::{Connection, OpenFlags, OptionalExtension as _, Transaction, params};

use super::case::{Case, Key, Patient};
use bedside_stream::{Voice, WallTime};
use bedside_triage::{Corruption, Incident, Kind};

pub(crate) use letters::{Letter, Overdue, Weighed};
pub(crate) use rows::{Gone, Row};

/// What went wrong with the book.
#[derive(Debug, thiserror::Error)]
#[error("the book of incidents {}: cannot {operation}: {source}", path.display())]
pub(crate) struct Error {
    path: PathBuf,
    operation: &'static str,
    source: rusqlite::Error,
}

/// The book, open.
#[derive(Debug)]
pub(crate) struct Book {
    path: PathBuf,
    connection: Connection,
    /// Bytes that cases and letters take up, or more; none while that is not known.
    held: Option<u64>,
    /// Something was written since [`Book::rest`].
    stirred: bool,
}

/// What a commit brings.
#[derive(Debug, Default)]
pub(crate) struct Entry {
    pub(crate) cases: Vec<Case>,
    /// Runs of which more is known.
    pub(crate) moved: Vec<Patient>,
    /// The segment from whose beginning on a restart reads again.
    pub(crate) resume: Option<u64>,
    /// Nobody is to be told of new cases that began before this.
    pub(crate) tell_since: WallTime,
}

impl Book {
    /// Opens it for writing, made new where there is none; one that makes no sense is set aside,
    /// and all is found again.
    pub(crate) fn open(data: &Path) -> Result<Book, Error> {
        match Book::try_open(data) {
            Err(error) if error.is_damage() => {
                set_aside(&error.path, &error).map_err(|_| error)?;
                Book::try_open(data)
            }
            opened => opened,
        }
    }

    fn try_open(data: &Path) -> Result<Book, Error> {
        let path = data.join(NAME);
        // SQLite would give the file to the whole world to read. What fails here, fails again below.
        drop(OpenOptions::new().append(true).create(true).mode(0o640).open(&path));
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let opened = Connection::open_with_flags(&path, flags);
        let opened =
            opened.and_then(|connection| schema::prepare(&connection).map(|()| connection));
        match opened {
            Ok(connection) => Ok(Book::of(path, connection)),
            Err(source) => Err(Error { path, operation: "open it", source }),
        }
    }

    /// Opens it for reading; `None`: there is none.
    pub(crate) fn open_read_only(data: &Path) -> Result<Option<Book>, Error> {
        let path = data.join(NAME);
        // One that is being made is empty at first.
        if !path.metadata().is_ok_and(|found| found.len() > 0) {
            return Ok(None);
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let opened = Connection::open_with_flags(&path, flags);
        let opened = opened.and_then(|connection| schema::check(&connection).map(|()| connection));
        match opened {
            Ok(connection) => Ok(Some(Book::of(path, connection))),
            Err(source) => Err(Error { path, operation: "open it", source }),
        }
    }

    fn of(path: PathBuf, connection: Connection) -> Book {
        Book { path, connection, held: None, stirred: false }
    }

    /// Takes all in, or nothing.
    pub(crate) fn enter(&mut self, entry: &Entry) -> Result<(), Error> {
        let written = self.write("enter a case", |to| {
            let mut written = 0;
            for case in &entry.cases {
                written += enter_case(to, case, entry.tell_since)?;
            }
            for patient in &entry.moved {
                move_run(to, patient)?;
            }
            if let Some(segment) = entry.resume {
                let sql = "INSERT OR REPLACE INTO meta VALUES ('resume', ?)";
                to.prepare_cached(sql)?.execute([segment.cast_signed()])?;
            }
            Ok(written)
        })?;
        self.held = self.held.map(|held| held.saturating_add(written));
        Ok(())
    }

    /// Gives back the memory that writing has taken.
    pub(crate) fn rest(&mut self) {
        if std::mem::take(&mut self.stirred) {
            // What is not given back now is given back the next time.
            drop(self.connection.execute_batch("PRAGMA shrink_memory"));
        }
    }

    /// The segment from whose beginning on the store was not read to its end yet; 0 at first.
    pub(crate) fn resume(&self) -> Result<u64, Error> {
        let sql = "SELECT value FROM meta WHERE key = 'resume'";
        let value = |row: &rusqlite::Row<'_>| row.get(0).map(i64::cast_unsigned);
        let resume = self.connection.query_row(sql, [], value).optional();
        resume.map(Option::unwrap_or_default).map_err(self.failed("read it"))
    }

    /// Forgets what comes from the segments.
    pub(crate) fn clear(&mut self) -> Result<(), Error> {
        self.write("empty it", |to| {
            to.execute_batch("DELETE FROM cases; DELETE FROM gone; DELETE FROM meta;")
        })
    }

    /// Lets go of letters until they take up no more than a quarter of `most` bytes, the oldest
    /// first, and of cases until all takes up no more than `most`: the oldest first, but of each
    /// fingerprint the first one last. How often there was more is kept.
    pub(crate) fn bound(&mut self, most: u64) -> Result<(), Error> {
        if self.held.is_some_and(|held| held <= most) {
            return Ok(());
        }
        self.bound_letters(most / 4)?;
        let sum = |row: &rusqlite::Row<'_>| row.get(0).map(i64::cast_unsigned);
        let held = self.connection.query_row(MEASURE, [], sum);
        let held: u64 = held.map_err(self.failed("measure it"))?;
        self.held = (held <= most).then_some(held);
        if held <= most {
            return Ok(());
        }
        let surplus = (held - most + most / 16).cast_signed();
        self.write("let go of cases", |to| {
            to.execute(MARK_SURPLUS, [surplus])?;
            to.execute_batch(LET_GO)
        })
    }

    /// The lines and all else that is known of a case.
    pub(crate) fn incident(&self, id: i64) -> Result<Option<Incident>, Error> {
        let sql = "SELECT incident FROM texts WHERE id = ?";
        let text = self.connection.query_row(sql, [id], |row| row.get::<_, String>(0)).optional();
        let text = text.map_err(self.failed("read a case"))?;
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
    }

    /// Whether it holds the case that is known by that.
    pub(crate) fn holds(&self, key: Key) -> Result<bool, Error> {
        let run = || {
            let sql = "SELECT 1 FROM cases WHERE heard = ?";
            self.connection.prepare_cached(sql)?.exists([key.heard.cast_signed()])
        };
        run().map_err(self.failed("look for a case"))
    }

    /// The deaths of this machine that were heard between these times, but for those that were
    /// found to be forged: from where, and whether it was signed.
    pub(crate) fn deaths_between(
        &self,
        host: &str,
        from: WallTime,
        to: WallTime,
    ) -> Result<Vec<(Option<IpAddr>, bool)>, Error> {
        let sql = "SELECT source, voice FROM cases
            WHERE host = ? AND death AND voice < 2 AND last BETWEEN ? AND ?";
        let run = || {
            let mut statement = self.connection.prepare_cached(sql)?;
            let times = params![host, from.0.cast_signed(), to.0.cast_signed()];
            let deaths = statement.query_map(times, |row| {
                let source: String = row.get(0)?;
                let source = source.parse::<SocketAddr>().ok().map(|source| source.ip());
                Ok((source, row.get::<_, i64>(1)? == Voice::Signed as i64))
            })?;
            deaths.collect::<rusqlite::Result<Vec<_>>>()
        };
        run().map_err(self.failed("look for a death"))
    }

    fn write<T>(
        &mut self,
        operation: &'static str,
        change: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, Error> {
        self.stirred = true;
        let run = || {
            let behavior = rusqlite::TransactionBehavior::Immediate;
            let transaction = self.connection.transaction_with_behavior(behavior)?;
            let answer = change(&transaction)?;
            transaction.commit()?;
            Ok(answer)
        };
        run().map_err(|source| Error { path: self.path.clone(), operation, source })
    }

    fn failed(&self, operation: &'static str) -> impl Fn(rusqlite::Error) -> Error + '_ {
        move |source| Error { path: self.path.clone(), operation, source }
    }
}

/// Sets a book aside that knows segments which this store, whose next one is `next_segment`, never
/// had: it is of another store, or was not put back from a backup as the segments were. All is
/// found again then.
pub(crate) fn set_aside_foreign(data: &Path, next_segment: u64) {
    let Ok(Some(book)) = Book::open_read_only(data) else { return };
    let Ok(resume @ 1..) = book.resume() else { return };
    if resume > next_segment {
        let why = format!("it goes on with segment {resume}, and this store had none like it yet");
        if let Err(error) = set_aside(&book.path, &why) {
            tracing::warn!("cannot set {} aside, though {why}: {error}", book.path.display());
        }
    }
}

fn set_aside(path: &Path, why: &impl fmt::Display) -> io::Result<()> {
    let damaged = path.with_extension("sqlite.damaged");
    tracing::warn!("{why}: {} is made anew, the old one is {}", path.display(), damaged.display());
    fs::rename(path, damaged)
}

impl Error {
    fn is_damage(&self) -> bool {
        use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase, SchemaChanged};
        let code = self.source.sqlite_error_code();
        matches!(code, Some(DatabaseCorrupt | NotADatabase | SchemaChanged))
    }
}

/// About what a case takes up besides its text: its row, and its places in the indexes.
const ROW: u64 = 384;

/// A case that another stream of the boot told of, or the same log again, is no other one. How
/// many bytes were written.
fn enter_case(to: &Transaction<'_>, case: &Case, tell_since: WallTime) -> rusqlite::Result<u64> {
    let (of, incident) = (&case.of, &case.incident);
    let (heard, said) = (case.key.heard.cast_signed(), case.key.said.map(u64::cast_signed));
    if of.voice == Voice::Signed {
        let values = params![heard, of.run.0.cast_signed(), of.root.0.cast_signed(), said];
        to.prepare_cached(TAKE_OVER)?.execute(values)?;
    }
    let twin = "SELECT 1 FROM cases WHERE root = ? AND said = ? AND heard != ?";
    let twin = to.prepare_cached(twin)?.exists(params![of.root.0.cast_signed(), said, heard])?;
    let headless = incident.corrupted == Some(Corruption::NoBeginning);
    if twin
        || incident.kind == Kind::Panic && is_echo(to, case)?
        || headless && is_remainder(to, case)?
    {
        return Ok(0);
    }
    let text = serde_json::to_string(incident).unwrap_or_default();
    let length = text.len() as u64 + ROW;
    let values = params![
        heard,
        said,
        of.run.0.cast_signed(),
        of.root.0.cast_signed(),
        incident.fingerprint.0.cast_signed(),
        incident.kind.as_str(),
        incident.severity.as_str(),
        incident.title,
        of.host,
        of.boot,
        of.source.to_string(),
        of.release.as_ref().or(incident.release.as_ref()),
        of.voice as i64,
        case.first.0.cast_signed(),
        case.last.0.cast_signed(),
        case.open,
        incident.settled,
        case.is_death(),
        case.first < tell_since,
        length.cast_signed(),
    ];
    let id: i64 = to.prepare_cached(ENTER)?.query_row(values, |row| row.get(0))?;
    to.prepare_cached("INSERT OR REPLACE INTO texts VALUES (?, ?)")?.execute(params![id, text])?;
    Ok(length)
}

/// Whether it is the end of a death that another stream of the boot has told of from its
/// beginning, such as a module that sends the last lines once more.
fn is_echo(to: &Transaction<'_>, case: &Case) -> rusqlite::Result<bool> {
    let sql = "SELECT 1 FROM cases WHERE root = ? AND heard != ? AND death
        AND ? BETWEEN first AND last + 10000000";
    to.prepare_cached(sql)?.exists(params![
        case.of.root.0.cast_signed(),
        case.key.heard.cast_signed(),
        case.first.0.cast_signed(),
    ])
}

/// Whether another stream of the boot has told of it from its beginning: of what both tell, one has
/// lost the first line.
fn is_remainder(to: &Transaction<'_>, case: &Case) -> rusqlite::Result<bool> {
    let sql = "SELECT 1 FROM cases WHERE root = ? AND run != ?
        AND ? BETWEEN first - 1000000 AND first + 1000000";
    to.prepare_cached(sql)?.exists(params![
        case.of.root.0.cast_signed(),
        case.of.run.0.cast_signed(),
        case.first.0.cast_signed(),
    ])
}

/// What was told without a tag is what was signed from now on: the same, told so that it is proven.
const TAKE_OVER: &str = "UPDATE OR IGNORE cases SET heard = ?1, run = ?2
    WHERE root = ?3 AND said = ?4 AND heard != ?1 AND voice = 0";

const ENTER: &str = "INSERT INTO cases (heard, said, run, root, fingerprint, kind, severity, title,
        host, boot, source, release, voice, first, last, open, settled, death, weighed, length)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (heard) DO UPDATE SET fingerprint = excluded.fingerprint, kind = excluded.kind,
        severity = excluded.severity, title = excluded.title, host = excluded.host,
        boot = excluded.boot, root = excluded.root, release = excluded.release,
        voice = excluded.voice,
        last = excluded.last, open = excluded.open, settled = excluded.settled,
        weighed = CASE WHEN excluded.death > death THEN excluded.weighed ELSE weighed END,
        death = excluded.death,
        length = excluded.length
    RETURNING id";

/// What was found in a run that belongs to another boot is that boot's; what that boot has
/// already was the same.
fn move_run(to: &Transaction<'_>, patient: &Patient) -> rusqlite::Result<()> {
    let (run, root) = (patient.run.0.cast_signed(), patient.root.0.cast_signed());
    let twins = "DELETE FROM cases WHERE run = ?1 AND EXISTS (SELECT 1 FROM cases AS other
        WHERE other.root = ?2 AND other.said = cases.said AND other.run != ?1
        AND other.voice >= cases.voice)";
    to.prepare_cached(twins)?.execute([run, root])?;
    let unproven = "DELETE FROM cases WHERE root = ?2 AND run != ?1 AND EXISTS (SELECT 1 FROM
        cases AS signed WHERE signed.run = ?1 AND signed.said = cases.said
        AND signed.voice > cases.voice)";
    to.prepare_cached(unproven)?.execute([run, root])?;
    let sql = "UPDATE cases SET root = ?, host = ?, boot = ? WHERE run = ?";
    to.prepare_cached(sql)?.execute(params![root, patient.host, patient.boot, run])?;
    Ok(())
}

/// Marks the oldest cases, `?` bytes of them, that are not the first of their fingerprint; a
/// flood of fingerprints leaves none of them out. Of an address that has more than a quarter of all,
/// its port cut off, they go first: nobody pushes out what others said.
const MARK_SURPLUS: &str = "INSERT INTO surplus SELECT id FROM (SELECT id,
        sum(length) OVER (ORDER BY raves DESC, is_first, first, id) - length AS before
        FROM (SELECT *,
            sum(length) OVER (PARTITION BY rtrim(source, '0123456789')) * 4
                > sum(length) OVER () AS raves,
            row_number() OVER (PARTITION BY fingerprint ORDER BY first, id) = 1 AS is_first
            FROM cases))
    WHERE before < ?";

const MEASURE: &str = "SELECT (SELECT coalesce(sum(length), 0) FROM cases)
    + (SELECT coalesce(sum(octet_length(body)), 0) FROM letters)";

const LET_GO: &str = "INSERT INTO gone
        SELECT fingerprint, count(*), min(first), max(last) FROM cases
        WHERE id IN (SELECT id FROM surplus) GROUP BY fingerprint
    ON CONFLICT (fingerprint) DO UPDATE SET count = count + excluded.count,
        first = min(first, excluded.first), last = max(last, excluded.last);
    DELETE FROM cases WHERE id IN (SELECT id FROM surplus);
    DELETE FROM surplus;
    DELETE FROM gone WHERE fingerprint NOT IN (SELECT fingerprint FROM cases);
    DELETE FROM told WHERE fingerprint NOT IN (SELECT fingerprint FROM cases);";

pub(crate) const NAME: &str = "incidents.sqlite";

#[cfg(test)]
mod tests;
