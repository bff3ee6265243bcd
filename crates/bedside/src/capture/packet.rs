//! From a frame to the datagram inside: link layer, VLAN tags, IPv4 or IPv6, UDP.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// A datagram inside a frame.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Packet<'a> {
    pub(super) source: SocketAddr,
    pub(super) port: u16,
    pub(super) payload: &'a [u8],
}

/// Why a frame is not one of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    NotUdp,
    IpFragment,
    /// A header that is not all there, or a length beyond the end.
    Malformed,
    UnknownLink,
}

/// Finds the datagram in a frame of this link type.
pub(super) fn datagram(link: u16, frame: &[u8]) -> Result<Packet<'_>, Reason> {
    match link {
        ETHERNET => tagged(be16(frame, 12)?, from(frame, 14)?),
        LINUX_SLL => tagged(be16(frame, 14)?, from(frame, 16)?),
        LINUX_SLL2 => tagged(be16(frame, 0)?, from(frame, 20)?),
        RAW | RAW_BSD | RAW_OPENBSD | RAW_V4 | RAW_V6 => match byte(frame, 0)? >> 4 {
            4 => ipv4(frame),
            6 => ipv6(frame),
            _ => Err(Reason::Malformed),
        },
        _ => Err(Reason::UnknownLink),
    }
}

/// What an Ethernet type says about the rest, behind any number of VLAN tags.
fn tagged(mut kind: u16, mut rest: &[u8]) -> Result<Packet<'_>, Reason> {
    while matches!(kind, VLAN | VLAN_OUTER | VLAN_OLD_OUTER) {
        kind = be16(rest, 2)?;
        rest = from(rest, 4)?;
    }
    match kind {
        IPV4 => ipv4(rest),
        IPV6 => ipv6(rest),
        _ => Err(Reason::NotUdp),
    }
}

/// RFC 791 section 3.1.
fn ipv4(packet: &[u8]) -> Result<Packet<'_>, Reason> {
    let header = usize::from(byte(packet, 0)? & 0x0f) * 4;
    let total = usize::from(be16(packet, 2)?);
    let fragment = be16(packet, 6)?;
    let protocol = byte(packet, 9)?;
    let source = Ipv4Addr::from(array::<4>(packet, 12)?);
    if header < 20 {
        return Err(Reason::Malformed);
    }
    // More fragments, or not the first.
    if fragment & 0x3fff != 0 {
        return Err(Reason::IpFragment);
    }
    if protocol != UDP {
        return Err(Reason::NotUdp);
    }
    // What stands behind the packet's own length is padding.
    udp(source.into(), packet.get(header..total).ok_or(Reason::Malformed)?)
}

/// RFC 8200 sections 3 and 4: the header, then others that each name the next.
fn ipv6(packet: &[u8]) -> Result<Packet<'_>, Reason> {
    let length = usize::from(be16(packet, 4)?);
    let mut next = byte(packet, 6)?;
    let source = Ipv6Addr::from(array::<16>(packet, 8)?);
    let mut rest = packet.get(40..40 + length).ok_or(Reason::Malformed)?;
    loop {
        let skip = match next {
            UDP => return udp(source.to_canonical(), rest),
            HOP_BY_HOP | ROUTING | DESTINATION => (usize::from(byte(rest, 1)?) + 1) * 8,
            AUTHENTICATION => (usize::from(byte(rest, 1)?) + 2) * 4,
            // A whole packet may have a fragment header too (RFC 6946).
            FRAGMENT if be16(rest, 2)? & 0xfff9 == 0 => 8,
            FRAGMENT => return Err(Reason::IpFragment),
            _ => return Err(Reason::NotUdp),
        };
        next = byte(rest, 0)?;
        rest = from(rest, skip)?;
    }
}

/// RFC 768. The checksum is not looked at: captures on the sending machine have none yet.
fn udp(source: IpAddr, segment: &[u8]) -> Result<Packet<'_>, Reason> {
    let source = SocketAddr::new(source, be16(segment, 0)?);
    let port = be16(segment, 2)?;
    let length = usize::from(be16(segment, 4)?);
    let payload = segment.get(8..length).ok_or(Reason::Malformed)?;
    Ok(Packet { source, port, payload })
}

