//! `bedside log`: its options after journalctl's.

use std::fmt;
use std::str::FromStr;

use bedside_stream::WallTime;
use clap::{Args, ValueEnum, ValueHint};
use regex::bytes::Regex;

use super::values::count;
use super::{DataArg, StrangersArg};
use crate::time;

/// `bedside log`.
#[derive(Args, Clone, Debug, Default)]
pub struct LogArgs {
    /// Names or addresses of machines, with * ? [a-z] {a,b} as in a shell; all without any
    #[arg(value_name = "HOST", value_hint = ValueHint::Hostname)]
    pub hosts: Vec<String>,
    /// Which store.
    #[command(flatten)]
    pub data: DataArg,
    /// Who is left out.
    #[command(flatten)]
    pub strangers: StrangersArg,
    /// Show what comes in, as it comes, until interrupted; begins with the last 10 records
    #[arg(short, long, conflicts_with_all = ["reverse", "until"])]
    pub follow: bool,
    /// Show the last N records only, with the gaps and boots among them
    #[arg(short = 'n', long, value_name = "N", value_parser = count)]
    pub lines: Option<usize>,
    /// Show one boot of each machine: N as `bedside boots` numbers it, 0 or none the current one,
    /// -1 the one before
    ///
    /// Takes the next word only if it is an integer. With -f it says what is shown first.
    #[arg(short, long, value_name = "N", allow_hyphen_values = true)]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "0")]
    pub boot: Option<BootChoice>,
    /// Show what was received at this time or later
    ///
    /// '2026-11-20 13:44:37', '13:44', 'yesterday', '-1h30m', '2 days ago', '@1763646277'.
    #[arg(short = 'S', long, value_name = "TIME", allow_hyphen_values = true)]
    #[arg(value_parser = time::parse_since)]
    pub since: Option<WallTime>,
    /// Show what was received at this time or earlier
    #[arg(short = 'U', long, value_name = "TIME", allow_hyphen_values = true)]
    #[arg(value_parser = time::parse_until)]
    pub until: Option<WallTime>,
    /// Show records of this level and worse, or of a range: err, 3, err..warning
    ///
    /// emerg 0, alert 1, crit 2, err 3, warning 4, notice 5, info 6, debug 7. Records that carry
    /// no level (all of the basic format) are shown: one of them may be the death.
    #[arg(short, long, value_name = "LEVEL")]
    pub priority: Option<Levels>,
    /// Show records whose text matches this regular expression
    ///
    /// Capital letters matter only if it has some. Holes in the numbers are not shown: they are
    /// worked out from all records.
    #[arg(short, long, value_name = "REGEX", allow_hyphen_values = true)]
    #[arg(value_parser = crate::log::pattern)]
    pub grep: Option<Regex>,
    /// How to show it
    #[arg(short, long, value_name = "FORMAT", value_enum, default_value_t)]
    pub output: Output,
    /// Show the newest first
    #[arg(short, long)]
    pub reverse: bool,
    /// Let `-o raw` write to a terminal, which obeys what kernels and their users sent
    #[arg(long)]
    pub force: bool,
}

/// How records are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, ValueEnum)]
pub enum Output {
    /// A line each: when it was received, whose it is, uptime, text
    #[default]
    Short,
    /// All that is known of each, a line for each field
    Full,
    /// A JSON object a line; the man page names its keys
    Json,
    /// The exact bytes of the text; not to a terminal
    Raw,
}

/// Which boot of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BootChoice {
    /// The one with this number.
    Number(u64),
    /// So many before the current one.
    Back(u64),
}

impl fmt::Display for BootChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BootChoice::Number(number) => write!(f, "{number}"),
            BootChoice::Back(0) => f.write_str("0 (the current one)"),
            BootChoice::Back(back) => write!(f, "-{back}"),
        }
    }
}

impl FromStr for BootChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<BootChoice, String> {
        match text.parse::<i64>() {
            Ok(number @ 1..) => Ok(BootChoice::Number(number.unsigned_abs())),
            Ok(number) => Ok(BootChoice::Back(number.unsigned_abs())),
            Err(_) => Err("give 0 for the current boot, -1 for the one before, or a number of \
                           `bedside boots`"
                .to_owned()),
        }
    }
}

/// A range of levels; both ends belong to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Levels {
    /// The worst: the lower number.
    pub from: u8,
    /// The mildest: the higher number.
    pub to: u8,
}

impl Levels {
    /// Whether a record of this level is wanted; one that carries none always is.
    pub fn contain(self, level: Option<u8>) -> bool {
        level.is_none_or(|level| (self.from..=self.to).contains(&level))
    }
}

impl FromStr for Levels {
    type Err = String;

    fn from_str(text: &str) -> Result<Levels, String> {
        let (from, to) = match text.split_once("..") {
            Some((from, to)) => (level(from)?, level(to)?),
            None => (0, level(text)?),
        };
        Ok(Levels { from: from.min(to), to: from.max(to) })
    }
}

/// The names of the levels, 0 first.
pub(crate) const LEVELS: [&str; 8] =
    ["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"];

fn level(text: &str) -> Result<u8, String> {
    let name = match text.to_ascii_lowercase().as_str() {
        "panic" => "emerg".to_owned(),
        "error" => "err".to_owned(),
        "warn" => "warning".to_owned(),
        other => other.to_owned(),
    };
    let by_name = LEVELS.iter().position(|level| *level == name).map(|number| number as u8);
    by_name
        .or_else(|| text.parse().ok().filter(|number| *number <= 7))
        .ok_or_else(|| format!("give a level from 0 to 7, one of {}, or a range", LEVELS.join(" ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_names_numbers_and_ranges() {
        let range = |from, to| Ok(Levels { from, to });
        assert_eq!("err".parse(), range(0, 3));
        assert_eq!("3".parse(), range(0, 3));
        assert_eq!("ERROR".parse(), range(0, 3));
        assert_eq!("panic".parse(), range(0, 0));
        assert_eq!("warn".parse(), range(0, 4));
        assert_eq!("err..warning".parse(), range(3, 4));
        assert_eq!("7..5".parse(), range(5, 7));
        for text in ["", "8", "-1", "loud", "err..", "..err", "1..2..3"] {
            assert!(text.parse::<Levels>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_carries_no_level_is_always_wanted() {
        let levels = Levels { from: 0, to: 3 };
        assert!(levels.contain(Some(3)) && levels.contain(None) && !levels.contain(Some(4)));
    }
}
