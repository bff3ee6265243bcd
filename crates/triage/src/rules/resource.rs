//! What runs out or is not given back.

use super::{Blame, Rule};
use crate::report::Verdict;
use crate::{Kind, ReportLine, Severity};

pub(super) const RULES: &[Rule] = &[
    // mm/kmemleak.c: `print_unreferenced`, by way of its readers.
    Rule::new("BUG: memory leak", "memory leak", Kind::MemoryLeak)
        .class("LEAK")
        .blame(Blame::Innermost),
    // mm/kmemleak.c: `kmemleak_scan`.
    Rule::new(
        "kmemleak: %d new suspected memory leaks",
        "kmemleak: new suspected memory leaks",
        Kind::MemoryLeak,
    ),
    Rule::new("kmemleak: unreferenced object ", "memory leak", Kind::MemoryLeak)
        .class("LEAK")
        .blame(Blame::Innermost),
    // net/core/dev.c: `netdev_wait_allrefs_any`; fs/super.c: `generic_shutdown_super`.
    Rule::new(
        "unregister_netdevice: waiting for %s to become free",
        "unregister_netdevice: waiting for DEV to become free",
        Kind::MemoryLeak,
    )
    .class("DoS"),
    Rule::new(
        "VFS: Busy inodes after unmount of %s",
        "VFS: Busy inodes after unmount (use-after-free)",
        Kind::Filesystem,
    )
    .class("DoS")
    .severity(Severity::Critical),
    // fs/open.c: `filp_flush`.
    Rule::new(
        "VFS: Close: file count is 0",
        "VFS: Close: file count is zero (use-after-free)",
        Kind::Filesystem,
    )
    .class("DoS")
    .severity(Severity::Critical),
    // mm/oom_kill.c: `dump_header` first, `__oom_kill_process` last.
    oom("%s invoked oom-killer: gfp_mask=%s", "Out of memory: Killed process"),
    oom("Out of memory: Kill", "Out of memory: Killed process"),
    oom("Memory cgroup out of memory: Kill", "Memory cgroup out of memory: Killed process"),
    // mm/page_alloc.c: `warn_alloc`. One of vmalloc's is about what was asked for, not about
    // what there is.
    Rule::new(
        "%s: page allocation failure: order:%d, %s",
        "page allocation failure",
        Kind::AllocationFailure,
    )
    .blame(Blame::Innermost),
    Rule::new(
        "%s: page allocation failure. order:%d, %s",
        "page allocation failure",
        Kind::AllocationFailure,
    )
    .blame(Blame::Innermost),
];

const fn oom(form: &'static str, title: &'static str) -> Rule {
    Rule::new(form, title, Kind::OomKill).refine(how_it_ended)
}

/// The same report ends in a kill, in that of a group's process, or in a panic.
fn how_it_ended(lines: &[ReportLine], verdict: &mut Verdict) {
    let says = |words: &str| lines.iter().any(|line| line.text.contains(words));
    if says("Kernel panic - not syncing: ") {
        verdict.kind = Kind::OomPanic;
        verdict.class = Some("DoS");
        verdict.head = "kernel panic: Out of memory".into();
    } else if says("Memory cgroup out of memory") {
        verdict.head = "Memory cgroup out of memory: Killed process".into();
    }
}
