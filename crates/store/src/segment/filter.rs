//! What a chapter's texts may hold: a bit for each group of four bytes that stand together in one
//! of them, case folded. Whoever looks for a word looks for all its groups first.

/// Four folded bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Gram(u32);

impl Gram {
    /// The grams of a word that [`fold`] gave; none when it is too short for one.
    pub fn of(folded: &[u8]) -> Vec<Gram> {
        folded.array_windows().map(|four| Gram(u32::from_be_bytes(*four))).collect()
    }

    /// Whether one of its bytes is a digit.
    fn has_digit(self) -> bool {
        self.0.to_be_bytes().iter().any(u8::is_ascii_digit)
    }

    fn hash(self) -> u32 {
        self.0.wrapping_mul(0x9E37_79B1)
    }
}

/// The filters of a chapter and of the block in its making.
///
/// Grams without a digit are few and come again and again: each block has a row of its own for
/// them. Those with one are numbers, nearly all different: a chapter has one row for them.
pub(crate) struct Filter {
    /// The chapter's row, then the block's, then nothing: an index of 19 bits is always within.
    marks: Box<[u64; 1 << 13]>,
}

impl Filter {
    pub(crate) fn new() -> Filter {
        let marks = vec![0; 1 << 13].into_boxed_slice();
        Filter { marks: marks.try_into().unwrap_or_else(|_| unreachable!("it is as long")) }
    }

    /// Adds a text as it stands in its line.
    pub(crate) fn add(&mut self, escaped: &[u8]) {
        if memchr::memchr(b'\\', escaped).is_some() {
            return self.add_folded(&fold(&crate::entry::unescape(escaped)));
        }
        self.add_folded(escaped);
    }

    /// Adds a text in which only ASCII may be left to fold.
    fn add_folded(&mut self, text: &[u8]) {
        let Some(last) = text.last_chunk::<8>() else {
            for four in text.array_windows::<4>() {
                let four = Lanes::of(u64::from(u32::from_be_bytes(*four)) << 32);
                self.set(four.gram(0), four.has_digit(0));
            }
            return;
        };
        // Eight bytes hold five grams.
        let mut rest = text;
        while let Some(eight) = rest.first_chunk::<8>() {
            self.add_eight(*eight);
            rest = &rest[5..];
        }
        self.add_eight(*last);
    }

    fn add_eight(&mut self, eight: [u8; 8]) {
        let lanes = Lanes::of(u64::from_be_bytes(eight));
        for at in 0..5 {
            self.set(lanes.gram(at), lanes.has_digit(at));
        }
    }

    /// Without a branch: digits come as they like.
    fn set(&mut self, gram: Gram, has_digit: bool) {
        let hash = gram.hash();
        let of_chapter = hash >> (32 - CHAPTER_LOG2);
        let of_block = (hash >> (32 - BLOCK_LOG2)) + (1 << CHAPTER_LOG2);
        let place = if has_digit { of_chapter } else { of_block };
        self.marks[place as usize >> 6 & 0x1fff] |= 1 << (place & 63);
    }

    /// Appends the block's row, and begins the next block's.
    pub(crate) fn emit_block(&mut self, out: &mut Vec<u8>) {
        emit(&mut self.marks[1 << (CHAPTER_LOG2 - 6)..][..1 << (BLOCK_LOG2 - 6)], out);
    }

    /// Appends the chapter's row, and begins the next chapter's.
    pub(crate) fn emit_chapter(&mut self, out: &mut Vec<u8>) {
        emit(&mut self.marks[..1 << (CHAPTER_LOG2 - 6)], out);
    }
}

/// Appends the bytes of a row, as few as tell enough: halves are laid on each other while
/// at most half of the bits are set. Nothing is left in it.
fn emit(row: &mut [u64], out: &mut Vec<u8>) {
    let mut length = row.len();
    while length > 1 {
        let (low, high) = row[..length].split_at(length / 2);
        let set: u32 = low.iter().zip(high).map(|(low, high)| (low | high).count_ones()).sum();
        if set as usize > low.len() * 32 {
            break;
        }
        length /= 2;
        let (low, high) = row.split_at_mut(length);
        low.iter_mut().zip(high).for_each(|(low, high)| *low |= *high);
    }
    out.extend(row[..length].iter().flat_map(|word| word.to_le_bytes()));
    row.fill(0);
}

/// A row of the grams with a digit, or of those without.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row<'a> {
    /// As [`Filter`] gave it; an empty one excludes nothing.
    pub(super) bytes: &'a [u8],
    /// Whether it is of those with a digit.
    pub(super) digits: bool,
}

impl Row<'_> {
    /// Whether a text with all these grams may be among its own.
    pub(super) fn may_hold(self, grams: &[Gram]) -> bool {
        let log2 = if self.digits { CHAPTER_LOG2 } else { BLOCK_LOG2 };
        let bits = (self.bytes.len() * 8).max(1);
        let has = |gram: &Gram| {
            let place = (gram.hash() >> (32 - log2)) as usize % bits;
            self.bytes.get(place / 8).is_none_or(|byte| byte & 1 << (place % 8) != 0)
        };
        grams.iter().filter(|gram| gram.has_digit() == self.digits).all(has)
    }
}

