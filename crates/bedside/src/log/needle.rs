//! The words without which a pattern matches no text.

use bedside_store::{Needle, Word};
use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, Hir, HirKind};

/// What a text must hold to be matched by `pattern`, which is read as [`super::pattern`] does.
pub(super) fn needle(pattern: &str, ignore_case: bool) -> Needle {
    let mut builder = ParserBuilder::new();
    builder.case_insensitive(ignore_case).multi_line(true).utf8(false);
    // It has been read once; what can't be read again just finds nothing out.
    let Ok(hir) = builder.build().parse(pattern) else { return Needle::default() };
    let sets: Vec<Vec<Word>> = alternatives(&hir).into_iter().map(words).collect();
    Needle::new(&sets)
}

/// The alternatives of which a match is one.
fn alternatives(hir: &Hir) -> Vec<&Hir> {
    match hir.kind() {
        HirKind::Alternation(branches) => branches.iter().flat_map(alternatives).collect(),
        HirKind::Capture(capture) => alternatives(&capture.sub),
        _ => vec![hir],
    }
}

/// The words that every match holds.
fn words(hir: &Hir) -> Vec<Word> {
    let mut found = Found::default();
    found.read(hir);
    found.finish();
    found.words
}

/// Words, and the one whose end is not reached yet.
#[derive(Default)]
struct Found {
    words: Vec<Word>,
    text: Vec<u8>,
    /// A letter of it may be of either case.
    any_case: bool,
}

impl Found {
    /// Goes on with what must come next in a match.
    fn read(&mut self, hir: &Hir) {
        match hir.kind() {
            HirKind::Empty | HirKind::Look(_) => {}
            HirKind::Literal(literal) => literal.0.iter().for_each(|&byte| self.byte(byte)),
            HirKind::Class(class) => match letter(class) {
                Some(letter) => {
                    self.any_case = true;
                    self.text.push(letter);
                }
                None => self.finish(),
            },
            HirKind::Concat(parts) => parts.iter().for_each(|part| self.read(part)),
            HirKind::Capture(capture) => self.read(&capture.sub),
            HirKind::Repetition(repetition) => {
                self.finish();
                if repetition.min > 0 {
                    self.read(&repetition.sub);
                    self.finish();
                }
            }
            HirKind::Alternation(_) => self.finish(),
        }
    }

    /// What the store escapes does not stand in a line as it is.
    fn byte(&mut self, byte: u8) {
        match byte {
            b'\\' => self.finish(),
            b' '..=b'~' => self.text.push(byte),
            _ => self.finish(),
        }
    }

    fn finish(&mut self) {
        let text = std::mem::take(&mut self.text);
        let case_matters = !std::mem::take(&mut self.any_case);
        if !text.is_empty() {
            self.words.push(Word { text, case_matters });
        }
    }
}

/// The letter that all characters of a class are, case apart, as [`bedside_store`] folds it.
fn letter(class: &Class) -> Option<u8> {
    let folded = |char: char| match char {
        '\u{212a}' => Some(b'k'),
        '\u{17f}' => Some(b's'),
        _ if char.is_ascii_alphabetic() => Some(char.to_ascii_lowercase() as u8),
        _ => None,
    };
    let ends: Vec<(char, char)> = match class {
        Class::Unicode(class) => class.iter().map(|range| (range.start(), range.end())).collect(),
        Class::Bytes(class) => {
            let ends = |byte: u8| if byte.is_ascii() { char::from(byte) } else { '\u{fffd}' };
            class.iter().map(|range| (ends(range.start()), ends(range.end()))).collect()
        }
    };
    let letter = folded(ends.first()?.0)?;
    let is_one = |(start, end): &(char, char)| start == end && folded(*start) == Some(letter);
    ends.iter().all(is_one).then_some(letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The words of each alternative, those of any case with a `~`.
    fn told(pattern: &str, ignore_case: bool) -> Vec<Vec<String>> {
        let mut builder = ParserBuilder::new();
        builder.case_insensitive(ignore_case).multi_line(true).utf8(false);
        let hir = builder.build().parse(pattern).unwrap();
        let word = |word: Word| {
            let text = String::from_utf8(word.text).unwrap();
            if word.case_matters { text } else { format!("~{text}") }
        };
        alternatives(&hir)
            .into_iter()
            .map(|hir| words(hir).into_iter().map(word).collect())
            .collect()
    }

    #[test]
    fn what_every_match_holds_is_found() {
        assert_eq!(told("Kernel panic", false), [["Kernel panic"]]);
        assert_eq!(told("kernel panic", true), [["~kernel panic"]]);
        assert_eq!(
            told("sda[0-9]+: (I/O) error.*sector", true),
            [["~sda", ": ~i/o ~error", "~sector"]
                .map(|w| w.replace(": ~i/o ~error", "~: i/o error"))]
        );
        assert_eq!(told("^ab(cd)+e?f$", false), [["ab", "cd", "f"]]);
        assert_eq!(told(r"\bOops\b: 0x", false), [["Oops: 0x"]]);
    }

    #[test]
    fn each_alternative_has_its_own() {
        assert_eq!(
            told("BUG:|(Oops|WARN.*at)", false),
            [vec!["BUG:"], vec!["Oops"], vec!["WARN", "at"]]
        );
        assert_eq!(told("a(b|c)d", false), [["a", "d"]]);
        assert_eq!(told("x|.*", false), [vec!["x"], vec![]]);
    }

    #[test]
    fn what_a_line_does_not_hold_as_it_is_ends_a_word() {
        assert_eq!(told("a\\\\b\u{e9}c\\td", false), [["a", "b", "c", "d"]]);
        assert_eq!(told("stra\u{df}e k", true), [["~stra", "~e k"]]);
        assert_eq!(told(r"(?-u)a\xffb", false), [["a", "b"]]);
    }
}
