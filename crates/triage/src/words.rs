//! Small readings of text that several files need.

/// What stands between `before` and `after`; `after` may be the end of the text if it is empty.
pub(crate) fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    if after.is_empty() { Some(rest) } else { rest.split_once(after).map(|(found, _)| found) }
}

/// The digits that the text begins with, as a number.
pub(crate) fn number(text: &str) -> Option<u32> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text[..end].parse().ok()
}

/// A number in hexadecimal, `0x` before it.
pub(crate) fn hex(text: &str) -> Option<u64> {
    let digits = text.strip_prefix("0x")?;
    let plain = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if plain { u64::from_str_radix(digits, 16).ok() } else { None }
}

/// Whether it can be the name of a function: C's, the compiler's suffixes (`.isra.0`), Rust's
/// mangled ones, generated ones (`bpf_prog_3aea14b1f6cd0d8b_name`).
pub(crate) fn is_function(text: &str) -> bool {
    let letter = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'$');
    !text.is_empty()
        && text.len() < 512
        && text.bytes().all(|byte| letter(&byte))
        && !text.as_bytes()[0].is_ascii_digit()
        && text.as_bytes()[0] != b'.'
}
