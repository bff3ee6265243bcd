//! Rows to values.

use std::collections::BTreeMap;

use bedside_stream::{Cause, LastWord, Run, RunId, StreamKey, Verdict, WallTime};
use rusqlite::{OptionalExtension, Row, params};

use super::{Catalogue, RunState, Summary, Tally, failed};
use crate::entry::StoredRun;
use crate::error::Error;

/// Host labels with their records.
pub(crate) type HostRecords = Vec<(Vec<u8>, u64)>;

impl Catalogue {
    /// All that it knows of the segments.
    pub fn load(&self) -> Result<Summary, Error> {
        let failed = failed("read");
        // One transaction, so that the tables agree with each other.
        let transaction = self.connection.unchecked_transaction().map_err(&failed)?;
        let mut summary = Summary::default();
        self.load_segments(&mut summary).map_err(&failed)?;
        self.load_spans(&mut summary).map_err(&failed)?;
        self.load_gaps(&mut summary).map_err(&failed)?;
        self.load_runs(&mut summary).map_err(&failed)?;
        transaction.finish().map_err(&failed)?;
        Ok(summary)
    }

    /// So many entries of each segment are in the tables.
    pub fn applied(&self) -> Result<BTreeMap<u64, u64>, Error> {
        let mut summary = Summary::default();
        self.load_segments(&mut summary).map_err(failed("read"))?;
        Ok(summary.segments.iter().map(|(number, segment)| (*number, segment.entries)).collect())
    }

    /// The last known state of one run.
    pub fn run(&self, run: RunId) -> Result<Option<StoredRun>, Error> {
        let sql = format!("{SELECT_RUNS} WHERE id = ?");
        let mut statement = self.connection.prepare_cached(&sql).map_err(failed("read"))?;
        let found = statement.query_row([run.0.cast_signed()], run_row).optional();
        Ok(found.map_err(failed("read"))?.flatten().map(|state| state.stored))
    }

