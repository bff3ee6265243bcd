//! Values to rows: everything that writes.

use std::collections::BTreeSet;
use std::sync::Arc;

use bedside_stream::{LastWord, RunId, StreamKey, Verdict};
use rusqlite::{Statement, Transaction, TransactionBehavior, params};

use super::source::{port_and_voice, read_key, source_bytes};
use super::{Catalogue, MemoryRow, Place, RunState, SegmentSummary, Summary, Tally, failed};
use crate::entry::host_label;
use crate::error::Error;

/// What a commit brings.
#[derive(Debug, Default)]
pub struct News<'a> {
    /// What was folded since the last commit: sums to add, states to take over.
    pub summary: Summary,
    /// What the stream core wants remembered.
    pub memories: &'a [MemoryRow],
    /// From here on a memory may lack records.
    pub checkpoint: Option<Place>,
    /// No run has this number or a higher one.
    pub next_run: u64,
    /// How many memories are kept.
    pub memory_rows: usize,
}

impl Catalogue {
    /// Takes news in, all of it or nothing. Answers which memories had to go.
    pub fn commit(&mut self, news: &News<'_>) -> Result<Vec<StreamKey>, Error> {
        // Some of them may have been there; the more seldom all are counted, the better.
        let at_most = self.remembered.saturating_add(news.memories.len() as u64);
        let (at_most, gone) = self.write("commit", |transaction| {
            for (number, segment) in &news.summary.segments {
                add_segment(transaction, *number, segment)?;
            }
            let mut put = transaction.prepare_cached(PUT_RUN)?;
            for state in news.summary.runs.values() {
                put_run(&mut put, state)?;
            }
            put_memories(transaction, news.memories)?;
            put_meta(transaction, "next_run", news.next_run)?;
            if let Some(place) = news.checkpoint {
                put_meta(transaction, "checkpoint_segment", place.segment)?;
                put_meta(transaction, "checkpoint_entries", place.entries)?;
            }
            if at_most <= news.memory_rows as u64 {
                return Ok((at_most, Vec::new()));
            }
            bound_memories(transaction, news.memory_rows as u64)
        })?;
        self.remembered = at_most;
        Ok(gone)
    }

    /// Forgets what it knows of segments, and the runs of which nothing is left. The numbers of
    /// their boots are not given again.
    pub fn forget_segments(&mut self, numbers: &BTreeSet<u64>) -> Result<(), Error> {
        self.write("forget segments in", |transaction| forget_segments(transaction, numbers))
    }

    /// The same of segments that were deleted, which it remembers as long as there are older ones.
    pub fn forget_deleted(&mut self, numbers: &BTreeSet<u64>) -> Result<(), Error> {
        self.write("forget segments in", |transaction| {
            forget_segments(transaction, numbers)?;
            note_deleted(transaction, numbers)?;
            transaction.execute_batch(
                "DELETE FROM deleted
                    WHERE number < (SELECT ifnull(min(number), 1 << 62) FROM segments)",
            )
        })
    }

    /// Takes over from another catalogue what can't be had from the segments.
    pub(crate) fn adopt(&mut self, other: &Catalogue) -> Result<(), Error> {
        let (mut memories, mut next_boots) = (Vec::new(), Vec::new());
        other.memories(|memory, place| {
            memories.push(MemoryRow { memory: Arc::new(memory), place });
        })?;
        other.next_boots(usize::MAX >> 1, |label, next| next_boots.push((label.to_vec(), next)))?;
        let deleted = other.deleted()?;
        let news = News {
            memories: &memories,
            memory_rows: memories.len(),
            checkpoint: other.checkpoint()?,
            next_run: other.next_run()?,
            ..News::default()
        };
        self.commit(&news)?;
        self.write("fill", |transaction| {
            for (label, next) in &next_boots {
                let sql = "INSERT OR REPLACE INTO hosts VALUES (?, ?)";
                transaction.prepare_cached(sql)?.execute(params![label, next])?;
            }
            note_deleted(transaction, &deleted)
        })
    }

    /// Drops all that comes from the segments, for a rebuild; memories and the least numbers of
    /// boots stay.
    pub(crate) fn clear(&mut self) -> Result<(), Error> {
        self.write("clear", |transaction| {
            transaction.execute_batch(
                "DELETE FROM segments; DELETE FROM spans; DELETE FROM gaps; DELETE FROM runs;",
            )
        })
    }

