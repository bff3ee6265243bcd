//! A block of a live segment: its text goes to the disk from where it was written first.

use std::io::{self, IoSlice};

use super::block::BlockMaker;
use crate::batch::BATCH_TEXT;
use crate::disk::DiskFile;
use crate::segment::BlockHeader;

/// The text of a block in the making, in pieces.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    pieces: Vec<Vec<u8>>,
    /// The last piece is there to be written at.
    open: bool,
}

/// A block as it stands on the disk: header, the beginning of a zstd frame, and pieces of text,
/// each in blocks of zstd's that are stored as they are. Or all of it in `head`.
#[derive(Debug, Default)]
pub(crate) struct Block {
    head: Vec<u8>,
    pieces: Vec<Vec<u8>>,
    marks: Vec<[u8; 3]>,
}

/// Lines of fewer bytes are copied: a room of its own would cost more.
const COPIED_MAX: usize = 32 << 10;

/// A room for what comes next has place for all of a batch at once: to grow is to copy.
const ROOM: usize = BATCH_TEXT + (16 << 10);

/// `Block_Maximum_Size` (RFC 8878, section 3.1.1.2.3).
const STORED_MAX: usize = 128 << 10;

impl Pieces {
    pub(crate) fn len(&self) -> usize {
        self.pieces.iter().map(Vec::len).sum()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.pieces.iter().all(Vec::is_empty)
    }

    /// Where a few lines are appended.
    pub(crate) fn end(&mut self, spares: &mut Vec<Vec<u8>>) -> &mut Vec<u8> {
        if !self.open || self.pieces.is_empty() {
            self.pieces.push(spares.pop().unwrap_or_default());
            self.open = true;
        }
        let last = self.pieces.len() - 1;
        &mut self.pieces[last]
    }

    /// Takes lines; many of them with the room that they lie in, for another.
    pub(crate) fn take(&mut self, lines: &mut Vec<u8>, spares: &mut Vec<Vec<u8>>) {
        if lines.len() <= COPIED_MAX {
            self.end(spares).extend_from_slice(lines);
            return;
        }
        let room = spares.pop().unwrap_or_else(|| Vec::with_capacity(ROOM));
        self.pieces.push(std::mem::replace(lines, room));
        self.open = false;
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.pieces.iter().map(Vec::as_slice)
    }

    /// Lets go of the text, but not of its room.
    pub(crate) fn clear(&mut self, spares: &mut Vec<Vec<u8>>) {
        reclaim(&mut self.pieces, spares);
    }

    /// Makes a block of it, stored as it is, and begins the next. Answers the block's header.
    pub(crate) fn store(&mut self, header: &BlockHeader) -> (BlockHeader, Block) {
        let pieces = std::mem::take(&mut self.pieces);
        let text_len = pieces.iter().map(Vec::len).sum::<usize>() as u32;
        let start = frame_header(text_len);
        let mut block = Block { head: Vec::new(), pieces, marks: Vec::new() };
        let mut left = text_len as usize;
        block.marks.extend(chunks(&block.pieces).map(|chunk| {
            left -= chunk.len();
            block_header(chunk.len(), left == 0)
        }));
        let mut crc = crc32fast::Hasher::new();
        crc.update(&start);
        for (mark, chunk) in block.marks.iter().zip(chunks(&block.pieces)) {
            crc.update(mark);
            crc.update(chunk);
        }
        let frame_len = (start.len() + block.marks.len() * 3) as u32 + text_len;
        let header =
            BlockHeader { text_len, frame_len, frame_crc: crc.finalize(), ..header.clone() };
        header.emit(&mut block.head);
        block.head.extend_from_slice(&start);
        (header, block)
    }

    /// The same, compressed.
    pub(crate) fn compress(
        &mut self,
        header: &BlockHeader,
        maker: &mut BlockMaker,
        spares: &mut Vec<Vec<u8>>,
    ) -> io::Result<(BlockHeader, Block)> {
        maker.clear();
        maker.header.clone_from(header);
        self.iter().for_each(|piece| maker.text.extend_from_slice(piece));
        let mut block = Block { head: spares.pop().unwrap_or_default(), ..Block::default() };
        let header = maker.finish(&mut block.head)?;
        self.clear(spares);
        Ok((header, block))
    }
}

