//! Bytes read from the front: numbers as the kernel's `%u` writes them, tokens, a fast search.

/// The first position of `needle`.
///
/// The crate has no dependency, so no `memchr`; a byte-by-byte search would be the most
/// expensive step of taking a message apart. Blocks without it are passed over by a comparison
/// that compilers do for all of their bytes at once.
pub(crate) fn find(haystack: &[u8], needle: u8) -> Option<usize> {
    let (blocks, _) = haystack.as_chunks::<32>();
    let has_it =
        |block: &&[u8; 32]| block.iter().fold(0, |has, byte| has | u8::from(*byte == needle)) != 0;
    let passed = blocks.iter().take_while(|block| !has_it(block)).count();
    // What is no whole block is looked through once more with the end of the last one.
    if passed == blocks.len() && haystack.last_chunk().is_some_and(|last| !has_it(&last)) {
        return None;
    }
    let rest = haystack.get(passed * 32..)?;
    find_near(rest, needle).map(|at| passed * 32 + at)
}

/// The first position of `needle`, where that is not far.
pub(crate) fn find_near(haystack: &[u8], needle: u8) -> Option<usize> {
    find_in_words(haystack, |word| below(word ^ repeated(needle), 1))
}

/// Where a line ends: at its newline, or with the text. Most texts are one line, and their newline
/// is the last byte.
pub(crate) fn line_end(text: &[u8]) -> usize {
    let (last, before) = text.split_last().map_or((None, text), |(last, rest)| (Some(last), rest));
    let end = text.len() - usize::from(last == Some(&b'\n'));
    find(before, b'\n').unwrap_or(end)
}

/// How long the word is that bytes begin with: up to a blank, a control character or a comma.
pub(crate) fn word_end(bytes: &[u8]) -> Option<usize> {
    find_in_words(bytes, |word| {
        below(word, b' ' + 1) | below(word ^ repeated(0x7f), 1) | below(word ^ repeated(b','), 1)
    })
}

/// The first position that is marked, eight bytes at a time.
fn find_in_words(haystack: &[u8], marks: impl Fn(u64) -> u64) -> Option<usize> {
    let (words, rest) = haystack.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let marked = marks(u64::from_le_bytes(*word));
        if marked != 0 {
            return Some(index * 8 + marked.trailing_zeros() as usize / 8);
        }
    }
    let within = rest.iter().position(|byte| marks(repeated(*byte)) != 0)?;
    Some(words.len() * 8 + within)
}

/// Marks, in their highest bits, the bytes that are below a limit of at most 128. The lowest mark
/// is right; what stands above it may not be.
fn below(word: u64, limit: u8) -> u64 {
    word.wrapping_sub(repeated(limit)) & !word & HIGH_BITS
}

fn repeated(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// What stands before and after the first `needle`, which is left out.
pub(crate) fn split_once(bytes: &[u8], needle: u8) -> Option<(&[u8], &[u8])> {
    let (before, rest) = bytes.split_at_checked(find(bytes, needle)?)?;
    Some((before, rest.get(1..)?))
}

/// A decimal number without leading zeros, sign or overflow, and what follows it.
pub(crate) fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (mut value, mut count) = up_to_eight_digits(bytes);
    let mut rest = bytes.get(count..)?;
    if count == 0 || count > 1 && bytes.first() == Some(&b'0') {
        return None;
    }
    while count == 8 {
        let more;
        (more, count) = up_to_eight_digits(rest);
        value = value.checked_mul(*POWERS.get(count)?)?.checked_add(more)?;
        rest = rest.get(count..)?;
    }
    Some((value, rest))
}

/// The digits, at most eight, that bytes begin with: their value and how many there are.
fn up_to_eight_digits(bytes: &[u8]) -> (u64, usize) {
    let Some(word) = bytes.first_chunk::<8>() else {
        let digits = bytes.iter().map_while(|byte| digit(*byte));
        return digits.fold((0, 0), |(value, count), digit| (value * 10 + digit, count + 1));
    };
    let word = u64::from_le_bytes(*word);
    // A digit has 3 in its upper half, also after 6 was added to it. What is carried from one
    // byte comes from no digit, and only the first that is none counts.
    let not_digits = (word ^ ZEROS | word.wrapping_add(SIXES) ^ ZEROS) & UPPER_HALVES;
    let count = not_digits.trailing_zeros() / 8;
    // The first digit is in the lowest byte: pushed up, zeros come in front of it.
    let digits = word.checked_shl(64 - 8 * count).unwrap_or(0) & !UPPER_HALVES;
    let pairs = digits.wrapping_mul(10 << 8 | 1) >> 8 & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul(100 << 16 | 1) >> 16 & 0x0000_ffff_0000_ffff;
    (fours.wrapping_mul(10_000 << 32 | 1) >> 32, count as usize)
}

