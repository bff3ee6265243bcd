//! The stacks of a report: headings and the frames below them.

use super::frame::{first_callee, frame, section};
use crate::words::{between, number};
use crate::{Frame, ReportLine, Section};

/// What stands above a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heading {
    /// `Call Trace:`, `Backtrace:` or none.
    Call,
    /// Where the CPU stood, without a stack below (`RIP:`, `pc :` …).
    Place,
    /// Another's history: where memory was allocated or freed, a lock taken, a value stored.
    History,
    /// Where the page in question was allocated.
    Owner,
}

/// A stack, innermost frame first.
#[derive(Clone, Debug)]
pub(crate) struct Stack {
    pub(crate) heading: Heading,
    /// A line above it says that it is one.
    pub(crate) headed: bool,
    /// Of whom it is, where `CPU: … PID: …` stands above it.
    pub(crate) pid: Option<u32>,
    /// Index of its last line.
    pub(crate) last: usize,
    pub(crate) frames: Vec<Frame>,
}

/// The beginnings of lines above a stack that tells of another moment (mm/kasan/report.c,
/// mm/kmsan/report.c, mm/kfence/report.c, kernel/locking/lockdep.c, mm/page_owner.c, mm/slub.c).
const HISTORIES: &[&str] = &[
    "Allocated",
    "Freed",
    "allocated by",
    "freed by",
    "Last potentially related work creation",
    "Second to last potentially related",
    "Uninit was",
    "Local variable",
    "Bytes ",
    "page last free",
    "page last allocated",
    "page_owner",
    "irq event stamp",
    "hardirqs last",
    "softirqs last",
    "-> #",
    "the existing dependency chain",
    "Preemption disabled at",
    "last function",
    "Last breaking-event",
    "INFO: Allocated",
    "INFO: Freed",
    "INFO: Slab",
    "INFO: Object",
    "The buggy address",
    "Register ",
    "Memory state",
    "other info that might help",
    "Chain exists",
    "locks held by",
];

/// `{HARDIRQ-ON-W} state was registered at:`, `CPU: 0 … hardirq-unsafe lock:` … end so.
const HISTORY_ENDS: &[&str] = &[
    "registered at:",
    "-unsafe lock:",
    "-safe lock:",
    "safe at:",
    "allocated by task",
    "was stored to memory at:",
    "was created at:",
    "disabled at:",
];

const CALLS: &[&str] = &[
    "Call Trace:",
    "Call trace:",
    "Backtrace:",
    "backtrace:",
    "Trace:",
    "stack backtrace:",
    "Call Trace (",
    "Backtrace (",
    "backtrace (crc",
    "kmemleak:   backtrace",
];

/// All stacks of a report in order.
pub(crate) fn stacks(lines: &[ReportLine]) -> Vec<Stack> {
    let mut reader = Reader::default();
    for (index, line) in lines.iter().enumerate() {
        reader.line(index, &line.text);
    }
    reader.stacks
}

/// Whether the line can stand inside a stack.
pub(crate) fn is_trace_line(text: &str) -> bool {
    frame(text).is_some() || section(text).is_some()
}

#[derive(Default)]
struct Reader {
    stacks: Vec<Stack>,
    section: Section,
    history: bool,
    pid: Option<u32>,
    /// Another's stack began since the last frame.
    broken: bool,
    /// What x86 prints after the end of a trace it has printed before (arch/x86/kernel/dumpstack.c
    /// `__die`, `show_iret_regs`).
    ended: bool,
}

impl Reader {
    fn line(&mut self, index: usize, text: &str) {
        let trimmed = text.trim();
        if trimmed.contains("---[ end trace") {
            self.ended = true;
        } else if let Some(place) = place_of(trimmed) {
            self.place(index, place);
        } else if (trimmed.ends_with("Call Trace:")
            || CALLS.iter().any(|call| trimmed.starts_with(call)))
            && frame(text).is_none()
        {
            let history = self.history && trimmed.starts_with("backtrace");
            self.open(index, if history { Heading::History } else { Heading::Call }, true);
        } else if trimmed.starts_with("page last allocated")
            || trimmed.starts_with("page allocated via")
        {
            self.open(index, Heading::Owner, true);
        } else if is_history(trimmed) {
            self.history = true;
            self.open(index, Heading::History, true);
        } else if let Some(section) = section(text) {
            self.section = section;
        } else if let Some(found) = frame(text) {
            self.frame(index, text, found);
        } else if is_break(trimmed) {
            self.history = false;
            self.section = Section::Task;
            self.pid = between(trimmed, " PID: ", " Comm: ").and_then(number);
            self.broken = true;
        }
    }

