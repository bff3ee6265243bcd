//! Showing bytes from the network without letting them act on a terminal.
//!
//! Controls (C0, DEL, C1), characters that reorder or hide text, and what is not UTF-8 are shown
//! as `\xNN`, byte by byte; a tab, of which kernels are fond, as blanks. All other text is shown
//! as it is, a backslash too.

use std::fmt;
use std::io::{self, Write};

/// Writes `bytes`; each newline becomes a newline and `indent` spaces.
pub fn write_lines(out: &mut dyn Write, bytes: &[u8], indent: usize) -> io::Result<()> {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    if let Some(first) = lines.next() {
        write(out, first)?;
    }
    for line in lines {
        write!(out, "\n{:indent$}", "")?;
        write(out, line)?;
    }
    Ok(())
}

/// Writes `bytes` on one line: a newline is escaped like any control.
pub fn write(out: &mut dyn Write, bytes: &[u8]) -> io::Result<()> {
    for chunk in bytes.utf8_chunks() {
        let mut rest = chunk.valid();
        while let Some((at, acting)) = rest.char_indices().find(|(_, char)| acts(*char)) {
            let (harmless, after) = rest.split_at(at);
            out.write_all(harmless.as_bytes())?;
            let (acting, after) = after.split_at(acting.len_utf8());
            match acting {
                "\t" => out.write_all(TAB)?,
                _ => write_hex(out, acting.as_bytes())?,
            }
            rest = after;
        }
        out.write_all(rest.as_bytes())?;
        write_hex(out, chunk.invalid())?;
    }
    Ok(())
}

const TAB: &[u8] = b"        ";

/// Bytes that [`fmt::Display`] shows on one line, escaped.
#[derive(Clone, Copy, Debug)]
pub struct Escaped<'a>(pub &'a [u8]);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = Vec::with_capacity(self.0.len());
        write(&mut line, self.0).map_err(|_| fmt::Error)?;
        f.pad(&String::from_utf8_lossy(&line))
    }
}

/// Whether a terminal, or a reader's eye, would be moved by it.
pub fn acts(char: char) -> bool {
    match char {
        ' '..='~' => false,
        // Controls.
        '\u{0}'..='\u{9f}'
        // Soft hyphen, Arabic letter mark, Mongolian vowel separator.
        | '\u{ad}' | '\u{61c}' | '\u{180e}'
        // Zero-width, direction marks; separators, embeddings, overrides; joiners, isolates.
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        // Byte order mark, interlinear annotations, tags and selectors.
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}' => true,
        _ => false,
    }
}

fn write_hex(out: &mut dyn Write, bytes: &[u8]) -> io::Result<()> {
    bytes.iter().try_for_each(|byte| write!(out, "\\x{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], shown: &str) {
        assert_eq!(Escaped(bytes).to_string(), shown, "{bytes:?}");
    }

    #[test]
    fn text_is_shown_as_it_is() {
        check(b"", "");
        check(b"BUG: unable to handle \\x1b page fault", "BUG: unable to handle \\x1b page fault");
        check("Grüße, 世界 🩺".as_bytes(), "Grüße, 世界 🩺");
    }

    #[test]
    fn controls_are_escaped() {
        check(b"\x1b[2J\x07\0\x7f\t\r\n", "\\x1b[2J\\x07\\x00\\x7f        \\x0d\\x0a");
        check("a\u{9b}2Jb\u{85}".as_bytes(), "a\\xc2\\x9b2Jb\\xc2\\x85");
    }

    #[test]
    fn what_reorders_or_hides_is_escaped() {
        check("a\u{202e}cba\u{202c}".as_bytes(), "a\\xe2\\x80\\xaecba\\xe2\\x80\\xac");
        check(
            "\u{2066}\u{200b}\u{feff}".as_bytes(),
            "\\xe2\\x81\\xa6\\xe2\\x80\\x8b\\xef\\xbb\\xbf",
        );
    }

    #[test]
    fn what_is_not_utf8_is_escaped_byte_by_byte() {
        check(b"a\xffb\xe2\x80", "a\\xffb\\xe2\\x80");
        check(b"\xc0\x9b\xed\xa0\x80", "\\xc0\\x9b\\xed\\xa0\\x80");
    }

    #[test]
    fn newlines_begin_indented_lines() {
        let mut out = Vec::new();
        write_lines(&mut out, b"one\ntwo\x1b\n\n", 3).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "one\n   two\\x1b\n   \n   ");
    }

    #[test]
    fn every_byte_string_comes_out_harmless() {
        for first in 0..=255_u8 {
            for second in 0..=255_u8 {
                let shown = Escaped(&[first, second, b'[', first]).to_string();
                assert!(!shown.contains(acts), "{first:02x} {second:02x}");
            }
        }
    }
}
