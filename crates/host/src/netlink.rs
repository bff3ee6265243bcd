//! Questions to the kernel about its network, and news of it. Attributes are taken by their
//! number and length, so that what a newer kernel adds is passed over.

use std::io;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};

use netlink_packet_core::{NLM_F_DUMP, NLM_F_REQUEST, NetlinkBuffer, NlasIterator};
use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, send,
    setsockopt, socket, sockopt,
};
use nix::sys::time::TimeVal;

/// A socket of the routing family.
#[derive(Debug)]
pub(crate) struct Socket {
    fd: OwnedFd,
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    /// `RTM_…`.
    pub(crate) kind: u16,
    /// What follows the header: a fixed part, then attributes.
    pub(crate) body: Vec<u8>,
}

/// News of links, addresses, routes and neighbours.
#[derive(Debug)]
pub struct Changes {
    socket: Socket,
}

impl Socket {
    fn open(groups: u32) -> io::Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC;
        let protocol = SockProtocol::NetlinkRoute;
        let fd = socket(AddressFamily::Netlink, SockType::Raw, flags, protocol)?;
        bind(fd.as_raw_fd(), &NetlinkAddr::new(0, groups))?;
        // The kernel answers at once or never.
        setsockopt(&fd, sockopt::ReceiveTimeout, &TimeVal::new(5, 0))?;
        Ok(Self { fd })
    }

    /// All objects of a kind.
    pub(crate) fn dump(kind: u16, body: &[u8]) -> io::Result<Vec<Message>> {
        let socket = Self::open(0)?;
        socket.send(kind, NLM_F_REQUEST | NLM_F_DUMP, body)?;
        let mut all = Vec::new();
        while !socket.read(&mut all)? {}
        Ok(all)
    }

    /// One object.
    pub(crate) fn get(kind: u16, body: &[u8]) -> io::Result<Option<Message>> {
        let socket = Self::open(0)?;
        socket.send(kind, NLM_F_REQUEST, body)?;
        let mut all = Vec::new();
        socket.read(&mut all)?;
        Ok(all.into_iter().next())
    }

    fn send(&self, kind: u16, flags: u16, body: &[u8]) -> io::Result<()> {
        let mut bytes = vec![0; HEADER + body.len()];
        let length = bytes.len() as u32;
        let mut message = NetlinkBuffer::new(&mut bytes);
        message.set_length(length);
        message.set_message_type(kind);
        message.set_flags(flags);
        message.payload_mut().copy_from_slice(body);
        send(self.fd.as_raw_fd(), &bytes, MsgFlags::empty())?;
        Ok(())
    }

    /// Adds the messages of one datagram; true after the last of a dump.
    fn read(&self, all: &mut Vec<Message>) -> io::Result<bool> {
        let mut room = vec![0; ROOM];
        let got = recv(self.fd.as_raw_fd(), &mut room, MsgFlags::empty())?;
        parse(&room[..got], all)
    }
}

impl Changes {
    /// From now on.
    pub fn listen() -> io::Result<Self> {
        let groups = libc::RTMGRP_LINK
            | libc::RTMGRP_NEIGH
            | libc::RTMGRP_IPV4_IFADDR
            | libc::RTMGRP_IPV4_ROUTE
            | libc::RTMGRP_IPV6_IFADDR
            | libc::RTMGRP_IPV6_ROUTE;
        Ok(Self { socket: Socket::open(groups as u32)? })
    }

    /// Takes all news that have come, and says whether there were any. News that were lost for
    /// want of room are news too.
    pub fn take(&self) -> bool {
        let mut room = vec![0; ROOM];
        let mut any = false;
        loop {
            // What is in it doesn't matter: the facts are gathered anew.
            match recv(self.socket.fd.as_raw_fd(), &mut room, MsgFlags::MSG_DONTWAIT) {
                Ok(0) | Err(Errno::EAGAIN) => return any,
                Ok(_) | Err(_) => any = true,
            }
        }
    }
}

impl AsFd for Changes {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.fd.as_fd()
    }
}

impl Message {
    /// The first `N` bytes.
    pub(crate) fn fixed<const N: usize>(&self) -> Option<[u8; N]> {
        self.body.first_chunk().copied()
    }

    /// The attribute of that number, behind a fixed part of `fixed` bytes.
    pub(crate) fn attribute(&self, fixed: usize, number: u16) -> Option<&[u8]> {
        attribute(self.body.get(fixed..)?, number)
    }

    /// An attribute that is a number.
    pub(crate) fn number(&self, fixed: usize, number: u16) -> Option<u32> {
        let bytes = self.attribute(fixed, number)?.first_chunk()?;
        Some(u32::from_ne_bytes(*bytes))
    }
}

