//! Rows to values.

use std::collections::{BTreeMap, BTreeSet};

use bedside_stream::{Cause, LastWord, Run, RunId, Verdict, WallTime};
use rusqlite::{OptionalExtension, Row, params};

use super::source::read_key;
use super::{Catalogue, RunState, Spans, Strangers, Summary, Tally, Told, failed, schema};
use crate::entry::StoredRun;
use crate::error::Error;

impl Catalogue {
    /// All that it knows of the segments.
    pub fn load(&self) -> Result<Summary, Error> {
        self.load_but(|_| false)
    }

    /// The same without the runs of the segments that are `told` of in another way.
    pub(crate) fn load_but(&self, told: impl Fn(u64) -> bool) -> Result<Summary, Error> {
        let failed = failed("read");
        // One transaction, so that the tables agree with each other.
        let transaction = self.connection.unchecked_transaction().map_err(&failed)?;
        let mut summary = self.load_outline().map_err(&failed)?;
        for (number, segment) in summary.segments.iter_mut().filter(|(number, _)| !told(**number)) {
            segment.spans = self.load_spans(*number).map_err(&failed)?;
        }
        self.load_runs(&mut summary).map_err(&failed)?;
        transaction.finish().map_err(&failed)?;
        Ok(summary)
    }

    /// What it knows of the segments without their runs.
    pub(crate) fn outline(&self) -> Result<Summary, Error> {
        self.load_outline().map_err(failed("read"))
    }

    /// So many entries of each segment are in the tables.
    pub fn applied(&self) -> Result<BTreeMap<u64, u64>, Error> {
        let sql = "SELECT number, entries FROM segments";
        let mut statement = self.connection.prepare_cached(sql).map_err(failed("read"))?;
        let rows = statement.query_map([], |row| Ok((unsigned(row, 0)?, unsigned(row, 1)?)));
        rows.and_then(Iterator::collect).map_err(failed("read"))
    }

    /// The segments of which it knows that they were deleted, and younger than another that was
    /// not.
    pub fn deleted(&self) -> Result<BTreeSet<u64>, Error> {
        if schema::version(&self.connection)? < schema::WITH_DELETED {
            return Ok(BTreeSet::new());
        }
        let sql = "SELECT number FROM deleted";
        let mut statement = self.connection.prepare_cached(sql).map_err(failed("read"))?;
        let rows = statement.query_map([], |row| unsigned(row, 0));
        rows.and_then(Iterator::collect).map_err(failed("read"))
    }

    /// The runs that have a row for a segment.
    pub(crate) fn told_in(&self, segment: u64) -> Result<Told, Error> {
        let sql = "SELECT run, mixed FROM spans WHERE segment = ?";
        let mut statement = self.connection.prepare_cached(sql).map_err(failed("read"))?;
        let told = |row: &Row<'_>| Ok((RunId(unsigned(row, 0)?), row.get(1)?));
        let rows = statement.query_map([segment.cast_signed()], told);
        rows.and_then(Iterator::collect).map_err(failed("read"))
    }

    /// The strangers of a segment.
    pub(crate) fn strangers_in(&self, segment: u64) -> Result<Strangers, Error> {
        let mut summary = self.outline()?;
        Ok(summary.segments.remove(&segment).unwrap_or_default().strangers)
    }

    /// The last known state of one run.
    pub fn run(&self, run: RunId) -> Result<Option<StoredRun>, Error> {
        let sql = format!("{SELECT_RUNS} WHERE id = ?");
        let mut statement = self.connection.prepare_cached(&sql).map_err(failed("read"))?;
        let found = statement.query_row([run.0.cast_signed()], run_row).optional();
        Ok(found.map_err(failed("read"))?.flatten().map(|state| state.stored))
    }

