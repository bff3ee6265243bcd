//! What makes a stream.

use core::fmt;
use core::hash::BuildHasher;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::Voice;

/// What makes a stream: who sent, from which port, to which of our ports, and whether that is
/// proven. IPv4-mapped IPv6 addresses are the same as IPv4 ones; there is neither flow label nor
/// scope.
///
/// Three words, which are written and read as such: one is made and compared for each datagram,
/// and of an address in many small pieces the processor would wait for each.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(C)]
pub struct StreamKey {
    /// The address, an IPv4 one as an IPv4-mapped one: its first eight bytes and its last.
    high: u64,
    low: u64,
    /// The sender's port, ours, and the voice, sixteen bits each.
    ports: u64,
}

impl StreamKey {
    /// The stream of datagrams without tags, from `source` to our `port`.
    pub fn new(source: SocketAddr, port: u16) -> StreamKey {
        let (high, low) = match source.ip() {
            IpAddr::V4(ip) => (0, MAPPED << 32 | u64::from(ip.to_bits())),
            IpAddr::V6(ip) => ((ip.to_bits() >> 64) as u64, ip.to_bits() as u64),
        };
        let ports = u64::from(source.port()) << 32 | u64::from(port) << 16;
        StreamKey { high, low, ports: ports | Voice::Plain as u64 }
    }

    /// Of the same source and port, with this voice.
    #[must_use]
    pub fn with_voice(self, voice: Voice) -> StreamKey {
        StreamKey { ports: self.ports & !0xffff | voice as u64, ..self }
    }

    /// To another of our ports, all else the same.
    #[must_use]
    pub fn with_port(self, port: u16) -> StreamKey {
        StreamKey { ports: self.ports & !0xffff_0000 | u64::from(port) << 16, ..self }
    }

    /// The sender's address and port.
    pub fn source(&self) -> SocketAddr {
        SocketAddr::new(self.ip(), (self.ports >> 32) as u16)
    }

    /// The sender's address.
    pub fn ip(&self) -> IpAddr {
        match self.ipv4() {
            Some(ip) => Ipv4Addr::from_bits(ip).into(),
            None => Ipv6Addr::from_bits(u128::from(self.high) << 64 | u128::from(self.low)).into(),
        }
    }

    /// Our port.
    pub fn port(&self) -> u16 {
        (self.ports >> 16) as u16
    }

    /// What its tag says: what is proven and what anybody may have said never mix.
    pub fn voice(&self) -> Voice {
        Voice::ALL.get((self.ports & 0xffff) as usize).copied().unwrap_or_default()
    }

    /// The keyed hash of all of it.
    pub(crate) fn hash(&self, hasher: &impl BuildHasher) -> u64 {
        // The voice costs nothing so, and is kept apart nearly as well.
        let ports = (self.ports >> 16) ^ (self.ports & 0xffff);
        match self.ipv4() {
            Some(ip) => hasher.hash_one(u64::from(ip) << 32 | ports),
            None => hasher.hash_one((self.high, self.low, ports)),
        }
    }

    /// What stands first in memory.
    pub(crate) fn first_word(&self) -> u64 {
        self.high
    }

    fn ipv4(&self) -> Option<u32> {
        (self.high == 0 && self.low >> 32 == MAPPED).then_some(self.low as u32)
    }
}

impl fmt::Debug for StreamKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} to {}, {}", self.source(), self.port(), self.voice().as_str())
    }
}

/// What stands in front of the IPv4 address in `::ffff:0:0/96` (RFC 4291, 2.5.5.2).
const MAPPED: u64 = 0xffff;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_says_what_it_was_made_of() {
        for source in ["10.1.2.3:6665", "[::]:0", "[2001:db8::1:2]:65535", "[::1.2.3.4]:1"] {
            let source: SocketAddr = source.parse().unwrap();
            for voice in Voice::ALL {
                let key = StreamKey::new(source, 514).with_voice(voice).with_port(6666);
                assert_eq!((key.source(), key.ip()), (source, source.ip()));
                assert_eq!((key.port(), key.voice()), (6666, voice));
            }
        }
        let mapped = StreamKey::new("[::ffff:10.1.2.3]:6665".parse().unwrap(), 6666);
        assert_eq!(mapped, StreamKey::new("10.1.2.3:6665".parse().unwrap(), 6666));
    }
}