fn byte(bytes: &[u8], at: usize) -> Result<u8, Reason> {
    bytes.get(at).copied().ok_or(Reason::Malformed)
}

fn be16(bytes: &[u8], at: usize) -> Result<u16, Reason> {
    array(bytes, at).map(u16::from_be_bytes)
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N], Reason> {
    from(bytes, at)?.first_chunk().copied().ok_or(Reason::Malformed)
}

fn from(bytes: &[u8], at: usize) -> Result<&[u8], Reason> {
    bytes.get(at..).ok_or(Reason::Malformed)
}

/// Link types, <https://www.tcpdump.org/linktypes.html>. Those of raw IP had other numbers on
/// some systems.
const ETHERNET: u16 = 1;
const RAW_BSD: u16 = 12;
const RAW_OPENBSD: u16 = 14;
const RAW: u16 = 101;
const LINUX_SLL: u16 = 113;
const RAW_V4: u16 = 228;
const RAW_V6: u16 = 229;
const LINUX_SLL2: u16 = 276;

/// Ethernet types.
const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const VLAN: u16 = 0x8100;
const VLAN_OUTER: u16 = 0x88a8;
const VLAN_OLD_OUTER: u16 = 0x9100;

/// Protocol numbers.
const HOP_BY_HOP: u8 = 0;
const UDP: u8 = 17;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const DESTINATION: u8 = 60;

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    const PAYLOAD: &[u8] = b"6,1,2,-;hello\n";

    pub(in crate::capture) fn udp_of(payload: &[u8]) -> Vec<u8> {
        let length = (8 + payload.len()) as u16;
        let head = [6665_u16, 6666, length, 0].map(u16::to_be_bytes);
        [head.as_flattened(), payload].concat()
    }

    pub(in crate::capture) fn ipv4_of(options: &[u8], protocol: u8, body: &[u8]) -> Vec<u8> {
        let header = 20 + options.len();
        let total = ((header + body.len()) as u16).to_be_bytes();
        let mut packet = vec![0x40 | (header / 4) as u8, 0, total[0], total[1]];
        packet.extend([0, 1, 0, 0, 64, protocol, 0, 0, 10, 0, 2, 15, 10, 0, 2, 2]);
        [&packet[..], options, body].concat()
    }

    fn ipv6_of(next: u8, body: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x60, 0, 0, 0];
        packet.extend((body.len() as u16).to_be_bytes());
        packet.extend([next, 32]);
        packet.extend(Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0x15).octets());
        packet.extend(Ipv6Addr::LOCALHOST.octets());
        [&packet[..], body].concat()
    }

    pub(in crate::capture) fn ethernet_of(kinds: &[u16], body: &[u8]) -> Vec<u8> {
        let mut frame = vec![0xff; 6];
        frame.extend([0x52, 0x54, 0, 0x12, 0x34, 0x56]);
        for (at, kind) in kinds.iter().enumerate() {
            frame.extend(if at == 0 { &[][..] } else { &[0, 7] });
            frame.extend(kind.to_be_bytes());
        }
        [&frame[..], body].concat()
    }

    fn check(link: u16, frame: &[u8], source: &str) {
        let packet = datagram(link, frame).unwrap();
        assert_eq!(packet.source, source.parse().unwrap());
        assert_eq!((packet.port, packet.payload), (6666, PAYLOAD));
        // Nothing that is cut short is taken for something else.
        let whole = frame.len();
        for length in 0..whole {
            assert_eq!(datagram(link, &frame[..length]), Err(Reason::Malformed), "{length} bytes");
        }
    }

    const V4: &str = "10.0.2.15:6665";
    const V6: &str = "[fec0::15]:6665";

    #[test]
    fn a_datagram_is_found_behind_every_link_layer() {
        let v4 = ipv4_of(&[], UDP, &udp_of(PAYLOAD));
        let v6 = ipv6_of(UDP, &udp_of(PAYLOAD));
        check(ETHERNET, &ethernet_of(&[IPV4], &v4), V4);
        check(ETHERNET, &ethernet_of(&[IPV6], &v6), V6);
        check(ETHERNET, &ethernet_of(&[VLAN, IPV4], &v4), V4);
        check(ETHERNET, &ethernet_of(&[VLAN_OUTER, VLAN, IPV6], &v6), V6);
        for link in [RAW, RAW_BSD, RAW_OPENBSD, RAW_V4] {
            check(link, &v4, V4);
        }
        check(RAW_V6, &v6, V6);
        let sll = [&[0; 14][..], &IPV4.to_be_bytes(), &v4].concat();
        check(LINUX_SLL, &sll, V4);
        let sll2 = [&IPV6.to_be_bytes()[..], &[0; 18], &v6].concat();
        check(LINUX_SLL2, &sll2, V6);
    }

    #[test]
    fn options_and_extension_headers_are_passed_over() {
        check(RAW, &ipv4_of(&[1; 12], UDP, &udp_of(PAYLOAD)), V4);
        let destination = [&[UDP, 1][..], &[0; 14]].concat();
        let whole_fragment = [DESTINATION, 0, 0, 0, 0, 0, 0, 9];
        let authentication = [&[FRAGMENT, 4][..], &[0; 22]].concat();
        let hops = [AUTHENTICATION, 0, 0, 0, 0, 0, 0, 0];
        let body =
            [&hops[..], &authentication, &whole_fragment, &destination, &udp_of(PAYLOAD)].concat();
        check(RAW, &ipv6_of(HOP_BY_HOP, &body), V6);
    }

    #[test]
    fn padding_behind_the_packet_is_no_payload() {
        let v4 = ipv4_of(&[], UDP, &udp_of(b"x"));
        let frame = [&ethernet_of(&[IPV4], &v4)[..], &[0; 17]].concat();
        assert_eq!(datagram(ETHERNET, &frame).unwrap().payload, b"x");
    }

    #[test]
    fn what_is_not_ours_has_its_reason() {
        let reason = |link, frame: &[u8]| datagram(link, frame).unwrap_err();
        let udp = udp_of(PAYLOAD);
        assert_eq!(reason(ETHERNET, &ethernet_of(&[0x0806], &[0; 28])), Reason::NotUdp);
        assert_eq!(reason(RAW, &ipv4_of(&[], 6, &udp)), Reason::NotUdp);
        assert_eq!(reason(RAW, &ipv6_of(58, &udp)), Reason::NotUdp);
        assert_eq!(reason(105, &udp), Reason::UnknownLink);
        assert_eq!(reason(RAW, &[0x50; 40]), Reason::Malformed);
        let mut first = ipv4_of(&[], UDP, &udp);
        first[6] = 0x20;
        assert_eq!(reason(RAW, &first), Reason::IpFragment);
        let mut later = ipv4_of(&[], UDP, &udp);
        later[7] = 1;
        assert_eq!(reason(RAW, &later), Reason::IpFragment);
        let fragment = [&[UDP, 0, 0, 1, 0, 0, 0, 9][..], &udp].concat();
        assert_eq!(reason(RAW, &ipv6_of(FRAGMENT, &fragment)), Reason::IpFragment);
    }

    #[test]
    fn no_length_is_believed() {
        let whole = ethernet_of(&[VLAN, IPV4], &ipv4_of(&[1; 4], UDP, &udp_of(PAYLOAD)));
        let six =
            ethernet_of(&[IPV6], &ipv6_of(HOP_BY_HOP, &[&[UDP; 8][..], &udp_of(b"")].concat()));
        for frame in [whole, six] {
            for at in 0..frame.len() {
                for value in 0..=255 {
                    let mut frame = frame.clone();
                    frame[at] = value;
                    if let Ok(packet) = datagram(ETHERNET, &frame) {
                        assert!(packet.payload.len() <= frame.len());
                    }
                }
            }
        }
    }
}
