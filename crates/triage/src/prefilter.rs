//! Tells ordinary lines from those that begin an incident: most by their first bytes alone.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind, Anchored, Input, StartKind, packed};

use crate::rules;

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

static BEGINNINGS: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    let all = rules::beginnings().chain(rules::PREFIXES.iter().copied());
    AhoCorasick::builder()
        .kind(Some(AhoCorasickKind::DFA))
        .start_kind(StartKind::Anchored)
        .build(all.chain(PREAMBLES.iter().copied()))
        .ok()
});

/// Without the blank or colon that each of them begins with: what is rare is looked for.
static MIDDLES: LazyLock<Option<packed::Searcher>> = LazyLock::new(|| {
    packed::Searcher::new(rules::middles().map(|middle| middle.trim_start_matches([':', ' '])))
});

/// Whether a line of text begins an incident, or stands above the sentence that does. Never false
/// of one that does, also where its text is escaped as `bedside-store` escapes it; a caller that
/// keeps a [`Triage`](crate::Triage) for each of many machines may leave out the other lines as
/// long as nothing is open.
pub fn may_begin(text: &[u8]) -> bool {
    // One with an escape may hold more lines than one.
    if text.contains(&b'\\') {
        return true;
    }
    let start = text.trim_ascii_start();
    let begins = BEGINNINGS
        .as_ref()
        .is_none_or(|all| all.is_match(Input::new(start).anchored(Anchored::Yes)));
    (begins || has_middle(text)) && fits(text)
}

/// Whether the whole of a line is what its beginning promised.
fn fits(text: &[u8]) -> bool {
    let line = String::from_utf8_lossy(text);
    PREAMBLES.iter().any(|top| line.trim_start().starts_with(top))
        || rules::rule_of(&line).is_some()
}

/// Whether the line has what follows the name in a sentence that begins with one.
pub(crate) fn has_middle(text: &[u8]) -> bool {
    MIDDLES.as_ref().is_none_or(|all| all.find(text).is_some())
}

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
