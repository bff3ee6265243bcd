//! Sealing: the lines of a live segment once more, sorted, in larger blocks, with filters and an
//! index.

mod chapter;

use std::sync::atomic::{AtomicBool, Ordering};

use crate::disk::{Disk, DiskFile};
use crate::error::Error;
use crate::segment::{
    BlockRef, Chapter, Filter, Filters, Index, Position, SegmentFile, SegmentHeader, SegmentName,
};

use super::block::BlockMaker;
use super::options::Options;
use chapter::Lines;

/// A segment that will not grow any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SealJob {
    pub(crate) number: u64,
    /// What lies here or behind it stands in a later segment.
    pub(crate) cut: Option<Position>,
}

/// What a sealed segment is made like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// zstd's.
    pub(crate) level: i32,
    /// Text of a chapter.
    pub(crate) chapter: usize,
    /// Text of a block.
    pub(crate) block: usize,
}

impl From<&Options> for Shape {
    fn from(options: &Options) -> Shape {
        let (chapter, block) = (options.chapter_text, options.sealed_block_text);
        Shape { level: options.sealed_level, chapter, block }
    }
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
    shape: Shape,
    stop: &AtomicBool,
) -> Result<Sealed, Error> {
    let live = SegmentName::live(job.number);
    let segment = match open(disk, job) {
        Ok(segment) => segment,
        Err(error) if error.is_not_found() => return Ok(Sealed::Nothing),
        Err(error) => return Err(error),
    };
    if segment.scan_some_outlines(segment.start(), 1)?.blocks.is_empty() {
        remove(disk, live);
        return Ok(Sealed::Nothing);
    }
    let temporary = temporary_name(job.number);
    // Left over from a seal that failed; if it can't be removed, `create` says so.
    drop(disk.remove(&temporary));
    let copied = copy(disk, &segment, shape, stop);
    if let Ok(Sealed::Done { .. }) = copied {
        put_in_place(disk, job.number)?;
        // Else whoever has it open still pays for letting go of it.
        segment.uncache();
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
    shape: Shape,
    stop: &AtomicBool,
) -> Result<Sealed, Error> {
    let temporary = temporary_name(segment.header().number);
    let io = |operation| {
        let object = temporary.clone();
        move |e| Error::io(operation, object, e)
    };
    let file = disk.create(&temporary).map_err(io("create"))?;
    let begun = Copy::begin(file.as_ref(), segment.header(), Lines::new(shape)?, shape.level);
    let mut copy = begun.map_err(io("write"))?;
    let mut scan = segment.scan_some_outlines(segment.start(), HEADERS_AT_ONCE)?;
    while !scan.blocks.is_empty() {
        for block in &scan.blocks {
            if stop.load(Ordering::Relaxed) {
                return Ok(Sealed::Stopped);
            }
            copy.take(segment, block)?;
        }
        scan = segment.scan_some_outlines(scan.end, HEADERS_AT_ONCE)?;
    }
    let damaged = copy.damaged;
    copy.end().map_err(io("write"))?;
    file.sync().map_err(io("sync"))?;
    Ok(Sealed::Done { damaged })
}

/// Headers of a live segment in memory.
const HEADERS_AT_ONCE: usize = 64;

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
    /// The lines of the chapter in the making.
    lines: Lines,
    blocks: Vec<BlockRef>,
    chapters: Vec<Chapter>,
    /// What the texts of the chapter in the making hold.
    filter: Filter,
    filters: Filters,
    filter_lens: Vec<u32>,
    end: Position,
    damaged: usize,
    bytes: Vec<u8>,
}

impl<'a> Copy<'a> {
    fn begin(
        file: &'a dyn DiskFile,
        live: &SegmentHeader,
        lines: Lines,
        level: i32,
    ) -> std::io::Result<Self> {
        let header = SegmentHeader { sealed: true, ..live.clone() };
        let mut bytes = Vec::new();
        header.emit(&mut bytes);
        file.append(&bytes)?;
        Ok(Copy {
            file,
            maker: BlockMaker::new(level)?.for_sealing()?,
            lines,
            blocks: Vec::new(),
            chapters: Vec::new(),
            filter: Filter::new(),
            filters: Filters::default(),
            filter_lens: Vec::new(),
            end: Position { offset: bytes.len() as u64, entries: 0 },
            damaged: 0,
            bytes,
        })
    }

    /// Adds the lines of a block; one that a power loss damaged is left out.
    fn take(&mut self, from: &SegmentFile, block: &BlockRef) -> Result<(), Error> {
        match self.lines.read(from, block) {
            Ok(()) => {}
            Err(Error::Damaged { object, problem }) => {
                tracing::warn!("{object}: {problem}; its {} lines are lost", block.header.entries);
                self.damaged += 1;
            }
            Err(error) => return Err(error),
        }
        if self.lines.are_enough() {
            self.chapter()
                .map_err(|e| Error::io("write", temporary_name(from.header().number), e))?;
        }
        Ok(())
    }

    /// Writes the lines that were taken, as a chapter.
    fn chapter(&mut self) -> std::io::Result<()> {
        if self.lines.is_empty() {
            return Ok(());
        }
        let before = self.blocks.len();
        self.lines.sort();
        let mut part = self.lines.part(0);
        while !part.is_empty() {
            let next = part.end;
            let (length, entries) = self.lines.put(part, &mut self.maker, &mut self.filter);
            self.bytes.clear();
            let before = self.end.entries;
            let (header, length) =
                self.maker.finish_sealed(length, &entries, before, &mut self.bytes)?;
            self.file.append(&self.bytes)?;
            let mut block = BlockRef::with_header_of(self.end, header, length);
            self.end = block.end();
            // The index has no use for them, and they are many.
            block.header.runs = Vec::new();
            self.blocks.push(block);
            self.filter_lens.push(self.filters.push_block(&mut self.filter));
            part = self.lines.part(next);
        }
        let blocks = (self.blocks.len() - before) as u32;
        let filter_len = self.filters.push_chapter(&mut self.filter);
        self.chapters.push(Chapter { blocks, filter_len });
        self.lines.clear();
        Ok(())
    }

    fn end(mut self) -> std::io::Result<()> {
        self.chapter()?;
        let Copy { chapters, filter_lens, .. } = self;
        let index = Index { filter_lens, chapters, ..Index::new(self.blocks, self.end) };
        self.file.append(&index.emit(&self.filters, Some(self.lines.numbers())))
    }
}

#[cfg(test)]
mod tests;
