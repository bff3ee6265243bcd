//! Tells ordinary lines from those that begin an incident: most by their first bytes alone.

use std::sync::LazyLock;

use aho_corasick::packed;
use memchr::memmem;
use regex::bytes::{Regex, RegexBuilder};
use regex::escape;

use crate::{form, rules};

/// What may stand above the sentence and belongs to the report: kernel/panic.c prints
/// `------------[ cut here ]------------`, lockdep and the sanitizers a line of `=`; the others
/// say what `WARN()` or `BUG()` was about before it says where.
pub(crate) const PREAMBLES: &[&str] = &[
    "------------[ cut here ]",
    "=========",
    "refcount_t: ",
    "ODEBUG: ",
    "kasan: ",
    "KASAN: ",
    "kernel tried to execute",
];

/// Every sentence that begins with words of its own, whole, from the beginning of a line.
static SENTENCES: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let prefixes = any_of(rules::PREFIXES.iter().map(|prefix| escape(prefix)));
    let tops = PREAMBLES.iter().map(|top| escape(top));
    let sentences = any_of(rules::worded().map(form::pattern).chain(tops));
    let pattern = format!(r"(?s-u)\A(?:\s|\\x09)*{prefixes}*{sentences}");
    RegexBuilder::new(&pattern).unicode(false).dfa_size_limit(AUTOMATON_BYTES).build().ok()
});

fn any_of(patterns: impl Iterator<Item = String>) -> String {
    format!("(?:{})", patterns.collect::<Vec<_>>().join("|"))
}

/// The beginnings of all sentences that begin with words of their own: few lines have any.
static STARTS: LazyLock<Starts> = LazyLock::new(|| {
    let words = rules::worded().map(form::beginning).chain(PREAMBLES.iter().copied());
    let mut starts =
        Starts { pairs: Bits::new(), fours: Bits::new(), words: [const { vec![] }; 256] };
    for prefix in rules::PREFIXES {
        starts.mark(prefix.as_bytes());
    }
    for word in words.map(str::as_bytes) {
        starts.mark(word);
        starts.words[usize::from(word[0])].push(word);
    }
    starts
});

/// What texts begin with.
struct Starts {
    /// Marks of the first two bytes of all that is shorter than four, and of the first four bytes of
    /// the rest: most lines have neither.
    pairs: Bits,
    fours: Bits,
    /// Sentences' words, by their first byte.
    words: [Vec<&'static [u8]>; 256],
}

/// A bit for each number of sixteen bits.
struct Bits([u64; 1 << 10]);

impl Starts {
    fn mark(&mut self, words: &[u8]) {
        match *words {
            [a, b, c, d, ..] => self.fours.set(mixed([a, b, c, d])),
            [a, b, ..] => self.pairs.set(u16::from_be_bytes([a, b])),
            [a] => (0..=u8::MAX).for_each(|b| self.pairs.set(u16::from_be_bytes([a, b]))),
            [] => {}
        }
    }

    /// Whether a text begins with the words of a sentence, behind prefixes perhaps, or with blanks,
    /// escaped ones too.
    fn has(&self, mut text: &[u8]) -> bool {
        while self.is_marked(text) {
            let words = &self.words[usize::from(text[0])];
            if is_blank(text[0]) || words.iter().any(|words| text.starts_with(words)) {
                return true;
            }
            let mut prefixes = rules::PREFIXES.iter().map(|prefix| prefix.as_bytes());
            let Some(rest) = prefixes.find_map(|prefix| text.strip_prefix(prefix)) else {
                return false;
            };
            text = rest;
        }
        false
    }

    /// Whether a text is not told from all of them by its first bytes.
    fn is_marked(&self, text: &[u8]) -> bool {
        match *text {
            [a, ..] if is_blank(a) => true,
            [a, b, c, d, ..] => {
                self.pairs.has(u16::from_be_bytes([a, b])) || self.fours.has(mixed([a, b, c, d]))
            }
            [a, b, ..] => self.pairs.has(u16::from_be_bytes([a, b])),
            _ => false,
        }
    }
}

/// What may stand in front of a sentence, or begin the escape of it.
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r' | b'\\')
}

impl Bits {
    const fn new() -> Bits {
        Bits([0; 1 << 10])
    }

    fn set(&mut self, number: u16) {
        self.0[usize::from(number >> 6)] |= 1 << (number & 63);
    }

    fn has(&self, number: u16) -> bool {
        self.0[usize::from(number >> 6)] >> (number & 63) & 1 != 0
    }
}

/// Four bytes as a number of sixteen bits: those of different beginnings are nearly always
/// different.
fn mixed(bytes: [u8; 4]) -> u16 {
    (u32::from_be_bytes(bytes).wrapping_mul(0x9e37_79b1) >> 16) as u16
}

/// Without the blank or colon that each of them begins with: what is rare is looked for.
static MIDDLES: LazyLock<Option<packed::Searcher>> = LazyLock::new(|| {
    let middles = rules::middles().map(|middle| middle.trim_start_matches([':', ' ']).as_bytes());
    packed::Searcher::new(middles.chain([ESCAPED_NEWLINE]))
});

/// How the store writes what is between two lines of one record.
const ESCAPED_NEWLINE: &[u8] = b"\\x0a";

/// Whether a line of text begins an incident, or stands above the sentence that does. Never false
/// of one that does, also where its text is escaped as `bedside-store` escapes it; a caller that
/// keeps a [`Triage`](crate::Triage) for each of many machines may leave out the other lines as
/// long as nothing is open.
pub fn may_begin(text: &[u8]) -> bool {
    let begins = || SENTENCES.as_ref().is_none_or(|all| all.is_match(text));
    (STARTS.has(text) && begins()) || (has_middle(text) && has_more(text))
}

/// Whether a line that has the middle of a sentence is one, or holds several lines.
#[cold]
fn has_more(text: &[u8]) -> bool {
    let begins = |text: &str| rules::rule_of(text).is_some() || rules::rule_of_rest(text).is_some();
    memmem::find(text, ESCAPED_NEWLINE).is_some() || begins(&String::from_utf8_lossy(text))
}

/// Whether the line has what follows the name in a sentence that begins with one, or an escaped
/// newline.
pub(crate) fn has_middle(text: &[u8]) -> bool {
    MIDDLES.as_ref().is_none_or(|all| all.find(text).is_some())
}

/// What the automaton may take up in each thread; ordinary lines need a tenth of it.
const AUTOMATON_BYTES: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::may_begin;

    #[test]
    fn only_what_begins_may_begin() {
        let oops = "BUG: kernel NULL pointer dereference, address: 0000000000000000";
        for text in [oops, "a\\x0aBUG: soft lockup - CPU#1 stuck for 22s! [a:12]"] {
            assert!(may_begin(text.as_bytes()), "{text}");
        }
        for text in ["XFS (sda1): Ending clean mount", "rcu: Hierarchical RCU implementation."] {
            assert!(!may_begin(text.as_bytes()), "{text}");
        }
    }
}
