//! Bytes read from the front: numbers as the kernel's `%u` writes them, tokens, a fast search.

/// The first position of `needle`, eight bytes at a time.
///
/// The crate has no dependency, so no `memchr`; a byte-by-byte search would be the most
/// expensive step of taking a message apart.
pub(crate) fn find(haystack: &[u8], needle: u8) -> Option<usize> {
    let (words, rest) = haystack.as_chunks::<8>();
    let pattern = u64::from_ne_bytes([needle; 8]);
    for (index, word) in words.iter().enumerate() {
        let differing = u64::from_ne_bytes(*word) ^ pattern;
        if differing.wrapping_sub(LOW_BITS) & !differing & HIGH_BITS != 0 {
            let within = word.iter().position(|byte| *byte == needle)?;
            return Some(index * 8 + within);
        }
    }
    let within = rest.iter().position(|byte| *byte == needle)?;
    Some(words.len() * 8 + within)
}

/// What stands before and after the first `needle`, which is left out.
pub(crate) fn split_once(bytes: &[u8], needle: u8) -> Option<(&[u8], &[u8])> {
    let (before, rest) = bytes.split_at_checked(find(bytes, needle)?)?;
    Some((before, rest.get(1..)?))
}

/// A decimal number without leading zeros, sign or overflow, and what follows it.
pub(crate) fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (first, mut rest) = bytes.split_first()?;
    let mut value = digit(*first)?;
    while let Some((next, after)) = rest.split_first()
        && let Some(unit) = digit(*next)
    {
        if value == 0 {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(unit)?;
        rest = after;
    }
    Some((value, rest))
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

const LOW_BITS: u64 = 0x0101_0101_0101_0101;
const HIGH_BITS: u64 = 0x8080_8080_8080_8080;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use std::{format, vec};

    use super::*;

    proptest! {
        #[test]
        fn the_first_of_several_is_found(
            bytes in prop::collection::vec(prop::sample::select(vec![0, 1, b'\n', 0x0b, 0x80, 0x8a, 0xff]), 0..40),
            needle in prop::sample::select(vec![0, b'\n', 0x0b, 0xff]),
        ) {
            prop_assert_eq!(find(&bytes, needle), bytes.iter().position(|byte| *byte == needle));
        }

        #[test]
        fn numbers_are_those_that_the_kernel_prints(value: u64, rest in "[^0-9]?") {
            let text = format!("{value}{rest}");
            prop_assert_eq!(number(text.as_bytes()), Some((value, rest.as_bytes())));
        }
    }

    #[test]
    fn what_is_no_number() {
        for text in [&b""[..], b"x", b"-1", b"+1", b"00", b"01", b"18446744073709551616"] {
            assert_eq!(number(text), None);
        }
        assert_eq!(whole_number(b"0"), Some(0));
        assert_eq!(whole_number(b"1x"), None);
        assert_eq!(fixed_number(b"00123", 3), Some((1, &b"23"[..])));
        assert_eq!(fixed_number(b"1", 2), None);
    }
}
