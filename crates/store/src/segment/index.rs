//! The end of a sealed segment: filters of its chapters, and an index of its blocks.

use bedside_stream::RunId;

use super::filter::{Filter, Gram, Row};
use super::header::{Bytes, checked, emit_checked, skippable};
use super::{BlockHeader, BlockRef, Numbers, Position, SegmentName};
use crate::disk::DiskFile;
use crate::error::Error;

const MAGIC: u32 = 0x184D_2A5C;
const FILTERS_MAGIC: u32 = 0x184D_2A5E;
const TAG: &[u8; 4] = b"bsix";
const FOOTER: usize = 32;
/// The lowest and the highest run of a block without any.
const NO_RUN: (RunId, RunId) = (RunId(1), RunId(0));
const DAMAGED: &str = "the index at its end is damaged";

/// The blocks of a sealed segment, in outline: of their headers all but the runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    /// In their order.
    pub blocks: Vec<BlockRef>,
    /// The length in bytes of each block's filter; 0, or nothing for the last ones: none.
    pub filter_lens: Vec<u32>,
    /// The stretches of blocks that were sorted together; blocks behind the last belong to none.
    pub chapters: Vec<Chapter>,
    /// Where the blocks end and the filters begin.
    pub end: Position,
    /// Length of all texts together.
    pub text_len: u64,
}

/// A stretch of blocks that were sorted together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chapter {
    /// How many blocks.
    pub blocks: u32,
    /// The length in bytes of its filter, behind those of its blocks; 0: it has none.
    pub filter_len: u32,
}

/// The filters of a segment's chapters and their blocks.
#[derive(Clone, Debug, Default)]
pub struct Filters {
    bytes: Vec<u8>,
}

impl Index {
    /// The index of `blocks` that were written from the segment's start to `end`, in no chapters.
    pub fn new(blocks: Vec<BlockRef>, end: Position) -> Index {
        let text_len = blocks.iter().map(|block| u64::from(block.header.text_len)).sum();
        Index { blocks, filter_lens: Vec::new(), chapters: Vec::new(), end, text_len }
    }

