//! What a patient asks a doctor, and the answers: was a marked line heard, and by which stream;
//! when was a stream heard last; what is there of a dump?
//!
//! netconsole itself is never answered, so a machine that wants to know whether its kernel is
//! heard asks from a socket of its own, at the doctor's own port:
//!
//! ```text
//! bedside? 1 <nonce> <address asked>               was that line heard?
//! bedside! 1 <nonce> waiting
//! bedside! 1 <nonce> heard <format> <source address> <source port> <port>
//!
//! bedside? 1 <nonce> <address asked> last <port>   when was that port of mine heard last?
//! bedside! 1 <nonce> last <source port> <seconds ago>
//! bedside! 1 <nonce> never
//!
//! bedside? 1 <dump> <address asked> dump           is that dump kept?
//! bedside! 1 <dump> kept
//! bedside! 1 <dump> missing <number of a line>
//! bedside! 1 <dump> waiting                        all is there, or nothing can be taken now
//! ```
//!
//! For a line it asks first, then has its kernel say `bedside-patient: test <nonce>`, and asks
//! again until it was heard. A nonce is 32 hex digits. A question ends with spaces up to 160
//! bytes, and an answer is never longer, so that a forged sender's address gains nobody anything.

use core::fmt::{self, Write as _};
use core::net::IpAddr;

use crate::{Format, Sink, SliceSink};

/// What tells one test from all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Nonce(pub [u8; 16]);

/// What somebody wants to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    /// Which answer is meant for it.
    pub nonce: Nonce,
    /// The doctor's address as the one who asks knows it, from which it wants the answer.
    pub asked: IpAddr,
    /// What about.
    pub about: About,
}

/// What a question is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// Was the line with the nonce heard?
    Line,
    /// When was this port of the asker's address heard last, at the port that is asked?
    Port(u16),
    /// Is the dump of that number, from the asker's address, kept?
    Dump,
}

/// What is known of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The question's.
    pub nonce: Nonce,
    /// What it comes to.
    pub reply: Reply,
}

/// What an answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The line was not heard yet; the dump is there, and being kept, or is to be sent later.
    Waiting,
    /// The line was heard.
    Heard(Heard),
    /// The stream was heard last so long ago.
    Last {
        /// The port that it came from: another one of the same address, if the one asked for is
        /// not known, as behind a translation of addresses.
        source_port: u16,
        /// How long ago.
        seconds: u64,
    },
    /// No stream of that address is known.
    Never,
    /// The dump is on the doctor's disk.
    Kept,
    /// The first line of the dump, from 1, that did not come yet.
    Missing(u32),
}

/// A stream that brought the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// How it was said.
    pub format: Format,
    /// The sender's address as the doctor sees it.
    pub source: IpAddr,
    /// The sender's port as the doctor sees it.
    pub source_port: u16,
    /// The doctor's port.
    pub port: u16,
}

impl Nonce {
    /// The nonce of the marked line in this datagram, whatever its format.
    pub fn in_line(payload: &[u8]) -> Option<Nonce> {
        let mut at = payload.windows(MARK.len()).position(|window| window == MARK)?;
        at += MARK.len();
        Nonce::parse(payload.get(at..at + NONCE_LENGTH)?)
    }

    /// Reads its 32 hex digits.
    pub fn parse(digits: &[u8]) -> Option<Nonce> {
        let mut bytes = [0; 16];
        let (pairs, rest) = digits.as_chunks::<2>();
        if pairs.len() != bytes.len() || !rest.is_empty() {
            return None;
        }
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            *byte = digit(*high)? << 4 | digit(*low)?;
        }
        Some(Nonce(bytes))
    }
}

impl fmt::Display for Nonce {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
    }
}

impl Question {
    /// Reads a datagram; nothing, if it is no question.
    pub fn parse(payload: &[u8]) -> Option<Question> {
        if payload.len() < QUESTION_LENGTH {
            return None;
        }
        let mut words = words(payload, "bedside?")?;
        let nonce = Nonce::parse(words.next()?.as_bytes())?;
        let asked = words.next()?.parse().ok()?;
        let about = match words.next() {
            Some("last") => About::Port(words.next()?.parse().ok()?),
            Some("dump") => About::Dump,
            _ => About::Line,
        };
        Some(Question { nonce, asked, about })
    }

    /// The datagram.
    pub fn emit(&self) -> [u8; QUESTION_LENGTH] {
        let mut room = [b' '; QUESTION_LENGTH];
        let mut out = Words(SliceSink::new(&mut room));
        // There is room for every question.
        let _fits = write!(out, "bedside? 1 {} {}", self.nonce, self.asked);
        let _fits = match self.about {
            About::Line => Ok(()),
            About::Port(port) => write!(out, " last {port}"),
            About::Dump => write!(out, " dump"),
        };
        room
    }
}

