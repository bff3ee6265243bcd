//! Finding the blocks of a segment that has no index.

use super::index::Index;
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
    /// Offset of its header in the file.
    pub offset: u64,
    /// Number of its first entry in the segment, from 0.
    pub first_entry: u64,
    /// Its header.
    pub header: BlockHeader,
}

impl BlockRef {
    /// Offset of its zstd frame.
    pub fn frame_offset(&self) -> u64 {
        self.offset.saturating_add(self.header.len_on_disk())
    }

    /// The place behind it.
    pub fn end(&self) -> Position {
        Position {
            offset: self.frame_offset().saturating_add(u64::from(self.header.frame_len)),
            entries: self.first_entry + u64::from(self.header.entries),
        }
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

impl From<Index> for Scan {
    fn from(index: Index) -> Scan {
        Scan { blocks: index.blocks, end: index.end, tail: None }
    }
}

/// Bytes at the end of a live segment that are no whole block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tail {
    /// How many.
    pub bytes: u64,
    /// The header, when at least that is whole: it says what the block would have held.
    pub header: Option<BlockHeader>,
}

/// Walks from block to block, reading the headers only.
pub(super) fn walk(
    file: &dyn DiskFile,
    name: SegmentName,
    from: Position,
    cut: Option<u64>,
) -> Result<Scan, Error> {
    let io = |e| Error::io("read", name.to_string(), e);
    let len = file.len().map_err(io)?;
    let limit = cut.unwrap_or(len).min(len);
    let mut window = Window { file, offset: 0, bytes: Vec::new() };
    let mut scan = Scan { blocks: Vec::new(), end: from, tail: None };
    while scan.end.offset < limit {
        let (offset, first_entry) = (scan.end.offset, scan.end.entries);
        let header = window.header(offset).map_err(io)?;
        let block = header.map(|header| BlockRef { offset, first_entry, header });
        match block {
            Some(block) if block.end().offset <= len => {
                scan.end = block.end();
                scan.blocks.push(block);
            }
            torn => {
                let header = torn.map(|block| block.header);
                scan.tail = Some(Tail { bytes: limit - offset, header });
                break;
            }
        }
    }
    Ok(scan)
}

/// A piece of the file, so that many small blocks cost few reads.
struct Window<'a> {
    file: &'a dyn DiskFile,
    offset: u64,
    bytes: Vec<u8>,
}

impl Window<'_> {
    const STEP: usize = 128 << 10;

    fn header(&mut self, offset: u64) -> std::io::Result<Option<BlockHeader>> {
        let Some(length) = BlockHeader::payload_len(self.at(offset, 8)?) else { return Ok(None) };
        Ok(BlockHeader::parse(self.at(offset, 8 + length)?))
    }

    /// The bytes at `offset`, at least `length` unless the file ends before.
    fn at(&mut self, offset: u64, length: usize) -> std::io::Result<&[u8]> {
        let held = offset.checked_sub(self.offset).map(|skip| skip as usize);
        let held = held.filter(|skip| skip + length <= self.bytes.len());
        if let Some(skip) = held {
            return Ok(&self.bytes[skip..]);
        }
        // Never more than the file has, whatever length a damaged header claims.
        let left = self.file.len()?.saturating_sub(offset);
        let wanted = (length.max(Window::STEP) as u64).min(left) as usize;
        self.bytes.resize(wanted, 0);
        let count = self.file.read_at(&mut self.bytes, offset)?;
        self.bytes.truncate(count);
        self.offset = offset;
        Ok(&self.bytes)
    }
}
