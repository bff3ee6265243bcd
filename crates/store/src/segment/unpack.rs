//! Frames to text.

use std::io::{self, Cursor};

use zstd::bulk::Decompressor;

use crate::error::Error;

/// Unpacks frames, one after the other: what it needs for that is set up once.
pub(crate) struct Unpacker(Decompressor<'static>);

impl Unpacker {
    pub(crate) fn new() -> Result<Unpacker, Error> {
        let decoder = Decompressor::new();
        decoder.map(Unpacker).map_err(|e| Error::io("set up", "zstd decompression", e))
    }

    /// Puts what is in `frame`, at most `most` bytes, behind what `text` holds, and answers how
    /// many those are. If they are not just so many, `text` is as before.
    pub(super) fn unpack(
        &mut self,
        frame: &[u8],
        most: usize,
        text: &mut Vec<u8>,
    ) -> io::Result<usize> {
        let before = text.len();
        text.reserve(most);
        let mut behind = Cursor::new(std::mem::take(text));
        behind.set_position(before as u64);
        let unpacked = self.0.decompress_to_buffer(frame, &mut behind);
        *text = behind.into_inner();
        if !matches!(unpacked, Ok(length) if length == most) {
            text.truncate(before);
        }
        unpacked
    }
}

impl std::fmt::Debug for Unpacker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Unpacker").finish_non_exhaustive()
    }
}
