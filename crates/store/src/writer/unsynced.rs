//! Blocks that a power loss could still take: kept in memory until they are synced, so that they
//! can be written again elsewhere.

use std::collections::VecDeque;
use std::sync::Arc;

use bedside_stream::{Memory, RunId};

use crate::batch::Batch;
use crate::catalogue::{MemoryRow, Place};
use crate::segment::{BlockHeader, Position};

use super::pieces::Block;

/// What waits for a sync, in order.
#[derive(Debug, Default)]
pub(crate) struct Unsynced {
    blocks: VecDeque<Waiting>,
    bytes: usize,
    /// Where a checkpoint begins that has not ended yet.
    begun: Option<Place>,
}

/// A block, and what must not become durable before it.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) block: Block,
    pub(crate) header: BlockHeader,
    pub(crate) luggage: Luggage,
    /// Where it was written: the segment and the place behind it. `None`: nowhere yet.
    pub(crate) at: Option<(u64, Position)>,
}

/// What goes along with a block: memories, each with how many of the block's entries it knows,
/// and the ends of a checkpoint.
#[derive(Debug, Default)]
pub(crate) struct Luggage {
    memories: Vec<(u32, Arc<Memory>)>,
    begins: Option<u32>,
    ends: bool,
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

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// How many records are in it.
    pub(crate) fn records(&self) -> u64 {
        self.blocks.iter().map(|block| block.header.records()).sum()
    }

    pub(crate) fn blocks_mut(&mut self) -> impl Iterator<Item = &mut Waiting> {
        self.blocks.iter_mut()
    }

    /// All runs with records in what waits.
    pub(crate) fn runs(&self) -> impl Iterator<Item = RunId> {
        self.blocks.iter().flat_map(|block| &block.header.runs).map(|span| span.run)
    }

    /// Lets go of what stands in front of `position` in `segment`, or in an earlier segment; its
    /// rooms are `spares` then.
    pub(crate) fn settle(
        &mut self,
        segment: u64,
        position: Position,
        settled: &mut Settled,
        spares: &mut Vec<Vec<u8>>,
    ) {
        let reached = (segment, position.offset);
        while let Some(block) = self.blocks.front() {
            let Some((number, end)) = block.at.filter(|(n, end)| (*n, end.offset) <= reached)
            else {
                return;
            };
            let Some(block) = self.blocks.pop_front() else { return };
            self.bytes -= block.weight();
            block.block.clear(spares);
            let start = end.entries.saturating_sub(u64::from(block.header.entries));
            let place = |known| Place { segment: number, entries: start + u64::from(known) };
            let Luggage { memories, begins, ends } = block.luggage;
            let row = |(known, memory)| MemoryRow { memory, place: place(known) };
            settled.memories.extend(memories.into_iter().map(row));
            self.begun = begins.map(place).or(self.begun);
            if ends {
                settled.checkpoint = self.begun.take().or(settled.checkpoint);
            }
        }
    }
}

impl Luggage {
    /// Takes what a batch brings, after which the block has so many entries.
    pub(crate) fn pack(&mut self, entries: u32, batch: &mut Batch) {
        self.memories.extend(batch.memories.drain(..).map(|memory| (entries, memory)));
        if batch.checkpoint.begins {
            self.begins = Some(entries);
        }
        self.ends |= batch.checkpoint.ends;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.memories.is_empty() && self.begins.is_none() && !self.ends
    }

    /// The block is lost, its luggage goes with the next one, but for what is too much; how
    /// many memories that was.
    pub(crate) fn rescue(&mut self, most: usize) -> usize {
        let surplus = self.memories.len().saturating_sub(most);
        self.memories.drain(..surplus);
        self.memories.iter_mut().for_each(|(known, _)| *known = 0);
        self.begins = self.begins.map(|_| 0);
        // A checkpoint says that all memories were told.
        self.ends &= surplus == 0;
        surplus
    }
}

impl Waiting {
    fn weight(&self) -> usize {
        self.block.len() + self.luggage.memories.len() * 512 + 256
    }
}
