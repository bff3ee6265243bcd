//! `bedside triage`, `incidents` and `incident`.

use std::path::PathBuf;

use bedside_stream::WallTime;
use bedside_triage::Kind;
use clap::{Args, Subcommand, ValueEnum, ValueHint};

use super::{DataArg, epilogue};
use crate::incidents::State;
use crate::time;

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

/// `bedside incidents`.
#[derive(Args, Clone, Debug, Default)]
pub struct IncidentsArgs {
    /// Names or addresses of machines, with * ? [a-z] {a,b} as in a shell; all without any
    #[arg(value_name = "HOST", value_hint = ValueHint::Hostname)]
    pub hosts: Vec<String>,
    /// Which store.
    #[command(flatten)]
    pub data: DataArg,
    /// Count what happened at this time or later
    #[arg(short = 'S', long, value_name = "TIME", allow_hyphen_values = true)]
    #[arg(value_parser = time::parse_since)]
    pub since: Option<WallTime>,
    /// Count what happened at this time or earlier
    #[arg(short = 'U', long, value_name = "TIME", allow_hyphen_values = true)]
    #[arg(value_parser = time::parse_until)]
    pub until: Option<WallTime>,
    /// List those that stand so; without it open and regressed ones. Give it several times for
    /// several
    #[arg(long, value_enum, value_name = "STATE", conflicts_with = "all")]
    pub state: Vec<State>,
    /// List all, also those that are resolved or ignored
    #[arg(short, long)]
    pub all: bool,
    /// List those of this kind; give it several times for several. bedside-triage(1) lists the
    /// kinds
    #[arg(long, value_name = "KIND", value_parser = kind)]
    pub kind: Vec<Kind>,
    /// Print one JSON object; the man page names its keys
    #[arg(long)]
    pub json: bool,
}

/// `bedside incident`.
#[derive(Args, Clone, Debug)]
pub struct IncidentArgs {
    /// Which one: the first digits of its fingerprint, as `bedside incidents` shows them
    #[arg(value_name = "ID")]
    pub id: String,
    /// What to say of it; without it, it is shown
    #[arg(value_enum, value_name = "WORD")]
    pub word: Option<Word>,
    /// A note on it: what caused it, where it is tracked; an empty one takes the note away
    #[arg(value_name = "NOTE")]
    pub note: Vec<String>,
    /// Which store.
    #[command(flatten)]
    pub data: DataArg,
    /// Show the last time that it happened to this machine
    #[arg(long, value_name = "HOST", value_hint = ValueHint::Hostname, conflicts_with = "word")]
    pub host: Option<String>,
    /// Print one JSON object; the man page names its keys
    #[arg(long, conflicts_with_all = ["output", "word"])]
    pub json: bool,
    /// How to show it
    #[arg(
        short,
        long,
        value_name = "FORMAT",
        value_enum,
        default_value_t,
        conflicts_with = "word"
    )]
    pub output: Report,
}

/// What is said of an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Word {
    /// It will not come again; if it does, it is shown as regressed
    Resolve,
    /// Nobody wants to hear of it
    Ignore,
    /// What was said is taken back
    Reopen,
    /// Only the note
    Note,
}

impl IncidentArgs {
    /// How it is shown, whichever way that was said.
    pub fn report(&self) -> Report {
        if self.json { Report::Json } else { self.output }
    }
}

fn kind(name: &str) -> Result<Kind, String> {
    Kind::parse(name).ok_or_else(|| {
        let kinds: Vec<&str> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
        format!("give one of {}", kinds.join(", "))
    })
}

/// `bedside alert`.
#[derive(Args, Clone, Debug)]
pub struct AlertArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: AlertCommand,
}

/// What there is to do with alerts.
#[derive(Clone, Debug, Subcommand)]
pub enum AlertCommand {
    /// Deliver a letter of each rule, as if something had happened
    #[command(after_help = epilogue::of("alert test").text())]
    Test(AlertTestArgs),
}

/// `bedside alert test`.
#[derive(Args, Clone, Debug, Default)]
pub struct AlertTestArgs {
    /// Names of rules; all of them without any
    #[arg(value_name = "RULE")]
    pub rule: Vec<String>,
    /// Read the rules from this file
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    #[arg(default_value = crate::config::PACKAGED)]
    pub config: Option<PathBuf>,
}
