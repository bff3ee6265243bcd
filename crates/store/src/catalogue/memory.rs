//! The stream core's memory, kept over its own forgetting and over restarts.

use std::sync::Arc;

use bedside_stream::{Memory, StreamKey};
use rusqlite::{OptionalExtension, Row, params};

use super::load::unsigned;
use super::source::{port_and_voice, source_bytes};
use super::{Catalogue, failed};
use crate::error::Error;

/// A place in the store that lasts: sealing does not change it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Place {
    /// The segment.
    pub segment: u64,
    /// So many of its entries are in front.
    pub entries: u64,
}

/// What is remembered of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryRow {
    /// What the stream core said.
    pub memory: Arc<Memory>,
    /// Where the store was when it said it: what comes later, it does not know.
    pub place: Place,
}

impl Catalogue {
    /// What is remembered of one stream.
    pub fn recall(&self, key: &StreamKey) -> Result<Option<Memory>, Error> {
        let sql = "SELECT segment, entries, state FROM memory WHERE source = ? AND port = ?";
        let mut statement = self.connection.prepare_cached(sql).map_err(failed("read"))?;
        let found = statement
            .query_row(params![source_bytes(key.source()), port_and_voice(key)], memory_row)
            .optional()
            .map_err(failed("read"))?;
        Ok(found.flatten().map(|(memory, _)| memory))
    }

    /// Gives all that is remembered, and up to which place in the store it knows.
    pub fn memories(&self, mut each: impl FnMut(Memory, Place)) -> Result<(), Error> {
        let sql = "SELECT segment, entries, state FROM memory";
        let mut statement = self.connection.prepare(sql).map_err(failed("read"))?;
        let rows = statement.query_map([], memory_row).map_err(failed("read"))?;
        for row in rows {
            if let Some((memory, place)) = row.map_err(failed("read"))? {
                each(memory, place);
            }
        }
        Ok(())
    }

    /// The place from which on a memory may lack records.
    pub fn checkpoint(&self) -> Result<Option<Place>, Error> {
        let segment = self.meta("checkpoint_segment")?;
        let entries = self.meta("checkpoint_entries")?;
        Ok(segment.zip(entries).map(|(segment, entries)| Place { segment, entries }))
    }
}

/// `None` for a state that another version wrote: such a stream begins anew.
fn memory_row(row: &Row<'_>) -> rusqlite::Result<Option<(Memory, Place)>> {
    let place = Place { segment: unsigned(row, 0)?, entries: unsigned(row, 1)? };
    let state = row.get_ref(2)?.as_blob().unwrap_or_default();
    Ok(Memory::from_bytes(state.into()).map(|memory| (memory, place)))
}
