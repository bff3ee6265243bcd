//! The index at the end of a sealed segment.

use super::header::Bytes;
use super::{BlockHeader, BlockRef, Position, SegmentName};
use crate::disk::DiskFile;
use crate::error::Error;

const MAGIC: u32 = 0x184D_2A5C;
const TAG: &[u8; 4] = b"bsix";
const FOOTER: usize = 32;
const DAMAGED: &str = "the index at its end is damaged";

/// The blocks of a sealed segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    /// In their order.
    pub blocks: Vec<BlockRef>,
    /// Where the blocks end and the index begins.
    pub end: Position,
    /// Length of all texts together.
    pub text_len: u64,
}

impl Index {
    /// The index of `blocks` that were written from the segment's start to `end`.
    pub fn new(blocks: Vec<BlockRef>, end: Position) -> Index {
        let text_len = blocks.iter().map(|block| u64::from(block.header.text_len)).sum();
        Index { blocks, end, text_len }
    }

    /// Its bytes, footer included.
    pub fn emit(&self) -> Vec<u8> {
        let mut out = vec![0; 8];
        out.extend_from_slice(&(self.blocks.len() as u32).to_le_bytes());
        out.extend_from_slice(&0u32.to_le_bytes());
        for block in &self.blocks {
            out.extend_from_slice(&block.offset.to_le_bytes());
            block.header.emit_payload(&mut out);
        }
        for number in [self.end.offset, self.end.entries, self.text_len] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        let length = (out.len() - 8 + 8) as u32;
        out[..4].copy_from_slice(&MAGIC.to_le_bytes());
        out[4..8].copy_from_slice(&length.to_le_bytes());
        let crc = crc32fast::hash(&out[8..]);
        out.extend_from_slice(&crc.to_le_bytes());
        out.extend_from_slice(TAG);
        out
    }

    /// How many entries a sealed segment has, by its footer.
    pub(super) fn read_entries(file: &dyn DiskFile, name: SegmentName) -> Result<u64, Error> {
        let footer = read_footer(file, name)?;
        let mut bytes = Bytes(&footer);
        let entries = bytes.u64().and(bytes.u64());
        entries.ok_or_else(|| Error::damaged(name.to_string(), DAMAGED))
    }

    /// Reads the index from the end of a sealed segment.
    pub(super) fn read(file: &dyn DiskFile, name: SegmentName) -> Result<Index, Error> {
        let io = |e| Error::io("read", name.to_string(), e);
        let damaged = || Error::damaged(name.to_string(), DAMAGED);
        let len = file.len().map_err(io)?;
        let footer = read_footer(file, name)?;
        let start = Bytes(&footer).u64().ok_or_else(damaged)?;
        let size = len.checked_sub(start).ok_or_else(damaged)?;
        let mut bytes = vec![0; usize::try_from(size).map_err(|_| damaged())?];
        file.read_at(&mut bytes, start).map_err(io)?;
        parse(&bytes).ok_or_else(damaged)
    }
}

fn read_footer(file: &dyn DiskFile, name: SegmentName) -> Result<[u8; FOOTER], Error> {
    let io = |e| Error::io("read", name.to_string(), e);
    let damaged = || Error::damaged(name.to_string(), DAMAGED);
    let mut footer = [0; FOOTER];
    let at = file.len().map_err(io)?.checked_sub(FOOTER as u64).ok_or_else(damaged)?;
    let count = file.read_at(&mut footer, at).map_err(io)?;
    if count < FOOTER || !footer.ends_with(TAG) {
        return Err(damaged());
    }
    Ok(footer)
}

fn parse(bytes: &[u8]) -> Option<Index> {
    let (checked, end) = bytes.split_last_chunk::<8>()?;
    let (crc, tag) = (u32::from_le_bytes(end[..4].try_into().ok()?), &end[4..]);
    if tag != TAG || crc32fast::hash(checked.get(8..)?) != crc {
        return None;
    }
    let mut rest = Bytes(checked);
    (rest.u32()? == MAGIC).then_some(())?;
    let (_, count, _) = (rest.u32()?, rest.u32()?, rest.u32()?);
    let mut first_entry = 0;
    let mut blocks = Vec::new();
    for _ in 0..count {
        let offset = rest.u64()?;
        let block =
            BlockRef { offset, first_entry, header: BlockHeader::parse_payload(&mut rest)? };
        first_entry = block.end().entries;
        blocks.push(block);
    }
    let (offset, entries, text_len) = (rest.u64()?, rest.u64()?, rest.u64()?);
    (entries == first_entry).then_some(())?;
    Some(Index { blocks, end: Position { offset, entries }, text_len })
}
