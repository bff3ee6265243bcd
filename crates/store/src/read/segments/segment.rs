//! One segment as a reader sees it: whole, or in outline.

use std::borrow::Cow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use bedside_stream::RunId;

use super::At;
use crate::disk::Disk;
use crate::error::Error;
use crate::segment::{BlockRef, Form, Index, Listed, Position, RunSpan, Scan, SegmentFile};

/// One segment with the blocks that count for this reader.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) file: Arc<SegmentFile>,
    /// Of a sealed segment in outline: without their runs.
    pub(crate) blocks: Vec<BlockRef>,
    pub(crate) end: Position,
    /// The same with their runs, once they are needed.
    full: OnceLock<Vec<BlockRef>>,
    /// How often the runs of a single block were read.
    asked: AtomicUsize,
}

impl Segment {
    /// Opens one, and says what is wrong with its end where that is damaged.
    pub(super) fn open(disk: &dyn Disk, listed: Listed) -> Result<(Segment, Option<Error>), Error> {
        let mut damaged = None;
        let file = SegmentFile::open(disk, listed)?;
        if file.name().form == Form::Sealed {
            match file.index() {
                Ok(Index { blocks, end, .. }) => {
                    return Ok((Segment::new(file, blocks, end, None), None));
                }
                // Without its index a sealed segment can still be walked.
                Err(error @ Error::Damaged { .. }) => damaged = Some(error),
                Err(error) => return Err(error),
            }
        }
        let Scan { blocks, end, .. } = file.scan_from(file.start())?;
        let full = Some(blocks.clone());
        Ok((Segment::new(file, blocks, end, full), damaged))
    }

    fn new(
        file: SegmentFile,
        blocks: Vec<BlockRef>,
        end: Position,
        full: Option<Vec<BlockRef>>,
    ) -> Segment {
        let full = full.map_or_else(OnceLock::new, OnceLock::from);
        Segment { file: Arc::new(file), blocks, end, full, asked: AtomicUsize::new(0) }
    }

    /// Its blocks with their runs.
    pub(crate) fn full(&self) -> Result<&[BlockRef], Error> {
        if let Some(full) = self.full.get() {
            return Ok(full);
        }
        let blocks = self.file.scan()?.blocks;
        Ok(self.full.get_or_init(|| blocks))
    }

    /// The runs of the block at `index`.
    pub(crate) fn runs(&self, index: usize) -> Result<Cow<'_, [RunSpan]>, Error> {
        self.some_runs(index, None)
    }

    /// The same, perhaps those from one run to another only.
    pub(crate) fn some_runs(
        &self,
        index: usize,
        only: Option<(RunId, RunId)>,
    ) -> Result<Cow<'_, [RunSpan]>, Error> {
        // Whoever asks for many is better served with all.
        if self.full.get().is_some() || self.asked.load(Ordering::Relaxed) > self.blocks.len() {
            let block = self.full()?.get(index);
            return Ok(Cow::Borrowed(block.map_or(&[], |block| &block.header.runs)));
        }
        self.asked.fetch_add(1, Ordering::Relaxed);
        let Some(block) = self.blocks.get(index) else { return Ok(Cow::Borrowed(&[])) };
        self.file.read_some_runs(block, only).map(Cow::Owned)
    }

    /// What a block is known by: the segment, and how many entries stand in front of it.
    pub(crate) fn at(&self, block: &BlockRef) -> At {
        At { segment: self.file.name().number, entry: block.start.entries }
    }
}

/// A segment and some of its blocks.
#[derive(Debug)]
pub(crate) struct Outline {
    pub(crate) file: Arc<SegmentFile>,
    pub(crate) blocks: Vec<BlockRef>,
}

impl Outline {
    pub(super) fn of(segment: &Segment) -> Outline {
        Outline { file: Arc::clone(&segment.file), blocks: segment.blocks.clone() }
    }
}
