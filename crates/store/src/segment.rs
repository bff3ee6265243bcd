//! Segments: files of compressed blocks of entry lines. `docs/store-format.md`, section 1.
//!
//! [`list`] names what a directory holds, [`SegmentFile`] reads one: [`SegmentFile::scan`] finds
//! its blocks, [`SegmentFile::read_block`] gives the lines of one.

mod arrival;
mod filter;
mod header;
mod heads;
mod index;
mod name;
mod numbers;
mod order;
mod scan;
mod span;
mod tally;
mod unpack;

use std::collections::BTreeSet;
use std::sync::Arc;

use bedside_stream::RunId;
use zstd::bulk::Decompressor;

use crate::disk::{Disk, DiskFile};
use crate::error::Error;

pub use arrival::stretch;
pub(crate) use filter::Filter;
pub use filter::{Gram, fold};
pub use header::{BlockHeader, Order, Replaced, RunSpan, SegmentHeader};
pub(crate) use heads::{Columns, Parts, push_other};
pub use index::{Chapter, Filters, Index};
pub(crate) use name::list_all;
pub use name::{Form, Listed, SegmentName, list};
pub use numbers::Numbers;
pub(crate) use numbers::{Held, RunNumbers, Section};
pub use order::Entries;
pub use order::emit as emit_order;
use scan::Wanted;
pub use scan::{BlockRef, Position, Scan, Tail};
pub(crate) use tally::Places;
pub(crate) use unpack::{PartUnpacker, Unpacker};

/// The version of the format that this program writes, and the highest it reads.
pub const FORMAT_VERSION: u16 = 1;

/// The longest text of a block that is read; ours are about 1 MiB.
pub const BLOCK_TEXT_MAX: u32 = 64 << 20;

/// One segment, opened for reading.
#[derive(Debug)]
pub struct SegmentFile {
    name: SegmentName,
    file: Arc<dyn DiskFile>,
    header: SegmentHeader,
    header_len: u64,
    cut: Option<u64>,
}

impl SegmentFile {
    /// Opens a segment that [`list`] named. One that was sealed since is opened in that form.
    pub fn open(disk: &dyn Disk, listed: Listed) -> Result<SegmentFile, Error> {
        match SegmentFile::open_form(disk, listed.name, listed.cut) {
            Err(error) if error.is_not_found() && listed.name.form == Form::Live => {
                let sealed = SegmentName { form: Form::Sealed, ..listed.name };
                SegmentFile::open_form(disk, sealed, None)
            }
            opened => opened,
        }
    }

    fn open_form(disk: &dyn Disk, name: SegmentName, cut: Option<u64>) -> Result<Self, Error> {
        let file =
            disk.open(&name.to_string()).map_err(|e| Error::io("open", name.to_string(), e))?;
        SegmentFile::from_file(name, file, cut)
    }

    /// Reads the header of a file that is open already. Blocks at or behind `cut` don't count.
    pub fn from_file(
        name: SegmentName,
        file: Arc<dyn DiskFile>,
        cut: Option<u64>,
    ) -> Result<SegmentFile, Error> {
        let (header, header_len) = header::read_segment_header(file.as_ref(), name)?;
        Ok(SegmentFile { name, file, header, header_len, cut })
    }

    /// Its name, with the form in which it was found.
    pub fn name(&self) -> SegmentName {
        self.name
    }

    /// Says that it will hardly be read any more.
    pub(crate) fn uncache(&self) {
        self.file.uncache();
    }

    /// Its header.
    pub fn header(&self) -> &SegmentHeader {
        &self.header
    }

    /// All its blocks, with the runs in each: by the index when sealed, by walking them when live.
    pub fn scan(&self) -> Result<Scan, Error> {
        if self.name.form == Form::Live {
            return self.scan_from(self.start());
        }
        let Index { mut blocks, end, .. } = self.index()?;
        for block in &mut blocks {
            block.header.runs = self.read_runs(block)?;
        }
        Ok(Scan { blocks, end, tail: None })
    }

    /// The same; where the index of a sealed one is damaged, by walking it, with what is wrong.
    pub(crate) fn scan_somehow(&self) -> Result<(Scan, Option<Error>), Error> {
        match self.scan() {
            Err(error) if error.is_damaged() && self.name.form == Form::Sealed => {
                Ok((self.scan_from(self.start())?, Some(error)))
            }
            scan => Ok((scan?, None)),
        }
    }

