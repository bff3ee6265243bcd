//! A segment that is being written.

use std::io;
use std::sync::Arc;

use bedside_stream::Monotonic;

use crate::disk::DiskFile;
use crate::segment::{BlockHeader, Position};
use crate::writer::pieces::Block;

/// A file that grows, and how far it is synced.
#[derive(Debug)]
pub(crate) struct LiveFile {
    pub(crate) number: u64,
    pub(crate) file: Arc<dyn DiskFile>,
    pub(crate) end: Position,
    pub(crate) synced: Position,
    pub(crate) since: Monotonic,
}

impl LiveFile {
    /// Writes one block at the end.
    pub(crate) fn append(&mut self, block: &Block, header: &BlockHeader) -> io::Result<()> {
        if !block.is_empty() {
            block.write(&*self.file)?;
        }
        self.end.offset += block.len() as u64;
        self.end.entries += u64::from(header.entries);
        Ok(())
    }

    pub(crate) fn is_synced(&self) -> bool {
        self.end == self.synced
    }
}
