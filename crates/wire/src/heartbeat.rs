//! What a patient's agent says now and then: that its machine lives, and how it is.
//!
//! A datagram of RFC 5424, so that every syslog server keeps a sensible line:
//!
//! ```text
//! <30>1 - web1 bedside-patient 512 heartbeat - boot_id=… uptime=86400s every=10s armed=yes errors=0
//! <30>1 - web1 bedside-patient 512 goodbye - boot_id=… uptime=86411s every=10s armed=yes errors=0
//! ```

use core::fmt;
use core::str::SplitAsciiWhitespace;

/// A sign of life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heartbeat<'a> {
    /// The machine's name, if it has one.
    pub host: Option<&'a str>,
    /// The agent's process.
    pub pid: u32,
    /// The last one: the agent was told to end.
    pub goodbye: bool,
    /// Which boot lives.
    pub boot_id: &'a str,
    /// Seconds since the machine started.
    pub uptime_s: u64,
    /// Seconds until the next one.
    pub every_s: u32,
    /// Whether the kernel is armed as wished.
    pub armed: bool,
    /// Datagrams that the kernel knows it failed to send.
    pub errors: u64,
}

impl<'a> Heartbeat<'a> {
    /// Reads a datagram; nothing, if it is none of these.
    pub fn parse(payload: &'a [u8]) -> Option<Heartbeat<'a>> {
        if payload.len() > LONGEST || !payload.starts_with(START.as_bytes()) {
            return None;
        }
        let mut words = core::str::from_utf8(payload).ok()?.split_ascii_whitespace().skip(2);
        let host = words.next()?;
        if words.next()? != PROGRAM {
            return None;
        }
        let pid = words.next()?.parse().ok()?;
        let goodbye = match words.next()? {
            "heartbeat" => false,
            "goodbye" => true,
            _ => return None,
        };
        words.next().filter(|data| *data == "-")?;
        Some(Heartbeat {
            host: (host != "-").then_some(host),
            pid,
            goodbye,
            boot_id: value(&mut words, "boot_id=").filter(|id| is_sound(id))?,
            uptime_s: value(&mut words, "uptime=")?.strip_suffix('s')?.parse().ok()?,
            every_s: value(&mut words, "every=")?.strip_suffix('s')?.parse().ok()?,
            armed: value(&mut words, "armed=")? == "yes",
            errors: value(&mut words, "errors=")?.parse().ok()?,
        })
    }
}

fn value<'a>(words: &mut core::iter::Skip<SplitAsciiWhitespace<'a>>, key: &str) -> Option<&'a str> {
    words.next()?.strip_prefix(key)
}

/// As `/proc/sys/kernel/random/boot_id` has it: 32 hex digits, or fewer, and hyphens.
fn is_sound(boot_id: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_hexdigit() || byte == b'-';
    let digits = boot_id.bytes().filter(u8::is_ascii_hexdigit).count();
    boot_id.len() <= 36 && (1..=32).contains(&digits) && boot_id.bytes().all(known)
}

/// The datagram.
impl fmt::Display for Heartbeat<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.goodbye { "goodbye" } else { "heartbeat" };
        let (host, armed) = (self.host.unwrap_or("-"), if self.armed { "yes" } else { "no" });
        write!(out, "{START}{host} {PROGRAM} {} {kind} - ", self.pid)?;
        write!(out, "boot_id={} uptime={}s ", self.boot_id, self.uptime_s)?;
        write!(out, "every={}s armed={armed} errors={}", self.every_s, self.errors)
    }
}

/// daemon.info, version 1, no time: the receiver's counts.
const START: &str = "<30>1 - ";
const PROGRAM: &str = "bedside-patient";
/// A name has 255 bytes at most (RFC 5424 6).
const LONGEST: usize = 480;

#[cfg(test)]
mod tests {
    use std::string::ToString as _;

    use super::*;

    const ONE: Heartbeat<'_> = Heartbeat {
        host: Some("web1"),
        pid: 512,
        goodbye: false,
        boot_id: "49450e1b-6f9f-446b-96fa-3286d3c662f0",
        uptime_s: 86_400,
        every_s: 10,
        armed: true,
        errors: 0,
    };

    #[test]
    fn what_is_said_is_understood_and_is_syslog() {
        for one in [ONE, Heartbeat { host: None, goodbye: true, armed: false, ..ONE }] {
            let said = one.to_string();
            assert_eq!(Heartbeat::parse(said.as_bytes()), Some(one), "{said}");
            assert!(matches!(crate::parse(said.as_bytes()), crate::Datagram::Syslog(_)), "{said}");
        }
    }

    #[test]
    fn anything_else_is_a_datagram_like_all_others() {
        let said = ONE.to_string();
        for (from, to) in [
            ("<30>", "<31>"),
            ("bedside-patient", "systemd"),
            ("heartbeat", "greeting"),
            ("boot_id=4", "boot_id=x"),
            ("boot_id=4", "boot_id=4444"),
            ("446b-96fa", "-446b-96fa"),
            ("49450e1b-6f9f-446b-96fa-3286d3c662f0", "----"),
            ("uptime=86400s", "uptime=86400"),
            ("errors=0", "errors=many"),
            ("web1", "web 1"),
        ] {
            let other = said.replace(from, to);
            assert_eq!(Heartbeat::parse(other.as_bytes()), None, "{other}");
        }
        for cut in 0..said.len() {
            let (said, _) = said.split_at(cut);
            assert_eq!(Heartbeat::parse(said.as_bytes()), None, "{said}");
        }
    }
}