impl Answer {
    /// Reads a datagram; nothing, if it is no answer.
    pub fn parse(payload: &[u8]) -> Option<Answer> {
        let mut words = words(payload, "bedside!")?;
        let nonce = Nonce::parse(words.next()?.as_bytes())?;
        let reply = match words.next()? {
            "waiting" => Reply::Waiting,
            "heard" => Reply::Heard(Heard {
                format: format_named(words.next()?)?,
                source: words.next()?.parse().ok()?,
                source_port: words.next()?.parse().ok()?,
                port: words.next()?.parse().ok()?,
            }),
            "last" => Reply::Last {
                source_port: words.next()?.parse().ok()?,
                seconds: words.next()?.parse().ok()?,
            },
            "never" => Reply::Never,
            "kept" => Reply::Kept,
            "missing" => Reply::Missing(words.next()?.parse().ok()?),
            _ => return None,
        };
        Some(Answer { nonce, reply })
    }

    /// Writes the datagram into `room`, and gives what was written.
    pub fn emit<'r>(&self, room: &'r mut [u8; QUESTION_LENGTH]) -> &'r [u8] {
        let mut out = Words(SliceSink::new(room));
        // There is room for every answer.
        let _fits = write!(out, "bedside! 1 {} ", self.nonce);
        let _fits = match self.reply {
            Reply::Waiting => write!(out, "waiting"),
            Reply::Heard(Heard { format, source, source_port, port }) => {
                write!(out, "heard {} {source} {source_port} {port}", format.as_str())
            }
            Reply::Last { source_port, seconds } => write!(out, "last {source_port} {seconds}"),
            Reply::Never => write!(out, "never"),
            Reply::Kept => write!(out, "kept"),
            Reply::Missing(number) => write!(out, "missing {number}"),
        };
        let length = out.0.as_bytes().len();
        room.get(..length).unwrap_or_default()
    }
}

/// The words of a datagram of version 1 that begins so.
fn words<'a>(payload: &'a [u8], first: &str) -> Option<core::str::SplitAsciiWhitespace<'a>> {
    let mut words = core::str::from_utf8(payload).ok()?.split_ascii_whitespace();
    (words.next()? == first && words.next()? == "1").then_some(words)
}

fn format_named(name: &str) -> Option<Format> {
    let known = [Format::Extended, Format::Basic, Format::Rfc3164, Format::Rfc5424, Format::Raw];
    known.into_iter().find(|format| format.as_str() == name)
}

struct Words<'r>(SliceSink<'r>);

impl fmt::Write for Words<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write(text.as_bytes());
        Ok(())
    }
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

/// The length of every question in bytes.
pub const QUESTION_LENGTH: usize = 160;

/// What stands before the nonce in the marked line.
pub const MARK: &[u8] = b"bedside-patient: test ";

const NONCE_LENGTH: usize = 32;

#[cfg(test)]
mod tests {
    use std::string::ToString as _;

    use super::*;

    const NONCE: Nonce = Nonce([0xab; 16]);

    #[test]
    fn questions_and_answers_are_read_as_they_were_written() {
        for (asked, about) in
            [("192.168.0.2", About::Line), ("fd00::2", About::Port(6665)), ("fd00::2", About::Dump)]
        {
            let question = Question { nonce: NONCE, asked: asked.parse().unwrap(), about };
            assert_eq!(Question::parse(&question.emit()), Some(question));
        }
        let longest = Heard {
            format: Format::Extended,
            source: "fe80:1111:2222:3333:4444:5555:6666:7777".parse().unwrap(),
            source_port: 65535,
            port: 65535,
        };
        let last = Reply::Last { source_port: 65535, seconds: u64::MAX };
        let missing = Reply::Missing(u32::MAX);
        for reply in
            [Reply::Waiting, Reply::Heard(longest), last, Reply::Never, Reply::Kept, missing]
        {
            let answer = Answer { nonce: NONCE, reply };
            let mut room = [0; QUESTION_LENGTH];
            let sent = answer.emit(&mut room);
            assert!(sent.len() < QUESTION_LENGTH);
            assert_eq!(Answer::parse(sent), Some(answer));
        }
    }

    #[test]
    fn a_short_question_is_none_so_that_no_answer_is_longer() {
        let whole = Question { nonce: NONCE, asked: [10, 0, 0, 1].into(), about: About::Line };
        let whole = whole.emit();
        assert_eq!(Question::parse(&whole[..QUESTION_LENGTH - 1]), None);
        assert!(Question::parse(&[whole.as_slice(), b" more"].concat()).is_some());
        assert_eq!(Question::parse(&[b'x'; 200]), None);
        for nonce in [&whole[11..41], &[&whole[11..43], b"00"].concat()] {
            assert_eq!(Nonce::parse(nonce), None, "as long as it is, no other");
        }
    }

    #[test]
    fn the_nonce_of_a_line_is_found_in_every_format() {
        let nonce = NONCE.to_string();
        for line in [
            "12,1,2,-;bedside-patient: test N\n host=x\n",
            "[ 1.0] bedside-patient: test N\n",
            "bedside-patient: test N",
        ] {
            let line = line.replace('N', &nonce);
            assert_eq!(Nonce::in_line(line.as_bytes()), Some(NONCE), "{line}");
        }
        for line in ["bedside-patient: test ", "bedside-patient: test abc", "bedside-patient: "] {
            assert_eq!(Nonce::in_line(line.as_bytes()), None, "{line}");
        }
    }
}
