//! What a kernel left of its last death, which an agent found after the next start and sends line
//! by line (pstore: Documentation/ABI/testing/pstore, fs/pstore/platform.c).
//!
//! Each line is a datagram of RFC 5424, so that every syslog server keeps a sensible line:
//!
//! ```text
//! <30>1 - web1 bedside-patient 512 pstore - dump=… boot_id=… line=3/41 died=1700000000 from=ramoops why=Panic#1 <6>[   12.345678] text
//! ```
//!
//! A doctor is asked for what it has of a dump, see [`question`](crate::question).

use core::fmt;

use crate::question::Nonce;

/// A line of a dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DumpLine<'a> {
    /// The dump that it is of.
    pub dump: Dump<'a>,
    /// Which line, from 1.
    pub number: u32,
    /// The exact bytes, as pstore has them: level, time, caller, text.
    pub text: &'a [u8],
}

/// What is known of a whole dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dump<'a> {
    /// What tells it from all others.
    pub id: Nonce,
    /// The machine's name, if it has one.
    pub host: Option<&'a str>,
    /// The agent's process.
    pub pid: u32,
    /// The boot in which it was found; it tells of an earlier one.
    pub boot_id: &'a str,
    /// How many lines it has.
    pub lines: u32,
    /// When it was written by the dying machine's clock, seconds since 1970.
    pub died_s: u64,
    /// Where it was found: `ramoops`, `efi`, `erst`.
    pub from: &'a str,
    /// Why it was written: `Panic#1`, `Oops#2`.
    pub why: &'a str,
}

impl<'a> DumpLine<'a> {
    /// Reads a datagram; nothing, if it is none of these.
    pub fn parse(payload: &'a [u8]) -> Option<DumpLine<'a>> {
        let (head, text) = split(payload.strip_prefix(START.as_bytes())?)?;
        let mut words = core::str::from_utf8(head).ok()?.split(' ');
        let host = words.next()?;
        words.next().filter(|program| *program == PROGRAM)?;
        let pid = words.next()?.parse().ok()?;
        words.next().filter(|kind| *kind == "pstore")?;
        words.next().filter(|data| *data == "-")?;
        let mut value = |key| words.next()?.strip_prefix(key);
        let id = Nonce::parse(value("dump=")?.as_bytes())?;
        let boot_id = value("boot_id=").filter(|id| id.len() <= 36)?;
        let (number, lines) = value("line=")?.split_once('/')?;
        let (number, lines) = (number.parse().ok()?, lines.parse().ok()?);
        let died_s = value("died=")?.parse().ok()?;
        let (from, why) = (value("from=")?, value("why=")?);
        let sound = (1..=lines).contains(&number) && from.len() <= WORD && why.len() <= WORD;
        let host = (host != "-").then_some(host);
        let dump = Dump { id, host, pid, boot_id, lines, died_s, from, why };
        sound.then_some(DumpLine { dump, number, text })
    }

    /// What stands in front of the text, with a blank behind it.
    pub fn head(&self) -> impl fmt::Display + use<'a> {
        Head(*self)
    }
}

/// The words before the text, and the text.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut blanks = bytes.iter().enumerate().filter(|(_, byte)| **byte == b' ');
    let (at, _) = blanks.nth(WORDS - 1)?;
    Some((bytes.get(..at)?, bytes.get(at + 1..)?))
}

struct Head<'a>(DumpLine<'a>);

impl fmt::Display for Head<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let DumpLine { dump, number, .. } = &self.0;
        let Dump { id, host, pid, boot_id, lines, died_s, from, why } = dump;
        write!(out, "{START}{} {PROGRAM} {pid} pstore - dump={id} ", host.unwrap_or("-"))?;
        write!(out, "boot_id={boot_id} line={number}/{lines} died={died_s} ")?;
        write!(out, "from={from} why={why} ")
    }
}

/// daemon.info, version 1, no time: the receiver's counts.
const START: &str = "<30>1 - ";
const PROGRAM: &str = "bedside-patient";
/// Words between the start and the text.
const WORDS: usize = 11;
/// The longest `from` and `why`.
const WORD: usize = 32;

#[cfg(test)]
mod tests {
    use std::string::ToString as _;

    use super::*;

    const LINE: DumpLine<'_> = DumpLine {
        dump: Dump {
            id: Nonce([0xab; 16]),
            host: Some("web1"),
            pid: 512,
            boot_id: "49450e1b-6f9f-446b-96fa-3286d3c662f0",
            lines: 41,
            died_s: 1_700_000_000,
            from: "ramoops",
            why: "Panic#1",
        },
        number: 3,
        text: b"<6>[   12.345678] a  text\xff of any bytes ",
    };

    #[test]
    fn what_is_sent_is_read_and_is_syslog() {
        for dump in [LINE.dump, Dump { host: None, ..LINE.dump }] {
            let line = DumpLine { dump, ..LINE };
            let sent = [line.head().to_string().as_bytes(), line.text].concat();
            assert_eq!(DumpLine::parse(&sent), Some(line));
            assert!(matches!(crate::parse(&sent), crate::Datagram::Syslog(_)));
        }
    }

    #[test]
    fn anything_else_is_a_datagram_like_all_others() {
        let head = LINE.head().to_string();
        for (from, to) in [
            ("<30>", "<31>"),
            ("bedside-patient", "systemd"),
            ("pstore -", "heartbeat -"),
            ("dump=ab", "dump=ax"),
            ("line=3/41", "line=0/41"),
            ("line=3/41", "line=42/41"),
            ("why=Panic#1", "why=Panic#1Panic#1Panic#1Panic#1Panic#1"),
        ] {
            let other = head.replace(from, to);
            assert_eq!(DumpLine::parse(other.as_bytes()), None, "{other}");
        }
        for cut in 0..head.len() {
            assert_eq!(DumpLine::parse(head.split_at(cut).0.as_bytes()), None, "{cut}");
        }
    }
}
