//! Which records are shown.

use bedside_store::read::OwnedRecord;
use bedside_store::{Needle, StoredRecord};
use regex::bytes::{Regex, RegexBuilder};

use super::needle::needle;
use crate::cli::Levels;

/// What a record must be like.
#[derive(Clone, Debug, Default)]
pub(super) struct Filter {
    /// Of these levels, or without one.
    pub(super) levels: Option<Levels>,
    /// With a text that this matches.
    pub(super) pattern: Option<Regex>,
    /// What such a text must hold.
    pub(super) needle: Needle,
}

impl Filter {
    pub(super) fn new(levels: Option<Levels>, pattern: Option<Regex>) -> Filter {
        let text = pattern.as_ref().map(Regex::as_str);
        let needle = text.map(|text| needle(text, !has_capital(text))).unwrap_or_default();
        Filter { levels, pattern, needle }
    }

    /// Whether the record is wanted.
    pub(super) fn wants(&self, record: &OwnedRecord) -> bool {
        self.want(record.prefix, &record.text)
    }

    /// Whether the record, with this exact text, is wanted.
    pub(super) fn wants_stored(&self, record: &StoredRecord<'_>, text: &[u8]) -> bool {
        self.want(record.prefix.map(|prefix| prefix.0), text)
    }

    fn want(&self, prefix: Option<u16>, text: &[u8]) -> bool {
        let level = prefix.map(|prefix| (prefix & 7) as u8);
        self.levels.is_none_or(|levels| levels.contain(level))
            && self.pattern.as_ref().is_none_or(|pattern| pattern.is_match(text))
    }
}

/// Compiles what `-g` was given: capital letters matter only if it has some; `^` and `$` match
/// at the lines of a record.
pub(crate) fn pattern(text: &str) -> Result<Regex, String> {
    RegexBuilder::new(text)
        .case_insensitive(!has_capital(text))
        .multi_line(true)
        .size_limit(PATTERN_MAX_BYTES)
        .build()
        .map_err(|error| error.to_string())
}

/// Whether a capital stands in it, `\S` and its like apart.
fn has_capital(text: &str) -> bool {
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        if char == '\\' {
            chars.next();
        } else if char.is_uppercase() {
            return true;
        }
    }
    false
}

/// The compiled form of a pattern: `(x{1000}){1000}` shall not take the machine.
const PATTERN_MAX_BYTES: usize = 10 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(text: &str, line: &[u8]) -> bool {
        pattern(text).unwrap().is_match(line)
    }

    #[test]
    fn capitals_matter_only_if_there_are_some() {
        assert!(matches("kernel panic", b"Kernel panic - not syncing"));
        assert!(!matches("KERNEL", b"Kernel panic"));
        assert!(matches(r"\Sernel", b"KERNEL"));
        assert!(!matches(r"\\Sernel", b"KERNEL"));
    }

    #[test]
    fn anchors_match_at_the_lines_of_a_record() {
        assert!(matches("^two$", b"one\ntwo\nthree"));
    }

    #[test]
    fn bytes_that_are_not_utf8_can_be_matched() {
        assert!(matches(r"(?-u)\xff", b"a\xffb"));
        assert!(matches("b", b"a\xffb"));
    }

    #[test]
    fn patterns_that_are_wrong_or_too_big_are_refused() {
        assert!(pattern("(").is_err());
        assert!(pattern("((x{100}){100}){100}").is_err());
    }
}
