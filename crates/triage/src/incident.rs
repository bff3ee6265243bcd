//! What an incident holds.

mod kind;

use serde::{Deserialize, Serialize};

pub use kind::{Kind, Severity};

use crate::{Caller, Fingerprint};

/// Something that went wrong in a kernel, as its log tells it.
///
/// Strings are cut from the log: any bytes of a sender, as UTF-8 with replacements, never escaped.
/// Whoever shows them escapes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    /// Its number in this [`Triage`](crate::Triage), from 0; the same in each of its events.
    pub id: u64,
    /// What sort of thing it is.
    pub kind: Kind,
    /// How bad it is. It grows when the kernel then panics.
    pub severity: Severity,
    /// One line that is the same for the same bug on every machine; syzkaller's conventions.
    pub title: String,
    /// Titles that are as good.
    pub alternatives: Vec<String>,
    /// The class that syzkaller gives it (`KASAN-READ`, `LOCKDEP`, `DoS` …), where it has one.
    #[serde(rename = "type")]
    pub class: Option<String>,
    /// Why the report is too broken to be sure of title and function.
    pub corrupted: Option<Corruption>,
    /// The kernel panicked after it, or it is the panic.
    pub panicked: bool,
    /// The title will not change any more: what it is made of was seen whole.
    pub settled: bool,
    /// The guilty function.
    pub function: Option<String>,
    /// The source file where it happened, as the log names it.
    pub file: Option<String>,
    /// The line in `file`.
    pub line: Option<u32>,
    /// The frames of the trace that counts, innermost first.
    pub trace: Vec<Frame>,
    /// Which frame of `trace` is the guilty one.
    pub guilty: Option<usize>,
    /// Registers, in the order in which they were printed, with the text of their value.
    pub registers: Vec<(String, String)>,
    /// The bytes after `Code:`, as printed; the faulting one in `<>` or `()`.
    pub code: Option<String>,
    /// The CPU that it happened on.
    pub cpu: Option<u32>,
    /// The process or thread.
    pub pid: Option<u32>,
    /// Its command.
    pub command: Option<String>,
    /// The taint flags in words; empty when the kernel was not tainted.
    pub taint: Vec<String>,
    /// `uname -r`.
    pub release: Option<String>,
    /// `Hardware name:`.
    pub hardware: Option<String>,
    /// `Modules linked in:`, without their flags.
    pub modules: Vec<String>,
    /// Who printed it, where lines tell.
    pub caller: Option<Caller>,
    /// The position of the first line, as the caller gave it.
    pub first_line: u64,
    /// The position of the last line.
    pub last_line: u64,
    /// When the first line was printed, in microseconds since boot.
    pub time: Option<u64>,
    /// The lines that it was cut from, without those of others in between.
    pub lines: Vec<ReportLine>,
    /// Lines that belong to it and are not in `lines`, because of
    /// [`Limits`](crate::Limits).
    pub omitted: u64,
    /// What groups it with its like.
    pub fingerprint: Fingerprint,
}

impl Incident {
    /// The trace with the guilty frame first: from it outwards, then the messengers that stand
    /// before it.
    pub fn guilty_first(&self) -> impl Iterator<Item = &Frame> {
        let guilty = self.guilty.unwrap_or(0).min(self.trace.len());
        let (messengers, rest) = self.trace.split_at(guilty);
        rest.iter().chain(messengers)
    }
}

/// A line of a report.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportLine {
    /// Its position, as the caller gave it.
    pub at: u64,
    /// Its text without prefixes.
    pub text: String,
}

/// Why a report can't be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Corruption {
    /// The log ends, or the boot does, before the report is complete.
    CutOff,
    /// Lines of other tasks or CPUs stand in it and can't be told apart.
    Interleaved,
    /// A line is not what the kernel prints there: part of it is missing.
    Garbled,
    /// There is no trace, or none that names a function.
    NoTrace,
    /// Its first line, which says what it is about, was not heard: title and kind are as much as
    /// the rest of it proves.
    NoBeginning,
}

impl Corruption {
    /// The word that JSON has for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Corruption::CutOff => "cut-off",
            Corruption::Interleaved => "interleaved",
            Corruption::Garbled => "garbled",
            Corruption::NoTrace => "no-trace",
            Corruption::NoBeginning => "no-beginning",
        }
    }
}

/// A call in a trace: `[<addr>] ? function+0x12/0x34 [module]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Frame {
    /// The function's name, as printed.
    pub function: String,
    /// How far into the function, in bytes.
    pub offset: Option<u64>,
    /// The function's size, in bytes.
    pub size: Option<u64>,
    /// The module that it is in.
    pub module: Option<String>,
    /// `file.c:123`, where the log was symbolized.
    pub source: Option<String>,
    /// The compiler put it into the next frame (`[inline]`, of a symbolized log).
    pub inline: bool,
    /// False of a `?`: an address on the stack that the unwinder does not vouch for.
    pub reliable: bool,
    /// What the CPU was at.
    pub section: Section,
}

/// What a CPU was at in a stretch of a trace (x86's `<TASK>`, `<IRQ>`, `<NMI>` …).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Section {
    /// A task's own stack.
    #[default]
    Task,
    /// A hardware interrupt.
    Irq,
    /// A softirq on a stack of its own.
    Softirq,
    /// A non-maskable interrupt.
    Nmi,
    /// Another exception's stack (`#DF`, `#DB`, `#MC`, `ENTRY_TRAMPOLINE` …).
    Exception,
}
