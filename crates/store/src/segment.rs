//! Segments: files of compressed blocks of entry lines. `docs/store-format.md`, section 1.
//!
//! [`list`] names what a directory holds, [`SegmentFile`] reads one: [`SegmentFile::scan`] finds
//! its blocks, [`SegmentFile::read_block`] gives the lines of one.

mod header;
mod index;
mod name;
mod scan;
mod tally;

use std::sync::Arc;

use crate::disk::{Disk, DiskFile};
use crate::error::Error;

pub use header::{BlockHeader, Replaced, RunSpan, SegmentHeader};
pub use index::Index;
pub(crate) use name::list_all;
pub use name::{Form, Listed, SegmentName, list};
pub use scan::{BlockRef, Position, Scan, Tail};
pub(crate) use tally::Places;

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

    /// Its header.
    pub fn header(&self) -> &SegmentHeader {
        &self.header
    }

    /// All its blocks: from the index when sealed, by walking them when live.
    pub fn scan(&self) -> Result<Scan, Error> {
        match self.name.form {
            Form::Sealed => Index::read(self.file.as_ref(), self.name).map(Scan::from),
            Form::Live => self.scan_from(self.start()),
        }
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

    /// The blocks of a live segment from `from` on, which [`SegmentFile::start`] or an earlier
    /// scan's `end` gave.
    pub fn scan_from(&self, from: Position) -> Result<Scan, Error> {
        scan::walk(self.file.as_ref(), self.name, from, self.cut)
    }

    /// Where the first block begins.
    pub fn start(&self) -> Position {
        Position { offset: self.header_len, entries: 0 }
    }

    /// Puts the lines of a block into `text`, in place of what it held.
    pub fn read_block(&self, block: &BlockRef, text: &mut Vec<u8>) -> Result<(), Error> {
        let frame = self.read_frame(block)?;
        text.clear();
        text.reserve(block.header.text_len as usize);
        let damaged =
            |problem| Error::damaged(format!("{} at {}", self.name, block.offset), problem);
        let length = zstd::bulk::Decompressor::new()
            .and_then(|mut decoder| decoder.decompress_to_buffer(&frame, text))
            .map_err(|_| damaged("the zstd frame cannot be read"))?;
        if length != block.header.text_len as usize {
            return Err(damaged("the text is not as long as the header says"));
        }
        Ok(())
    }

    /// The compressed frame of a block, its CRC checked.
    pub fn read_frame(&self, block: &BlockRef) -> Result<Vec<u8>, Error> {
        let object = || format!("{} at {}", self.name, block.offset);
        // No length that a file claims is believed beyond what the file has.
        if block.end().offset > self.bytes()? {
            return Err(Error::damaged(object(), "the block is cut short"));
        }
        let mut frame = vec![0; block.header.frame_len as usize];
        let count = self
            .file
            .read_at(&mut frame, block.frame_offset())
            .map_err(|e| Error::io("read", object(), e))?;
        if count < frame.len() {
            return Err(Error::damaged(object(), "the block is cut short"));
        }
        if crc32fast::hash(&frame) != block.header.frame_crc {
            return Err(Error::damaged(object(), "the checksum of the block is wrong"));
        }
        Ok(frame)
    }
}