    fn open(&mut self, first: usize, heading: Heading, headed: bool) {
        self.section = Section::Task;
        self.broken = false;
        self.stacks.push(Stack { heading, headed, pid: self.pid, last: first, frames: Vec::new() });
    }

    /// An interrupted place inside a stack is a frame of it; before one it stands alone. What is
    /// printed again counts only where the first was lost.
    fn place(&mut self, index: usize, mut found: Frame) {
        found.reliable = true;
        if self.ended {
            if self.stacks.iter().all(|stack| stack.heading != Heading::Place) {
                let stack = Stack {
                    heading: Heading::Place,
                    headed: true,
                    pid: self.pid,
                    last: index,
                    frames: vec![found],
                };
                self.stacks.insert(0, stack);
            }
            return;
        }
        found.section = self.section;
        match self.stacks.last_mut() {
            Some(stack)
                if stack.headed
                    && !self.broken
                    && !stack.frames.is_empty()
                    && stack.heading == Heading::Call
                    && index - stack.last < 40 =>
            {
                stack.push(index, found);
            }
            Some(stack) if stack.heading == Heading::Place && index - stack.last <= 1 => {
                stack.push(index, found);
            }
            _ => {
                self.open(index, Heading::Place, true);
                if let Some(stack) = self.stacks.last_mut() {
                    stack.push(index, found);
                }
            }
        }
    }

    fn frame(&mut self, index: usize, text: &str, mut found: Frame) {
        found.section = self.section;
        let headed = self.stacks.last().is_some_and(|stack| {
            stack.heading != Heading::Place && (!self.broken || stack.frames.is_empty())
        });
        if !headed {
            self.open(index, Heading::Call, false);
        }
        let Some(stack) = self.stacks.last_mut() else { return };
        if stack.frames.is_empty()
            && let Some(callee) = first_callee(text)
        {
            stack.push(
                index,
                Frame { function: callee.to_owned(), offset: None, size: None, ..found.clone() },
            );
        }
        stack.push(index, found);
    }
}

impl Stack {
    fn push(&mut self, index: usize, frame: Frame) {
        self.last = index;
        self.frames.push(frame);
    }
}

/// Whether the line stands above another task's or CPU's stack: lib/dump_stack.c,
/// lib/nmi_backtrace.c, kernel/sched/core.c `sched_show_task`, kernel/rcu/tree_stall.h.
pub(crate) fn is_break(text: &str) -> bool {
    const BREAKS: &[&str] =
        &["CPU: ", "NMI backtrace", "task:", "Task dump", "Sending NMI", "Showing all locks"];
    BREAKS.iter().any(|begin| text.starts_with(begin))
        || text.contains(" running task ")
        || text.ends_with("kthread stack dump:")
}

pub(crate) fn is_history(text: &str) -> bool {
    HISTORIES.iter().any(|history| text.starts_with(history))
        || HISTORY_ENDS.iter().any(|end| text.ends_with(end))
        || (text.ends_with(':') && text.contains(" by task "))
}

/// The frame in a line that says where a CPU stands: `RIP: 0010:f+0x1/0x2`, `RIP  [<a>] f+0x1/0x2`,
/// `EIP: f+…`, `IP: f+…`, `PC is at f+…`, `pc : f+…`, `NIP [a] f+…`, `epc : f+…`, sparc's
/// `TPC: <f+…>`, parisc's `IAOQ[0]: f+…`, s390's `Krnl PSW : … (f+…)`. Never that of a link
/// register, which is the caller.
fn place_of(text: &str) -> Option<Frame> {
    const NAMES: &[&str] = &[
        "RIP: ",
        "RIP ",
        "EIP: ",
        "EIP is at ",
        "IP: ",
        "PC is at ",
        "pc : ",
        "PC: ",
        "NIP ",
        "epc : ",
        "epc   : ",
        "TPC: <",
        "IAOQ[0]: ",
    ];
    if let Some(rest) = text.strip_prefix("Krnl PSW : ") {
        return frame(between(rest, "(", ")")?);
    }
    if text.starts_with("--- interrupt: ") {
        return frame(between(text, " at ", "")?);
    }
    let rest = NAMES.iter().find_map(|name| text.strip_prefix(name))?.trim_start();
    let rest = rest.strip_suffix('>').unwrap_or(rest);
    let rest = rest.strip_prefix("0010:").or_else(|| rest.strip_prefix("0060:")).unwrap_or(rest);
    let rest = rest.strip_prefix("e030:").unwrap_or(rest);
    frame(rest)
}
