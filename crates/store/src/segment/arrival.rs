//! Lines in the order of their arrival, whatever order they stand in.

use super::{BlockHeader, BlockRef, SegmentFile, Unpacker};
use crate::error::Error;

/// How many of `blocks`, the first ones, hold all entries from the first block's place up to the
/// place behind the last of them. 0: there are no blocks.
pub fn stretch<'a>(blocks: impl IntoIterator<Item = &'a BlockRef>) -> usize {
    let (mut count, mut highest) = (0, 0);
    for block in blocks {
        count += 1;
        highest = block.last_entry().max(highest);
        if highest < block.end().entries {
            break;
        }
    }
    count
}

impl SegmentFile {
    /// Gives the lines of a [`stretch`] of blocks out by arrival, each with its number. Blocks
    /// that can't be read are passed to `damaged`, which may make an error of it.
    pub(crate) fn by_arrival(
        &self,
        blocks: &[BlockRef],
        unpacker: &mut Unpacker,
        mut damaged: impl FnMut(&BlockRef, Error) -> Result<(), Error>,
        mut visit: impl FnMut(u64, &[u8]),
    ) -> Result<(), Error> {
        if let [block @ BlockRef { header: BlockHeader { order: None, .. }, .. }] = blocks {
            let mut text = std::mem::take(&mut unpacker.text);
            text.clear();
            let read = self.append_block(block, unpacker, &mut text);
            each_line(&text, block.start.entries, visit);
            unpacker.text = text;
            return keep(read, |error| damaged(block, error)).map(drop);
        }
        let mut lines = Vec::new();
        let mut texts = Vec::new();
        for block in blocks {
            let mut text = Vec::new();
            let read = self
                .append_block(block, unpacker, &mut text)
                .and_then(|()| self.unpack_entries(block, &mut unpacker.decompressor));
            let Some(entries) = keep(read, |error| damaged(block, error))? else { continue };
            let mut start = 0;
            for (line, place) in text.split_inclusive(|&b| b == b'\n').zip(0..) {
                lines.push((entries.of_line(place), texts.len(), start..start + line.len()));
                start += line.len();
            }
            texts.push(text);
        }
        lines.sort_unstable_by_key(|(entry, ..)| *entry);
        for (entry, text, line) in lines {
            visit(entry, &texts[text][line]);
        }
        Ok(())
    }
}

/// The lines of a text, with the numbers from `first` on.
fn each_line(text: &[u8], first: u64, mut visit: impl FnMut(u64, &[u8])) {
    let mut start = 0;
    for (end, number) in memchr::memchr_iter(b'\n', text).zip(first..) {
        visit(number, &text[start..=end]);
        start = end + 1;
    }
}

fn keep<T>(
    read: Result<T, Error>,
    damaged: impl FnOnce(Error) -> Result<(), Error>,
) -> Result<Option<T>, Error> {
    match read {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_of_one_file() => damaged(error).map(|()| None),
        Err(error) => Err(error),
    }
}