    /// The runs of a block that is known in outline: by its header, else by its lines.
    pub(crate) fn read_runs(&self, block: &BlockRef) -> Result<Vec<RunSpan>, Error> {
        self.read_some_runs(block, None)
    }

    /// The same, perhaps those from one run to another only.
    pub(crate) fn read_some_runs(
        &self,
        block: &BlockRef,
        only: Option<(RunId, RunId)>,
    ) -> Result<Vec<RunSpan>, Error> {
        let left = self.bytes()?.saturating_sub(block.start.offset);
        let mut bytes = vec![0; block.header_len().min(left) as usize];
        let read = self.file.read_at(&mut bytes, block.start.offset);
        read.map_err(|e| Error::io("read", self.name.to_string(), e))?;
        if let Some((header, _)) = BlockHeader::parse_part(&bytes, only) {
            return Ok(header.runs);
        }
        let mut text = Vec::new();
        match self.read_block(block, &mut text) {
            Err(Error::Damaged { .. }) | Ok(()) => Ok(tally::count(&text).runs),
            Err(error) => Err(error),
        }
    }

    /// Of a sealed segment, what its index says.
    pub fn index(&self) -> Result<Index, Error> {
        Index::read(self.file.as_ref(), self.name)
    }

    /// The filters of a sealed segment.
    pub fn filters(&self, index: &Index) -> Result<Filters, Error> {
        index.read_filters(self.file.as_ref(), self.name)
    }

    /// What a sealed segment says that it holds of each run, if it does.
    pub(crate) fn numbers(&self) -> Result<Option<Section>, Error> {
        let end = Index::read_offset(self.file.as_ref(), self.name)?;
        numbers::read(self.file.as_ref(), self.name, end)
    }

    /// How many entries it holds; cheap when it is sealed.
    pub fn entries(&self) -> Result<u64, Error> {
        match self.name.form {
            Form::Sealed => Index::read_entries(self.file.as_ref(), self.name),
            Form::Live => self.scan().map(|scan| scan.end.entries),
        }
    }

    /// Its length in bytes.
    pub fn bytes(&self) -> Result<u64, Error> {
        self.file.len().map_err(|e| Error::io("measure", self.name.to_string(), e))
    }

    /// The blocks from `from` on, which [`SegmentFile::start`] or an earlier
    /// scan's `end` gave.
    pub fn scan_from(&self, from: Position) -> Result<Scan, Error> {
        self.scan_some(from, usize::MAX)
    }

    /// The same, `most` blocks at most: headers take memory, those of many runs a lot.
    pub(crate) fn scan_some(&self, from: Position, most: usize) -> Result<Scan, Error> {
        self.walk(from, Wanted { most, runs: true })
    }

    /// The same without the runs in them.
    pub(crate) fn scan_some_outlines(&self, from: Position, most: usize) -> Result<Scan, Error> {
        self.walk(from, Wanted { most, runs: false })
    }

    /// All blocks, perhaps of a live one only those `from` a place on, without the runs in them:
    /// for who reads every line.
    pub(crate) fn scan_outlines(&self, from: Option<Position>) -> Result<Scan, Error> {
        if self.name.form == Form::Sealed {
            let Index { blocks, end, .. } = self.index()?;
            return Ok(Scan { blocks, end, tail: None });
        }
        let from = from.unwrap_or(self.start());
        self.walk(from, Wanted { most: usize::MAX, runs: false })
    }

    fn walk(&self, from: Position, wanted: Wanted) -> Result<Scan, Error> {
        scan::walk(self.file.as_ref(), self.name, from, self.cut, wanted)
    }

    /// Where the first block begins.
    pub fn start(&self) -> Position {
        Position { offset: self.header_len, entries: 0 }
    }

    /// Puts the lines of a block into `text`, in place of what it held.
    pub fn read_block(&self, block: &BlockRef, text: &mut Vec<u8>) -> Result<(), Error> {
        text.clear();
        self.append_block(block, &mut Unpacker::new()?, text)
    }

