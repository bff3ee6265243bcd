//! The shapes of lines that stand in reports.

use crate::Kind;
use crate::trace::{is_break, is_history, is_trace_line};

/// What lines of reports begin with: headings, registers, the words of each family's report
/// (mm/kasan/report.c, mm/kmsan/report.c, kernel/kcsan/report.c, mm/kfence/report.c, mm/slub.c,
/// mm/debug.c, mm/page_owner.c, kernel/locking/lockdep.c, arch/*/kernel/traps.c).
#[rustfmt::skip]
const OF_REPORTS: &[&str] = &[
    "CPU: ", "RIP", "RSP", "RAX", "RDX", "RBP", "R10", "R13", "FS:", "CS:", "CR2", "DR0", "DR3",
    "PKRU", "Code: ", "EIP", "Call Trace", "Call trace", "Modules linked in", "Hardware name",
    "Workqueue", "---[", "===", "---", "Kernel panic", "Kernel Offset", "Rebooting in", "Oops",
    "pc : ", "lr : ", "sp : ", "x2", "x1", "pstate", "Allocated by", "Freed by", "Memory state",
    "The buggy", "page:", "raw:", "flags:", "FAULT_INJECTION: ", "INFO: ", "BUG: ", "WARNING: ",
    "NMI backtrace", "Sending NMI", "Task dump", "task:", "rcu: ", "irq event", "hardirqs",
    "softirqs", "Showing all locks", "stack backtrace", "other info", "Object at", "Read of",
    "Write of", "which belongs", "which lock", "but task", "the existing", "-> #", "Possible",
    "*** DEADLOCK", "Kernel memory", "Dumping ftrace", "SMP: ", "Mem-Info", "Mem abort",
    "Data abort", "PGD", "P4D", "#PF", "note: ", "end Kernel panic", "Fixing recursive", "CFI",
    "Tainted: ", "KASAN", "PC is at", "LR is at", "Process ", "Stack: ", "Backtrace",
    "backtrace", "unreferenced object", "comm \"", "hex dump", "Allocated in", "Freed in",
    "Slab 0x", "Object 0x", "Object  ", "Redzone ", "Padding ", "Bytes b4", "FIX ", "Restoring ",
    "Uninit was", "Memory access of", "Local variable", "value changed", "Reported by Kernel",
    "read to 0x", "write to 0x", "read-write to 0x", "kfence-#", "allocated by task",
    "freed by task", ">ffff", "page_owner ", "page last ", "page_type", "page dumped", "head: ",
    "Last potentially", "Second to last", "Free of addr", "NIP", "REGS: ", "x8 ", "x5 ",
    "\"echo 0 >", "handlers:", "Disabling IRQ",
];

/// Whether the line has the shape of what stands in reports: a frame, registers, bytes, a heading.
pub(super) fn is_report_line(kind: Kind, text: &str) -> bool {
    let trimmed = text.trim_start();
    let first = trimmed.as_bytes().first();
    text.contains("+0x")
        || text.contains("[Hardware Error]: ")
        || trimmed.len() < text.len()
        || trimmed.is_empty()
        || is_trace_line(text)
        || is_break(trimmed)
        || is_history(trimmed)
        || OF_REPORTS.iter().any(|beginning| {
            // Comparing a byte first spares a call for nearly all of them.
            beginning.as_bytes().first() == first && trimmed.starts_with(beginning)
        })
        || (matches!(kind, Kind::OomKill | Kind::OomPanic | Kind::AllocationFailure)
            && is_of_memory(trimmed))
}

/// What lists of memory's use begin with: mm/show_mem.c, mm/memcontrol.c
/// `mem_cgroup_print_oom_meminfo`, mm/oom_kill.c `dump_tasks`, mm/slab_common.c
/// `dump_unreclaimable_slab`.
#[rustfmt::skip]
const OF_MEMORY: &[&str] = &[
    "memory: usage", "memory+swap: usage", "kmem: usage", "swap: usage", "Memory cgroup ",
    "Tasks in ", "Tasks state", "[  pid  ]", "[ pid ]", "oom-kill:", "oom_reaper: reaped", "Node ",
    "DMA", "Normal", "HighMem", "Movable", "lowmem_reserve[]", "active_anon:", "Swap cache stats",
    "Free swap", "Total swap", "Unreclaimable slab", "Name ", "SLUB: ", "Out of memory",
];

/// Those, numbers of pages (`1024 pages RAM`), counters (`anon 52297728`) and tasks (`[  117] …`).
fn is_of_memory(text: &str) -> bool {
    let mut words = text.split_ascii_whitespace();
    let (first, second) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let number = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    OF_MEMORY.iter().any(|beginning| text.starts_with(beginning))
        || (number(first) && (second == "pages" || text.contains(" pagecache pages")))
        || (number(second) && words.next().is_none())
        || (text.starts_with('[') && number(text[1..].split(']').next().unwrap_or("").trim()))
        || (second.ends_with("KB") && text.ends_with("KB"))
}
