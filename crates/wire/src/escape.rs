//! printk's escapes: bytes below 0x20, from 0x7f on, and `\` stand as `\xNN` (lower-case hex).

use crate::Sink;

/// The bytes with their escapes undone. A `\` that no `xNN` follows stays as it is, and so does
/// half an escape at the end: a kernel cuts where its buffer ends.
///
/// ```
/// use netconsole_wire::unescape;
/// assert!(unescape(br"tab\x09 cut \xe2\x8").eq(*b"tab\t cut \xe2\\x8"));
/// ```
pub fn unescape(bytes: &[u8]) -> impl Iterator<Item = u8> + Clone + '_ {
    let mut rest = bytes;
    core::iter::from_fn(move || {
        let (byte, after) = first(rest)?;
        rest = after;
        Some(byte)
    })
}

/// Undoes the escapes into `out` and says how many bytes were written; what doesn't fit is left
/// out. As much room as `bytes` takes is always enough.
pub fn unescape_into(bytes: &[u8], out: &mut [u8]) -> usize {
    let mut written = 0;
    for (slot, byte) in out.iter_mut().zip(unescape(bytes)) {
        *slot = byte;
        written += 1;
    }
    written
}

/// Writes the bytes with printk's escapes (`kernel/printk/printk.c`, `msg_add_ext_text`).
pub fn escape(bytes: &[u8], out: &mut impl Sink) {
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| needs_escape(*byte)) {
        let Some((plain, [byte, after @ ..])) = rest.split_at_checked(at) else { break };
        out.write(plain);
        out.write(&[b'\\', b'x', hex(*byte >> 4), hex(*byte & 15)]);
        rest = after;
    }
    out.write(rest);
}

fn first(bytes: &[u8]) -> Option<(u8, &[u8])> {
    if let [b'\\', b'x', high, low, rest @ ..] = bytes
        && let (Some(high), Some(low)) = (unhex(*high), unhex(*low))
    {
        return Some((high << 4 | low, rest));
    }
    bytes.split_first().map(|(byte, rest)| (*byte, rest))
}

fn needs_escape(byte: u8) -> bool {
    !matches!(byte, b' '..=b'~') || byte == b'\\'
}

fn hex(nibble: u8) -> u8 {
    if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 }
}

fn unhex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}