/// The attribute of that number among these.
pub(crate) fn attribute(bytes: &[u8], number: u16) -> Option<&[u8]> {
    NlasIterator::new(bytes)
        .map_while(Result::ok)
        .find(|found| found.kind() == number)
        // From the bytes again: a found attribute lends only itself.
        .and_then(|found| {
            let value = found.into_inner();
            let length = u16::from_ne_bytes(*value.first_chunk()?) as usize;
            value.get(ATTRIBUTE_HEADER..length)
        })
}

/// An attribute to be sent.
pub(crate) fn emit_attribute(number: u16, value: &[u8], out: &mut Vec<u8>) {
    let length = (ATTRIBUTE_HEADER + value.len()) as u16;
    out.extend_from_slice(&length.to_ne_bytes());
    out.extend_from_slice(&number.to_ne_bytes());
    out.extend_from_slice(value);
    out.resize(out.len().next_multiple_of(4), 0);
}

/// Takes a datagram apart. A refusal is an error; what makes no sense ends it.
fn parse(mut bytes: &[u8], all: &mut Vec<Message>) -> io::Result<bool> {
    while let Ok(message) = NetlinkBuffer::new_checked(bytes) {
        let length = message.length() as usize;
        let (kind, body) = (message.message_type(), bytes.get(HEADER..length).unwrap_or_default());
        match i32::from(kind) {
            libc::NLMSG_DONE => return Ok(true),
            libc::NLMSG_ERROR => {
                let errno = body.first_chunk().map_or(0, |errno| i32::from_ne_bytes(*errno));
                if errno != 0 {
                    return Err(io::Error::from_raw_os_error(errno.wrapping_neg()));
                }
            }
            _ => all.push(Message { kind, body: body.to_vec() }),
        }
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(false)
}

/// `sizeof(struct nlmsghdr)` and `sizeof(struct rtattr)`.
const HEADER: usize = 16;
const ATTRIBUTE_HEADER: usize = 4;
/// What the kernel fills at most for a dump (`NLMSG_GOODSIZE`, and 32 KiB where it can).
const ROOM: usize = 32 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn message_of(kind: u16, body: &[u8]) -> Vec<u8> {
        let length = (HEADER + body.len()) as u32;
        let mut bytes = [&length.to_ne_bytes()[..], &kind.to_ne_bytes(), &[0; 10], body].concat();
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    #[test]
    fn messages_and_their_attributes_are_taken_apart() {
        let mut body = vec![7; 8];
        emit_attribute(3, b"eth0\0", &mut body);
        emit_attribute(4, &1500_u32.to_ne_bytes(), &mut body);
        let bytes = [message_of(16, &body), message_of(16, &[1; 4])].concat();
        let mut all = Vec::new();
        assert!(!parse(&bytes, &mut all).unwrap());
        assert_eq!(all.len(), 2);
        assert_eq!(all[0].attribute(8, 3), Some(&b"eth0\0"[..]));
        assert_eq!(all[0].number(8, 4), Some(1500));
        assert_eq!(all[0].attribute(8, 5), None);
        assert_eq!(all[1].attribute(8, 3), None);
        assert!(parse(&message_of(libc::NLMSG_DONE as u16, &[0; 4]), &mut all).unwrap());
    }

    #[test]
    fn a_refusal_is_an_error() {
        let refused = message_of(libc::NLMSG_ERROR as u16, &(-libc::ENETUNREACH).to_ne_bytes());
        let error = parse(&refused, &mut Vec::new()).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENETUNREACH));
    }

    #[test]
    fn no_length_is_believed() {
        for length in [0_u32, 15, 17, 40, u32::MAX] {
            let bytes = [&length.to_ne_bytes()[..], &[0; 12]].concat();
            let mut all = Vec::new();
            assert!(!parse(&bytes, &mut all).unwrap());
            assert!(all.is_empty());
        }
        for length in [0_u16, 3, 9, u16::MAX] {
            let bytes = [&length.to_ne_bytes()[..], &3_u16.to_ne_bytes(), &[1; 4]].concat();
            assert_eq!(attribute(&bytes, 3), None);
        }
    }

    #[test]
    fn the_kernel_of_the_test_tells_its_loopback_device() {
        let links = Socket::dump(libc::RTM_GETLINK, &[0; 16]).unwrap();
        let names: Vec<&[u8]> =
            links.iter().filter_map(|link| link.attribute(16, libc::IFLA_IFNAME)).collect();
        assert!(names.contains(&&b"lo\0"[..]));
    }
}