    /// Puts the lines of a block behind what `text` holds, which after an error is as before.
    pub(crate) fn append_block(
        &self,
        block: &BlockRef,
        unpacker: &mut Unpacker,
        text: &mut Vec<u8>,
    ) -> Result<(), Error> {
        self.append_some(block, unpacker, text, |_| None)
    }

    /// The same, but of records perhaps only those that `find` finds, as [`Unpacker::unpack_some`]
    /// tells.
    pub(crate) fn append_some(
        &self,
        block: &BlockRef,
        unpacker: &mut Unpacker,
        text: &mut Vec<u8>,
        find: impl FnOnce(&[u8]) -> Option<Vec<usize>>,
    ) -> Result<(), Error> {
        let length = self.read_frame_into(block, &mut unpacker.frame)?;
        unpacker.unpack_some(&block.header, length, text, find).map_err(|problem| {
            Error::damaged(format!("{} at {}", self.name, block.start.offset), problem)
        })
    }

    /// Puts the lines of a block into `text`, in place of what it held, as far as records of
    /// `runs` are among them; records of others may be empty lines, the last line may be cut.
    pub(crate) fn read_part(
        &self,
        block: &BlockRef,
        unpacker: &mut PartUnpacker,
        text: &mut Vec<u8>,
        runs: &BTreeSet<RunId>,
    ) -> Result<(), Error> {
        let length = self.read_frame_into(block, &mut unpacker.frame)?;
        let sorted = self.name.form == Form::Sealed;
        unpacker.unpack(&block.header, length, text, runs, sorted).map_err(|problem| {
            Error::damaged(format!("{} at {}", self.name, block.start.offset), problem)
        })
    }

    /// The numbers of a block's entries.
    pub fn read_entries(&self, block: &BlockRef) -> Result<Entries, Error> {
        self.unpack_entries(block, &mut Unpacker::new()?.decompressor)
    }

    /// The same for who unpacks more.
    pub(crate) fn unpack_entries(
        &self,
        block: &BlockRef,
        decompressor: &mut Decompressor<'_>,
    ) -> Result<Entries, Error> {
        let Some(order) = block.header.order else { return Ok(Entries::From(block.start.entries)) };
        let object = || format!("{} at {}", self.name, block.start.offset);
        let mut bytes = vec![0; order.len.min(ORDER_MAX) as usize];
        let at = block.start.offset.saturating_add(block.header_len());
        let read = self.file.read_at(&mut bytes, at);
        let count = read.map_err(|e| Error::io("read", object(), e))?;
        let bytes = bytes.get(..count).unwrap_or_default();
        let entries = order::parse(bytes, block, order, decompressor);
        let damaged = || Error::damaged(object(), "the order of its entries cannot be read");
        entries.map(Entries::Listed).ok_or_else(damaged)
    }

    /// The compressed frame of a block, its CRC checked.
    pub fn read_frame(&self, block: &BlockRef) -> Result<Vec<u8>, Error> {
        let mut frame = Vec::new();
        self.read_frame_into(block, &mut frame)?;
        frame.drain(..block.header.heads_len as usize);
        Ok(frame)
    }

    /// The same, with the numbers of the heads in front of it, at the beginning of a room that may
    /// be larger; how long both are.
    fn read_frame_into(&self, block: &BlockRef, room: &mut Vec<u8>) -> Result<usize, Error> {
        let object = || format!("{} at {}", self.name, block.start.offset);
        let heads = block.header.heads_len as usize;
        // No length that a file claims is believed beyond what the file has.
        let start = block.frame_offset().checked_sub(heads as u64);
        let bytes = self.bytes()?;
        let Some(start) = start.filter(|_| block.end().offset <= bytes) else {
            return Err(Error::damaged(object(), "the block is cut short"));
        };
        let length = heads + block.header.frame_len as usize;
        if room.len() < length {
            room.resize(length, 0);
        }
        let read = self.file.read_at(&mut room[..length], start);
        let count = read.map_err(|e| Error::io("read", object(), e))?;
        if count < length {
            return Err(Error::damaged(object(), "the block is cut short"));
        }
        if crc32fast::hash(&room[heads..length]) != block.header.frame_crc {
            return Err(Error::damaged(object(), "the checksum of the block is wrong"));
        }
        Ok(length)
    }
}

/// The longest order of a block's entries that is read.
const ORDER_MAX: u32 = BLOCK_TEXT_MAX;