    /// The least number that a new boot of each host label may have.
    pub fn next_boots(&self, most: usize, mut each: impl FnMut(&[u8], u32)) -> Result<(), Error> {
        let sql = "SELECT label, max(next) FROM (
                SELECT label, next_boot AS next FROM hosts
                UNION ALL SELECT label, boot + 1 FROM runs WHERE verdict != 2 AND boot NOT NULL)
            GROUP BY label LIMIT ?";
        let mut statement = self.connection.prepare(sql).map_err(failed("read"))?;
        let mut rows = statement.query([most.cast_signed()]).map_err(failed("read"))?;
        while let Some(row) = rows.next().map_err(failed("read"))? {
            let label = row.get_ref(0).map_err(failed("read"))?.as_blob().unwrap_or_default();
            each(label, row.get(1).map_err(failed("read"))?);
        }
        Ok(())
    }

    /// Who has how many records in a segment; those of strangers have no label.
    pub(crate) fn records_by_host(&self, segment: u64) -> Result<Vec<(Vec<u8>, u64)>, Error> {
        let sql = "SELECT label, sum(records) FROM spans JOIN runs ON run = id
            WHERE spans.segment = ?1 GROUP BY label
            UNION ALL SELECT x'', stranger_records FROM segments WHERE number = ?1";
        let mut statement = self.connection.prepare_cached(sql).map_err(failed("read"))?;
        let row = |row: &Row<'_>| Ok((row.get(0)?, unsigned(row, 1)?));
        let rows = statement.query_map([segment.cast_signed()], row).map_err(failed("read"))?;
        rows.collect::<Result<_, _>>().map_err(failed("read"))
    }

    /// The runs that a restart may meet again: those of remembered streams, those that these
    /// share a boot with, and all told of since segment `since`.
    /// Of too many the latest.
    pub(crate) fn recent_runs(
        &self,
        since: u64,
        most: usize,
        mut each: impl FnMut(StoredRun),
    ) -> Result<(), Error> {
        let sql = format!(
            "{SELECT_RUNS} WHERE segment >= ? OR id IN (SELECT run FROM memory)
            OR id IN (SELECT same_as FROM runs WHERE id IN (SELECT run FROM memory))
            ORDER BY id DESC LIMIT ?"
        );
        let mut statement = self.connection.prepare(&sql).map_err(failed("read"))?;
        let bounds = [since.cast_signed(), most.cast_signed() as i64];
        let rows = statement.query_map(bounds, run_row).map_err(failed("read"))?;
        for state in rows {
            state.map_err(failed("read"))?.into_iter().for_each(|state| each(state.stored));
        }
        Ok(())
    }

    /// A number that no run has had, nor any above it.
    pub(crate) fn next_run(&self) -> Result<u64, Error> {
        // Records can outlive the line of their run: a power loss leaves holes.
        let sql = "SELECT max(id) FROM (SELECT max(id) AS id FROM runs
            UNION ALL SELECT (SELECT max(run) FROM spans WHERE segment = number) FROM segments)";
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

    pub(super) fn load_outline(&self) -> rusqlite::Result<Summary> {
        let mut summary = Summary::default();
        let sql = "SELECT number, entries, strangers, stranger_records FROM segments";
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let segment = summary.segments.entry(unsigned(row, 0)?).or_default();
            segment.entries = unsigned(row, 1)?;
            let ranges = row.get_ref(2)?.as_blob().unwrap_or_default();
            segment.strangers = Strangers::from_bytes(ranges, unsigned(row, 3)?);
        }
        self.load_gaps(&mut summary)?;
        Ok(summary)
    }

    fn load_spans(&self, segment: u64) -> rusqlite::Result<Spans> {
        let sql = "SELECT segment, run, records, first, last, dropped, limited, mixed FROM spans
            WHERE segment = ?";
        let mut statement = self.connection.prepare_cached(sql)?;
        let span = |row: &Row<'_>| Ok((RunId(unsigned(row, 1)?), span_row(row)?));
        statement.query_map([segment.cast_signed()], span)?.collect()
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

pub(super) const SELECT_RUNS: &str =
    "SELECT id, source, port, first, verdict, same_as, boot, label, boot_id,
    release, last_word, segment, named FROM runs";

/// A row of `segment, run, records, first, last, dropped, limited, mixed`.
pub(super) fn span_row(row: &Row<'_>) -> rusqlite::Result<Tally> {
    let received = match (time(row, 3)?, time(row, 4)?) {
        (Some(first), Some(last)) => Some((first, last)),
        _ => None,
    };
    let (dropped, limited) = (unsigned(row, 5)?, unsigned(row, 6)?);
    let (records, mixed) = (unsigned(row, 2)?, row.get(7)?);
    Ok(Tally { records, received, dropped, limited, mixed })
}

pub(super) fn run_row(row: &Row<'_>) -> rusqlite::Result<Option<RunState>> {
    let key = read_key(row.get_ref(1)?.as_blob().unwrap_or_default(), row.get(2)?);
    let verdict = match (row.get::<_, i64>(4)?, row.get::<_, Option<i64>>(5)?) {
        (0, _) => Some(Verdict::Provisional),
        (1, _) => Some(Verdict::Boot),
        (2, Some(root)) => Some(Verdict::SameAs(RunId(root.cast_unsigned()))),
        _ => None,
    };
    let (Some(key), Some(verdict)) = (key, verdict) else { return Ok(None) };
    let run = Run {
        id: RunId(unsigned(row, 0)?),
        key,
        first_received: WallTime(unsigned(row, 3)?),
        verdict,
        host: if row.get(12)? { Some(row.get(7)?) } else { None },
        boot_id: row.get(8)?,
        release: row.get(9)?,
        last_word: match row.get::<_, i64>(10)? {
            1 => Some(LastWord::Clean),
            2 => Some(LastWord::Panic),
            _ => None,
        },
        stranger: false,
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
