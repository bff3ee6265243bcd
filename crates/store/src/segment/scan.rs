//! Finding the blocks of a segment that has no index.

use bedside_stream::RunId;

use super::{BlockHeader, SegmentName};
use crate::disk::DiskFile;
use crate::error::Error;

/// A place between two blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Offset in the file.
    pub offset: u64,
    /// Entries of the segment in front of it.
    pub entries: u64,
}

/// A block and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockRef {
    /// Where its header begins; the entries are those of all blocks in front of it.
    pub start: Position,
    /// Length of what stands in front of its frame: the header, the order of its entries and the
    /// numbers of their heads.
    pub lead: u64,
    /// The lowest and the highest run with records in it.
    pub reach: Option<(RunId, RunId)>,
    /// Its header.
    pub header: BlockHeader,
}

impl BlockRef {
    /// A block whose header begins at `start`.
    pub fn new(start: Position, header: BlockHeader) -> BlockRef {
        let mut bytes = Vec::new();
        header.emit(&mut bytes);
        BlockRef::with_header_of(start, header, bytes.len() as u64)
    }

    /// The same for who knows how long the header is on disk.
    pub(crate) fn with_header_of(start: Position, header: BlockHeader, length: u64) -> BlockRef {
        let order = header.order.map_or(0, |order| u64::from(order.len));
        let reach = header.runs.first().zip(header.runs.last());
        let reach = reach.map(|(lowest, highest)| (lowest.run, highest.run));
        BlockRef { start, lead: length + order + u64::from(header.heads_len), reach, header }
    }

    /// The length of its header.
    pub(super) fn header_len(&self) -> u64 {
        let order = self.header.order.map_or(0, |order| u64::from(order.len));
        self.lead.saturating_sub(order + u64::from(self.header.heads_len))
    }

    /// Offset of its zstd frame.
    pub fn frame_offset(&self) -> u64 {
        self.start.offset.saturating_add(self.lead)
    }

    /// The place behind it.
    pub fn end(&self) -> Position {
        Position {
            offset: self.frame_offset().saturating_add(u64::from(self.header.frame_len)),
            entries: self.start.entries.saturating_add(u64::from(self.header.entries)),
        }
    }

    /// The lowest number of its entries.
    pub fn first_entry(&self) -> u64 {
        self.header.order.map_or(self.start.entries, |order| order.first)
    }

    /// The highest number of its entries; the first one's of a block without entries.
    pub fn last_entry(&self) -> u64 {
        let consecutive = || self.end().entries.saturating_sub(1).max(self.start.entries);
        self.header.order.map_or_else(consecutive, |order| order.last)
    }
}

/// The blocks of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scan {
    /// In their order.
    pub blocks: Vec<BlockRef>,
    /// The place behind the last one.
    pub end: Position,
    /// What follows it in a live segment: a block that is just being written, or a torn one.
    pub tail: Option<Tail>,
}

/// Bytes at the end of a live segment that are no whole block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tail {
    /// How many.
    pub bytes: u64,
    /// The header, when at least that is whole: it says what the block would have held.
    pub header: Option<BlockHeader>,
}

/// What of the blocks is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    /// So many blocks at most.
    pub(super) most: usize,
    /// Their runs too, which are most of a header where many machines speak.
    pub(super) runs: bool,
}

/// Walks from block to block, reading the headers only.
pub(super) fn walk(
    file: &dyn DiskFile,
    name: SegmentName,
    from: Position,
    cut: Option<u64>,
    wanted: Wanted,
) -> Result<Scan, Error> {
    let io = |e| Error::io("read", name.to_string(), e);
    let len = file.len().map_err(io)?;
    let limit = cut.unwrap_or(len).min(len);
    let mut window = Window { file, offset: 0, step: Window::SHORTEST, bytes: Vec::new() };
    let mut scan = Scan { blocks: Vec::new(), end: from, tail: None };
    while scan.end.offset < limit && scan.blocks.len() < wanted.most {
        let header = window.header(scan.end.offset, wanted.runs).map_err(io)?;
        let block =
            header.map(|(header, length)| BlockRef::with_header_of(scan.end, header, length));
        match block {
            Some(block) if block.end().offset <= len => {
                scan.end = block.end();
                scan.blocks.push(block);
            }
            torn => {
                let header = torn.map(|block| block.header);
                scan.tail = Some(Tail { bytes: limit - scan.end.offset, header });
                break;
            }
        }
    }
    Ok(scan)
}

/// A piece of the file, so that many small blocks cost few reads, and large ones little more than
/// their headers.
struct Window<'a> {
    file: &'a dyn DiskFile,
    offset: u64,
    step: usize,
    bytes: Vec<u8>,
}

impl Window<'_> {
    const SHORTEST: usize = 4 << 10;
    const LONGEST: usize = 128 << 10;

    /// The header at `offset`, perhaps without its runs, and how long it is.
    fn header(&mut self, offset: u64, runs: bool) -> std::io::Result<Option<(BlockHeader, u64)>> {
        let Some(length) = BlockHeader::payload_len(self.at(offset, 8)?) else { return Ok(None) };
        let bytes = self.at(offset, 8 + length)?;
        Ok(if runs { BlockHeader::parse(bytes) } else { BlockHeader::parse_without_runs(bytes) })
    }

    /// The bytes at `offset`, at least `length` unless the file ends before.
    fn at(&mut self, offset: u64, length: usize) -> std::io::Result<&[u8]> {
        let held = offset.checked_sub(self.offset).map(|skip| skip as usize);
        if let Some(skip) = held.filter(|skip| skip + length <= self.bytes.len()) {
            return Ok(&self.bytes[skip..]);
        }
        let is_near = held.is_some_and(|skip| skip < 2 * self.bytes.len());
        self.step = if is_near { self.step * 2 } else { self.step / 2 };
        self.step = self.step.clamp(Window::SHORTEST, Window::LONGEST);
        // Never more than the file has, whatever length a damaged header claims.
        let left = self.file.len()?.saturating_sub(offset);
        let wanted = (length.max(self.step) as u64).min(left) as usize;
        self.bytes.resize(wanted, 0);
        let count = self.file.read_at(&mut self.bytes, offset)?;
        self.bytes.truncate(count);
        self.offset = offset;
        Ok(&self.bytes)
    }
}