/// Like [`number`], with nothing after it.
pub(crate) fn whole_number(bytes: &[u8]) -> Option<u64> {
    match number(bytes)? {
        (value, []) => Some(value),
        _ => None,
    }
}

/// A number of exactly `width` digits, leading zeros included, and what follows it.
pub(crate) fn fixed_number(bytes: &[u8], width: usize) -> Option<(u32, &[u8])> {
    let (digits, rest) = bytes.split_at_checked(width)?;
    let mut value = 0u32;
    for byte in digits {
        value = value.checked_mul(10)?.checked_add(digit(*byte)? as u32)?;
    }
    Some((value, rest))
}

/// Takes away one final newline.
pub(crate) fn without_newline(bytes: &[u8]) -> &[u8] {
    bytes.strip_suffix(b"\n").unwrap_or(bytes)
}

fn digit(byte: u8) -> Option<u64> {
    byte.is_ascii_digit().then(|| (byte - b'0') as u64)
}

const ZEROS: u64 = 0x3030_3030_3030_3030;
const SIXES: u64 = 0x0606_0606_0606_0606;
const UPPER_HALVES: u64 = 0xf0f0_f0f0_f0f0_f0f0;
const POWERS: [u64; 9] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];
const HIGH_BITS: u64 = 0x8080_8080_8080_8080;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use std::{format, vec};

    use super::*;

    proptest! {
        #[test]
        fn the_first_of_several_is_found(
            bytes in prop::collection::vec(prop::sample::select(vec![0, 1, b'\n', 0x0b, 0x80, 0x8a, 0xff]), 0..100),
            needle in prop::sample::select(vec![0, b'\n', 0x0b, 0xff]),
        ) {
            prop_assert_eq!(find(&bytes, needle), bytes.iter().position(|byte| *byte == needle));
        }

        #[test]
        fn a_line_ends_at_its_newline(text in "[a\n]{0,80}") {
            let end = text.find('\n').unwrap_or(text.len());
            prop_assert_eq!(line_end(text.as_bytes()), end);
        }

        #[test]
        fn a_word_ends_before_a_blank_a_control_character_or_a_comma(
            bytes in prop::collection::vec(prop::sample::select(b"\0\x1f !+,-a\x7e\x7f\x80\xac\xff".to_vec()), 0..40),
        ) {
            let ends = |byte: &u8| *byte <= b' ' || *byte == b',' || *byte == 0x7f;
            prop_assert_eq!(word_end(&bytes), bytes.iter().position(ends));
        }

        #[test]
        fn numbers_are_those_that_the_kernel_prints(value: u64, rest in "[^0-9]?") {
            let text = format!("{value}{rest}");
            prop_assert_eq!(number(text.as_bytes()), Some((value, rest.as_bytes())));
        }

        #[test]
        fn a_number_is_what_its_digits_say(
            digits in "0|[1-9][0-9]{0,21}",
            rest in prop::collection::vec(prop::sample::select(b"/:;,\x00\xff0".to_vec()), 0..12),
        ) {
            let rest = rest.strip_prefix(b"0").unwrap_or(&rest);
            prop_assume!(!rest.first().is_some_and(u8::is_ascii_digit));
            let value = digits.parse::<u64>().ok();
            let bytes = [digits.as_bytes(), rest].concat();
            prop_assert_eq!(number(&bytes), value.map(|value| (value, rest)));
        }
    }

    #[test]
    fn what_is_no_number() {
        for text in [
            &b""[..],
            b"x",
            b"0123456789",
            b"/23456789",
            b"-1",
            b"+1",
            b"00",
            b"01",
            b"18446744073709551616",
        ] {
            assert_eq!(number(text), None);
        }
        assert_eq!(whole_number(b"0"), Some(0));
        assert_eq!(whole_number(b"1x"), None);
        assert_eq!(fixed_number(b"00123", 3), Some((1, &b"23"[..])));
        assert_eq!(fixed_number(b"1", 2), None);
    }
}
