//! The bytes around a payload: Ethernet, IPv4, UDP.

use std::net::{Ipv4Addr, SocketAddrV4};

/// What stands in front of the payload.
pub(crate) const HEADERS: usize = 14 + IP_HEADER + UDP_HEADER;

/// Where in a frame the port stands that it goes to.
pub(crate) const TARGET_PORT_AT: usize = 14 + IP_HEADER + 2;

/// Appends the headers of a datagram with a payload of `length` bytes; the UDP checksum comes
/// with [`sum_up`].
pub(crate) fn push_headers(out: &mut Vec<u8>, from: SocketAddrV4, to: SocketAddrV4, length: usize) {
    let udp_length = (UDP_HEADER + length) as u16;
    let ip_length = IP_HEADER as u16 + udp_length;
    out.extend([0; 12]);
    out.extend([0x08, 0x00]);
    let ip = out.len();
    out.extend([0x45, 0]);
    out.extend(ip_length.to_be_bytes());
    out.extend([0, 0, 0, 0, 64, 17, 0, 0]);
    out.extend(from.ip().octets());
    out.extend(to.ip().octets());
    let checksum = checksum(&out[ip..]);
    out[ip + 10..ip + 12].copy_from_slice(&checksum.to_be_bytes());
    out.extend(from.port().to_be_bytes());
    out.extend(to.port().to_be_bytes());
    out.extend(udp_length.to_be_bytes());
    out.extend([0, 0]);
}

/// Gives a frame another sender.
pub(crate) fn readdress(frame: &mut [u8], from: Ipv4Addr) {
    let ip = &mut frame[14..14 + IP_HEADER];
    ip[12..16].copy_from_slice(&from.octets());
    ip[10..12].fill(0);
    let checksum = checksum(ip);
    ip[10..12].copy_from_slice(&checksum.to_be_bytes());
    sum_up(frame);
}

/// Writes the UDP checksum of a frame, as netpoll sends one (`netpoll_send_udp` in
/// net/core/netpoll.c): the receiving kernel checks it where its card has not.
pub(crate) fn sum_up(frame: &mut [u8]) {
    let udp = &mut frame[14 + IP_HEADER..];
    udp[6..8].fill(0);
    let length = udp.len() as u32;
    let addresses = sum(&frame[14 + 12..14 + IP_HEADER]);
    let udp = &mut frame[14 + IP_HEADER..];
    let checksum = match !fold(addresses + 17 + length + sum(udp)) {
        0 => 0xffff,
        checksum => checksum,
    };
    udp[6..8].copy_from_slice(&checksum.to_be_bytes());
}

/// RFC 1071.
fn checksum(header: &[u8]) -> u16 {
    !fold(sum(header))
}

fn sum(bytes: &[u8]) -> u32 {
    let (pairs, odd) = bytes.as_chunks::<2>();
    let words = pairs.iter().map(|pair| u32::from(u16::from_be_bytes(*pair)));
    words.sum::<u32>() + odd.first().map_or(0, |&byte| u32::from(byte) << 8)
}

fn fold(sum: u32) -> u16 {
    let folded = (sum & 0xffff) + (sum >> 16);
    ((folded & 0xffff) + (folded >> 16)) as u16
}

const IP_HEADER: usize = 20;
const UDP_HEADER: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_sums_to_all_ones() {
        let mut frame = Vec::new();
        let (from, to) = ("10.1.2.3:6665", "127.0.0.1:6666");
        push_headers(&mut frame, from.parse().unwrap(), to.parse().unwrap(), 99);
        assert_eq!(frame.len(), HEADERS);
        assert_eq!(checksum(&frame[14..34]), 0);
        frame.extend([b'x'; 99]);
        sum_up(&mut frame);
        let pseudo = sum(&frame[26..34]) + 17 + 107;
        assert_eq!(fold(pseudo + sum(&frame[34..])), 0xffff);
        assert_eq!(frame[16..18], 127_u16.to_be_bytes());
    }
}
