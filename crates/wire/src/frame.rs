//! The headers in front of a datagram on an Ethernet: for senders that build whole frames, as a
//! kernel's netpoll does (`net/core/netpoll.c`, `netpoll_send_udp`).

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::parameter::Mac;
use crate::{Sink, SliceSink};

/// From where to where frames go.
///
/// ```
/// use std::net::Ipv4Addr;
/// use netconsole_wire::frame::{Addresses, FRAME_HEADER, Route};
/// use netconsole_wire::parameter::Mac;
/// let route = Route {
///     source_mac: Mac([0x52, 0x54, 0, 0x12, 0x34, 0x56]),
///     mac: Mac::BROADCAST,
///     addresses: Addresses::V4 {
///         source: Ipv4Addr::new(10, 0, 2, 15),
///         target: Ipv4Addr::new(10, 0, 2, 2),
///     },
///     source_port: 6665,
///     port: 6666,
/// };
/// let mut room = [0; FRAME_HEADER];
/// let header = route.header(b"6,1,0,-;text\n", 7, &mut room).unwrap();
/// assert_eq!(header.len(), 14 + 20 + 8);
/// assert_eq!(header[18..20], [0, 7]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// The sending device's hardware address.
    pub source_mac: Mac,
    /// The hardware address that frames go to.
    pub mac: Mac,
    /// From where to where datagrams go.
    pub addresses: Addresses,
    /// The UDP port that is sent from.
    pub source_port: u16,
    /// The receiver's UDP port.
    pub port: u16,
}

/// Two addresses of one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Addresses {
    /// IPv4.
    V4 {
        /// The sender's.
        source: Ipv4Addr,
        /// The receiver's.
        target: Ipv4Addr,
    },
    /// IPv6.
    V6 {
        /// The sender's.
        source: Ipv6Addr,
        /// The receiver's.
        target: Ipv6Addr,
    },
}

impl Addresses {
    /// The two, if they are of one family.
    pub fn pair(source: IpAddr, target: IpAddr) -> Option<Addresses> {
        match (source, target) {
            (IpAddr::V4(source), IpAddr::V4(target)) => Some(Addresses::V4 { source, target }),
            (IpAddr::V6(source), IpAddr::V6(target)) => Some(Addresses::V6 { source, target }),
            _ => None,
        }
    }

    /// The sender's.
    pub fn source(self) -> IpAddr {
        match self {
            Addresses::V4 { source, .. } => source.into(),
            Addresses::V6 { source, .. } => source.into(),
        }
    }

    /// What UDP's checksum covers of them: both, and the protocol's number.
    fn sum(self) -> Sum {
        let sum = Sum::default().word(UDP as u16);
        match self {
            Addresses::V4 { source, target } => sum.bytes(&source.octets()).bytes(&target.octets()),
            Addresses::V6 { source, target } => sum.bytes(&source.octets()).bytes(&target.octets()),
        }
    }
}

impl Route {
    /// The headers for a datagram of this payload, with their checksums: Ethernet II, IPv4
    /// (20 bytes, `id` as its number) or IPv6, UDP. Nothing, if the payload is too long for one
    /// datagram (65,507 bytes, 65,527 of IPv6) or the room shorter than [`FRAME_HEADER`].
    pub fn header<'b>(&self, payload: &[u8], id: u16, room: &'b mut [u8]) -> Option<&'b [u8]> {
        let udp_length = u16::try_from(payload.len() + UDP_HEADER).ok()?;
        let room = room.get_mut(..FRAME_HEADER)?;
        let mut out = SliceSink::new(room);
        out.write(&self.mac.0);
        out.write(&self.source_mac.0);
        match self.addresses {
            Addresses::V4 { source, target } => {
                let length = udp_length.checked_add(IPV4_HEADER as u16)?;
                out.write(&ETHERTYPE_IPV4);
                out.write(&ipv4_header(length, id, source, target));
            }
            Addresses::V6 { source, target } => {
                out.write(&ETHERTYPE_IPV6);
                out.write(&[0x60, 0, 0, 0]);
                out.write(&udp_length.to_be_bytes());
                out.write(&[UDP, IPV6_HOP_LIMIT]);
                out.write(&source.octets());
                out.write(&target.octets());
            }
        }
        for word in [self.source_port, self.port, udp_length, self.checksum(udp_length, payload)] {
            out.write(&word.to_be_bytes());
        }
        let length = out.as_bytes().len();
        room.get(..length)
    }

    /// UDP's; a sum of zero is sent as all ones, as zero says that there is none (RFC 768).
    fn checksum(&self, udp_length: u16, payload: &[u8]) -> u16 {
        let sum = self.addresses.sum().word(udp_length);
        let sum = sum.word(self.source_port).word(self.port).word(udp_length);
        match sum.bytes(payload).complement() {
            0 => 0xffff,
            checksum => checksum,
        }
    }
}

fn ipv4_header(length: u16, id: u16, source: Ipv4Addr, target: Ipv4Addr) -> [u8; IPV4_HEADER] {
    let ([l0, l1], [i0, i1]) = (length.to_be_bytes(), id.to_be_bytes());
    let ([s0, s1, s2, s3], [t0, t1, t2, t3]) = (source.octets(), target.octets());
    let header = |[c0, c1]: [u8; 2]| {
        [0x45, 0, l0, l1, i0, i1, 0, 0, IPV4_TTL, UDP, c0, c1, s0, s1, s2, s3, t0, t1, t2, t3]
    };
    let checksum = Sum::default().bytes(&header([0, 0])).complement();
    header(checksum.to_be_bytes())
}

/// The Internet checksum (RFC 1071): the one's complement of the one's complement sum.
#[derive(Clone, Copy, Default)]
struct Sum(u64);

impl Sum {
    fn word(self, word: u16) -> Sum {
        Sum(self.0 + word as u64)
    }

    /// An odd byte at the end counts as if a zero followed.
    fn bytes(mut self, bytes: &[u8]) -> Sum {
        let (pairs, odd) = bytes.as_chunks::<2>();
        for pair in pairs {
            self = self.word(u16::from_be_bytes(*pair));
        }
        match odd {
            [byte] => self.word(u16::from_be_bytes([*byte, 0])),
            _ => self,
        }
    }

    fn complement(self) -> u16 {
        let mut sum = self.0;
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        !(sum as u16)
    }
}

/// Room enough for the headers of either family, in bytes.
pub const FRAME_HEADER: usize = ETHERNET_HEADER + IPV6_HEADER + UDP_HEADER;

const ETHERNET_HEADER: usize = 14;
const IPV4_HEADER: usize = 20;
const IPV6_HEADER: usize = 40;
const UDP_HEADER: usize = 8;
const ETHERTYPE_IPV4: [u8; 2] = [0x08, 0x00];
const ETHERTYPE_IPV6: [u8; 2] = [0x86, 0xdd];
const UDP: u8 = 17;
/// `net/core/netpoll.c`, `push_ipv4`.
const IPV4_TTL: u8 = 64;
/// `net/core/netpoll.c`, `push_ipv6`.
const IPV6_HOP_LIMIT: u8 = 32;
