//! A segment that is cut, or damaged in any byte, opens or is refused: no panic, no room made
//! on its word alone, and what is read from it is what was written.
//!
//! The input: a byte of [`Form`], two of where to cut, two of which byte to change, one of how;
//! then the texts of the blocks, each ended by 0xff. With form 2 the rest is the file itself.
#![no_main]

use std::io;
use std::sync::Arc;

use bedside_store::Entry;
use bedside_store::disk::DiskFile;
use bedside_store::segment::{
    BlockHeader, BlockRef, Filters, Index, Position, SegmentFile, SegmentHeader, SegmentName,
};
use bedside_stream::WallTime;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some(([form, cut_a, cut_b, at_a, at_b, change], rest)) = input.split_first_chunk::<6>()
    else {
        return;
    };
    let name = if form & 1 == 0 { SegmentName::live(1) } else { SegmentName::sealed(1) };
    if form & 2 != 0 {
        read(name, rest.to_vec());
        return;
    }
    let texts: Vec<&[u8]> = rest.split(|byte| *byte == 0xff).collect();
    let (whole, ends) = written(name, &texts);
    let undamaged = read(name, whole.clone()).expect("an undamaged segment opens");
    assert_eq!(undamaged, texts);

    let cut = usize::from(u16::from_le_bytes([*cut_a, *cut_b])) % (whole.len() + 1);
    let found = read(name, whole[..cut].to_vec());
    if name == SegmentName::live(1) {
        let kept = ends.iter().filter(|end| **end <= cut).count();
        assert!(
            cut < ends[0] || found.is_some_and(|found| found == texts[..kept.saturating_sub(1)])
        );
    }

    let at = usize::from(u16::from_le_bytes([*at_a, *at_b])) % whole.len();
    let mut damaged = whole;
    damaged[at] ^= change;
    for text in read(name, damaged).unwrap_or_default() {
        assert!(texts.iter().any(|written| *written == text), "a text that was never written");
    }
});

/// A segment of blocks of these texts, and where its header and each of its blocks end.
fn written(name: SegmentName, texts: &[&[u8]]) -> (Vec<u8>, Vec<usize>) {
    let sealed = name == SegmentName::sealed(1);
    let mut file = Vec::new();
    SegmentHeader { number: 1, created: WallTime(1), sealed, replaced: Vec::new() }.emit(&mut file);
    let mut ends = vec![file.len()];
    let mut blocks = Vec::new();
    let mut end = Position { offset: file.len() as u64, entries: 0 };
    for text in texts {
        let frame = zstd::bulk::compress(text, 1).expect("memory can be compressed");
        let header = BlockHeader {
            entries: text.iter().filter(|byte| **byte == b'\n').count() as u32,
            text_len: text.len() as u32,
            frame_len: frame.len() as u32,
            frame_crc: crc32fast::hash(&frame),
            ..BlockHeader::default()
        };
        header.emit(&mut file);
        file.extend_from_slice(&frame);
        ends.push(file.len());
        let block = BlockRef::new(end, header);
        end = block.end();
        blocks.push(block);
    }
    if sealed {
        file.extend_from_slice(&Index::new(blocks, end).emit(&Filters::default(), None));
    }
    (file, ends)
}

/// The texts of all blocks that can be read; `None` if the segment is refused.
fn read(name: SegmentName, bytes: Vec<u8>) -> Option<Vec<Vec<u8>>> {
    let length = bytes.len();
    let segment = SegmentFile::from_file(name, Arc::new(Memory(bytes)), None).ok()?;
    let scan = segment.scan().ok()?;
    let mut texts = Vec::new();
    let mut text = Vec::new();
    for block in &scan.blocks {
        if segment.read_block(block, &mut text).is_ok() {
            assert!(u64::from(block.header.frame_len) <= length as u64);
            text.split(|byte| *byte == b'\n').for_each(|line| drop(Entry::decode(line)));
            texts.push(text.clone());
        }
    }
    Some(texts)
}

/// A file in memory that can only be read.
#[derive(Debug)]
struct Memory(Vec<u8>);

impl DiskFile for Memory {
    fn append(&self, _: &[u8]) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|at| self.0.get(at..)).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.len() as u64)
    }
}