    /// Gives unused room back to the file system.
    pub(crate) fn optimize(&self) -> Result<(), Error> {
        let compact = "PRAGMA temp_store = FILE; VACUUM; PRAGMA temp_store = MEMORY";
        self.connection.execute_batch(compact).map_err(failed("compact"))
    }

    fn write<T>(
        &mut self,
        operation: &'static str,
        change: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, Error> {
        let run = || {
            let behavior = TransactionBehavior::Immediate;
            let transaction = self.connection.transaction_with_behavior(behavior)?;
            let answer = change(&transaction)?;
            transaction.commit()?;
            Ok(answer)
        };
        run().map_err(failed(operation))
    }
}

/// A run has a line in every segment that holds something of it, and `runs` knows the last one:
/// where that is still there nobody need look. CROSS: SQLite would go through all spans for each
/// run otherwise, for it does not know that there are few segments.
const FORGET_RUNS: &str = "
CREATE TEMP TABLE IF NOT EXISTS gone (id INTEGER PRIMARY KEY);
INSERT INTO gone SELECT id FROM runs
    WHERE segment NOT IN (SELECT number FROM segments) AND NOT EXISTS
        (SELECT 1 FROM segments CROSS JOIN spans ON spans.segment = number AND run = id);
INSERT INTO hosts
    SELECT label, max(boot) + 1 FROM runs JOIN gone USING (id)
    WHERE verdict != 2 AND boot NOT NULL GROUP BY label
    ON CONFLICT DO UPDATE SET next_boot = max(next_boot, excluded.next_boot);
DELETE FROM runs WHERE id IN (SELECT id FROM gone);
DELETE FROM gone;
";

fn forget_segments(of: &Transaction<'_>, numbers: &BTreeSet<u64>) -> rusqlite::Result<()> {
    for number in numbers {
        for table in ["spans", "gaps"] {
            let sql = format!("DELETE FROM {table} WHERE segment = ?");
            of.prepare_cached(&sql)?.execute([number.cast_signed()])?;
        }
        let sql = "DELETE FROM segments WHERE number = ?";
        of.prepare_cached(sql)?.execute([number.cast_signed()])?;
    }
    of.execute_batch(FORGET_RUNS)
}

fn note_deleted(to: &Transaction<'_>, numbers: &BTreeSet<u64>) -> rusqlite::Result<()> {
    let mut note = to.prepare_cached("INSERT OR IGNORE INTO deleted VALUES (?)")?;
    numbers.iter().try_for_each(|number| note.execute([number.cast_signed()]).map(drop))
}

fn add_segment(
    to: &Transaction<'_>,
    number: u64,
    segment: &SegmentSummary,
) -> rusqlite::Result<()> {
    let number = number.cast_signed();
    let strangers = &segment.strangers;
    to.prepare_cached("INSERT OR REPLACE INTO segments VALUES (?, ?, ?, ?)")?.execute(params![
        number,
        segment.entries.cast_signed(),
        strangers.to_bytes(),
        strangers.records.cast_signed(),
    ])?;
    // In the order of the table, so that each of its pages is met once.
    let mut spans: Vec<_> = segment.spans.iter().collect();
    spans.sort_unstable_by_key(|(run, _)| **run);
    let mut add = to.prepare_cached(ADD_SPAN)?;
    for (run, tally) in spans {
        add_span(&mut add, number, *run, tally)?;
    }
    for (cause, count) in &segment.gaps {
        to.prepare_cached(
            "INSERT INTO gaps VALUES (?, ?, ?)
            ON CONFLICT DO UPDATE SET count = count + excluded.count",
        )?
        .execute(params![number, cause.as_str(), count.cast_signed()])?;
    }
    Ok(())
}

const ADD_SPAN: &str = "INSERT INTO spans VALUES (?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET
        records = records + excluded.records,
        first = min(coalesce(first, excluded.first), coalesce(excluded.first, first)),
        last = max(coalesce(last, excluded.last), coalesce(excluded.last, last)),
        dropped = dropped + excluded.dropped,
        limited = limited + excluded.limited";

fn add_span(
    add: &mut Statement<'_>,
    number: i64,
    run: RunId,
    tally: &Tally,
) -> rusqlite::Result<()> {
    let received = |pick: fn((u64, u64)) -> u64| {
        tally.received.map(|(first, last)| pick((first.0, last.0)).cast_signed())
    };
    add.execute(params![
        number,
        run.0.cast_signed(),
        tally.records.cast_signed(),
        received(|pair| pair.0),
        received(|pair| pair.1),
        tally.dropped.cast_signed(),
        tally.limited.cast_signed(),
        tally.mixed,
    ])?;
    Ok(())
}

fn put_run(put: &mut Statement<'_>, state: &RunState) -> rusqlite::Result<()> {
    let run = &state.stored.run;
    let (verdict, same_as) = verdict(run.verdict);
    let last_word = last_word(run.last_word);
    put.execute(params![
        run.id.0.cast_signed(),
        source_bytes(run.key.source()),
        port_and_voice(&run.key),
        run.first_received.0.cast_signed(),
        verdict,
        same_as,
        state.stored.boot,
        host_label(run),
        run.host.is_some(),
        run.boot_id,
        run.release,
        last_word,
        state.segment.cast_signed(),
    ])?;
    Ok(())
}

const PUT_RUN: &str = "INSERT INTO runs (id, source, port, first, verdict, same_as, boot, label,
        named, boot_id, release, last_word, segment) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET verdict = excluded.verdict, same_as = excluded.same_as,
        boot = excluded.boot, label = excluded.label, named = excluded.named,
        boot_id = excluded.boot_id, release = excluded.release, last_word = excluded.last_word,
        segment = excluded.segment
    WHERE excluded.segment >= segment";

