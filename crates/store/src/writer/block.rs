//! One block in the making: lines, then bytes for the disk.

use std::io;

use zstd::bulk::Compressor;
use zstd::zstd_safe::CParameter;

use crate::segment::{BlockHeader, Columns, emit_order};

/// Collects lines and makes a block of them.
pub(crate) struct BlockMaker {
    pub(crate) text: Vec<u8>,
    pub(crate) header: BlockHeader,
    /// The numbers of heads whose texts are in `text`, when sealing.
    pub(crate) columns: Columns,
    compressor: Compressor<'static>,
    frame: Vec<u8>,
}

impl BlockMaker {
    /// A maker of blocks whose frames have no content checksum: the header has one of the frame.
    pub(crate) fn new(level: i32) -> io::Result<BlockMaker> {
        let compressor = Compressor::new(level)?;
        let (text, header, columns) = Default::default();
        Ok(BlockMaker { text, header, columns, compressor, frame: Vec::new() })
    }

    /// For sealing: with a table that fits the processor's nearest cache: a seventh faster, a
    /// twentieth larger.
    pub(crate) fn for_sealing(mut self) -> io::Result<BlockMaker> {
        self.compressor.set_parameter(CParameter::HashLog(12))?;
        Ok(self)
    }

    /// Appends the block's header and frame to `out`, and begins the next block. Answers the
    /// header. After an error all is as before.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) -> io::Result<BlockHeader> {
        let header = self.pack()?;
        header.emit(out);
        out.extend_from_slice(&self.frame);
        self.clear();
        Ok(header)
    }

    /// The same for lines of `text_len` bytes whose heads are in columns, and for entries that
    /// have these numbers: between header and frame, where they don't just follow `before`.
    /// Answers the length of the header, too.
    pub(crate) fn finish_sealed(
        &mut self,
        text_len: usize,
        entries: &[u64],
        before: u64,
        out: &mut Vec<u8>,
    ) -> io::Result<(BlockHeader, u64)> {
        let (mut column, text_len) = (Vec::new(), text_len as u32);
        let order = emit_order(entries, before, &mut self.compressor, &mut column)?;
        let heads_len = self.columns.emit(self.text.len(), &mut self.compressor, &mut column)?;
        let header = BlockHeader { text_len, order, heads_len, ..self.pack()? };
        let start = out.len();
        header.emit(out);
        let length = (out.len() - start) as u64;
        out.extend_from_slice(&column);
        out.extend_from_slice(&self.frame);
        self.clear();
        Ok((header, length))
    }

    /// Makes the frame, and the header that goes with it.
    fn pack(&mut self) -> io::Result<BlockHeader> {
        self.frame.clear();
        self.frame.reserve(zstd::zstd_safe::compress_bound(self.text.len()));
        self.compressor.compress_to_buffer(&self.text, &mut self.frame)?;
        let mut header = self.header.clone();
        header.text_len = self.text.len() as u32;
        header.frame_len = self.frame.len() as u32;
        header.frame_crc = crc32fast::hash(&self.frame);
        Ok(header)
    }

    /// Begins the next block without this one.
    pub(crate) fn clear(&mut self) {
        self.header.clear();
        self.text.clear();
    }

    /// Nothing is being written: gives back the room of a large block.
    pub(crate) fn rest(&mut self) {
        const SMALL: usize = 64 << 10;
        self.text.shrink_to(SMALL);
        self.frame.clear();
        self.frame.shrink_to(SMALL);
    }
}

impl std::fmt::Debug for BlockMaker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BlockMaker").field("header", &self.header).finish_non_exhaustive()
    }
}
