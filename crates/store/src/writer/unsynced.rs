//! Blocks that a power loss could still take: kept in memory until they are synced, so that they
//! can be written again elsewhere.

use std::collections::VecDeque;
use std::sync::Arc;

use bedside_stream::{Memory, RunId};

use crate::catalogue::{MemoryRow, Place};
use crate::segment::{BlockHeader, Position};

/// What waits for a sync, in order.
#[derive(Debug, Default)]
pub(crate) struct Unsynced {
    blocks: VecDeque<Waiting>,
    bytes: usize,
    /// Room of blocks that are gone.
    spares: Vec<Vec<u8>>,
}

/// More rooms than these are given back to the system.
const SPARES_MAX: usize = 4;

/// A block, and what must not become durable before it.
#[derive(Debug)]
pub(crate) struct Waiting {
    /// Header and frame.
    pub(crate) bytes: Vec<u8>,
    pub(crate) header: BlockHeader,
    pub(crate) memories: Vec<Arc<Memory>>,
    pub(crate) checkpoint: bool,
    /// Where it was written: the segment and the place behind it. `None`: nowhere yet.
    pub(crate) at: Option<(u64, Position)>,
}

/// What a sync made durable.
#[derive(Debug, Default)]
pub(crate) struct Settled {
    pub(crate) memories: Vec<MemoryRow>,
    pub(crate) checkpoint: Option<Place>,
}

impl Unsynced {
    pub(crate) fn push(&mut self, block: Waiting) {
        self.bytes += block.weight();
        self.blocks.push_back(block);
    }

    /// Room for the next block's bytes.
    pub(crate) fn spare(&mut self) -> Vec<u8> {
        self.spares.pop().unwrap_or_default()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    pub(crate) fn blocks_mut(&mut self) -> impl Iterator<Item = &mut Waiting> {
        self.blocks.iter_mut()
    }

    /// All runs with records in what waits.
    pub(crate) fn runs(&self) -> impl Iterator<Item = RunId> {
        self.blocks.iter().flat_map(|block| &block.header.runs).map(|span| span.run)
    }

    /// Lets go of what stands in front of `position` in `segment`, or in an earlier segment.
    pub(crate) fn settle(&mut self, segment: u64, position: Position, settled: &mut Settled) {
        let reached = (segment, position.offset);
        while let Some(block) = self.blocks.front() {
            let Some((number, end)) = block.at.filter(|(n, end)| (*n, end.offset) <= reached)
            else {
                return;
            };
            let place = Place { segment: number, entries: end.entries };
            let Some(mut block) = self.blocks.pop_front() else { return };
            self.bytes -= block.weight();
            if self.spares.len() < SPARES_MAX {
                block.bytes.clear();
                self.spares.push(block.bytes);
            }
            let rows = block.memories.into_iter().map(|memory| MemoryRow { memory, place });
            settled.memories.extend(rows);
            if block.checkpoint {
                settled.checkpoint = Some(place);
            }
        }
    }
}

impl Waiting {
    fn weight(&self) -> usize {
        self.bytes.len() + self.memories.len() * 1024 + 256
    }
}
