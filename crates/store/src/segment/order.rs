//! The numbers of a block's entries, where its lines are not in the order of their arrival.
//!
//! A column between header and frame: a skippable frame that holds, compressed, for each line the
//! step from one behind the number in front of it, as a signed varint.

use zstd::bulk::{Compressor, Decompressor};

use super::header::{Bytes, VARINT_MAX, checked, emit_checked, push_varint, skippable};
use super::{BlockRef, Order};

const MAGIC: u32 = 0x184D_2A5D;

/// The numbers of a block's entries, line by line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entries {
    /// One after the other, from this on.
    From(u64),
    /// These.
    Listed(Vec<u64>),
}

impl Entries {
    /// The number of the line that stands at `line` in the block.
    pub fn of_line(&self, line: u32) -> u64 {
        match self {
            Entries::From(first) => first.saturating_add(u64::from(line)),
            // A block with more lines than its header says is damaged; any number will do.
            Entries::Listed(entries) => entries.get(line as usize).copied().unwrap_or_default(),
        }
    }
}

/// Appends the column of `entries`, of which there are some, and answers what the header says of
/// it. `None`, and nothing appended: they follow each other from `before` on.
pub fn emit(
    entries: &[u64],
    before: u64,
    compressor: &mut Compressor<'_>,
    out: &mut Vec<u8>,
) -> std::io::Result<Option<Order>> {
    let (Some(&first), Some(&last)) = (entries.iter().min(), entries.iter().max()) else {
        return Ok(None);
    };
    if entries.iter().copied().eq(before..before + entries.len() as u64) {
        return Ok(None);
    }
    let mut steps = Vec::with_capacity(2 * entries.len());
    let mut expected = first;
    for &entry in entries {
        push_varint(&mut steps, entry.wrapping_sub(expected).cast_signed());
        expected = entry.wrapping_add(1);
    }
    let start = out.len();
    let steps = compressor.compress(&steps)?;
    emit_checked(MAGIC, out, |out| out.extend_from_slice(&steps));
    Ok(Some(Order { first, last, len: (out.len() - start) as u32 }))
}

/// Reads the column of a block. `None`: it is damaged.
pub(super) fn parse(
    bytes: &[u8],
    block: &BlockRef,
    order: Order,
    decompressor: &mut Decompressor<'_>,
) -> Option<Vec<u64>> {
    let length = skippable(bytes, MAGIC)?;
    let packed = checked(bytes.get(8..).filter(|payload| payload.len() == length))?;
    let count = block.header.entries as usize;
    // A line is at least a byte of text, and a text's length is bounded.
    let steps = decompressor.decompress(packed, count.checked_mul(VARINT_MAX)?).ok()?;
    let mut steps = Bytes(&steps);
    let mut expected = order.first;
    let mut entries = Vec::with_capacity(count);
    for _ in 0..count {
        let entry = expected.wrapping_add(steps.step()?);
        (order.first..=order.last).contains(&entry).then_some(())?;
        entries.push(entry);
        expected = entry.wrapping_add(1);
    }
    Some(entries)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::segment::{BlockHeader, Position};

    fn compressor() -> Compressor<'static> {
        Compressor::new(1).unwrap()
    }

    proptest! {
        #[test]
        fn any_numbers_come_back(entries in proptest::collection::vec(any::<u64>(), 1..100)) {
            let mut bytes = Vec::new();
            let order = emit(&entries, 7, &mut compressor(), &mut bytes).unwrap().unwrap();
            let header = BlockHeader { entries: entries.len() as u32, ..BlockHeader::default() };
            let block = BlockRef::new(Position { offset: 0, entries: 7 }, header);
            prop_assert_eq!(order.len as usize, bytes.len());
            let mut decompressor = Decompressor::new().unwrap();
            let read = parse(&bytes, &block, order, &mut decompressor);
            prop_assert_eq!(read, Some(entries));
        }
    }

    #[test]
    fn numbers_that_follow_those_in_front_take_no_room() {
        let mut bytes = Vec::new();
        assert_eq!(emit(&[7, 8, 9], 7, &mut compressor(), &mut bytes).unwrap(), None);
        assert_eq!(emit(&[], 7, &mut compressor(), &mut bytes).unwrap(), None);
        assert!(bytes.is_empty());
        assert!(emit(&[7, 8, 9], 6, &mut compressor(), &mut bytes).unwrap().is_some());
    }
}
