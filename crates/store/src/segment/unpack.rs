//! Frames to text.

use std::io::{self, Cursor};

use zstd::bulk::Decompressor;
use zstd::stream::raw::{Decoder, Operation as _};

use crate::error::Error;

/// Unpacks frames, one after the other: what it needs for that is set up once.
pub(crate) struct Unpacker {
    decompressor: Decompressor<'static>,
    /// Room for a frame and for its text, made smaller by [`Unpacker::rest`] only.
    pub(super) frame: Vec<u8>,
    pub(super) text: Vec<u8>,
}

impl Unpacker {
    pub(crate) fn new() -> Result<Unpacker, Error> {
        let decoder = Decompressor::new();
        let decompressor = decoder.map_err(|e| Error::io("set up", "zstd decompression", e))?;
        Ok(Unpacker { decompressor, frame: Vec::new(), text: Vec::new() })
    }

    /// Gives its room back.
    pub(crate) fn rest(&mut self) {
        (self.frame, self.text) = (Vec::new(), Vec::new());
    }

    /// Puts what is in the first `length` bytes of the frame, at most `most` bytes, behind what
    /// `text` holds, and answers how many those are. If they are not just so many, `text` is as
    /// before.
    pub(super) fn unpack(
        &mut self,
        length: usize,
        most: usize,
        text: &mut Vec<u8>,
    ) -> io::Result<usize> {
        let before = text.len();
        text.reserve(most);
        let mut behind = Cursor::new(std::mem::take(text));
        behind.set_position(before as u64);
        let frame = self.frame.get(..length).unwrap_or_default();
        let unpacked = self.decompressor.decompress_to_buffer(frame, &mut behind);
        *text = behind.into_inner();
        if !matches!(unpacked, Ok(length) if length == most) {
            text.truncate(before);
        }
        unpacked
    }
}

/// Unpacks beginnings of frames.
pub(crate) struct PartUnpacker(Decoder<'static>);

impl PartUnpacker {
    pub(crate) fn new() -> Result<PartUnpacker, Error> {
        let decoder = Decoder::new();
        decoder.map(PartUnpacker).map_err(|e| Error::io("set up", "zstd decompression", e))
    }

    /// Puts what is in `frame`, `length` bytes, into `text` until that is enough. If they are not
    /// just so many it is an error, but what is behind is not looked at.
    pub(super) fn unpack(
        &mut self,
        mut frame: &[u8],
        length: usize,
        text: &mut Vec<u8>,
        mut is_enough: impl FnMut(&[u8]) -> bool,
    ) -> io::Result<()> {
        self.0.reinit()?;
        text.resize(length, 0);
        let (mut done, mut remaining) = (0, 1);
        while done < length || remaining > 0 {
            let end = length.min(done + PART);
            let status = self.0.run_on_buffers(frame, &mut text[done..end])?;
            done += status.bytes_written;
            remaining = status.remaining;
            frame = frame.get(status.bytes_read..).unwrap_or_default();
            let stuck = status.bytes_read == 0 && status.bytes_written == 0;
            if stuck && (done < length || remaining > 0) {
                return Err(io::ErrorKind::InvalidData.into());
            }
            if done < length && is_enough(&text[..done]) {
                text.truncate(done);
                return Ok(());
            }
        }
        Ok(())
    }
}

impl std::fmt::Debug for PartUnpacker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PartUnpacker").finish_non_exhaustive()
    }
}

/// After so many bytes it is asked whether they are enough: zstd unpacks as many at once.
const PART: usize = 128 << 10;

impl std::fmt::Debug for Unpacker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Unpacker").finish_non_exhaustive()
    }
}