impl std::fmt::Debug for Filter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Filter").finish_non_exhaustive()
    }
}

/// Eight bytes at once, the first one highest: in lower case, and the top bit of a byte set for a
/// digit.
struct Lanes {
    lower: u64,
    digits: u64,
}

impl Lanes {
    fn of(word: u64) -> Lanes {
        const ONES: u64 = u64::MAX / 0xff;
        const TOPS: u64 = ONES << 7;
        // Top bits of the sums: at least `low`, and above `high`; a byte that is no ASCII is
        // neither.
        let low_bits = word & !TOPS;
        let within = |low: u8, high: u8| {
            let at_least = low_bits + ONES * u64::from(0x80 - low);
            let above = low_bits + ONES * u64::from(0x7f - high);
            (at_least ^ above) & !word & TOPS
        };
        Lanes { lower: word | within(b'A', b'Z') >> 2, digits: within(b'0', b'9') }
    }

    fn gram(&self, at: u32) -> Gram {
        Gram((self.lower >> (32 - 8 * at)) as u32)
    }

    fn has_digit(&self, at: u32) -> bool {
        (self.digits >> (32 - 8 * at)) as u32 != 0
    }
}

/// What `text` is taken for when case does not matter: ASCII in lower case, and the two letters
/// that Unicode's case folding makes ASCII of.
pub fn fold(text: &[u8]) -> Vec<u8> {
    let mut folded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, others)) = rest.split_first() {
        let (letter, after) = match rest {
            [0xe2, 0x84, 0xaa, after @ ..] => (b'k', after), // KELVIN SIGN
            [0xc5, 0xbf, after @ ..] => (b's', after),       // LONG S
            _ => (first.to_ascii_lowercase(), others),
        };
        folded.push(letter);
        rest = after;
    }
    folded
}

/// The largest row of a chapter has so many bits: 32 KiB for 8 MiB.
const CHAPTER_LOG2: u32 = 18;
/// The largest of a block: 4 KiB for 512 KiB.
const BLOCK_LOG2: u32 = 15;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::entry::{Place, escape_into};

    /// The rows of one block and of its chapter.
    fn filter(texts: &[Vec<u8>]) -> [Vec<u8>; 2] {
        let mut filter = Filter::new();
        for text in texts {
            let mut escaped = Vec::new();
            escape_into(text, Place::Text, &mut escaped);
            filter.add(&escaped);
        }
        let mut rows = [Vec::new(), Vec::new()];
        filter.emit_block(&mut rows[0]);
        filter.emit_chapter(&mut rows[1]);
        rows
    }

    fn may_hold(rows: &[Vec<u8>; 2], folded: &[u8]) -> bool {
        let row = |digits: bool| Row { bytes: &rows[usize::from(digits)], digits };
        [false, true].iter().all(|digits| row(*digits).may_hold(&Gram::of(folded)))
    }

    proptest! {
        #[test]
        fn no_part_of_a_text_is_ever_excluded(
            texts in proptest::collection::vec(
                prop_oneof![
                    proptest::collection::vec(any::<u8>(), 0..60),
                    "[ -~]{0,60}".prop_map(String::into_bytes),
                ],
                1..20,
            ),
            from in 0..60usize,
            length in 0..30usize,
        ) {
            let rows = filter(&texts);
            for text in &texts {
                let part = text.iter().skip(from).take(length).copied().collect::<Vec<u8>>();
                prop_assert!(may_hold(&rows, &fold(&part)), "{part:?}");
            }
        }

        #[test]
        fn eight_bytes_at_once_are_as_eight_singly(bytes in any::<[u8; 8]>()) {
            let lanes = Lanes::of(u64::from_be_bytes(bytes));
            for at in 0..5 {
                let four = &bytes[at..at + 4];
                let gram = Gram::of(&four.to_ascii_lowercase())[0];
                prop_assert_eq!(lanes.gram(at as u32), gram);
                prop_assert_eq!(lanes.has_digit(at as u32), gram.has_digit());
            }
        }
    }

    #[test]
    fn what_no_text_holds_is_mostly_excluded() {
        let texts: Vec<_> =
            (0..20_000u64).map(|n| format!("usb 1-1: device {:x} is new", n * n * n)).collect();
        let rows = filter(&texts.into_iter().map(String::into_bytes).collect::<Vec<_>>());
        let may = |word: &str| may_hold(&rows, &fold(word.as_bytes()));
        assert!(may("DEVICE") && may("is new"));
        let absent = (0..1000).filter(|n| may(&format!("needle{n}"))).count();
        assert!(absent < 50, "{absent}");
    }

    #[test]
    fn few_texts_take_little_room() {
        let [block, chapter] = filter(&[b"one short text of 2026".to_vec()]);
        assert!(block.len() <= 16 && chapter.len() <= 16);
        assert_eq!(filter(&[]), [vec![0; 8], vec![0; 8]]);
    }

    #[test]
    fn letters_that_fold_to_ascii_do() {
        assert_eq!(fold("\u{212a}ernel Me\u{17f}SAGE".as_bytes()), b"kernel message");
    }
}
