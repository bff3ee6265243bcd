//! What waits for its rest: messages in fragments, and basic lines cut at 1000 bytes.

use std::collections::BTreeMap;

use crate::{Monotonic, WallTime};

/// A fragment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece<'a> {
    /// Number, time and prefix of its message.
    pub(crate) id: (u64, u64, u16),
    /// Length of the whole message, as claimed.
    pub(crate) total: usize,
    /// Where it stands in the message.
    pub(crate) offset: usize,
    pub(crate) bytes: &'a [u8],
    /// The whole datagram.
    pub(crate) datagram: &'a [u8],
    pub(crate) received: WallTime,
    /// Until when its message waits, if it is the first piece.
    pub(crate) deadline: Monotonic,
}

/// What became of a piece.
#[derive(Debug, Default)]
pub(crate) struct Placed {
    /// It began a message.
    pub(crate) began: bool,
    /// An older message had to go for that.
    pub(crate) crowded_out: Option<Message>,
    /// It was the last of its message.
    pub(crate) complete: Option<Message>,
    /// By how much the bytes held changed.
    pub(crate) growth: isize,
}

/// The pieces of one message, in any order.
///
/// Memory follows the bytes that came, never a length that a datagram claims.
#[derive(Debug)]
pub(crate) struct Message {
    /// printk's number, time and prefix: what all fragments of a message share.
    id: (u64, u64, u16),
    /// Length of text and dictionary together, as claimed.
    total: usize,
    /// Bytes by their offset, not overlapping.
    chunks: BTreeMap<usize, Box<[u8]>>,
    /// How many bytes they are together.
    held: usize,
    /// The first datagram that came, whole: its header is the message's.
    pub(crate) first: Box<[u8]>,
    pub(crate) received: WallTime,
    pub(crate) deadline: Monotonic,
}

impl Message {
    fn begun_by(piece: &Piece<'_>) -> Message {
        Message {
            id: piece.id,
            total: piece.total,
            chunks: BTreeMap::new(),
            held: 0,
            first: piece.datagram.into(),
            received: piece.received,
            deadline: piece.deadline,
        }
    }

    /// Whether a piece can be part of this message.
    fn takes(&self, piece: &Piece<'_>) -> bool {
        self.id == piece.id && self.total == piece.total
    }

    /// Puts a piece in its place. What is there already stays.
    fn insert(&mut self, piece: &Piece<'_>) {
        let Piece { offset, bytes, .. } = *piece;
        self.received = piece.received;
        let before = self.chunks.range(..=offset).next_back();
        let covered = before.map_or(0, |(start, held)| start + held.len());
        let ahead = self.chunks.range(offset + 1..).next().map_or(usize::MAX, |(start, _)| *start);
        let from = offset.max(covered);
        let to = (offset + bytes.len()).min(ahead);
        let new = bytes.get(from.saturating_sub(offset)..to.saturating_sub(offset));
        if let Some(new) = new.filter(|new| !new.is_empty()) {
            self.held += new.len();
            self.chunks.insert(from, new.into());
        }
    }

    fn is_complete(&self) -> bool {
        self.held == self.total
    }

    /// Appends all that came, in order; what is missing leaves no trace.
    pub(crate) fn assemble(&self, out: &mut Vec<u8>) {
        self.chunks.values().for_each(|bytes| out.extend_from_slice(bytes));
    }

    /// Bytes held, and about what it takes to hold them.
    pub(crate) fn weight(&self) -> usize {
        const PER_CHUNK: usize = 80;
        self.first.len() + self.held + self.chunks.len() * PER_CHUNK
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
    /// Puts a piece to the others of its message, of which at most `most` are held.
    pub(crate) fn place(&mut self, piece: &Piece<'_>, most: usize) -> Placed {
        let mut placed = Placed::default();
        let mut at = self.messages.iter().position(|message| message.takes(piece));
        if at.is_none() {
            placed.began = true;
            placed.crowded_out = (self.messages.len() >= most).then(|| self.messages.remove(0));
            placed.growth -= placed.crowded_out.as_ref().map_or(0, Message::weight).cast_signed();
            self.messages.push(Message::begun_by(piece));
            at = self.messages.len().checked_sub(1);
        }
        let Some((at, message)) = at.and_then(|at| Some((at, self.messages.get_mut(at)?))) else {
            return placed;
        };
        let before = if placed.began { 0 } else { message.weight() };
        message.insert(piece);
        placed.growth += message.weight().cast_signed() - before.cast_signed();
        if message.is_complete() {
            let message = self.messages.remove(at);
            placed.growth -= message.weight().cast_signed();
            self.completed(piece.id, piece.deadline);
            placed.complete = Some(message);
        }
        placed
    }

    /// Remembers a completed message for as long as pieces of a copy may come.
    fn completed(&mut self, id: (u64, u64, u16), until: Monotonic) {
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
            let piece = |offset, bytes| Piece {
                id: (0, 0, 0),
                total,
                offset,
                bytes,
                datagram: b"",
                received: WallTime(0),
                deadline: Monotonic(0),
            };
            let mut message = Message::begun_by(&piece(0, &[]));
            for (offset, len) in pieces {
                let offset = offset.min(total - 1);
                let end = (offset + len).min(total);
                message.insert(&piece(offset, &whole[offset..end]));
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