impl Block {
    pub(crate) fn len(&self) -> usize {
        self.head.len() + self.marks.len() * 3 + self.pieces.iter().map(Vec::len).sum::<usize>()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.head.is_empty()
    }

    /// Writes it at the end of a file.
    pub(crate) fn write(&self, file: &dyn DiskFile) -> io::Result<()> {
        let text = self.marks.iter().zip(chunks(&self.pieces));
        let text = text.flat_map(|(mark, chunk)| [IoSlice::new(mark), IoSlice::new(chunk)]);
        let mut slices: Vec<_> = [IoSlice::new(&self.head)].into_iter().chain(text).collect();
        file.append_all(&mut slices)
    }

    /// Gives its rooms back.
    pub(crate) fn clear(mut self, spares: &mut Vec<Vec<u8>>) {
        if self.pieces.is_empty() {
            self.pieces.push(self.head);
        }
        reclaim(&mut self.pieces, spares);
    }
}

/// What goes into a stored block of zstd's each.
fn chunks(pieces: &[Vec<u8>]) -> impl Iterator<Item = &[u8]> {
    pieces.iter().flat_map(|piece| piece.chunks(STORED_MAX))
}

/// A frame that says how long its content is, and whose window is all of it (RFC 8878, section
/// 3.1.1.1: magic number, a descriptor with a content size of four bytes and a single segment).
fn frame_header(text_len: u32) -> [u8; 9] {
    let [a, b, c, d] = text_len.to_le_bytes();
    [0x28, 0xB5, 0x2F, 0xFD, 2 << 6 | 1 << 5, a, b, c, d]
}

/// A block that is stored as it is (RFC 8878, section 3.1.1.2: last block, type 0, size).
fn block_header(len: usize, last: bool) -> [u8; 3] {
    let [a, b, c, _] = ((len as u32) << 3 | u32::from(last)).to_le_bytes();
    [a, b, c]
}

/// More rooms than these are given back to the system: a tenth of a second's at full speed.
const SPARES_MAX: usize = 128;

fn reclaim(rooms: &mut Vec<Vec<u8>>, spares: &mut Vec<Vec<u8>>) {
    for mut room in rooms.drain(..) {
        if spares.len() < SPARES_MAX && room.capacity() > 0 {
            room.clear();
            spares.push(room);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Batch;
    use crate::disk::Disk as _;
    use crate::disk::faulty::FaultyDisk;

    #[test]
    fn zstd_reads_what_is_stored_as_it_is() {
        let (disk, mut spares) = (FaultyDisk::default(), Vec::new());
        for sizes in [&[1][..], &[5, 40_000, 7, 9], &[300_000, 200_000, 3], &[STORED_MAX, 50_000]] {
            let mut pieces = Pieces::default();
            let mut whole = Vec::new();
            for (number, size) in sizes.iter().enumerate() {
                let mut lines = vec![b'a' + number as u8; *size];
                whole.extend_from_slice(&lines);
                pieces.take(&mut lines, &mut spares);
            }
            assert_eq!(pieces.len(), whole.len());
            let header = BlockHeader { entries: 1, ..Batch::new().header };
            let (header, block) = pieces.store(&header);
            assert!(pieces.is_empty());
            let file = disk.create(&format!("{}", whole.len())).unwrap();
            block.write(&*file).unwrap();
            let mut bytes = vec![0; file.len().unwrap() as usize];
            file.read_at(&mut bytes, 0).unwrap();
            assert_eq!(bytes.len(), block.len());
            let mut start = Vec::new();
            header.emit(&mut start);
            let frame = bytes.strip_prefix(&*start).unwrap();
            assert_eq!(frame.len(), header.frame_len as usize);
            assert_eq!(crc32fast::hash(frame), header.frame_crc);
            assert_eq!(zstd::bulk::decompress(frame, whole.len()).unwrap(), whole);
            block.clear(&mut spares);
        }
    }
}
