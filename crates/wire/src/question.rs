//! What a patient asks a doctor, and the answer: was a marked line heard, and by which stream?
//!
//! netconsole itself is never answered, so a machine that wants to know whether its kernel is
//! heard asks from a socket of its own, at the doctor's own port:
//!
//! ```text
//! bedside? 1 <nonce> <address asked>   then spaces up to 160 bytes
//! bedside! 1 <nonce> waiting
//! bedside! 1 <nonce> heard <format> <source address> <source port> <port>
//! ```
//!
//! It asks first, then has its kernel say the line `bedside-patient: test <nonce>`, and asks
//! again until it was heard. A nonce is 32 hex digits. An answer is never longer than the
//! question, so that a forged sender's address gains nobody anything.

use core::fmt;
use core::net::IpAddr;

use crate::{Format, Sink, SliceSink};

/// What tells one test from all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Nonce(pub [u8; 16]);

/// Was this heard?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    /// In which line.
    pub nonce: Nonce,
    /// The doctor's address as the one who asks knows it, from which it wants the answer.
    pub asked: IpAddr,
}

/// What is known of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// In which line.
    pub nonce: Nonce,
    /// By which stream it was heard; not yet, where there is none.
    pub heard: Option<Heard>,
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

    fn parse(digits: &[u8]) -> Option<Nonce> {
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
        Some(Question { nonce, asked })
    }

    /// The datagram.
    pub fn emit(&self) -> [u8; QUESTION_LENGTH] {
        let mut room = [b' '; QUESTION_LENGTH];
        let mut out = Words(SliceSink::new(&mut room));
        // There is room for every address.
        let _fits = fmt::Write::write_fmt(
            &mut out,
            format_args!("bedside? 1 {} {}", self.nonce, self.asked),
        );
        room
    }
}

impl Answer {
    /// Reads a datagram; nothing, if it is no answer.
    pub fn parse(payload: &[u8]) -> Option<Answer> {
        let mut words = words(payload, "bedside!")?;
        let nonce = Nonce::parse(words.next()?.as_bytes())?;
        let heard = match words.next()? {
            "waiting" => None,
            "heard" => Some(Heard {
                format: format_named(words.next()?)?,
                source: words.next()?.parse().ok()?,
                source_port: words.next()?.parse().ok()?,
                port: words.next()?.parse().ok()?,
            }),
            _ => return None,
        };
        Some(Answer { nonce, heard })
    }

    /// Writes the datagram into `room`, and gives what was written.
    pub fn emit<'r>(&self, room: &'r mut [u8; QUESTION_LENGTH]) -> &'r [u8] {
        let mut out = Words(SliceSink::new(room));
        let nonce = self.nonce;
        // There is room for every answer.
        let _fits = match self.heard {
            None => fmt::Write::write_fmt(&mut out, format_args!("bedside! 1 {nonce} waiting")),
            Some(Heard { format, source, source_port, port }) => fmt::Write::write_fmt(
                &mut out,
                format_args!(
                    "bedside! 1 {nonce} heard {} {source} {source_port} {port}",
                    format.as_str()
                ),
            ),
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
        for asked in ["192.168.0.2", "fd00::2"] {
            let question = Question { nonce: NONCE, asked: asked.parse().unwrap() };
            assert_eq!(Question::parse(&question.emit()), Some(question));
        }
        let longest = Heard {
            format: Format::Extended,
            source: "fe80:1111:2222:3333:4444:5555:6666:7777".parse().unwrap(),
            source_port: 65535,
            port: 65535,
        };
        for heard in [None, Some(longest)] {
            let answer = Answer { nonce: NONCE, heard };
            let mut room = [0; QUESTION_LENGTH];
            let sent = answer.emit(&mut room);
            assert!(sent.len() < QUESTION_LENGTH);
            assert_eq!(Answer::parse(sent), Some(answer));
        }
    }

    #[test]
    fn a_short_question_is_none_so_that_no_answer_is_longer() {
        let whole = Question { nonce: NONCE, asked: [10, 0, 0, 1].into() }.emit();
        assert_eq!(Question::parse(&whole[..QUESTION_LENGTH - 1]), None);
        assert!(Question::parse(&[whole.as_slice(), b" more"].concat()).is_some());
        assert_eq!(Question::parse(&[b'x'; 200]), None);
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
