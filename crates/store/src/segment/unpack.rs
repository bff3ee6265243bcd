//! Blocks to lines.

use std::collections::BTreeSet;
use std::io::{self, Cursor};

use bedside_stream::RunId;
use zstd::bulk::Decompressor;
use zstd::stream::raw::{Decoder, Operation as _};

use super::BlockHeader;
use super::heads::Section;
use crate::entry::{Head, decode_head};
use crate::error::Error;

/// What is wrong with a block.
type Problem = &'static str;

/// Unpacks blocks, one after the other: what it needs for that is set up once.
pub(crate) struct Unpacker {
    pub(crate) decompressor: Decompressor<'static>,
    /// Room for a frame and the numbers in front of it, and for its text, made smaller by
    /// [`Unpacker::rest`] only.
    pub(super) frame: Vec<u8>,
    pub(super) text: Vec<u8>,
    columns: Vec<u8>,
    /// What is in a frame that holds no whole lines.
    said: Vec<u8>,
}

impl Unpacker {
    pub(crate) fn new() -> Result<Unpacker, Error> {
        let decoder = Decompressor::new();
        let decompressor = decoder.map_err(|e| Error::io("set up", "zstd decompression", e))?;
        let (frame, text, columns, said) = Default::default();
        Ok(Unpacker { decompressor, frame, text, columns, said })
    }

    /// Gives its room back.
    pub(crate) fn rest(&mut self) {
        (self.frame, self.text) = (Vec::new(), Vec::new());
        (self.columns, self.said) = (Vec::new(), Vec::new());
    }

    /// Puts the lines of a block behind what `text` holds. The numbers of its heads and its frame
    /// are the first `length` bytes of `frame`. After an error `text` is as before.
    ///
    /// Where heads stand apart, `find` is shown what the frame holds and may say where the lines
    /// of records begin that are wanted, rising: others are empty lines then, and if there is
    /// nothing else either, behind the last one no lines at all.
    pub(super) fn unpack_some(
        &mut self,
        header: &BlockHeader,
        length: usize,
        text: &mut Vec<u8>,
        find: impl FnOnce(&[u8]) -> Option<Vec<usize>>,
    ) -> Result<(), Problem> {
        let before = text.len();
        let most = header.text_len as usize;
        let whole = self.frame.get(..length).unwrap_or_default();
        let (heads, frame) = whole.split_at_checked(header.heads_len as usize).unwrap_or_default();
        if heads.is_empty() {
            return append(&mut self.decompressor, frame, most, text);
        }
        let section = Section::parse(heads, header).ok_or(HEADS)?;
        self.said.clear();
        append(&mut self.decompressor, frame, section.frame_text, &mut self.said)?;
        let found = find(&self.said);
        if !header.notes && found.as_ref().is_some_and(Vec::is_empty) {
            return Ok(());
        }
        section.unpack(&mut self.decompressor, &mut self.columns).ok_or(HEADS)?;
        let mut joiner = section.joiner(&self.columns);
        let told = match &found {
            Some(starts) => joiner.join_some(&self.said, starts, header.notes, before + most, text),
            None => joiner.join(&self.said, before + most, text),
        };
        if told.is_none() || found.is_none() && text.len() != before + most {
            text.truncate(before);
            return Err(HEADS);
        }
        Ok(())
    }
}

/// Puts what is in a frame, which must be `most` bytes, behind what `text` holds; after an error
/// that is as before.
fn append(
    decompressor: &mut Decompressor<'_>,
    frame: &[u8],
    most: usize,
    text: &mut Vec<u8>,
) -> Result<(), Problem> {
    let before = text.len();
    text.reserve(most);
    let mut behind = Cursor::new(std::mem::take(text));
    behind.set_position(before as u64);
    let unpacked = decompressor.decompress_to_buffer(frame, &mut behind);
    *text = behind.into_inner();
    if matches!(unpacked, Ok(length) if length == most) {
        return Ok(());
    }
    text.truncate(before);
    Err(if unpacked.is_ok() { LENGTH } else { FRAME })
}

/// Unpacks beginnings of blocks.
pub(crate) struct PartUnpacker {
    decoder: Decoder<'static>,
    /// Of columns.
    pub(crate) decompressor: Decompressor<'static>,
    pub(super) frame: Vec<u8>,
    columns: Vec<u8>,
    said: Vec<u8>,
}

