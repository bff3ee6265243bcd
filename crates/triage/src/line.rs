//! One line, and who printed it.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A line of a kernel's log, without prefixes. A record of several lines is several of these.
#[derive(Clone, Copy, Debug, Default)]
pub struct Line<'a> {
    /// The text without level, time and caller; any bytes.
    pub text: &'a [u8],
    /// printk's level, 0 (emergency) to 7 (debug).
    pub level: Option<u8>,
    /// printk's time: microseconds since boot.
    pub time: Option<u64>,
    /// Who printed it, of a kernel with `CONFIG_PRINTK_CALLER`.
    pub caller: Option<Caller>,
    /// The caller's own position of it: a line number or a sequence. It comes back in
    /// [`Incident`](crate::Incident).
    pub at: u64,
}

/// printk's caller: `T12`, a task, or `C1`, a CPU outside of any task
/// (kernel/printk/printk.c: `print_caller`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Caller {
    /// A thread, by its number.
    Task(u32),
    /// A CPU.
    Cpu(u32),
}

impl Caller {
    /// Reads `T12` or `C1`.
    pub fn parse(word: &[u8]) -> Option<Caller> {
        let (letter, digits) = word.split_first()?;
        let number = (!digits.starts_with(b"+"))
            .then(|| std::str::from_utf8(digits).ok()?.parse().ok())
            .flatten()?;
        match letter {
            b'T' => Some(Caller::Task(number)),
            b'C' => Some(Caller::Cpu(number)),
            _ => None,
        }
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Caller::Task(thread) => write!(f, "T{thread}"),
            Caller::Cpu(cpu) => write!(f, "C{cpu}"),
        }
    }
}

impl Serialize for Caller {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Caller {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Caller, D::Error> {
        let word = String::deserialize(deserializer)?;
        Caller::parse(word.as_bytes()).ok_or_else(|| serde::de::Error::custom("not T12 or C1"))
    }
}

#[cfg(test)]
mod tests {
    use super::Caller;

    #[test]
    fn callers_are_tasks_and_cpus() {
        assert_eq!(Caller::parse(b"T12"), Some(Caller::Task(12)));
        assert_eq!(Caller::parse(b"C0"), Some(Caller::Cpu(0)));
        for word in ["", "T", "T+1", "X1", "T-1", "T99999999999"] {
            assert_eq!(Caller::parse(word.as_bytes()), None, "{word}");
        }
        assert_eq!(Caller::Cpu(7).to_string(), "C7");
    }
}
