//! Letters to who is alerted: made in the book, and there until they are delivered.

use bedside_stream::{Voice, WallTime};
use bedside_triage::Fingerprint;
use rusqlite::{OptionalExtension as _, Transaction, params};

use super::rows::Row;
use super::{Book, Error};

/// A letter that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Letter {
    pub(crate) id: i64,
    /// The name of the rule that wants it.
    pub(crate) rule: String,
    pub(crate) made: WallTime,
    /// How often it was tried in vain.
    pub(crate) tries: u32,
    /// A JSON object.
    pub(crate) body: String,
}

/// Letters of a rule that wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Overdue {
    pub(crate) rule: String,
    pub(crate) letters: u64,
    /// When the oldest was made, and how often it was tried in vain.
    pub(crate) oldest: WallTime,
    pub(crate) tries: u32,
}

/// What came of a case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Weighed {
    /// Rules and the letters that they want.
    pub(crate) letters: Vec<(String, String)>,
    /// Rules that want it in their next digest.
    pub(crate) withheld: Vec<String>,
}

impl Weighed {
    /// Whether this rule makes a letter of it, and not only a line in a digest.
    pub(crate) fn is_told_by(&self, rule: &str) -> bool {
        self.letters.iter().any(|(name, _)| name == rule)
    }
}

impl Book {
    /// Cases of which nobody was told yet and that are ripe, the first ones: whose title has settled,
    /// or that began before then.
    pub(crate) fn unweighed(&self, before: WallTime) -> Result<Vec<Row>, Error> {
        let ripe = "NOT weighed AND (settled OR NOT open OR first <= ?) ORDER BY id LIMIT 100";
        self.select(ripe, [before.0.cast_signed()])
    }

    /// Whether there are others.
    pub(crate) fn any_unweighed(&self) -> Result<bool, Error> {
        let sql = "SELECT EXISTS (SELECT 1 FROM cases WHERE NOT weighed)";
        let found = self.connection.query_row(sql, [], |row| row.get(0));
        found.map_err(self.failed("look for new cases"))
    }

    /// Those of a fingerprint.
    pub(crate) fn rows_of(&self, fingerprint: Fingerprint) -> Result<Vec<Row>, Error> {
        self.select("fingerprint = ? ORDER BY first, id", [fingerprint.0.cast_signed()])
    }

    /// When this rule told of this case's bug last, also in a digest. Of one that is signed, what
    /// somebody without a key said is no word.
    pub(crate) fn told(&self, rule: &str, case: &Row) -> Result<Option<WallTime>, Error> {
        let sql = "SELECT at FROM told WHERE rule = ? AND fingerprint = ? AND signed >= ?";
        let at = |row: &rusqlite::Row<'_>| row.get(0).map(i64::cast_unsigned).map(WallTime);
        let values = params![rule, case.fingerprint.0.cast_signed(), is_signed(case)];
        let told = self.connection.query_row(sql, values, at).optional();
        told.map_err(self.failed("look who was told"))
    }

    /// How many letters this rule made since then, within the last minutes, until now.
    pub(crate) fn made(&self, rule: &str, since: WallTime, now: WallTime) -> Result<u64, Error> {
        let sql = "SELECT count(*) FROM made WHERE rule = ? AND at > ? AND at <= ?";
        let count = |row: &rusqlite::Row<'_>| row.get(0).map(i64::cast_unsigned);
        let values = params![rule, since.0.cast_signed(), now.0.cast_signed()];
        self.connection.query_row(sql, values, count).map_err(self.failed("look who was told"))
    }

    /// When the last case of this bug began.
    pub(crate) fn latest(&self, fingerprint: Fingerprint) -> Result<WallTime, Error> {
        let sql = "SELECT max(first) FROM cases WHERE fingerprint = ?";
        let at = |row: &rusqlite::Row<'_>| row.get(0).map(i64::cast_unsigned).map(WallTime);
        let found = self.connection.query_row(sql, [fingerprint.0.cast_signed()], at);
        found.map_err(self.failed("look what was before a case"))
    }

    /// Whether this case is among the `first` ones of its bug that are `meant`.
    pub(crate) fn is_among_first(
        &self,
        case: &Row,
        first: u64,
        meant: impl Fn(&Row) -> bool,
    ) -> Result<bool, Error> {
        let sql = "SELECT EXISTS (SELECT 1 FROM gone WHERE fingerprint = ?)";
        let (fingerprint, began) = (case.fingerprint.0.cast_signed(), case.first.0.cast_signed());
        let any_gone = self.connection.query_row(sql, [fingerprint], |row| row.get(0));
        if any_gone.map_err(self.failed("look what was before a case"))? {
            return Ok(false);
        }
        let before = "fingerprint = ? AND (first, id) < (?, ?) ORDER BY first, id";
        Ok(self.count_of(before, [fingerprint, began, case.id], first, meant)? < first)
    }

