//! What a sender that delivers a death says after it: which records it was made of, so that the
//! receiver can tell whether it holds them all.
//!
//! A datagram of RFC 5424, so that every syslog server keeps a sensible line:
//!
//! ```text
//! <6>1 - - bedside_netconsole - closing - reason=panic first=431 last=513 count=83
//! ```

use core::fmt;

use crate::Sequence;
use crate::tag::{self, Tag};

/// The closing record of a death.
///
/// ```
/// use netconsole_wire::closing::{Closing, Reason};
/// use netconsole_wire::Sequence;
/// let said = b"<6>1 - - bedside_netconsole - closing - reason=panic first=431 last=513 count=83";
/// let closing = Closing::parse(said).unwrap();
/// assert_eq!(closing.reason, Reason::Panic);
/// assert_eq!((closing.first, closing.last, closing.count), (Sequence(431), Sequence(513), 83));
/// assert_eq!(closing.to_string().as_bytes(), said);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closing {
    /// What the kernel dumped its log for.
    pub reason: Reason,
    /// The lowest number that the death is made of.
    pub first: Sequence,
    /// The highest.
    pub last: Sequence,
    /// How many records: no more than there are numbers from `first` to `last`.
    pub count: u64,
}

/// What a kernel dumps its log for (`include/linux/kmsg_dump.h`, `enum kmsg_dump_reason`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// It panics.
    Panic,
    /// It goes on after an oops, perhaps.
    Oops,
    /// It restarts at once, after a panic or told so by sysrq.
    Emergency,
}

impl Reason {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::Panic => "panic",
            Reason::Oops => "oops",
            Reason::Emergency => "emergency",
        }
    }

    fn parse(word: &str) -> Option<Reason> {
        let all = [Reason::Panic, Reason::Oops, Reason::Emergency];
        all.into_iter().find(|reason| reason.as_str() == word)
    }
}

impl Closing {
    /// Reads a datagram; nothing, if it is none of these.
    pub fn parse(payload: &[u8]) -> Option<Closing> {
        if payload.len() > LONGEST {
            return None;
        }
        let said = core::str::from_utf8(payload.strip_prefix(START.as_bytes())?).ok()?;
        Closing::read(said)
    }

    /// Reads the message of such a datagram: what stands behind its header.
    pub fn read(said: &str) -> Option<Closing> {
        let mut words = said.split(' ');
        let mut value = |key: &str| words.next()?.strip_prefix(key);
        let reason = Reason::parse(value("reason=")?)?;
        let first = number(value("first=")?)?;
        let last = number(value("last=")?)?;
        let count = number(value("count=")?)?;
        let holds = (1..=last.checked_sub(first)?.checked_add(1)?).contains(&count);
        let tagged = |word: &str| word.strip_prefix("tag=").is_some_and(is_tag);
        let whole = holds && words.next().is_none_or(tagged) && words.next().is_none();
        whole.then_some(Closing { reason, first: Sequence(first), last: Sequence(last), count })
    }
}

/// The datagram.
impl fmt::Display for Closing {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Closing { reason, first, last, count } = self;
        let (reason, first, last) = (reason.as_str(), first.0, last.0);
        write!(out, "{START}reason={reason} first={first} last={last} count={count}")
    }
}

fn is_tag(value: &str) -> bool {
    Tag::parse(value.as_bytes()).is_some()
}

fn number(text: &str) -> Option<u64> {
    crate::scan::whole_number(text.as_bytes())
}

/// The name in the place of a program: the module that says so.
pub const PROGRAM: &str = "bedside_netconsole";

/// The kind of message.
pub const MESSAGE_ID: &str = "closing";

/// kern.info, version 1; no time, no host, no process: the receiver's count.
const START: &str = "<6>1 - - bedside_netconsole - closing - ";

/// Three numbers of twenty digits, the words between them, a tag.
const LONGEST: usize = 160 + tag::LENGTH;

#[cfg(test)]
mod tests {
    use std::string::ToString as _;

    use super::*;

    const ONE: Closing = Closing {
        reason: Reason::Emergency,
        first: Sequence(0),
        last: Sequence(u64::MAX - 1),
        count: u64::MAX,
    };

    #[test]
    fn what_is_said_is_understood_and_is_syslog() {
        for reason in [Reason::Panic, Reason::Oops, Reason::Emergency] {
            let one = Closing { reason, ..ONE };
            let said = one.to_string();
            assert_eq!(Closing::parse(said.as_bytes()), Some(one), "{said}");
            let crate::Datagram::Syslog(syslog) = crate::parse(said.as_bytes()) else {
                panic!("no syslog: {said}");
            };
            assert_eq!(syslog.tag, Some(PROGRAM.as_bytes()));
            assert_eq!(syslog.msgid, Some(MESSAGE_ID.as_bytes()));
            let message = core::str::from_utf8(syslog.text).expect("digits and words");
            assert_eq!(Closing::read(message), Some(one));
        }
    }

    #[test]
    fn numbers_that_cannot_be_are_refused() {
        for said in [
            "reason=panic first=5 last=4 count=1",
            "reason=panic first=5 last=6 count=3",
            "reason=panic first=5 last=6 count=0",
            "reason=panic first=0 last=18446744073709551615 count=1",
            "reason=flood first=5 last=6 count=2",
            "reason=panic first=5 last=6 count=2 ",
            "reason=panic first=5 last=6 count=2 tag=",
            "reason=panic first=5 last=6 count=2 tag=5f1d22ab90c3e47a",
            "reason=panic first=05 last=6 count=2",
            "reason=panic first=5 last=6",
            "",
        ] {
            assert_eq!(Closing::read(said), None, "{said}");
        }
    }
}
