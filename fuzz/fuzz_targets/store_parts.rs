//! The parts of a sealed segment with right checksums and any content: no panic, no room made on
//! their word alone.
//!
//! The input: the lengths of three parts (two bytes each), the entries and the length of the text
//! that the footer tells (eight bytes each); then a block's header, its order, the filters, and
//! the index. A second segment has a block with the same header, the order's bytes as its heads,
//! and the filters' in its frame.
#![no_main]

use std::io;
use std::sync::Arc;

use bedside_store::disk::DiskFile;
use bedside_store::segment::{Gram, SegmentFile, SegmentHeader, SegmentName, fold};
use bedside_stream::WallTime;
use libfuzzer_sys::fuzz_target;

const BLOCK: u32 = 0x184D_2A5B;
const INDEX: u32 = 0x184D_2A5C;
const ORDER: u32 = 0x184D_2A5D;
const FILTERS: u32 = 0x184D_2A5E;
const HEADS: u32 = 0x184D_2A59;

fuzz_target!(|input: &[u8]| {
    let Some((lengths, rest)) = input.split_first_chunk::<6>() else { return };
    let Some((told, rest)) = rest.split_first_chunk::<16>() else { return };
    let mut rest = rest;
    let mut part = |at: usize| {
        let length = usize::from(u16::from_le_bytes([lengths[at], lengths[at + 1]]));
        let (part, after) = rest.split_at(length.min(rest.len()));
        rest = after;
        part
    };
    let (block, order, filters) = (part(0), part(2), part(4));
    read(with_heads(block, order, filters));
    let mut file = begun();
    checked(BLOCK, block, &mut file);
    checked(ORDER, order, &mut file);
    file.extend(zstd::bulk::compress(b"1 2 x ,,,,,;x\n", 1).expect("memory can be compressed"));
    checked(FILTERS, filters, &mut file);
    let offset = (file.len() as u64).to_le_bytes();
    let index = [rest, &offset, told].concat();
    checked(INDEX, &index, &mut file);
    file.extend_from_slice(b"bsix");
    // The tag is a part of what follows.
    let at = u64::from_le_bytes(offset) as usize + 4;
    file[at..at + 4].copy_from_slice(&(index.len() as u32 + 8).to_le_bytes());
    read(file);
});

/// A segment of one block whose heads stand apart. Its header tells the right lengths and checksum
/// of heads and frame.
fn with_heads(block: &[u8], heads: &[u8], said: &[u8]) -> Vec<u8> {
    const ORDERED: u8 = 2;
    const APART: u8 = 8;
    let frame = zstd::bulk::compress(said, 1).expect("memory can be compressed");
    let mut block = block.to_vec();
    let at = if block.get(32).is_some_and(|flags| flags & ORDERED != 0) { 56 } else { 36 };
    if block.len() >= at + 4 {
        block[32] |= APART;
        block[8..12].copy_from_slice(&(frame.len() as u32).to_le_bytes());
        block[12..16].copy_from_slice(&crc32fast::hash(&frame).to_le_bytes());
        block[at..at + 4].copy_from_slice(&(heads.len() as u32 + 12).to_le_bytes());
    }
    let mut file = begun();
    checked(BLOCK, &block, &mut file);
    checked(HEADS, heads, &mut file);
    file.extend_from_slice(&frame);
    file
}

/// What a sealed segment begins with.
fn begun() -> Vec<u8> {
    let mut file = Vec::new();
    SegmentHeader { number: 1, created: WallTime(1), sealed: true, replaced: Vec::new() }
        .emit(&mut file);
    file
}

/// A skippable frame with its checksum.
fn checked(magic: u32, body: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&magic.to_le_bytes());
    out.extend_from_slice(&(body.len() as u32 + 4).to_le_bytes());
    out.extend_from_slice(body);
    out.extend_from_slice(&crc32fast::hash(body).to_le_bytes());
}

/// All that a reader does with a segment.
fn read(bytes: Vec<u8>) {
    let segment = SegmentFile::from_file(SegmentName::sealed(1), Arc::new(Memory(bytes)), None);
    let segment = segment.expect("its header is good");
    drop(segment.entries());
    let walked = segment.scan_from(segment.start());
    let scanned = segment.scan();
    let mut text = Vec::new();
    for block in walked.iter().chain(&scanned).flat_map(|scan| &scan.blocks) {
        drop(segment.read_block(block, &mut text));
        if let Ok(entries) = segment.read_entries(block) {
            (0..block.header.entries.min(99)).for_each(|line| _ = entries.of_line(line));
        }
        _ = (block.end(), block.first_entry(), block.last_entry());
    }
    if let Ok(index) = segment.index()
        && let Ok(filters) = segment.filters(&index)
    {
        let sets = [Gram::of(&fold(b"kernel panic"))];
        _ = index.blocks_with(&filters, &sets, true).count();
    }
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
