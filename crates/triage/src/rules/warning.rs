//! `WARN_ON()` and its kin.

use super::{Blame, Rule};
use crate::report::Verdict;
use crate::trace::frame;
use crate::words::between;
use crate::{Kind, ReportLine};

/// kernel/panic.c `__warn`: since 2.6.39 `WARNING: CPU: %d PID: %d at %s:%d %pS`, without the
/// numbers before 3.13, and since 6.18 `WARNING: %s:%d at %pS, CPU#%d: %s/%d`.
pub(super) const RULES: &[Rule] = &[
    warning("WARNING: CPU: %d PID: %d at %s"),
    warning("WARNING: at %s"),
    warning("WARNING: %s:%d at %s, CPU#%d: %s"),
    // What was checked may hold anything.
    warning("WARNING: [%s at %s, CPU#%d: %s"),
    warning("WARNING: CPU: %d PID: %d "),
    // arch/arm/kernel/traps.c: `__div0`, which lets it go on.
    Rule::new("Division by zero in kernel.", "Division by zero in kernel", Kind::Warning)
        .class("WARNING")
        .blame(Blame::Innermost),
    // arch/x86/kernel/unwind_frame.c: `unwind_next_frame`.
    Rule::new(
        "WARNING: kernel stack regs at %s has bad '%s' value",
        "WARNING: kernel stack regs has bad '{1}' value",
        Kind::Warning,
    ),
    Rule::new(
        "WARNING: kernel stack frame pointer at %s has bad value",
        "WARNING: kernel stack frame pointer has bad value",
        Kind::Warning,
    )
    .class("WARNING"),
];

const fn warning(form: &'static str) -> Rule {
    Rule::new(form, "WARNING", Kind::Warning).class("WARNING").blame(Blame::Stated).refine(special)
}

/// `fs/x.c:12` of `WARNING: CPU: 1 PID: 12 at fs/x.c:12 f+0x1/0x2`, or of `WARNING: fs/x.c:12 at
/// f+0x1/0x2, CPU#1: x/12`.
fn place(header: &str) -> Option<&str> {
    match header.split_once(", CPU#") {
        Some((before, _)) => before.rsplit_once(" at ")?.0.rsplit(' ').next(),
        None => between(header, " at ", " "),
    }
}

/// `f` of the same.
fn function(header: &str) -> Option<String> {
    let header = header.split_once(", CPU#").map_or(header, |(before, _)| before);
    let symbol = header.trim_end_matches("()").rsplit(' ').find(|word| word.contains("+0x"))?;
    Some(frame(symbol)?.function)
}

/// Checks that many callers share: the file says which one it is, the callers who is guilty.
struct Check {
    file: &'static str,
    /// In the sentence before the warning or in the header; empty if the file is enough.
    says: &'static str,
    title: &'static str,
    kind: Kind,
    class: &'static str,
}

const CHECKS: &[Check] = &[
    Check {
        file: "lib/refcount.c",
        says: "",
        title: "WARNING: refcount bug",
        kind: Kind::Refcount,
        class: "REFCOUNT_WARNING",
    },
    Check {
        file: "",
        says: "refcount_t: ",
        title: "WARNING: refcount bug",
        kind: Kind::Refcount,
        class: "REFCOUNT_WARNING",
    },
    Check {
        file: "lib/debugobjects.c",
        says: "",
        title: "WARNING: ODEBUG bug",
        kind: Kind::Odebug,
        class: "WARNING",
    },
    Check {
        file: "mm/slab_common.c",
        says: "kmalloc",
        title: "WARNING: kmalloc bug",
        kind: Kind::Warning,
        class: "WARNING",
    },
    Check {
        file: "mm/util.c",
        says: "kvmalloc",
        title: "WARNING: kmalloc bug",
        kind: Kind::Warning,
        class: "WARNING",
    },
    Check {
        file: "mm/slub.c",
        says: "kvmalloc",
        title: "WARNING: kmalloc bug",
        kind: Kind::Warning,
        class: "WARNING",
    },
    Check {
        file: "mm/vmalloc.c",
        says: "__vmalloc_node_range",
        title: "WARNING: zero-size vmalloc",
        kind: Kind::Warning,
        class: "WARNING",
    },
    Check {
        file: "fs/proc/generic.c",
        says: "proc_register",
        title: "WARNING: proc registration bug",
        kind: Kind::Warning,
        class: "WARNING",
    },
    Check {
        file: "lib/kobject.c",
        says: "",
        title: "WARNING: kobject bug",
        kind: Kind::Warning,
        class: "WARNING",
    },
    Check {
        file: "kernel/locking/lockdep.c",
        says: "",
        title: "WARNING: locking bug",
        kind: Kind::Lockdep,
        class: "LOCKDEP",
    },
    Check {
        file: "mm/usercopy.c",
        says: "",
        title: "WARNING: bad usercopy",
        kind: Kind::Warning,
        class: "WARNING",
    },
    Check {
        file: "lib/list_debug.c",
        says: "",
        title: "BUG: corrupted list",
        kind: Kind::ListCorruption,
        class: "MEMORY_SAFETY_BUG",
    },
];

fn special(lines: &[ReportLine], verdict: &mut Verdict) {
    let Some(header) = lines.first() else { return };
    let check = CHECKS.iter().find(|check| {
        header.text.contains(check.file)
            && (header.text.contains(check.says) || verdict.preamble_says(check.says))
            && (!check.file.is_empty() || verdict.preamble_says(check.says))
    });
    if let Some(check) = check {
        check.title.clone_into(&mut verdict.head);
        verdict.kind = check.kind;
        verdict.class = Some(check.class);
    }
    // drivers/usb/core/urb.c checks what its callers submit.
    if header.text.contains("drivers/usb/core/urb.c") {
        verdict.suffix = "/usb_submit_urb".into();
    }
    verdict.place = place(&header.text).map(str::to_owned);
    verdict.named = function(&header.text);
}
