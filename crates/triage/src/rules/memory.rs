//! Memory in a state that it must not be in: lists, pages, slabs, copies to user space.

use super::{Blame, Rule};
use crate::report::Verdict;
use crate::{Kind, ReportLine};

const fn list(form: &'static str) -> Rule {
    Rule::new(form, "BUG: corrupted list", Kind::ListCorruption)
        .class("MEMORY_SAFETY_BUG")
        .blame(Blame::Innermost)
        .alike("bad-access")
}

/// lib/list_debug.c; mm/page_alloc.c `bad_page`; mm/memory.c `print_bad_pte`; mm/usercopy.c
/// `usercopy_abort`; mm/slub.c `slab_bug`, `object_err`; kernel/fork.c `check_mm`.
pub(super) const RULES: &[Rule] = &[
    list("list_add corruption"),
    list("list_del corruption"),
    list("list_add double add"),
    list("plist corruption"),
    Rule::new("BUG: Bad page state in process %s", "BUG: Bad page state", Kind::BadPage)
        .blame(Blame::Owner),
    Rule::new("BUG: Bad page state: %s", "BUG: Bad page state", Kind::BadPage).blame(Blame::Owner),
    Rule::new("BUG: Bad page map in process %s", "BUG: Bad page map", Kind::BadPage)
        .blame(Blame::Silent),
    Rule::new("BUG: Bad page map: %d messages suppressed", "BUG: Bad page map", Kind::BadPage)
        .blame(Blame::Silent),
    Rule::new("BUG: Bad page cache in process %s", "BUG: Bad page cache", Kind::BadPage)
        .blame(Blame::Silent),
    // mm/page_poison.c: `check_poison_mem`. Who gets the page is not who wrote to it.
    Rule::new("pagealloc: memory corruption", "pagealloc: memory corruption", Kind::BadPage)
        .blame(Blame::Silent),
    Rule::new("pagealloc: single bit error", "pagealloc: single bit error", Kind::BadPage)
        .blame(Blame::Silent),
    Rule::new("BUG: Bad rss-counter state %s", "BUG: Bad rss-counter state", Kind::BadPage)
        .blame(Blame::Nobody),
    Rule::new(
        "BUG: non-zero %S on freeing mm: %s",
        "BUG: non-zero {0} on freeing mm: {1}",
        Kind::BadPage,
    )
    .blame(Blame::Nobody),
    Rule::new("Kernel memory exposure attempt detected %s", "BUG: bad usercopy", Kind::Bug)
        .class("BUG")
        .blame(Blame::Innermost),
    Rule::new("Kernel memory overwrite attempt detected %s", "BUG: bad usercopy", Kind::Bug)
        .class("BUG")
        .blame(Blame::Innermost),
    Rule::new("kernel memory exposure attempt detected %s", "BUG: bad usercopy", Kind::Bug)
        .class("BUG")
        .blame(Blame::Innermost),
    Rule::new("kernel memory overwrite attempt detected %s", "BUG: bad usercopy", Kind::Bug)
        .class("BUG")
        .blame(Blame::Innermost),
    Rule::new("INFO: Freed in %s", "INFO: Freed in {0}", Kind::Bug).refine(part),
    Rule::new("INFO: Allocated in %s", "INFO: Allocated in {0}", Kind::Bug).refine(part),
    Rule::new("BUG %s (%s): %s", "BUG: {2}", Kind::Bug).class("DoS").blame(Blame::Silent),
];

/// The beginning of the slab's report is lost.
fn part(_: &[ReportLine], verdict: &mut Verdict) {
    verdict.garbled = true;
}
