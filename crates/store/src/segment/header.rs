//! The two headers and their bytes.

use bedside_stream::{RunId, WallTime};
use integer_encoding::VarInt;

use super::{BLOCK_TEXT_MAX, FORMAT_VERSION, SegmentName, span};
use crate::disk::DiskFile;
use crate::error::Error;

const SEGMENT_MAGIC: u32 = 0x184D_2A5A;
const BLOCK_MAGIC: u32 = 0x184D_2A5B;
const TAG: &[u8; 8] = b"bedside\n";
const SEALED: u16 = 1;
const HAS_NOTES: u32 = 1;
const HAS_ORDER: u32 = 2;
const IS_ORDINARY: u32 = 4;
const HAS_HEADS: u32 = 8;

/// The longest block header that is read: more runs than a block of 64 MiB can have lines.
const BLOCK_HEADER_MAX: usize = 256 << 20;
/// The longest segment header that is read.
const SEGMENT_HEADER_MAX: usize = 1 << 20;
/// Bytes of a block header's payload without order, spans and CRC.
const BLOCK_FIXED: usize = 40;

/// What stands at the beginning of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentHeader {
    /// Its number, the same as in its name.
    pub number: u64,
    /// When it was begun.
    pub created: WallTime,
    /// Whether it is sealed.
    pub sealed: bool,
    /// Tails of earlier segments that are written again in this one.
    pub replaced: Vec<Replaced>,
}

/// The tail of a live segment that stands, once more, in a later one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replaced {
    /// The segment.
    pub segment: u64,
    /// Blocks that begin here or later don't count.
    pub from: u64,
}

/// What stands in front of each compressed frame.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct BlockHeader {
    /// Number of lines.
    pub entries: u32,
    /// Length of the text.
    pub text_len: u32,
    /// Length of the zstd frame.
    pub frame_len: u32,
    /// CRC-32 of the zstd frame.
    pub frame_crc: u32,
    /// First receive time of its records and gaps; 0 when it holds neither.
    pub first: WallTime,
    /// Last receive time, likewise.
    pub last: WallTime,
    /// Whether it holds lines that are no records: of runs, of gaps, of kinds yet unknown.
    pub notes: bool,
    /// Its records were looked at when they came, and none begins an incident.
    pub ordinary: bool,
    /// The numbers of its entries, where they do not just follow those of the block in front.
    pub order: Option<Order>,
    /// Length of the section with the numbers of its heads; 0: the frame holds whole lines.
    pub heads_len: u32,
    /// The runs with records in it, sorted by number.
    pub runs: Vec<RunSpan>,
}

/// That a block's lines do not stand in the order of their arrival: the number of each is in a
/// column between the header and the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// The lowest number of an entry.
    pub first: u64,
    /// The highest.
    pub last: u64,
    /// Length of the column on disk.
    pub len: u32,
}

/// What a block holds of one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunSpan {
    /// The run.
    pub run: RunId,
    /// Its records.
    pub records: u32,
    /// First received of them.
    pub first: WallTime,
    /// Last received of them.
    pub last: WallTime,
    /// Lowest and highest sequence number.
    pub seq: Option<(u64, u64)>,
    /// Each record has a number.
    pub numbered: bool,
    /// Each record has a number, the one after that of the record before it: nothing is missing
    /// here, nothing stands twice.
    pub dense: bool,
}

impl SegmentHeader {
    /// Appends its bytes.
    pub fn emit(&self, out: &mut Vec<u8>) {
        let flags = if self.sealed { SEALED } else { 0 };
        emit_checked(SEGMENT_MAGIC, out, |out| {
            out.extend_from_slice(TAG);
            out.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
            out.extend_from_slice(&flags.to_le_bytes());
            out.extend_from_slice(&(self.replaced.len() as u32).to_le_bytes());
            out.extend_from_slice(&self.number.to_le_bytes());
            out.extend_from_slice(&self.created.0.to_le_bytes());
            for replaced in &self.replaced {
                out.extend_from_slice(&replaced.segment.to_le_bytes());
                out.extend_from_slice(&replaced.from.to_le_bytes());
            }
        });
    }
}

/// Reads the header that a segment begins with, and how long it is.
pub(super) fn read_segment_header(
    file: &dyn DiskFile,
    name: SegmentName,
) -> Result<(SegmentHeader, u64), Error> {
    let io = |e| Error::io("read", name.to_string(), e);
    let mut start = [0; 8];
    let count = file.read_at(&mut start, 0).map_err(io)?;
    let length = skippable(start.get(..count).unwrap_or_default(), SEGMENT_MAGIC)
        .filter(|&length| length <= SEGMENT_HEADER_MAX)
        .ok_or_else(|| Error::damaged(name.to_string(), "it does not begin as a segment does"))?;
    let mut payload = vec![0; length];
    let count = file.read_at(&mut payload, 8).map_err(io)?;
    let payload = checked(payload.get(..count).filter(|_| count == length))
        .ok_or_else(|| Error::damaged(name.to_string(), "the header of the segment is damaged"))?;
    Ok((parse_segment(payload, name)?, 8 + length as u64))
}

