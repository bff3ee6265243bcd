//! Asks the kernel itself how many tables of packet filter rules it has.

use std::io;
use std::os::fd::AsRawFd as _;

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket,
};

/// How many tables nftables has in this network namespace. Needs CAP_NET_ADMIN.
pub(super) fn tables() -> io::Result<usize> {
    let protocol = SockProtocol::NetlinkNetFilter;
    let flags = SockFlag::SOCK_CLOEXEC;
    let socket = socket(AddressFamily::Netlink, SockType::Raw, flags, protocol)?;
    send(socket.as_raw_fd(), &request(), MsgFlags::empty())?;
    let (mut tables, mut room) = (0, [0; 16_384]);
    loop {
        let got = recv(socket.as_raw_fd(), &mut room, MsgFlags::empty())?;
        let answer = read(&room[..got])?;
        tables += answer.tables;
        if answer.done || got == 0 {
            return Ok(tables);
        }
    }
}

/// `struct nlmsghdr` and `struct nfgenmsg`: all tables of all families.
fn request() -> [u8; 20] {
    let mut bytes = [0; 20];
    bytes[..4].copy_from_slice(&20_u32.to_ne_bytes());
    bytes[4..6].copy_from_slice(&(NFTABLES | GET_TABLE).to_ne_bytes());
    bytes[6..8].copy_from_slice(&(REQUEST | DUMP).to_ne_bytes());
    bytes
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Answer {
    tables: usize,
    done: bool,
}

/// The messages of one datagram; ends at one that makes no sense.
fn read(mut bytes: &[u8]) -> io::Result<Answer> {
    let mut answer = Answer::default();
    while let Some((kind, body, rest)) = message(bytes) {
        match kind {
            DONE => answer.done = true,
            ERROR => {
                let errno = body.first_chunk().map_or(0, |errno| i32::from_ne_bytes(*errno));
                return Err(Errno::from_raw(errno.wrapping_neg()).into());
            }
            _ => answer.tables += 1,
        }
        bytes = rest;
    }
    Ok(answer)
}

/// Kind and body of the first message, and what follows it.
fn message(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let length = u32::from_ne_bytes(*bytes.first_chunk()?) as usize;
    let kind = u16::from_ne_bytes(*bytes.get(4..)?.first_chunk()?);
    let body = bytes.get(16..length)?;
    let rest = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    Some((kind, body, rest))
}

/// include/uapi/linux/netlink.h
const ERROR: u16 = 2;
const DONE: u16 = 3;
const REQUEST: u16 = 1;
const DUMP: u16 = 0x300;

/// include/uapi/linux/netfilter/nfnetlink.h and nf_tables.h
const NFTABLES: u16 = 10 << 8;
const GET_TABLE: u16 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    fn message_of(kind: u16, body: &[u8]) -> Vec<u8> {
        let length = (16 + body.len() as u32).to_ne_bytes();
        let mut bytes = [&length[..], &kind.to_ne_bytes(), &[0; 10], body].concat();
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    #[test]
    fn tables_are_counted_up_to_the_end() {
        let two = [message_of(NFTABLES, b"table"), message_of(NFTABLES, b"x")].concat();
        assert_eq!(read(&two).unwrap(), Answer { tables: 2, done: false });
        let end = [&two[..], &message_of(DONE, &[0; 4])].concat();
        assert_eq!(read(&end).unwrap(), Answer { tables: 2, done: true });
    }

    #[test]
    fn a_refusal_is_an_error() {
        let refused = message_of(ERROR, &(-1_i32).to_ne_bytes());
        assert_eq!(read(&refused).unwrap_err().kind(), io::ErrorKind::PermissionDenied);
    }

    #[test]
    fn no_length_is_believed() {
        for length in [0_u32, 15, 17, u32::MAX] {
            let bytes = [&length.to_ne_bytes()[..], &[0; 12]].concat();
            assert_eq!(read(&bytes).unwrap().tables, 0);
        }
    }
}