    /// The least number that a new boot of each host label may have.
    pub fn next_boots(&self) -> Result<Vec<(Vec<u8>, u32)>, Error> {
        let sql = "SELECT label, max(next) FROM (
                SELECT label, next_boot AS next FROM hosts
                UNION ALL SELECT label, boot + 1 FROM runs WHERE verdict != 2 AND boot NOT NULL)
            GROUP BY label";
        let mut statement = self.connection.prepare(sql).map_err(failed("read"))?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
        rows.and_then(Iterator::collect).map_err(failed("read"))
    }

    /// The records of each host label in each segment.
    pub(crate) fn records_by_host(&self) -> Result<BTreeMap<u64, HostRecords>, Error> {
        let sql = "SELECT spans.segment, label, sum(records) FROM spans JOIN runs ON run = id
            GROUP BY spans.segment, label";
        let mut statement = self.connection.prepare(sql).map_err(failed("read"))?;
        let mut hosts = BTreeMap::<_, HostRecords>::new();
        let mut rows = statement.query([]).map_err(failed("read"))?;
        while let Some(row) = rows.next().map_err(failed("read"))? {
            let read = || Ok((unsigned(row, 0)?, row.get(1)?, unsigned(row, 2)?));
            let (segment, label, records) = read().map_err(failed("read"))?;
            hosts.entry(segment).or_default().push((label, records));
        }
        Ok(hosts)
    }

    /// The runs that a restart may meet again: those of remembered streams, those that these
    /// share a boot with, and all told of since segment `since`.
    pub(crate) fn recent_runs(&self, since: u64) -> Result<Vec<StoredRun>, Error> {
        let sql = format!(
            "{SELECT_RUNS} WHERE segment >= ? OR id IN (SELECT run FROM memory)
            OR id IN (SELECT same_as FROM runs WHERE id IN (SELECT run FROM memory))
            ORDER BY id"
        );
        let mut statement = self.connection.prepare(&sql).map_err(failed("read"))?;
        let rows = statement.query_map([since.cast_signed()], run_row).and_then(Iterator::collect);
        let rows: Vec<Option<RunState>> = rows.map_err(failed("read"))?;
        Ok(rows.into_iter().flatten().map(|state| state.stored).collect())
    }

    /// A number that no run has had, nor any above it.
    pub(crate) fn next_run(&self) -> Result<u64, Error> {
        // Records can outlive the line of their run: a power loss leaves holes.
        let sql = "SELECT max(id) FROM (SELECT max(id) AS id FROM runs
            UNION ALL SELECT max(run) FROM spans)";
        let highest = self.connection.query_row(sql, [], |row| row.get::<_, Option<i64>>(0));
        let after = highest.map_err(failed("read"))?.map_or(1, |id| id.cast_unsigned() + 1);
        Ok(self.meta("next_run")?.unwrap_or_default().max(after))
    }

    /// A number of `meta`.
    pub(crate) fn meta(&self, key: &str) -> Result<Option<u64>, Error> {
        let sql = "SELECT value FROM meta WHERE key = ?";
        let found = self.connection.query_row(sql, [key], |row| unsigned(row, 0)).optional();
        found.map_err(failed("read"))
    }

    fn load_segments(&self, summary: &mut Summary) -> rusqlite::Result<()> {
        let mut statement = self.connection.prepare("SELECT number, entries FROM segments")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            summary.segments.entry(unsigned(row, 0)?).or_default().entries = unsigned(row, 1)?;
        }
        Ok(())
    }

    fn load_spans(&self, summary: &mut Summary) -> rusqlite::Result<()> {
        let sql = "SELECT segment, run, records, first, last, dropped, limited FROM spans";
        let mut statement = self.connection.prepare(sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let received = match (time(row, 3)?, time(row, 4)?) {
                (Some(first), Some(last)) => Some((first, last)),
                _ => None,
            };
            let (dropped, limited) = (unsigned(row, 5)?, unsigned(row, 6)?);
            let tally = Tally { records: unsigned(row, 2)?, received, dropped, limited };
            let segment = summary.segments.entry(unsigned(row, 0)?).or_default();
            segment.spans.insert(RunId(unsigned(row, 1)?), tally);
        }
        Ok(())
    }

    fn load_gaps(&self, summary: &mut Summary) -> rusqlite::Result<()> {
        let mut statement = self.connection.prepare("SELECT segment, cause, count FROM gaps")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let name: String = row.get(1)?;
            if let Some(cause) = CAUSES.into_iter().find(|cause| cause.as_str() == name) {
                let segment = summary.segments.entry(unsigned(row, 0)?).or_default();
                segment.gaps.insert(cause, unsigned(row, 2)?);
            }
        }
        Ok(())
    }

    fn load_runs(&self, summary: &mut Summary) -> rusqlite::Result<()> {
        let mut statement = self.connection.prepare(SELECT_RUNS)?;
        for state in statement.query_map(params![], run_row)? {
            // A row that makes no sense is left out; the segments have the truth.
            if let Some(state) = state? {
                summary.runs.insert(state.stored.run.id, state);
            }
        }
        Ok(())
    }
}

const CAUSES: [Cause; 5] =
    [Cause::Proven, Cause::DroppedBySender, Cause::Probable, Cause::Socket, Cause::Limit];

const SELECT_RUNS: &str = "SELECT id, source, port, first, verdict, same_as, boot, host, boot_id,
    release, last_word, segment FROM runs";

fn run_row(row: &Row<'_>) -> rusqlite::Result<Option<RunState>> {
    let source: String = row.get(1)?;
    let verdict = match (row.get::<_, i64>(4)?, row.get::<_, Option<i64>>(5)?) {
        (0, _) => Some(Verdict::Provisional),
        (1, _) => Some(Verdict::Boot),
        (2, Some(root)) => Some(Verdict::SameAs(RunId(root.cast_unsigned()))),
        _ => None,
    };
    let (Ok(source), Some(verdict)) = (source.parse(), verdict) else { return Ok(None) };
    let run = Run {
        id: RunId(unsigned(row, 0)?),
        key: StreamKey { source, port: row.get(2)? },
        first_received: WallTime(unsigned(row, 3)?),
        verdict,
        host: row.get(7)?,
        boot_id: row.get(8)?,
        release: row.get(9)?,
        last_word: match row.get::<_, i64>(10)? {
            1 => Some(LastWord::Clean),
            2 => Some(LastWord::Panic),
            _ => None,
        },
    };
    let stored = StoredRun { run, boot: row.get(6)? };
    Ok(Some(RunState { stored, segment: unsigned(row, 11)? }))
}

/// SQLite's integers are signed; ours go through bit for bit.
pub(super) fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(i64::cast_unsigned)
}

fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<WallTime>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(|value| WallTime(value.cast_unsigned())))
}