fn parse_segment(payload: &[u8], name: SegmentName) -> Result<SegmentHeader, Error> {
    let damaged = || Error::damaged(name.to_string(), "the header of the segment is damaged");
    let mut bytes = Bytes(payload);
    if bytes.array::<8>().as_ref() != Some(TAG) {
        return Err(damaged());
    }
    let found = bytes.u16().ok_or_else(damaged)?;
    if found > FORMAT_VERSION {
        let object = name.to_string();
        return Err(Error::TooNew { object, found, known: FORMAT_VERSION });
    }
    let mut parse = || {
        let sealed = bytes.u16()? & SEALED != 0;
        let count = bytes.u32()?;
        let (number, created) = (bytes.u64()?, WallTime(bytes.u64()?));
        let replaced = (0..count)
            .map(|_| Some(Replaced { segment: bytes.u64()?, from: bytes.u64()? }))
            .collect::<Option<Vec<_>>>()?;
        Some(SegmentHeader { number, created, sealed, replaced })
    };
    parse().ok_or_else(damaged)
}

impl BlockHeader {
    /// Appends its bytes.
    pub fn emit(&self, out: &mut Vec<u8>) {
        out.reserve(BLOCK_FIXED + 16 * self.runs.len());
        emit_checked(BLOCK_MAGIC, out, |out| {
            self.emit_outline(out);
            out.extend_from_slice(&(self.runs.len() as u32).to_le_bytes());
            span::emit(&self.runs, self.first, out);
        });
    }

    /// Appends what is known without the runs.
    pub(super) fn emit_outline(&self, out: &mut Vec<u8>) {
        for number in [self.entries, self.text_len, self.frame_len, self.frame_crc] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&self.first.0.to_le_bytes());
        out.extend_from_slice(&self.last.0.to_le_bytes());
        let notes = if self.notes { HAS_NOTES } else { 0 };
        let order = if self.order.is_some() { HAS_ORDER } else { 0 };
        let ordinary = if self.ordinary { IS_ORDINARY } else { 0 };
        let heads = if self.heads_len > 0 { HAS_HEADS } else { 0 };
        out.extend_from_slice(&(notes | order | ordinary | heads).to_le_bytes());
        if let Some(order) = self.order {
            out.extend_from_slice(&order.first.to_le_bytes());
            out.extend_from_slice(&order.last.to_le_bytes());
            out.extend_from_slice(&order.len.to_le_bytes());
        }
        if self.heads_len > 0 {
            out.extend_from_slice(&self.heads_len.to_le_bytes());
        }
    }

    /// Reads a header that begins `bytes`, and how long it is. `None`: it is cut or damaged.
    pub(super) fn parse(bytes: &[u8]) -> Option<(BlockHeader, u64)> {
        BlockHeader::parse_part(bytes, None)
    }

    /// The same, perhaps with the spans from one run to another only.
    pub(super) fn parse_part(
        bytes: &[u8],
        only: Option<(RunId, RunId)>,
    ) -> Option<(BlockHeader, u64)> {
        let length = BlockHeader::payload_len(bytes)?;
        let mut payload = Bytes(checked(bytes.get(8..8 + length))?);
        let mut header = BlockHeader::parse_outline(&mut payload)?;
        let count = payload.u32()?;
        header.runs = span::parse(&mut payload, count, header.first, only)?;
        Some((header, 8 + length as u64))
    }

    /// The same with none of the spans.
    pub(super) fn parse_without_runs(bytes: &[u8]) -> Option<(BlockHeader, u64)> {
        let length = BlockHeader::payload_len(bytes)?;
        let payload = checked(bytes.get(8..8 + length))?;
        Some((BlockHeader::parse_outline(&mut Bytes(payload))?, 8 + length as u64))
    }

    /// The length of the payload, by the first eight bytes.
    pub(super) fn payload_len(bytes: &[u8]) -> Option<usize> {
        skippable(bytes, BLOCK_MAGIC).filter(|&length| length <= BLOCK_HEADER_MAX)
    }

    /// What is known without the runs.
    pub(super) fn parse_outline(bytes: &mut Bytes<'_>) -> Option<BlockHeader> {
        let (entries, text_len) = (bytes.u32()?, bytes.u32()?);
        let (frame_len, frame_crc) = (bytes.u32()?, bytes.u32()?);
        let (first, last) = (WallTime(bytes.u64()?), WallTime(bytes.u64()?));
        let flags = bytes.u32()?;
        let (notes, ordinary) = (flags & HAS_NOTES != 0, flags & IS_ORDINARY != 0);
        let order = match flags & HAS_ORDER {
            0 => None,
            _ => Some(Order { first: bytes.u64()?, last: bytes.u64()?, len: bytes.u32()? }),
        };
        let heads_len = if flags & HAS_HEADS == 0 { 0 } else { bytes.u32()? };
        (text_len <= BLOCK_TEXT_MAX && entries <= text_len).then_some(())?;
        let runs = Vec::new();
        Some(BlockHeader {
            entries,
            text_len,
            frame_len,
            frame_crc,
            first,
            last,
            notes,
            ordinary,
            order,
            heads_len,
            runs,
        })
    }
}