    /// How many cases of its bug that are `meant` began since then until this one did; not more than
    /// `most`.
    pub(crate) fn count(
        &self,
        case: &Row,
        since: WallTime,
        most: u64,
        meant: impl Fn(&Row) -> bool,
    ) -> Result<u64, Error> {
        let within = "fingerprint = ? AND first BETWEEN ? AND ? ORDER BY first DESC";
        let numbers = [case.fingerprint.0, since.0, case.first.0].map(u64::cast_signed);
        self.count_of(within, numbers, most, meant)
    }

    /// Takes in what came of some cases: all of it, or nothing. Who was told before `told_since` is
    /// forgotten.
    pub(crate) fn weighed(
        &mut self,
        batch: &[(Row, Weighed)],
        told_since: WallTime,
        now: WallTime,
    ) -> Result<(), Error> {
        let bodies = batch.iter().flat_map(|(_, weighed)| &weighed.letters);
        let bytes = bodies.map(|(_, body)| body.len() as u64).sum();
        self.held = self.held.map(|held| held.saturating_add(bytes));
        let now = now.0.cast_signed();
        self.write("make letters", |to| {
            for (case, weighed) in batch {
                for (rule, body) in &weighed.letters {
                    put_letter(to, rule, body, now)?;
                    put_told(to, rule, case, now)?;
                }
                for rule in &weighed.withheld {
                    let sql = "INSERT OR REPLACE INTO withheld VALUES (?, ?, ?)";
                    to.prepare_cached(sql)?.execute(params![rule, case.id, now])?;
                }
                let sql = "UPDATE cases SET weighed = 1 WHERE id = ?";
                to.prepare_cached(sql)?.execute([case.id])?;
            }
            to.execute("DELETE FROM told WHERE at < ?", [told_since.0.cast_signed()]).map(drop)
        })
    }

    /// Rules with a digest that is due, whose first case was withheld before `before`; or after
    /// `now`, by a clock that was ahead.
    pub(crate) fn digests_due(
        &self,
        before: WallTime,
        now: WallTime,
    ) -> Result<Vec<String>, Error> {
        let run = || {
            let sql = "SELECT rule FROM withheld GROUP BY rule HAVING min(at) <= ? OR max(at) > ?";
            let mut statement = self.connection.prepare_cached(sql)?;
            let times = [before, now].map(|time| time.0.cast_signed());
            let rules = statement.query_map(times, |row| row.get(0))?;
            rules.collect::<rusqlite::Result<Vec<String>>>()
        };
        run().map_err(self.failed("look for digests"))
    }

    /// What a rule withheld, as far as it is still held.
    pub(crate) fn withheld(&self, rule: &str) -> Result<Vec<Row>, Error> {
        let sql = "id IN (SELECT id FROM withheld WHERE rule = ?) ORDER BY first, id";
        self.select(sql, [rule])
    }

    /// Takes in a rule's digest.
    pub(crate) fn digested(
        &mut self,
        rule: &str,
        cases: &[Row],
        body: &str,
        now: WallTime,
    ) -> Result<(), Error> {
        self.held = self.held.map(|held| held.saturating_add(body.len() as u64));
        let now = now.0.cast_signed();
        self.write("make a digest", |to| {
            put_letter(to, rule, body, now)?;
            for case in cases {
                put_told(to, rule, case, now)?;
            }
            to.execute("DELETE FROM withheld WHERE rule = ?", [rule]).map(drop)
        })
    }

