//! What waits for its rest: messages in fragments, and basic lines cut at 1000 bytes.

use crate::{Monotonic, WallTime};

/// The pieces of one message, in any order.
///
/// Memory follows the bytes that came, never a length that a datagram claims.
#[derive(Debug)]
pub(crate) struct Message {
    /// printk's number, time and prefix: what all fragments of a message share.
    pub(crate) id: (u64, u64, u16),
    /// Length of text and dictionary together, as claimed.
    total: usize,
    /// Offset and bytes, ascending, not overlapping.
    chunks: Vec<(usize, Box<[u8]>)>,
    /// The first datagram that came, whole: its header is the message's.
    pub(crate) first: Box<[u8]>,
    pub(crate) received: WallTime,
    pub(crate) deadline: Monotonic,
}

impl Message {
    pub(crate) fn new(
        id: (u64, u64, u16),
        total: usize,
        datagram: &[u8],
        deadline: Monotonic,
    ) -> Message {
        Message {
            id,
            total,
            chunks: Vec::new(),
            first: datagram.into(),
            received: WallTime::default(),
            deadline,
        }
    }

    /// Whether a fragment with this identity and total can be part of this message.
    pub(crate) fn takes(&self, id: (u64, u64, u16), total: usize) -> bool {
        self.id == id && self.total == total
    }

    /// Puts a piece in its place and says how many bytes were new. What is there already stays.
    pub(crate) fn insert(&mut self, offset: usize, bytes: &[u8], received: WallTime) -> usize {
        self.received = received;
        let at = self.chunks.partition_point(|(start, _)| *start <= offset);
        let before = at.checked_sub(1).and_then(|i| self.chunks.get(i));
        let covered = before.map_or(0, |(start, held)| start + held.len());
        let ahead = self.chunks.get(at).map_or(usize::MAX, |(start, _)| *start);
        let from = offset.max(covered);
        let to = (offset + bytes.len()).min(ahead);
        match bytes.get(from.saturating_sub(offset)..to.saturating_sub(offset)) {
            Some(new) if !new.is_empty() => {
                self.chunks.insert(at, (from, new.into()));
                new.len()
            }
            _ => 0,
        }
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.chunks.iter().map(|(_, bytes)| bytes.len()).sum::<usize>() == self.total
    }

    /// Appends all that came, in order; what is missing leaves no trace.
    pub(crate) fn assemble(&self, out: &mut Vec<u8>) {
        self.chunks.iter().for_each(|(_, bytes)| out.extend_from_slice(bytes));
    }

    /// Bytes held.
    pub(crate) fn weight(&self) -> usize {
        const PER_CHUNK: usize = 32;
        let chunks = self.chunks.iter().map(|(_, bytes)| bytes.len() + PER_CHUNK);
        self.first.len() + chunks.sum::<usize>()
    }
}

/// The beginning of a basic line whose rest has not come.
#[derive(Debug)]
pub(crate) struct CutLine {
    pub(crate) bytes: Vec<u8>,
    pub(crate) received: WallTime,
    pub(crate) deadline: Monotonic,
}

/// All that waits in one stream.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    pub(crate) messages: Vec<Message>,
    pub(crate) line: Option<CutLine>,
    /// Messages just completed: pieces of a second copy belong to them.
    pub(crate) done: Vec<((u64, u64, u16), Monotonic)>,
}

impl Pending {
    /// Remembers a completed message for as long as pieces of a copy may come.
    pub(crate) fn completed(&mut self, id: (u64, u64, u16), until: Monotonic) {
        const COMPLETED: usize = 4;
        if self.done.len() == COMPLETED {
            self.done.remove(0);
        }
        self.done.push((id, until));
    }

    pub(crate) fn is_done(&self, id: (u64, u64, u16), now: Monotonic) -> bool {
        self.done.iter().any(|(done, until)| *done == id && now <= *until)
    }

    pub(crate) fn earliest(&self) -> Option<Monotonic> {
        let line = self.line.as_ref().map(|line| line.deadline);
        self.messages.iter().map(|message| message.deadline).chain(line).min()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Against a byte map: whatever pieces come in whatever order, no byte is held twice,
        /// each stands in its place, and the message is complete when every byte is there.
        #[test]
        fn pieces_agree_with_a_byte_map(
            total in 1usize..200,
            pieces in prop::collection::vec((0usize..200, 1usize..60), 1..40),
        ) {
            let whole: Vec<u8> = (0..total).map(|i| i as u8).collect();
            let mut message = Message::new((0, 0, 0), total, b"", Monotonic(0));
            for (offset, len) in pieces {
                let offset = offset.min(total - 1);
                let end = (offset + len).min(total);
                message.insert(offset, &whole[offset..end], WallTime(0));
                let mut got = Vec::new();
                message.assemble(&mut got);
                let mut map = vec![false; total];
                for (start, bytes) in &message.chunks {
                    for byte in &mut map[*start..*start + bytes.len()] {
                        prop_assert!(!*byte, "a byte is held twice");
                        *byte = true;
                    }
                }
                let held: Vec<u8> =
                    (0..total).filter(|i| map[*i]).map(|i| whole[i]).collect();
                prop_assert_eq!(&got, &held);
                prop_assert_eq!(message.is_complete(), map.iter().all(|held| *held));
            }
        }
    }
}
