//! Frames are those that kernels sent, byte for byte.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use netconsole_wire::frame::{Addresses, FRAME_HEADER, Route};
use netconsole_wire::parameter::Mac;
use netconsole_wire::{DEFAULT_SOURCE_PORT, Datagram, parse};
use proptest::prelude::*;

/// Each frame of a capture in pcap's form (little-endian, Ethernet).
fn frames(name: &str) -> Vec<Vec<u8>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../lab/fixtures/kernel").join(name);
    let packed = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let capture = zstd::decode_all(&packed[..]).expect("a frame of zstd");
    assert_eq!(capture[..4], [0xd4, 0xc3, 0xb2, 0xa1], "{name} is no such capture");
    let (mut rest, mut frames) = (&capture[24..], Vec::new());
    while !rest.is_empty() {
        let length = u32::from_le_bytes(rest[8..12].try_into().expect("four bytes")) as usize;
        frames.push(rest[16..16 + length].to_vec());
        rest = &rest[16 + length..];
    }
    frames
}

/// What a kernel's frame says, read the plain way: its route, its number, its headers' length.
fn taken_apart(frame: &[u8]) -> Option<(Route, u16, usize)> {
    let word = |at: usize| u16::from_be_bytes([frame[at], frame[at + 1]]);
    let mac = |at: usize| Mac(frame[at..at + 6].try_into().expect("six bytes"));
    let v4 = |at: usize| IpAddr::from(<[u8; 4]>::try_from(&frame[at..at + 4]).expect("four bytes"));
    let v6 =
        |at: usize| IpAddr::from(<[u8; 16]>::try_from(&frame[at..at + 16]).expect("sixteen bytes"));
    let (protocol, source, target, id, udp) = match word(12) {
        0x0800 => (frame[23], v4(26), v4(30), word(18), 34),
        0x86dd => (frame[20], v6(22), v6(38), 0, 54),
        _ => return None,
    };
    if protocol != 17 || word(udp) != DEFAULT_SOURCE_PORT {
        return None;
    }
    let addresses = Addresses::pair(source, target).expect("one family");
    let (source_port, port) = (word(udp), word(udp + 2));
    Some((Route { source_mac: mac(6), mac: mac(0), addresses, source_port, port }, id, udp + 8))
}

#[test]
fn the_headers_are_those_of_a_kernel() {
    let mut families = [0, 0];
    for name in [
        "6.1.0/basic_kmsg_panic0.pcap.zst",
        "6.1.0/ext_null.pcap.zst",
        "7.3.4/cfg_udsys.pcap.zst",
        "7.3.4/cfg_v6.pcap.zst",
    ] {
        for frame in frames(name) {
            let Some((route, id, length)) = taken_apart(&frame) else { continue };
            let (header, payload) = frame.split_at(length);
            let mut room = [0; FRAME_HEADER];
            assert_eq!(route.header(payload, id, &mut room), Some(header), "{name}");
            assert!(matches!(parse(payload), Datagram::Extended(_) | Datagram::Basic(_)));
            families[usize::from(matches!(route.addresses, Addresses::V6 { .. }))] += 1;
        }
    }
    assert!(families.iter().all(|count| *count > 20), "{families:?}");
}

fn sum(bytes: &[u8]) -> u16 {
    let sum = bytes.chunks(2).fold(0u64, |sum, pair| {
        sum + u64::from(pair[0]) * 256 + u64::from(pair.get(1).copied().unwrap_or(0))
    });
    let folded = |sum: u64| (sum & 0xffff) + (sum >> 16);
    folded(folded(folded(sum))) as u16
}

fn addresses() -> impl Strategy<Value = Addresses> {
    let v4 = any::<(u32, u32)>().prop_map(|(source, target)| Addresses::V4 {
        source: Ipv4Addr::from_bits(source),
        target: Ipv4Addr::from_bits(target),
    });
    let v6 = any::<(u128, u128)>().prop_map(|(source, target)| Addresses::V6 {
        source: Ipv6Addr::from_bits(source),
        target: Ipv6Addr::from_bits(target),
    });
    prop_oneof![v4, v6]
}

proptest! {
    /// Summed with its checksum, what a checksum covers is all ones (RFC 1071).
    #[test]
    fn checksums_come_out(
        addresses in addresses(), source_port: u16, port: u16, id: u16,
        payload in prop::collection::vec(any::<u8>(), 0..1100),
    ) {
        let mac = Mac::BROADCAST;
        let route = Route { source_mac: mac, mac, addresses, source_port, port };
        let mut room = [0; FRAME_HEADER];
        let header = route.header(&payload, id, &mut room).unwrap();
        let udp = header.len() - 8;
        let (pseudo, udp_length) = match addresses {
            Addresses::V4 { .. } => {
                prop_assert_eq!(sum(&header[14..34]), 0xffff);
                (&header[26..34], &header[38..40])
            }
            Addresses::V6 { .. } => (&header[22..54], &header[58..60]),
        };
        prop_assert_ne!(&header[udp + 6..], [0, 0]);
        let covered = [pseudo, &[0, 17], udp_length, &header[udp..], &payload].concat();
        prop_assert_eq!(sum(&covered), 0xffff);
    }
}

#[test]
fn what_is_too_long_or_has_no_room_is_refused() {
    let v4 = Addresses::V4 { source: Ipv4Addr::LOCALHOST, target: Ipv4Addr::LOCALHOST };
    let mac = Mac::BROADCAST;
    let route = Route { source_mac: mac, mac, addresses: v4, source_port: 1, port: 2 };
    let mut room = [0; FRAME_HEADER];
    assert!(route.header(&vec![0; 65_507], 0, &mut room).is_some());
    assert_eq!(route.header(&vec![0; 65_508], 0, &mut room), None);
    assert_eq!(route.header(b"x", 0, &mut room[1..]), None);
    let six = IpAddr::from(Ipv6Addr::LOCALHOST);
    assert_eq!(Addresses::pair(six, Ipv4Addr::LOCALHOST.into()), None);
}