/// A skippable frame with the CRC of its payload at its end.
pub(super) fn emit_checked(magic: u32, out: &mut Vec<u8>, payload: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(&magic.to_le_bytes());
    let length_at = out.len();
    out.extend_from_slice(&[0; 4]);
    let start = out.len();
    payload(out);
    let crc = crc32fast::hash(&out[start..]);
    out.extend_from_slice(&crc.to_le_bytes());
    let length = (out.len() - start) as u32;
    out[length_at..start].copy_from_slice(&length.to_le_bytes());
}

/// The length of the payload of the skippable frame that begins `bytes`.
pub(super) fn skippable(bytes: &[u8], magic: u32) -> Option<usize> {
    let mut bytes = Bytes(bytes);
    (bytes.u32()? == magic).then_some(())?;
    bytes.u32().map(|length| length as usize)
}

/// The payload without its CRC, if that is right.
pub(super) fn checked(payload: Option<&[u8]>) -> Option<&[u8]> {
    let (payload, crc) = payload?.split_last_chunk::<4>()?;
    (crc32fast::hash(payload) == u32::from_le_bytes(*crc)).then_some(payload)
}

/// Little-endian numbers, one after the other.
pub(super) struct Bytes<'a>(pub(super) &'a [u8]);

impl Bytes<'_> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// A number that [`push_varint`] wrote.
    pub(super) fn varint<T: VarInt>(&mut self) -> Option<T> {
        let (value, length) = T::decode_var(self.0)?;
        self.0 = self.0.get(length..)?;
        Some(value)
    }

    /// The same, where most are small.
    pub(super) fn small_varint(&mut self) -> Option<u64> {
        let (value, rest) = match self.0 {
            [low @ ..0x80, rest @ ..] => (u64::from(*low), rest),
            [low, high @ ..0x80, rest @ ..] => {
                (u64::from(low & 0x7f) | u64::from(*high) << 7, rest)
            }
            _ => return self.varint(),
        };
        self.0 = rest;
        Some(value)
    }

    /// A difference, its sign in the lowest bit, where most are small: what is to be added, modulo
    /// 2⁶⁴.
    pub(super) fn step(&mut self) -> Option<u64> {
        let zigzag = self.small_varint()?;
        Some(zigzag >> 1 ^ (zigzag & 1).wrapping_neg())
    }
}

/// Appends a number in as many bytes as it needs: LEB128, of a signed one's zigzag.
pub(super) fn push_varint(out: &mut Vec<u8>, value: impl VarInt) {
    let mut bytes = [0; VARINT_MAX];
    let length = value.encode_var(&mut bytes);
    out.extend_from_slice(&bytes[..length]);
}

/// The same, where most are small.
pub(super) fn push_small_varint(out: &mut Vec<u8>, value: u64) {
    let seven = |nth: u32| (value >> (7 * nth)) as u8;
    match value {
        0..0x80 => out.push(seven(0)),
        0x80..0x4000 => out.extend_from_slice(&[seven(0) | 0x80, seven(1)]),
        0x4000..0x20_0000 => out.extend_from_slice(&[seven(0) | 0x80, seven(1) | 0x80, seven(2)]),
        _ => push_varint(out, value),
    }
}

/// The bytes of the longest varint.
pub(super) const VARINT_MAX: usize = 10;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_number_comes_back(value in any::<u64>(), shift in 0..64, behind in any::<[u8; 9]>()) {
            let value = value >> shift;
            let mut bytes = Vec::new();
            push_varint(&mut bytes, value);
            prop_assert_eq!(Bytes(&bytes).small_varint(), Some(value));
            let length = bytes.len();
            prop_assert_eq!(Bytes(&bytes[..length - 1]).small_varint(), None);
            bytes.extend_from_slice(&behind);
            let mut rest = Bytes(&bytes);
            prop_assert_eq!(rest.small_varint(), Some(value));
            prop_assert_eq!(rest.0, &behind);
        }
    }
}