    /// Its bytes, filters, numbers and footer included.
    pub fn emit(&self, filters: &Filters, numbers: Option<&Numbers>) -> Vec<u8> {
        let mut out = Vec::new();
        emit_checked(FILTERS_MAGIC, &mut out, |out| out.extend_from_slice(&filters.bytes));
        if let Some(numbers) = numbers {
            numbers.emit(&mut out);
        }
        let start = out.len();
        out.extend_from_slice(&[0; 8]);
        out.extend_from_slice(&(self.blocks.len() as u32).to_le_bytes());
        out.extend_from_slice(&(self.chapters.len() as u32).to_le_bytes());
        let filter_lens = self.filter_lens.iter().chain(std::iter::repeat(&0));
        for (block, filter_len) in self.blocks.iter().zip(filter_lens) {
            out.extend_from_slice(&block.start.offset.to_le_bytes());
            out.extend_from_slice(&block.lead.to_le_bytes());
            let (lowest, highest) = block.reach.unwrap_or(NO_RUN);
            out.extend_from_slice(&lowest.0.to_le_bytes());
            out.extend_from_slice(&highest.0.to_le_bytes());
            block.header.emit_outline(&mut out);
            out.extend_from_slice(&filter_len.to_le_bytes());
        }
        for chapter in &self.chapters {
            out.extend_from_slice(&chapter.blocks.to_le_bytes());
            out.extend_from_slice(&chapter.filter_len.to_le_bytes());
        }
        let offset = self.end.offset + start as u64;
        for number in [offset, self.end.entries, self.text_len] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        let length = (out.len() - start) as u32;
        out[start..start + 4].copy_from_slice(&MAGIC.to_le_bytes());
        out[start + 4..start + 8].copy_from_slice(&length.to_le_bytes());
        let crc = crc32fast::hash(&out[start + 8..]);
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

    /// Where the index begins, by the footer.
    pub(super) fn read_offset(file: &dyn DiskFile, name: SegmentName) -> Result<u64, Error> {
        let offset = Bytes(&read_footer(file, name)?).u64();
        offset.ok_or_else(|| Error::damaged(name.to_string(), DAMAGED))
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

    /// Reads the filters, which stand between the blocks and the index.
    pub(super) fn read_filters(
        &self,
        file: &dyn DiskFile,
        name: SegmentName,
    ) -> Result<Filters, Error> {
        let io = |e| Error::io("read", name.to_string(), e);
        let lengths = self.chapters.iter().map(|chapter| &chapter.filter_len);
        let wanted: u64 = lengths.chain(&self.filter_lens).map(|length| u64::from(*length)).sum();
        let left = file.len().map_err(io)?.saturating_sub(self.end.offset);
        let mut bytes = vec![0; (wanted + 12).min(left) as usize];
        file.read_at(&mut bytes, self.end.offset).map_err(io)?;
        let found = skippable(&bytes, FILTERS_MAGIC)
            .and_then(|length| checked(bytes.get(8..8 + length)))
            .filter(|filters| filters.len() as u64 == wanted);
        match found {
            Some(filters) => Ok(Filters { bytes: filters.to_vec() }),
            None => Err(Error::damaged(name.to_string(), "the filters at its end are damaged")),
        }
    }

    /// The blocks that may hold a text with all of one of these sets of grams, by their own and
    /// their chapter's filter, those of no chapter, and if `notes` are wanted those with lines
    /// that are no records. An empty `sets` asks for nothing: all may.
    pub fn blocks_with<'a>(
        &'a self,
        filters: &'a Filters,
        sets: &'a [Vec<Gram>],
        notes: bool,
    ) -> impl Iterator<Item = &'a BlockRef> {
        let mut bytes = filters.bytes.as_slice();
        let mut rest = self.blocks.as_slice();
        let mut lens = self.filter_lens.iter();
        let mut wanted = Vec::new();
        for chapter in &self.chapters {
            let (blocks, others) = rest.split_at((chapter.blocks as usize).min(rest.len()));
            let mut row = |length: u32| {
                let (row, behind) = bytes.split_at_checked(length as usize).unwrap_or((&[], bytes));
                bytes = behind;
                row
            };
            let own: Vec<&[u8]> =
                blocks.iter().map(|_| row(lens.next().copied().unwrap_or(0))).collect();
            let numbers = Row { bytes: row(chapter.filter_len), digits: true };
            let sets: Option<Vec<&Vec<Gram>>> = (!sets.is_empty())
                .then(|| sets.iter().filter(|grams| numbers.may_hold(grams)).collect());
            wanted.extend(blocks.iter().zip(own).filter_map(|(block, bytes)| {
                let row = Row { bytes, digits: false };
                let may = sets.as_ref().is_none_or(|s| s.iter().any(|grams| row.may_hold(grams)));
                (may || notes && block.header.notes).then_some(block)
            }));
            rest = others;
        }
        wanted.into_iter().chain(rest)
    }
}

impl Filters {
    /// Adds the filter of the block that was made last; answers its length.
    pub(crate) fn push_block(&mut self, filter: &mut Filter) -> u32 {
        self.push(|bytes| filter.emit_block(bytes))
    }

    /// Adds the filter of the chapter that was made last; answers its length.
    pub(crate) fn push_chapter(&mut self, filter: &mut Filter) -> u32 {
        self.push(|bytes| filter.emit_chapter(bytes))
    }

    fn push(&mut self, emit: impl FnOnce(&mut Vec<u8>)) -> u32 {
        let before = self.bytes.len();
        emit(&mut self.bytes);
        (self.bytes.len() - before) as u32
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
    let (_, count, chapters) = (rest.u32()?, rest.u32()?, rest.u32()?);
    let mut entries = 0;
    let (mut blocks, mut filter_lens) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let (offset, lead) = (rest.u64()?, rest.u64()?);
        let reach = (RunId(rest.u64()?), RunId(rest.u64()?));
        let reach = Some(reach).filter(|(lowest, highest)| lowest <= highest);
        let header = BlockHeader::parse_outline(&mut rest)?;
        filter_lens.push(rest.u32()?);
        let block = BlockRef { start: Position { offset, entries }, lead, reach, header };
        entries = block.end().entries;
        blocks.push(block);
    }
    let chapter = |_| Some(Chapter { blocks: rest.u32()?, filter_len: rest.u32()? });
    let chapters = (0..chapters).map(chapter).collect::<Option<Vec<_>>>()?;
    let (_, held, text_len) = (rest.u64()?, rest.u64()?, rest.u64()?);
    (held == entries).then_some(())?;
    let last = blocks.last().map(BlockRef::end);
    let offset = last.map_or(0, |end| end.offset);
    let end = Position { offset, entries };
    Some(Index { blocks, filter_lens, chapters, end, text_len })
}
