//! Tells ordinary lines from those that may begin an incident by their first bytes alone.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind, Anchored, Input, StartKind};

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
    let all =
        rules::beginnings().chain(rules::PREFIXES.iter().copied()).chain(PREAMBLES.iter().copied());
    AhoCorasick::builder()
        .kind(Some(AhoCorasickKind::DFA))
        .start_kind(StartKind::Anchored)
        .build(all.chain(["CPU", "Linux version "]))
        .ok()
});

/// Whether a line may begin an incident. Never false of one that does.
pub(crate) fn may_begin(text: &[u8]) -> bool {
    let text = text.trim_ascii_start();
    BEGINNINGS.as_ref().is_none_or(|all| all.is_match(Input::new(text).anchored(Anchored::Yes)))
}
