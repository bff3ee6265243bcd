//! What the kernel writes beside a payload: the sender's address and the time of receipt.
//!
//! Read from plain bytes in the machine's own byte order, so that a wrong length is a missing
//! value and never a wild read.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use nix::libc;

/// Room for a `sockaddr_in6`, the longest address that a UDP socket over IP gives.
pub(crate) const ADDRESS_BYTES: usize = size_of::<libc::sockaddr_in6>();

/// Room for a time with its header: with the address no more than a line of the cache.
pub(crate) const CONTROL_BYTES: usize = 32;

/// Reads `struct sockaddr_in` or `sockaddr_in6`. IPv4-mapped addresses become IPv4; flow label
/// and scope are left out, for an interface's index is not stable and names no machine.
pub(crate) fn parse_address(bytes: &[u8]) -> Option<SocketAddr> {
    let family = i32::from(u16::from_ne_bytes(take(bytes, 0)?));
    let port = u16::from_be_bytes(take(bytes, 2)?);
    let ip = match family {
        libc::AF_INET => IpAddr::from(take::<4>(bytes, 4)?),
        libc::AF_INET6 => Ipv6Addr::from(take::<16>(bytes, 8)?).to_canonical(),
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

/// Reads `SO_TIMESTAMPNS`, the microseconds since 1970 at which the kernel received the datagram,
/// from the control messages that were written into `bytes`; others are passed over.
pub(crate) fn parse_stamp(mut bytes: &[u8]) -> Option<u64> {
    loop {
        match split_message(bytes)? {
            (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS, data, _) => return parse_time(data),
            (.., rest) => bytes = rest,
        }
    }
}

/// One `struct cmsghdr`: its length (header included), level and kind, then its data; the next
/// begins at the following multiple of the word size.
fn split_message(bytes: &[u8]) -> Option<(i32, i32, &[u8], &[u8])> {
    const WORD: usize = size_of::<usize>();
    const HEADER: usize = WORD + 8;
    let length = usize::from_ne_bytes(take(bytes, 0)?);
    let level = i32::from_ne_bytes(take(bytes, WORD)?);
    let kind = i32::from_ne_bytes(take(bytes, WORD + 4)?);
    let data = bytes.get(HEADER..length)?;
    let rest = bytes.get(length.next_multiple_of(WORD)..).unwrap_or_default();
    Some((level, kind, data, rest))
}

/// A `timespec` of 32-bit or 64-bit halves, told apart by its length.
fn parse_time(data: &[u8]) -> Option<u64> {
    let (seconds, nanos) = if data.len() < 16 {
        (i32::from_ne_bytes(take(data, 0)?).into(), i32::from_ne_bytes(take(data, 4)?).into())
    } else {
        (i64::from_ne_bytes(take(data, 0)?), i64::from_ne_bytes(take(data, 8)?))
    };
    let seconds = u64::try_from(seconds).ok()?;
    let nanos = u64::try_from(nanos).ok()?;
    seconds.checked_mul(1_000_000)?.checked_add(nanos / 1_000)
}

/// `N` bytes from `at`, if they are there.
fn take<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: i32, data: &[u8]) -> Vec<u8> {
        let mut bytes = (size_of::<usize>() + 8 + data.len()).to_ne_bytes().to_vec();
        bytes.extend(libc::SOL_SOCKET.to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(data);
        bytes.resize(bytes.len().next_multiple_of(size_of::<usize>()), 0);
        bytes
    }

    fn time(seconds: i64, nanos: i64) -> Vec<u8> {
        [seconds.to_ne_bytes(), nanos.to_ne_bytes()].concat()
    }

    #[test]
    fn a_time_alone_or_among_others() {
        let stamp = message(libc::SCM_TIMESTAMPNS, &time(1_700_000_000, 123_456_789));
        let other = message(99, b"xyz");
        let expected = Some(1_700_000_000_123_456);
        assert_eq!(parse_stamp(&stamp), expected);
        assert_eq!(parse_stamp(&[&stamp[..], &other].concat()), expected);
        assert_eq!(parse_stamp(&[&other[..], &stamp].concat()), expected);
        assert_eq!(parse_stamp(&other), None);
    }

    #[test]
    fn a_message_cut_short_or_lying_about_its_length_is_absent() {
        let whole = message(libc::SCM_TIMESTAMPNS, &time(1, 0));
        for length in 0..whole.len() {
            assert_eq!(parse_stamp(&whole[..length]), None, "{length} bytes");
        }
        for lie in [0, 1, 15, usize::MAX] {
            let mut bytes = whole.clone();
            bytes[..size_of::<usize>()].copy_from_slice(&lie.to_ne_bytes());
            assert_eq!(parse_stamp(&bytes), None, "length {lie}");
        }
    }

    #[test]
    fn a_time_before_1970_is_absent() {
        let stamp = message(libc::SCM_TIMESTAMPNS, &time(-1, 0));
        assert_eq!(parse_stamp(&stamp), None);
    }

    #[test]
    fn a_short_address_or_another_family_is_absent() {
        let mut bytes = [0_u8; ADDRESS_BYTES];
        assert_eq!(parse_address(&bytes), None);
        bytes[..2].copy_from_slice(&(libc::AF_INET6 as u16).to_ne_bytes());
        assert_eq!(parse_address(&bytes), Some("[::]:0".parse().unwrap()));
        assert_eq!(parse_address(&bytes[..20]), None);
    }
}
