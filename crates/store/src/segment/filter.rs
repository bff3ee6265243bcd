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

    fn place(self) -> usize {
        (self.0.wrapping_mul(0x9E37_79B1) >> (32 - BITS_LOG2)) as usize
    }
}

/// A filter in the making.
#[derive(Debug)]
pub(crate) struct Filter {
    bits: Vec<u64>,
}

impl Filter {
    pub(crate) fn new() -> Filter {
        Filter { bits: vec![0; (1 << BITS_LOG2) / 64] }
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
        let Some((head, rest)) = text.split_first_chunk::<3>() else { return };
        let step = |gram: u32, byte: &u8| gram << 8 | u32::from(byte.to_ascii_lowercase());
        let mut gram = head.iter().fold(0, step);
        for byte in rest {
            gram = step(gram, byte);
            let place = Gram(gram).place();
            self.bits[place / 64] |= 1 << (place % 64);
        }
    }

    /// Appends its bytes, as few as tell enough: halves are laid on each other while at most half
    /// of the bits are set.
    pub(crate) fn emit(&self, out: &mut Vec<u8>) {
        let mut bits = self.bits.clone();
        while bits.len() > 1 {
            let (low, high) = bits.split_at(bits.len() / 2);
            let folded: Vec<u64> = low.iter().zip(high).map(|(low, high)| low | high).collect();
            let set: u32 = folded.iter().map(|word| word.count_ones()).sum();
            if set as usize > folded.len() * 32 {
                break;
            }
            bits = folded;
        }
        out.extend(bits.iter().flat_map(|word| word.to_le_bytes()));
    }

    /// Whether a filter of these bytes may be of texts one of which has all grams of one of the
    /// sets. An empty set says nothing: it may.
    pub(crate) fn may_hold(bytes: &[u8], sets: &[Vec<Gram>]) -> bool {
        let bits = bytes.len() * 8;
        let has = |gram: &Gram| {
            let place = gram.place() % bits.max(1);
            bytes.get(place / 8).is_none_or(|byte| byte & 1 << (place % 8) != 0)
        };
        sets.is_empty() || sets.iter().any(|grams| grams.iter().all(has))
    }

    /// Forgets all texts.
    pub(crate) fn clear(&mut self) {
        self.bits.fill(0);
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

/// The largest filter has so many bits: 32 KiB for a chapter of 8 MiB.
const BITS_LOG2: u32 = 18;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::entry::{Place, escape_into};

    fn filter(texts: &[Vec<u8>]) -> Vec<u8> {
        let mut filter = Filter::new();
        for text in texts {
            let mut escaped = Vec::new();
            escape_into(text, Place::Text, &mut escaped);
            filter.add(&escaped);
        }
        let mut bytes = Vec::new();
        filter.emit(&mut bytes);
        bytes
    }

    proptest! {
        #[test]
        fn no_part_of_a_text_is_ever_excluded(
            texts in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..60), 1..20),
            from in 0..60usize,
            length in 0..30usize,
        ) {
            let bytes = filter(&texts);
            for text in &texts {
                let part = text.iter().skip(from).take(length).copied().collect::<Vec<u8>>();
                let folded = fold(&part);
                prop_assert!(Filter::may_hold(&bytes, &[Gram::of(&folded)]), "{part:?}");
            }
        }
    }

    #[test]
    fn what_no_text_holds_is_mostly_excluded() {
        let texts: Vec<_> =
            (0..20_000u64).map(|n| format!("usb 1-1: device {:x} is new", n * n * n)).collect();
        let bytes = filter(&texts.into_iter().map(String::into_bytes).collect::<Vec<_>>());
        let may = |word: &str| Filter::may_hold(&bytes, &[Gram::of(&fold(word.as_bytes()))]);
        assert!(may("DEVICE") && may("is new"));
        let absent = (0..1000).filter(|n| may(&format!("needle{n}"))).count();
        assert!(absent < 50, "{absent}");
    }

    #[test]
    fn few_texts_take_little_room() {
        assert!(filter(&[b"one short text".to_vec()]).len() <= 16);
        assert_eq!(filter(&[]).len(), 8);
    }

    #[test]
    fn letters_that_fold_to_ascii_do() {
        assert_eq!(fold("\u{212a}ernel Me\u{17f}SAGE".as_bytes()), b"kernel message");
    }
}