impl PartUnpacker {
    pub(crate) fn new() -> Result<PartUnpacker, Error> {
        let failed = |e| Error::io("set up", "zstd decompression", e);
        let decoder = Decoder::new().map_err(failed)?;
        let decompressor = Decompressor::new().map_err(failed)?;
        let (frame, columns, said) = Default::default();
        Ok(PartUnpacker { decoder, decompressor, frame, columns, said })
    }

    /// Puts the lines of a block into `text`, in place of what it held; of records perhaps only
    /// those of `runs`, others are empty lines then. The numbers of its heads and its frame are
    /// the first `length` bytes of `frame`. A `sorted` block is not looked at behind the last of
    /// the runs.
    pub(super) fn unpack(
        &mut self,
        header: &BlockHeader,
        length: usize,
        text: &mut Vec<u8>,
        runs: &BTreeSet<RunId>,
        sorted: bool,
    ) -> Result<(), Problem> {
        let PartUnpacker { decoder, decompressor, frame, columns, said } = self;
        let frame = frame.get(..length).unwrap_or_default();
        let (heads, frame) = frame.split_at_checked(header.heads_len as usize).unwrap_or_default();
        let most = header.text_len as usize;
        let is_behind = |run: Option<RunId>| sorted && run > runs.last().copied();
        if heads.is_empty() {
            return in_parts(decoder, frame, most, text, |text| Some(is_behind(last_run(text))));
        }
        let section = Section::parse(heads, header).ok_or(HEADS)?;
        section.unpack(decompressor, columns).ok_or(HEADS)?;
        let (mut joiner, mut done) = (section.joiner(columns), 0);
        text.clear();
        in_parts(decoder, frame, section.frame_text, said, |said| {
            let end = memchr::memrchr(b'\n', said).map_or(0, |at| at + 1).max(done);
            joiner.join_runs(&said[done..end], runs, most, text)?;
            done = end;
            Some(is_behind(joiner.run()))
        })
    }
}

/// The run of the last whole line.
fn last_run(text: &[u8]) -> Option<RunId> {
    let text = &text[..memchr::memrchr(b'\n', text)?];
    let line = &text[memchr::memrchr(b'\n', text).map_or(0, |end| end + 1)..];
    match decode_head(line)? {
        Head::Record { run, .. } => Some(run),
        Head::Gap(gap) => gap.run,
        Head::Run(_) => None,
    }
}

/// Puts what is in a frame, which must be `length` bytes, into `text`, in place of what it held,
/// until that is enough; `None`: it can't be right.
fn in_parts(
    decoder: &mut Decoder<'_>,
    mut frame: &[u8],
    length: usize,
    text: &mut Vec<u8>,
    mut is_enough: impl FnMut(&[u8]) -> Option<bool>,
) -> Result<(), Problem> {
    let frame_error = |_: io::Error| FRAME;
    decoder.reinit().map_err(frame_error)?;
    text.resize(length, 0);
    let (mut done, mut remaining) = (0, 1);
    while done < length || remaining > 0 {
        let end = length.min(done + PART);
        let status = decoder.run_on_buffers(frame, &mut text[done..end]).map_err(frame_error)?;
        done += status.bytes_written;
        remaining = status.remaining;
        frame = frame.get(status.bytes_read..).unwrap_or_default();
        let stuck = status.bytes_read == 0 && status.bytes_written == 0;
        if stuck && (done < length || remaining > 0) {
            return Err(FRAME);
        }
        if is_enough(&text[..done]).ok_or(HEADS)? && done < length {
            text.truncate(done);
            return Ok(());
        }
    }
    Ok(())
}

const FRAME: Problem = "the zstd frame cannot be read";
const LENGTH: Problem = "the text is not as long as the header says";
const HEADS: Problem = "the heads of its records cannot be read";

/// After so many bytes it is asked whether they are enough: zstd unpacks as many at once.
const PART: usize = 128 << 10;

impl std::fmt::Debug for PartUnpacker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PartUnpacker").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Unpacker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Unpacker").finish_non_exhaustive()
    }
}
