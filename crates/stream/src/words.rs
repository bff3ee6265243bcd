//! What the text of a record says to the core: its hash, a last word, the release.

use netconsole_wire::{Record, Text};

use crate::LastWord;

/// A 32-bit hash of the text, the same for its escaped and its plain form. Not keyed: it guards
/// against chance, not against malice.
pub(crate) fn hash(text: Text<'_>) -> u32 {
    match text {
        Text::Escaped(bytes) if memchr::memchr(b'\\', bytes).is_some() => {
            let mut mix = Mix::default();
            netconsole_wire::unescape(bytes).for_each(|byte| mix.byte(byte));
            mix.finish()
        }
        Text::Escaped(bytes) | Text::Plain(bytes) => {
            let mut mix = Mix::default();
            let (blocks, rest) = bytes.as_chunks::<{ Mix::BLOCK }>();
            for block in blocks {
                mix.block(words_of(block));
            }
            mix.end(words_of(rest), rest.len())
        }
    }
}

/// The words of at most 32 bytes, with zeros behind the last byte.
#[inline]
fn words_of(bytes: &[u8]) -> [u64; 4] {
    let (whole, rest) = bytes.as_chunks::<8>();
    let mut words = [0; 4];
    for (word, bytes) in words.iter_mut().zip(whole) {
        *word = u64::from_le_bytes(*bytes);
    }
    if let (Some(word), false) = (words.get_mut(whole.len()), rest.is_empty()) {
        *word = match bytes.last_chunk::<8>() {
            Some(last) => u64::from_le_bytes(*last) >> (64 - 8 * rest.len()),
            None => rest.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
        };
    }
    words
}

/// Takes bytes singly or by blocks with the same result: in four lanes, whose multiplications
/// don't wait for each other.
#[derive(Default)]
struct Mix {
    lanes: [u64; 4],
    partial: [u8; Self::BLOCK],
    held: usize,
}

impl Mix {
    const BLOCK: usize = 32;
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15; // 2^64 / golden ratio

    fn block(&mut self, words: [u64; 4]) {
        for (lane, word) in self.lanes.iter_mut().zip(words) {
            *lane = (*lane ^ word).wrapping_mul(Self::ODD);
            *lane ^= *lane >> 29;
        }
    }

    fn byte(&mut self, byte: u8) {
        self.partial[self.held] = byte;
        self.held += 1;
        if self.held == self.partial.len() {
            let block = std::mem::take(&mut self.partial);
            self.block(words_of(&block));
            self.held = 0;
        }
    }

    fn finish(self) -> u32 {
        let partial = words_of(&self.partial);
        let held = self.held;
        self.end(partial, held)
    }

    /// Takes the last words, of so many bytes, less than a block.
    fn end(mut self, words: [u64; 4], held: usize) -> u32 {
        self.block(words);
        let [a, b, c, d] = self.lanes;
        let ends = a ^ b.rotate_left(16) ^ c.rotate_left(32) ^ d.rotate_left(48);
        ((ends ^ held as u64).wrapping_mul(Self::ODD) >> 32) as u32
    }
}

/// A last word of the kernel (`kernel/reboot.c`, `kernel/panic.c`, `kernel/kexec_core.c`) or of
/// systemd's last process. Where the facility is known, only the kernel is believed, and for
/// systemd's words its own (3, daemon).
pub(crate) fn last_word(record: &Record<'_>) -> Option<LastWord> {
    let (Text::Escaped(text) | Text::Plain(text)) = record.text;
    let by_kernel = record.prefix.is_none_or(|prefix| prefix.facility() == 0);
    match text.first()? {
        b'K' | b'-' if by_kernel && is_panic(text) => Some(LastWord::Panic),
        b'r' if by_kernel && KERNEL_GOODBYES.iter().any(|word| text.starts_with(word)) => {
            Some(LastWord::Clean)
        }
        b'k' if by_kernel && text.starts_with(b"kexec_core: Starting new kernel") => {
            Some(LastWord::Clean)
        }
        b's' if SYSTEMD_GOODBYES.contains(&text) => Some(LastWord::Clean),
        _ => None,
    }
}

/// The first line of a panic, or its last, which repeats it (`kernel/panic.c`: `vpanic`).
fn is_panic(text: &[u8]) -> bool {
    text.strip_prefix(b"---[ end ").unwrap_or(text).starts_with(b"Kernel panic - not syncing")
}

const KERNEL_GOODBYES: [&[u8]; 3] =
    [b"reboot: Restarting system", b"reboot: Power down", b"reboot: System halted"];

const SYSTEMD_GOODBYES: [&[u8]; 4] = [
    b"systemd-shutdown[1]: Rebooting.",
    b"systemd-shutdown[1]: Powering off.",
    b"systemd-shutdown[1]: Halting system.",
    b"systemd-shutdown[1]: Rebooting with kexec.",
];

/// The release in the kernel's first line, `Linux version 6.12.94 (…` (`init/version.c`).
pub(crate) fn banner_release<'a>(record: &Record<'a>) -> Option<&'a [u8]> {
    let (Text::Escaped(text) | Text::Plain(text)) = record.text;
    let rest = text.strip_prefix(b"Linux version ")?;
    let of_kernel = record.prefix.is_none_or(|prefix| prefix.facility() == 0);
    let at_start = record.time.is_none_or(|time| time.0 == 0);
    let release = rest.split(|byte| *byte == b' ').next()?;
    (of_kernel && at_start && !release.is_empty() && release.len() <= 64).then_some(release)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_hashes_the_same_escaped_or_plain() {
        for plain in [&b""[..], b"a", b"12345678", b"123456789", b"tab\there", b"\xc3\xa9 \\x"] {
            let escaped: String = plain
                .iter()
                .map(|&byte| match byte {
                    b'\\' | 0..0x20 | 0x7f.. => format!("\\x{byte:02x}"),
                    _ => char::from(byte).to_string(),
                })
                .collect();
            assert_eq!(hash(Text::Plain(plain)), hash(Text::Escaped(escaped.as_bytes())));
        }
        assert_ne!(hash(Text::Plain(b"a")), hash(Text::Plain(b"a\0")));
    }
}
