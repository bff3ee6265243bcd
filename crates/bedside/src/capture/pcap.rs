//! The pcap format, as libpcap writes it (pcap-savefile(5), draft-ietf-opsawg-pcap).
//!
//! | bytes | file header | record header |
//! |---|---|---|
//! | 0..4 | magic: byte order and unit of time | seconds |
//! | 4..8 | version | microseconds or nanoseconds |
//! | 8..12 | (unused) | length in the file |
//! | 12..16 | (unused) | length on the network |
//! | 16..20 | longest record | |
//! | 20..24 | link type (lower 16 bits) | |

use super::Frame;
use super::input::{Input, Problem};

/// How to read the records of a file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pcap {
    order: Order,
    nanoseconds: bool,
    link: u16,
    record_header: usize,
}

/// The byte order in which a file was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Order {
    #[default]
    Little,
    Big,
}

impl Order {
    /// The number that stands at `at`.
    pub(super) fn u16(self, bytes: &[u8], at: usize) -> Option<u16> {
        let bytes = *bytes.get(at..)?.first_chunk()?;
        Some(if self == Order::Little {
            u16::from_le_bytes(bytes)
        } else {
            u16::from_be_bytes(bytes)
        })
    }

    /// The number that stands at `at`.
    pub(super) fn u32(self, bytes: &[u8], at: usize) -> Option<u32> {
        let bytes = *bytes.get(at..)?.first_chunk()?;
        Some(if self == Order::Little {
            u32::from_le_bytes(bytes)
        } else {
            u32::from_be_bytes(bytes)
        })
    }

    /// The number that stands at `at`.
    pub(super) fn u64(self, bytes: &[u8], at: usize) -> Option<u64> {
        let bytes = *bytes.get(at..)?.first_chunk()?;
        Some(if self == Order::Little {
            u64::from_le_bytes(bytes)
        } else {
            u64::from_be_bytes(bytes)
        })
    }
}

impl Pcap {
    /// Reads the file header, if this is one.
    pub(super) fn recognise(header: &[u8]) -> Option<Self> {
        let (order, magic) = [Order::Little, Order::Big]
            .into_iter()
            .filter_map(|order| Some((order, order.u32(header, 0)?)))
            .find(|(_, magic)| matches!(magic, 0xa1b2_c3d4 | 0xa1b2_3c4d | 0xa1b2_cd34))?;
        let link = order.u32(header, 20)? as u16;
        let nanoseconds = magic == 0xa1b2_3c4d;
        // The third magic is that of a patched libpcap: eight bytes more before each record.
        let record_header = if magic == 0xa1b2_cd34 { 24 } else { 16 };
        Some(Self { order, nanoseconds, link, record_header })
    }

    /// The next frame.
    pub(super) fn frame<'a>(&self, input: &'a mut Input) -> Result<Option<Frame<'a>>, Problem> {
        let Some(header) = input.take(self.record_header)? else { return Ok(None) };
        let word = |at| self.order.u32(header, at).unwrap_or_default();
        let (seconds, fraction, length, whole) = (word(0), word(4), word(8), word(12));
        if length as usize > LONGEST_FRAME {
            return Err(input.damaged(format!("a frame of {length} bytes")));
        }
        let micros = u64::from(if self.nanoseconds { fraction / 1_000 } else { fraction });
        Ok(Some(Frame {
            received_us: u64::from(seconds) * 1_000_000 + micros,
            link: self.link,
            bytes: input.need(length as usize)?,
            whole: length >= whole,
        }))
    }
}

/// Bytes of the file header.
pub(super) const FILE_HEADER: usize = 24;

/// More than any network's frame has: libpcap's own bound is 256 KiB.
pub(super) const LONGEST_FRAME: usize = 1 << 20;
