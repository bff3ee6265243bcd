//! Cases as they are listed: all but their lines.

use bedside_stream::{RunId, Voice, WallTime};
use bedside_triage::{Fingerprint, Kind, Severity};
use rusqlite::Params;

use super::{Book, Error};

/// A case, in outline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) id: i64,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) kind: Kind,
    pub(crate) severity: Severity,
    pub(crate) title: String,
    pub(crate) host: String,
    pub(crate) boot: u32,
    pub(crate) run: RunId,
    pub(crate) source: String,
    pub(crate) release: Option<String>,
    pub(crate) first: WallTime,
    pub(crate) last: WallTime,
    pub(crate) open: bool,
    pub(crate) settled: bool,
    pub(crate) voice: Voice,
}

/// Cases that were let go, of a fingerprint of which others are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gone {
    pub(crate) fingerprint: Fingerprint,
    pub(crate) count: u64,
    pub(crate) first: WallTime,
}

impl Book {
    /// All cases, by the time of their first lines.
    pub(crate) fn rows(&self) -> Result<Vec<Row>, Error> {
        self.select("1 ORDER BY first, id", [])
    }

    /// What was let go.
    pub(crate) fn gone(&self) -> Result<Vec<Gone>, Error> {
        let run = || {
            let mut statement =
                self.connection.prepare_cached("SELECT fingerprint, count, first FROM gone")?;
            let gone = statement.query_map([], |row| {
                Ok(Gone {
                    fingerprint: Fingerprint(row.get::<_, i64>(0)?.cast_unsigned()),
                    count: row.get::<_, i64>(1)?.cast_unsigned(),
                    first: WallTime(row.get::<_, i64>(2)?.cast_unsigned()),
                })
            })?;
            gone.collect::<rusqlite::Result<Vec<Gone>>>()
        };
        run().map_err(self.failed("read it"))
    }

    /// Each boot that has incidents, and which: of all machines.
    pub(crate) fn boots(&self) -> Result<Vec<(String, u32, Fingerprint)>, Error> {
        let run = || {
            let sql = "SELECT DISTINCT host, boot, fingerprint FROM cases WHERE boot > 0";
            let mut statement = self.connection.prepare_cached(sql)?;
            let boots = statement.query_map([], |row| {
                let fingerprint = Fingerprint(row.get::<_, i64>(2)?.cast_unsigned());
                Ok((row.get(0)?, row.get(1)?, fingerprint))
            })?;
            boots.collect::<rusqlite::Result<Vec<_>>>()
        };
        run().map_err(self.failed("read it"))
    }

    /// The cases of a boot.
    pub(crate) fn of_boot(&self, host: &str, boot: u32) -> Result<Vec<Row>, Error> {
        self.select("host = ? AND boot = ? ORDER BY first, id", rusqlite::params![host, boot])
    }

    /// How many of these are `meant`; not more than `most`.
    pub(super) fn count_of(
        &self,
        condition: &'static str,
        values: impl Params,
        most: u64,
        meant: impl Fn(&Row) -> bool,
    ) -> Result<u64, Error> {
        let run = || {
            let sql = format!("SELECT {COLUMNS} FROM cases WHERE {condition}");
            let mut statement = self.connection.prepare_cached(&sql)?;
            let mut rows = statement.query_map(values, row)?;
            let (mut count, mut next) = (0, rows.next());
            while let Some(row) = next.filter(|_| count < most) {
                count += u64::from(meant(&row?));
                next = rows.next();
            }
            Ok(count)
        };
        run().map_err(self.failed("read it"))
    }

    pub(super) fn select(
        &self,
        condition: &'static str,
        values: impl Params,
    ) -> Result<Vec<Row>, Error> {
        let run = || {
            let sql = format!("SELECT {COLUMNS} FROM cases WHERE {condition}");
            let mut statement = self.connection.prepare_cached(&sql)?;
            let rows = statement.query_map(values, row)?;
            rows.collect::<rusqlite::Result<Vec<Row>>>()
        };
        run().map_err(self.failed("read it"))
    }
}

const COLUMNS: &str = "id, fingerprint, kind, severity, title, host, boot, run, source, release, \
                       first, last, open, settled, voice";

fn row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    let number = |at: usize| row.get::<_, i64>(at).map(i64::cast_unsigned);
    let word = |at: usize| row.get::<_, String>(at);
    Ok(Row {
        id: row.get(0)?,
        fingerprint: Fingerprint(number(1)?),
        kind: Kind::parse(&word(2)?).unwrap_or_default(),
        severity: Severity::parse(&word(3)?).unwrap_or_default(),
        title: word(4)?,
        host: word(5)?,
        boot: row.get(6)?,
        run: RunId(number(7)?),
        source: word(8)?,
        release: row.get(9)?,
        first: WallTime(number(10)?),
        last: WallTime(number(11)?),
        open: row.get(12)?,
        settled: row.get(13)?,
        voice: Voice::ALL.get(number(14)? as usize).copied().unwrap_or_default(),
    })
}
