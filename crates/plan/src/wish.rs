//! What is wanted, and the file that keeps it.

use std::collections::BTreeMap;
use std::fmt;

use crate::{Doctor, NotADoctor};

/// What is wanted of a machine.
///
/// ```
/// use bedside_plan::Wish;
/// let wish = Wish::parse("doctor = 192.168.0.2\nlog_level = leave\n").unwrap();
/// assert_eq!(wish.log_level, None);
/// assert_eq!(Wish::parse(&wish.to_string()), Ok(wish));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// Who is to hear, as it was written.
    pub words: Vec<String>,
    /// Whether user space sends, by the agent's relay, where the kernel can't.
    pub relay: bool,
    /// The console log level, from 1 to 15, where 8 and above send all; none leaves it as it is.
    pub log_level: Option<u8>,
    /// Whether it is to outlive a start of the machine.
    pub permanent: bool,
    /// Whether netconsole is to be loaded in the initramfs already.
    pub early: bool,
    /// Seconds between two heartbeats of the agent; none sends none.
    pub heartbeat_s: Option<u32>,
    /// What the kernel is to do when it dies, by [`PANIC_SETTINGS`]; the others are left.
    pub panic: BTreeMap<String, i64>,
}

/// A line of the file that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadWish {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub why: String,
}

impl Default for Wish {
    /// Nobody hears; all levels are sent; for good; a heartbeat every 10 s.
    fn default() -> Self {
        Self {
            words: Vec::new(),
            relay: false,
            log_level: Some(8),
            permanent: true,
            early: false,
            heartbeat_s: Some(10),
            panic: BTreeMap::new(),
        }
    }
}

impl Wish {
    /// Who is to hear.
    pub fn doctors(&self) -> Result<Vec<Doctor>, NotADoctor> {
        let each = self.words.iter().map(|word| Doctor::parse(word));
        Ok(each.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
    }

    /// The command that makes a machine so, as far as it says who hears and who sends.
    pub fn command(&self) -> String {
        let relay = if self.relay { " --relay" } else { "" };
        format!("bedside-patient up{relay} {}", self.words.join(" "))
    }

    /// Reads the file: lines `key = value`, and comments after `#`.
    pub fn parse(text: &str) -> Result<Wish, BadWish> {
        let mut wish = Wish { words: Vec::new(), ..Wish::default() };
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            wish.take(line).map_err(|why| BadWish { line: at + 1, why })?;
        }
        Ok(wish)
    }

    /// Wishes one of [`PANIC_SETTINGS`]; the error says what is wrong.
    pub fn set_panic(&mut self, name: &str, value: &str) -> Result<(), String> {
        if !PANIC_SETTINGS.contains(&name) {
            return Err(format!("{name:?}: give one of {}", PANIC_SETTINGS.join(", ")));
        }
        let value = value.parse().map_err(|_| format!("{name} = {value:?}: give a number"))?;
        self.panic.insert(name.to_owned(), value);
        Ok(())
    }

    fn take(&mut self, line: &str) -> Result<(), String> {
        let (key, value) = line.split_once('=').ok_or("no `key = value`")?;
        let (key, value) = (key.trim(), value.trim());
        match key {
            "doctor" => {
                Doctor::parse(value).map_err(|error| error.to_string())?;
                self.words.push(value.to_owned());
            }
            "relay" => self.relay = value.parse().map_err(|_| "give true or false")?,
            "log_level" => self.log_level = parse_level(value)?,
            "early" => self.early = value.parse().map_err(|_| "give true or false")?,
            "heartbeat" => self.heartbeat_s = parse_heartbeat(value)?,
            "permanent" => self.permanent = value.parse().map_err(|_| "give true or false")?,
            _ => match key.strip_prefix("kernel.") {
                Some(name) => self.set_panic(name, value)?,
                None => return Err(format!("unknown key {key:?}")),
            },
        }
        Ok(())
    }
}

/// A number of seconds, or `off`.
pub fn parse_heartbeat(value: &str) -> Result<Option<u32>, String> {
    if value == "off" {
        return Ok(None);
    }
    let seconds = value.strip_suffix('s').unwrap_or(value).parse().ok();
    let seconds = seconds.filter(|seconds| (1..=3600).contains(seconds));
    seconds.map(Some).ok_or_else(|| format!("{value:?}: give 1 to 3600 seconds, or off"))
}

/// `leave`, or a level that lets something through.
pub fn parse_level(value: &str) -> Result<Option<u8>, String> {
    if value == "leave" {
        return Ok(None);
    }
    let level = value.parse().ok().filter(|level| (1..=15).contains(level));
    level.map(Some).ok_or_else(|| format!("{value:?}: give 1 to 15, or leave"))
}

impl fmt::Display for Wish {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("# Written by `bedside-patient up`; its agent keeps the kernel so.\n")?;
        for word in &self.words {
            writeln!(out, "doctor = {word}")?;
        }
        if self.relay {
            out.write_str("relay = true\n")?;
        }
        match self.log_level {
            Some(level) => writeln!(out, "log_level = {level}")?,
            None => out.write_str("log_level = leave\n")?,
        }
        match self.heartbeat_s {
            Some(seconds) => writeln!(out, "heartbeat = {seconds}s")?,
            None => out.write_str("heartbeat = off\n")?,
        }
        for (name, value) in &self.panic {
            writeln!(out, "kernel.{name} = {value}")?;
        }
        if self.early {
            out.write_str("early = true\n")?;
        }
        writeln!(out, "permanent = {}", self.permanent)
    }
}

/// Settings of the kernel, below `kernel.`, that say what it does when it dies, or might
/// (Documentation/admin-guide/sysctl/kernel.rst).
pub const PANIC_SETTINGS: [&str; 6] = [
    "panic",
    "panic_on_oops",
    "panic_on_warn",
    "softlockup_panic",
    "hardlockup_panic",
    "hung_task_panic",
];

impl fmt::Display for BadWish {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "line {}: {}", self.line, self.why)
    }
}

impl std::error::Error for BadWish {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for wish in [
            Wish { words: vec!["10.0.0.2:514".into(), "doctor".into()], ..Wish::default() },
            Wish { log_level: None, heartbeat_s: None, permanent: false, ..Wish::default() },
            Wish { early: true, ..Wish::default() },
            Wish { relay: true, ..Wish::default() },
            Wish { panic: [("panic".into(), -1)].into(), ..Wish::default() },
        ] {
            assert_eq!(Wish::parse(&wish.to_string()), Ok(wish));
        }
    }

    #[test]
    fn a_line_that_makes_no_sense_is_named() {
        for (line, why) in [
            ("doctor", "no `key = value`"),
            ("doctor = 1.2.3", "\"1.2.3\" is neither a name nor an address"),
            ("log_level = 0", "\"0\": give 1 to 15, or leave"),
            ("permanent = yes", "give true or false"),
            ("kernel.panic = x", "panic = \"x\": give a number"),
            ("heartbeat = 0", "\"0\": give 1 to 3600 seconds, or off"),
            ("nurse = x", "unknown key \"nurse\""),
        ] {
            let error = Wish::parse(&format!("# x\n\n{line}\n")).unwrap_err();
            assert_eq!(error, BadWish { line: 3, why: why.into() });
        }
    }
}