fn verdict(verdict: Verdict) -> (i64, Option<i64>) {
    match verdict {
        Verdict::Provisional => (0, None),
        Verdict::Boot => (1, None),
        Verdict::SameAs(root) => (2, Some(root.0.cast_signed())),
    }
}

fn last_word(word: Option<LastWord>) -> i64 {
    match word {
        None => 0,
        Some(LastWord::Clean) => 1,
        Some(LastWord::Panic) => 2,
    }
}

/// In the order of the table, so that each of its pages is met once; of one stream's the last
/// counts.
fn put_memories(to: &Transaction<'_>, rows: &[MemoryRow]) -> rusqlite::Result<()> {
    let mut rows: Vec<&MemoryRow> = rows.iter().collect();
    rows.sort_by_cached_key(|row| {
        let key = row.memory.key();
        (source_bytes(key.source()), port_and_voice(&key))
    });
    let sql = "INSERT OR REPLACE INTO memory VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
    let mut put = to.prepare_cached(sql)?;
    rows.into_iter().try_for_each(|row| put_memory(&mut put, row))
}

fn put_memory(put: &mut Statement<'_>, row: &MemoryRow) -> rusqlite::Result<()> {
    let memory = row.memory.as_ref();
    put.execute(params![
        source_bytes(memory.key().source()),
        port_and_voice(&memory.key()),
        memory.run().0.cast_signed(),
        memory.last_received().0.cast_signed(),
        memory.proven(),
        row.place.segment.cast_signed(),
        row.place.entries.cast_signed(),
        memory.bytes(),
    ])?;
    Ok(())
}

/// Lets go of memories if there are more than `most`, and then of a few more, for it goes
/// through all of them: the unproven go first, then those not heard for longest. Answers how many
/// are left, and those that are not.
fn bound_memories(to: &Transaction<'_>, most: u64) -> rusqlite::Result<(u64, Vec<StreamKey>)> {
    let count = |row: &rusqlite::Row<'_>| row.get(0).map(i64::cast_unsigned);
    let held: u64 = to.query_row("SELECT count(*) FROM memory", [], count)?;
    if held <= most {
        return Ok((held, Vec::new()));
    }
    let surplus = held - (most - most / 64);
    let mut statement = to.prepare_cached(
        "DELETE FROM memory WHERE (source, port) IN
            (SELECT source, port FROM memory ORDER BY proven, last_received LIMIT ?)
        RETURNING source, port",
    )?;
    let gone = statement.query_map([surplus.cast_signed()], |row| {
        Ok(read_key(row.get_ref(0)?.as_blob().unwrap_or_default(), row.get(1)?))
    })?;
    Ok((held - surplus, gone.filter_map(Result::transpose).collect::<Result<_, _>>()?))
}

fn put_meta(to: &Transaction<'_>, key: &str, value: u64) -> rusqlite::Result<()> {
    to.prepare_cached("INSERT OR REPLACE INTO meta VALUES (?, ?)")?
        .execute(params![key, value.cast_signed()])?;
    Ok(())
}
