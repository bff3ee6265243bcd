//! The sanitizers: KASAN, KMSAN, KCSAN, KFENCE, UBSAN.

use super::{Blame, Rule};
use crate::guilty::symbol;
use crate::report::Verdict;
use crate::words::between;
use crate::{Kind, ReportLine};

/// mm/kasan/report.c `print_error_description`, mm/kmsan/report.c `kmsan_report`,
/// kernel/kcsan/report.c `print_report`, mm/kfence/report.c `kfence_report_error`,
/// lib/ubsan.c `ubsan_prologue`.
pub(super) const RULES: &[Rule] = &[
    // Before 4.11 the address stood in the first line.
    kasan("BUG: KASAN: %s in %S at addr %x").blame(Blame::InnermostOr(1)),
    kasan("BUG: KASAN: %s in %S").blame(Blame::InnermostOr(1)),
    kasan("BUG: KASAN: %s on address %x").blame(Blame::Innermost),
    kasan("BUG: KASAN: %s on %s").blame(Blame::Innermost),
    // `kasan_report_async`: the place is not known.
    Rule::new("BUG: KASAN: invalid-access", "KASAN: invalid-access", Kind::Kasan)
        .class("KASAN-READ"),
    Rule::new("BUG: KMSAN: %s in %S", "KMSAN: {0}", Kind::Kmsan)
        .blame(Blame::InnermostOr(1))
        .alike("bad-access")
        .refine(kmsan),
    Rule::new("BUG: KMSAN: %s", "KMSAN: {0}", Kind::Kmsan).blame(Blame::Innermost).refine(kmsan),
    Rule::new("BUG: KCSAN: data-race in %S / %S", "KCSAN: data-race", Kind::Kcsan)
        .class("KCSAN-DATARACE")
        .blame(Blame::Hole(0))
        .refine(race),
    Rule::new("BUG: KCSAN: assert: race in %S / %S", "KCSAN: assert: race", Kind::Kcsan)
        .class("KCSAN-ASSERT")
        .blame(Blame::Hole(0))
        .refine(race),
    Rule::new("BUG: KCSAN: data-race in %S", "KCSAN: data-race", Kind::Kcsan)
        .class("KCSAN-DATARACE")
        .blame(Blame::Hole(0)),
    Rule::new("BUG: KCSAN: assert: race in %S", "KCSAN: assert: race", Kind::Kcsan)
        .class("KCSAN-ASSERT")
        .blame(Blame::Hole(0)),
    Rule::new("BUG: KFENCE: %s in %S", "KFENCE: {0}", Kind::Kfence)
        .blame(Blame::InnermostOr(1))
        .refine(kfence),
    // lib/ubsan.c: before 5.19 one sentence for all, with a capital.
    Rule::new("UBSAN: Undefined behaviour in %s", "UBSAN: undefined-behaviour", Kind::Ubsan)
        .class("UBSAN")
        .blame(Blame::Innermost),
    Rule::new("UBSAN: %s in %s", "UBSAN: {0}", Kind::Ubsan).class("UBSAN").blame(Blame::Innermost),
];

const fn kasan(form: &'static str) -> Rule {
    Rule::new(form, "KASAN: {0}", Kind::Kasan).refine(access)
}

/// `Read of size 8 at addr … by task …` is part of the title; an invalid free has no access.
pub(super) fn access(lines: &[ReportLine], verdict: &mut Verdict) {
    let told = lines.iter().find_map(|line| {
        let text = line.text.trim();
        ["Read", "Write"].into_iter().find(|way| {
            text.strip_prefix(way)
                .is_some_and(|rest| rest.starts_with(" of size ") || rest.starts_with(" at addr "))
        })
    });
    verdict.class = Some(class(&verdict.head, told.unwrap_or("Read")));
    if verdict.class == Some(FREE) {
        return;
    }
    verdict.bare = verdict.named.is_none();
    if let Some(told) = told {
        verdict.head.push(' ');
        verdict.head.push_str(told);
        verdict.alike = Some("bad-access");
    } else {
        verdict.whole_line(lines);
    }
}

const FREE: &str = "KASAN-INVALID-FREE";

fn class(head: &str, way: &str) -> &'static str {
    let after_free = head.contains("use-after-free");
    match (after_free, head.contains("null-ptr-deref"), way) {
        (false, ..) if head.contains("-free") => FREE,
        (true, _, "Read") => "KASAN-USE-AFTER-FREE-READ",
        (true, ..) => "KASAN-USE-AFTER-FREE-WRITE",
        (_, true, "Read") => "KASAN-NULL-POINTER-DEREFERENCE-READ",
        (_, true, _) => "KASAN-NULL-POINTER-DEREFERENCE-WRITE",
        (_, _, "Read") => "KASAN-READ",
        _ => "KASAN-WRITE",
    }
}

fn kmsan(_: &[ReportLine], verdict: &mut Verdict) {
    verdict.class = Some(if verdict.head.contains("infoleak") {
        "KMSAN-INFO-LEAK"
    } else {
        "KMSAN-UNINIT-VALUE"
    });
}

/// Two parties, as the kernel sorts them.
fn race(lines: &[ReportLine], verdict: &mut Verdict) {
    let Some(header) = lines.first() else { return };
    if let Some(other) = between(&header.text, " / ", "") {
        let other = other.split(['+', ' ']).next().unwrap_or_default();
        verdict.suffix = format!(" / {}", symbol(other));
    }
}

pub(super) fn kfence(_: &[ReportLine], verdict: &mut Verdict) {
    let write = verdict.head.contains("write");
    verdict.class = Some(if verdict.head.contains("memory corruption") {
        "KFENCE-MEMORY-CORRUPTION"
    } else if verdict.head.contains("invalid free") {
        "KFENCE-INVALID-FREE"
    } else if verdict.head.contains("use-after-free") {
        if write { "KFENCE-USE-AFTER-FREE-WRITE" } else { "KFENCE-USE-AFTER-FREE-READ" }
    } else if write {
        "KFENCE-WRITE"
    } else {
        "KFENCE-READ"
    });
}
