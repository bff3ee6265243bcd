//! Sealing: the lines of a live segment, in larger blocks, better compressed, with an index.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::disk::{Disk, DiskFile};
use crate::error::Error;
use crate::segment::{BlockRef, Index, Position, SegmentFile, SegmentHeader, SegmentName};

use super::block::BlockMaker;
use super::engine::BLOCK_TEXT;

/// A segment that will not grow any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SealJob {
    pub(crate) number: u64,
    /// What lies here or behind it stands in a later segment.
    pub(crate) cut: Option<Position>,
}

/// How a seal ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sealed {
    /// The sealed file is in place; so many damaged blocks are not in it.
    Done {
        /// Blocks left out.
        damaged: usize,
    },
    /// There was nothing in the segment, or it is sealed already.
    Nothing,
    /// It was told to stop; all is as before.
    Stopped,
}

/// Seals a segment. After a crash at any moment either the live or the sealed file is whole.
pub(crate) fn seal(
    disk: &dyn Disk,
    job: SealJob,
    level: i32,
    stop: &AtomicBool,
) -> Result<Sealed, Error> {
    let live = SegmentName::live(job.number);
    let segment = match open(disk, job) {
        Ok(segment) => segment,
        Err(error) if error.is_not_found() => return Ok(Sealed::Nothing),
        Err(error) => return Err(error),
    };
    let scan = segment.scan()?;
    if scan.blocks.is_empty() {
        remove(disk, live);
        return Ok(Sealed::Nothing);
    }
    let temporary = temporary_name(job.number);
    // Left over from a seal that failed; if it can't be removed, `create` says so.
    drop(disk.remove(&temporary));
    let copied = copy(disk, &segment, &scan.blocks, level, stop);
    if let Ok(Sealed::Done { .. }) = copied {
        put_in_place(disk, job.number)?;
        remove(disk, live);
    } else {
        // Half a copy only takes room, which may be just what is missing.
        drop(disk.remove(&temporary));
    }
    copied
}

/// Writes the lines of a segment to a temporary file, and syncs it.
fn copy(
    disk: &dyn Disk,
    segment: &SegmentFile,
    blocks: &[BlockRef],
    level: i32,
    stop: &AtomicBool,
) -> Result<Sealed, Error> {
    let temporary = temporary_name(segment.header().number);
    let io = |operation| {
        let object = temporary.clone();
        move |e| Error::io(operation, object, e)
    };
    let file = disk.create(&temporary).map_err(io("create"))?;
    let mut copy = Copy::begin(file.as_ref(), segment.header(), level).map_err(io("write"))?;
    for block in blocks {
        if stop.load(Ordering::Relaxed) {
            return Ok(Sealed::Stopped);
        }
        copy.take(segment, block)?;
    }
    let damaged = copy.damaged;
    copy.end().map_err(io("write"))?;
    file.sync().map_err(io("sync"))?;
    Ok(Sealed::Done { damaged })
}

/// Gives the temporary file its name, for good.
fn put_in_place(disk: &dyn Disk, number: u64) -> Result<(), Error> {
    let sealed = SegmentName::sealed(number).to_string();
    let renamed = disk.rename(&temporary_name(number), &sealed);
    renamed.map_err(|e| Error::io("rename", temporary_name(number), e))?;
    disk.sync_dir().map_err(|e| Error::io("sync", "the segments' directory", e))
}

/// The name of a file that is being made into segment `number`.
pub(crate) fn temporary_name(number: u64) -> String {
    format!("{number:08}.tmp")
}

fn open(disk: &dyn Disk, job: SealJob) -> Result<SegmentFile, Error> {
    let name = SegmentName::live(job.number);
    let file = disk.open(&name.to_string()).map_err(|e| Error::io("open", name.to_string(), e))?;
    SegmentFile::from_file(name, file, job.cut.map(|cut| cut.offset))
}

/// A live file that stays costs room, nothing else: the sealed one counts.
fn remove(disk: &dyn Disk, live: SegmentName) {
    if let Err(error) = disk.remove(&live.to_string()) {
        tracing::warn!(%error, "cannot remove {live}, which is sealed");
    }
}

/// A sealed segment in the making.
struct Copy<'a> {
    file: &'a dyn DiskFile,
    maker: BlockMaker,
    blocks: Vec<BlockRef>,
    end: Position,
    damaged: usize,
    text: Vec<u8>,
    bytes: Vec<u8>,
}

impl<'a> Copy<'a> {
    fn begin(file: &'a dyn DiskFile, live: &SegmentHeader, level: i32) -> std::io::Result<Self> {
        let header = SegmentHeader { sealed: true, ..live.clone() };
        let mut bytes = Vec::new();
        header.emit(&mut bytes);
        file.append(&bytes)?;
        let end = Position { offset: bytes.len() as u64, entries: 0 };
        let maker = BlockMaker::new(level)?;
        let (blocks, text) = (Vec::new(), Vec::new());
        Ok(Copy { file, maker, blocks, end, damaged: 0, text, bytes })
    }

    /// Adds the lines of a block; one that a power loss damaged is left out.
    fn take(&mut self, from: &SegmentFile, block: &BlockRef) -> Result<(), Error> {
        match from.read_block(block, &mut self.text) {
            Ok(()) => {}
            Err(Error::Damaged { object, problem }) => {
                tracing::warn!(
                    "{object}: {problem}; its {} records are lost",
                    block.header.records()
                );
                self.damaged += 1;
                return Ok(());
            }
            Err(error) => return Err(error),
        }
        if self.maker.text.len() + self.text.len() > BLOCK_TEXT {
            self.flush()
                .map_err(|e| Error::io("write", temporary_name(from.header().number), e))?;
        }
        self.maker.text.extend_from_slice(&self.text);
        self.maker.header.absorb(&block.header);
        Ok(())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        if self.maker.is_empty() {
            return Ok(());
        }
        self.bytes.clear();
        let header = self.maker.finish(&mut self.bytes)?;
        self.file.append(&self.bytes)?;
        let (offset, first_entry) = (self.end.offset, self.end.entries);
        let block = BlockRef { offset, first_entry, header };
        self.end = block.end();
        self.blocks.push(block);
        Ok(())
    }

    fn end(mut self) -> std::io::Result<()> {
        self.flush()?;
        self.file.append(&Index::new(self.blocks, self.end).emit())
    }
}

#[cfg(test)]
mod tests;