    /// The letters that wait, the first `most` of each rule, by when they are due, and when that is.
    pub(crate) fn letters(&self, most: u32) -> Result<Vec<(Letter, WallTime)>, Error> {
        let run = || {
            let sql = "SELECT id, rule, made, tries, body, due FROM letters WHERE id IN (
                SELECT id FROM (SELECT id, row_number() OVER (PARTITION BY rule ORDER BY due, id)
                AS place FROM letters) WHERE place <= ?) ORDER BY due, id";
            let mut statement = self.connection.prepare_cached(sql)?;
            let letters = statement.query_map([most], |row| Ok((letter(row)?, time(row, 5)?)))?;
            letters.collect::<rusqlite::Result<Vec<_>>>()
        };
        run().map_err(self.failed("look for letters"))
    }

    /// A letter that waits.
    pub(crate) fn letter(&self, id: i64) -> Result<Option<Letter>, Error> {
        let sql = "SELECT id, rule, made, tries, body FROM letters WHERE id = ?";
        let found = self.connection.query_row(sql, [id], letter).optional();
        found.map_err(self.failed("look for a letter"))
    }

    /// Rules with letters that were made before then and still wait.
    pub(crate) fn overdue(&self, before: WallTime) -> Result<Vec<Overdue>, Error> {
        let run = || {
            // Of a row with `min()`, SQLite takes the other columns from the row that has it.
            let sql = "SELECT rule, count(*), min(made), tries FROM letters WHERE made < ?
                GROUP BY rule ORDER BY rule";
            let mut statement = self.connection.prepare_cached(sql)?;
            let overdue = statement.query_map([before.0.cast_signed()], |row| {
                let letters = row.get(1).map(i64::cast_unsigned)?;
                Ok(Overdue {
                    rule: row.get(0)?,
                    letters,
                    oldest: time(row, 2)?,
                    tries: row.get(3)?,
                })
            })?;
            overdue.collect::<rusqlite::Result<Vec<_>>>()
        };
        run().map_err(self.failed("look for letters"))
    }

    /// Throws the oldest letters away, whatever their rules, until all take up no more than `most`
    /// bytes.
    pub(super) fn bound_letters(&mut self, most: u64) -> Result<(), Error> {
        let gone = self.write("throw letters away", |to| {
            let sql = "DELETE FROM letters WHERE id IN (SELECT id FROM (SELECT id,
                sum(octet_length(body)) OVER (ORDER BY id DESC) AS held FROM letters)
                WHERE held > ?)";
            to.execute(sql, [most.cast_signed()])
        })?;
        if gone > 0 {
            tracing::warn!(
                "letters of alerts wait that take up a quarter of `incidents` under [store]: the \
                 oldest {gone} were thrown away"
            );
        }
        Ok(())
    }

    /// Forgets a letter: it was delivered, or nobody wants it any more.
    pub(crate) fn forget_letter(&mut self, id: i64) -> Result<(), Error> {
        self.write("forget a letter", |to| {
            to.execute("DELETE FROM letters WHERE id = ?", [id]).map(drop)
        })
    }

    /// Has a letter wait for its next try.
    pub(crate) fn try_again(&mut self, id: i64, due: WallTime) -> Result<(), Error> {
        self.write("keep a letter", |to| {
            let sql = "UPDATE letters SET tries = tries + 1, due = ? WHERE id = ?";
            to.execute(sql, params![due.0.cast_signed(), id]).map(drop)
        })
    }
}

fn letter(row: &rusqlite::Row<'_>) -> rusqlite::Result<Letter> {
    let (id, rule, made) = (row.get(0)?, row.get(1)?, time(row, 2)?);
    Ok(Letter { id, rule, made, tries: row.get(3)?, body: row.get(4)? })
}

fn time(row: &rusqlite::Row<'_>, at: usize) -> rusqlite::Result<WallTime> {
    row.get(at).map(i64::cast_unsigned).map(WallTime)
}

fn put_told(to: &Transaction<'_>, rule: &str, case: &Row, now: i64) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO told VALUES (?, ?, ?, ?)";
    let values = params![rule, case.fingerprint.0.cast_signed(), now, is_signed(case)];
    to.prepare_cached(sql)?.execute(values).map(drop)
}

fn is_signed(case: &Row) -> bool {
    case.voice == Voice::Signed
}

fn put_letter(to: &Transaction<'_>, rule: &str, body: &str, now: i64) -> rusqlite::Result<()> {
    let sql = "INSERT INTO letters (rule, made, due, tries, body) VALUES (?, ?, ?, 0, ?)";
    to.prepare_cached(sql)?.execute(params![rule, now, now, body])?;
    to.prepare_cached("DELETE FROM made WHERE at < ?")?.execute([now - MADE_KEPT_US])?;
    to.prepare_cached("INSERT INTO made VALUES (?, ?)")?.execute(params![rule, now])?;
    // Whatever is told of, a queue that nobody empties has an end.
    let sql = "DELETE FROM letters WHERE id <= (SELECT max(id) FROM letters) - ?";
    let gone = to.prepare_cached(sql)?.execute([LETTERS])?;
    if gone > 0 {
        tracing::warn!("{LETTERS} letters of alerts wait already: the oldest was thrown away");
    }
    Ok(())
}

/// Letters that wait at most; the oldest make room.
const LETTERS: i64 = 10_000;
/// For so long at least it is known how many were made: five minutes.
const MADE_KEPT_US: i64 = 300_000_000;
