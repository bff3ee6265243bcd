//! The one escape rule of the store: `\xNN`, lower-case, for all that is not plain text there.

/// Where in a line a text stands: decides which separators must be escaped in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The message or a value: runs up to a tab or the line's end.
    Text,
    /// A field's key: `=` ends it.
    Key,
    /// A part of a record's head: `,` and `;` end it.
    Head,
}

impl Place {
    fn must_escape(self, byte: u8) -> bool {
        match byte {
            b'\\' | ..0x20 | 0x7f.. => true,
            b'=' => self == Place::Key,
            b',' | b';' => self == Place::Head,
            _ => false,
        }
    }
}

/// Appends `bytes` to `line`, escaped for `place`.
pub fn escape_into(bytes: &[u8], place: Place, line: &mut Vec<u8>) {
    if place == Place::Text && is_plain(bytes) {
        return line.extend_from_slice(bytes);
    }
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|&b| place.must_escape(b)) {
        line.extend_from_slice(&rest[..at]);
        line.extend_from_slice(&hex_escape(rest[at]));
        rest = &rest[at + 1..];
    }
    line.extend_from_slice(rest);
}

/// Whether `escaped` is just what [`escape_into`] makes of the bytes it stands for, as a
/// [`Place::Text`].
pub fn is_canonical(escaped: &[u8]) -> bool {
    is_plain(escaped)
        || escaped.iter().all(|b| (0x20..0x7f).contains(b))
            && memchr::memchr_iter(b'\\', escaped).all(|at| {
                let Some(byte) = escape_at(&escaped[at..]) else { return false };
                Place::Text.must_escape(byte) && hex_escape(byte) == escaped[at..at + 4]
            })
}

/// Whether nothing in a text has to be escaped: so it is with almost all of them.
fn is_plain(text: &[u8]) -> bool {
    const AT_ONCE: usize = 16;
    let odd = |b: u8| u8::from(b.wrapping_sub(0x20) >= 0x5f) | u8::from(b == b'\\');
    // Folded without a branch so that the compiler makes vector code of it.
    let any_odd = |bytes: &[u8]| bytes.iter().fold(0, |any, &b| any | odd(b)) != 0;
    // The last bytes of the text once more, in place of a rest that would be gone through singly.
    let Some(end) = text.last_chunk::<AT_ONCE>() else { return !any_odd(text) };
    let (chunks, _) = text.as_chunks::<AT_ONCE>();
    !chunks.iter().chain([end]).any(|chunk| any_odd(chunk))
}

/// The exact bytes that `escaped` stands for. A backslash that begins no escape stays one.
pub fn unescape(escaped: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(escaped.len());
    unescape_into(escaped, &mut bytes);
    bytes
}

/// Appends the exact bytes that `escaped` stands for.
pub fn unescape_into(escaped: &[u8], bytes: &mut Vec<u8>) {
    let mut rest = escaped;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        bytes.extend_from_slice(&rest[..at]);
        let (byte, length) = escape_at(&rest[at..]).map_or((b'\\', 1), |byte| (byte, 4));
        bytes.push(byte);
        rest = &rest[at + length..];
    }
    bytes.extend_from_slice(rest);
}

/// The byte of the `\xNN` that `bytes` begins with.
fn escape_at(bytes: &[u8]) -> Option<u8> {
    match bytes {
        [b'\\', b'x', high, low, ..] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    }
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

fn hex_escape(byte: u8) -> [u8; 4] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    [b'\\', b'x', DIGITS[(byte >> 4) as usize], DIGITS[(byte & 15) as usize]]
}
