//! `bedside triage`, `incidents` and `incident`.

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};

/// `bedside triage`.
#[derive(Args, Clone, Debug, Default)]
pub struct TriageArgs {
    /// A file with a kernel's lines in it, plain or packed with zstd; standard input without it,
    /// or as `-`
    ///
    /// A log file, the output of dmesg, a journal (`journalctl -o short` or `export`), a dump of
    /// pstore, what a serial console said.
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: Option<PathBuf>,
    /// Print one JSON object a line for each incident; the man page names its keys
    #[arg(long, conflicts_with = "output")]
    pub json: bool,
    /// How to show it
    #[arg(short, long, value_name = "FORMAT", value_enum, default_value_t)]
    pub output: Report,
}

/// How an incident is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, ValueEnum)]
pub enum Report {
    /// A page for people
    #[default]
    Page,
    /// Markdown, to be pasted into a bug report
    Markdown,
    /// A plain report, as syzkaller writes them
    Syz,
    /// A JSON object a line; the man page names its keys
    Json,
}

impl TriageArgs {
    /// How it is shown, whichever way that was said.
    pub fn report(&self) -> Report {
        if self.json { Report::Json } else { self.output }
    }
}
