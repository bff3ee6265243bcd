//! Which of the strangers came back: a filter of fixed size that knows, nearly, whom it has seen.
//!
//! A Bloom filter of the streams that were forgotten in a crowd. Where they come too fast for
//! its room it watches a share of them only, another one each time it begins anew, so that one
//! who keeps coming back is noticed sooner or later, at any rate of the flood.

use crate::WallTime;

/// Who was seen of late.
#[derive(Debug, Default)]
pub(crate) struct Returns {
    /// Empty until somebody is noted: 16 MiB.
    words: Vec<u64>,
    /// When it began anew.
    began: WallTime,
    noted: usize,
    /// Of so many it watches one, as a power of two.
    share_log2: u32,
    /// Which.
    turn: u64,
}

impl Returns {
    const WORDS: usize = 1 << 21;
    /// 16 bits for each: one in 200 is mistaken for another.
    const NOTED_MAX: usize = Self::WORDS * 4;
    /// Long enough for whoever speaks once a minute.
    const WATCH_US: u64 = 300_000_000;

    /// Notes the hash of a stream that is forgotten.
    pub(crate) fn note(&mut self, hash: u64, now: WallTime) {
        if now < self.began || now.0 - self.began.0 >= Self::WATCH_US {
            self.begin(now);
        }
        if self.noted == Self::NOTED_MAX {
            self.share_log2 = (self.share_log2 + 1).min(16);
            self.noted /= 2;
        }
        if self.watches(hash) {
            self.noted += 1;
            let (at, bits) = place(hash);
            if let Some(word) = self.words.get_mut(at) {
                *word |= bits;
            }
        }
    }

    /// Lets go of its room when nobody was noted for long.
    pub(crate) fn rest(&mut self, now: WallTime) {
        if now.0.saturating_sub(self.began.0) >= 2 * Self::WATCH_US {
            *self = Returns { turn: self.turn, ..Returns::default() };
        }
    }

    /// Whether a stream was noted, as far as is watched.
    pub(crate) fn knows(&self, hash: u64) -> bool {
        let (at, bits) = place(hash);
        self.watches(hash) && self.words.get(at).is_some_and(|word| word & bits == bits)
    }

    fn watches(&self, hash: u64) -> bool {
        let share = (1 << self.share_log2) - 1;
        (hash ^ self.turn) & share == 0
    }

    fn begin(&mut self, now: WallTime) {
        self.words.clear();
        self.words.resize(Self::WORDS, 0);
        if self.noted < Self::NOTED_MAX / 4 {
            self.share_log2 = self.share_log2.saturating_sub(1);
        }
        self.turn += 1;
        self.noted = 0;
        self.began = now;
    }
}

/// A word, and four bits of it. The lowest bits of the hash choose the share.
fn place(hash: u64) -> (usize, u64) {
    let at = (hash >> 16) as usize % Returns::WORDS;
    let bit = |shift: u32| 1 << (hash >> shift & 63);
    (at, bit(40) | bit(46) | bit(52) | bit(58))
}
