//! A bound UDP socket that tells receive time and drops.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrStorage, bind, getsockname, getsockopt, setsockopt,
    socket, sockopt,
};

use crate::{Batch, Error, sys};

/// How to bind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketOptions {
    /// Bytes of receive buffer to ask for, as [`Socket::receive_buffer`] counts them.
    pub receive_buffer: usize,
    /// Whether an IPv6 socket leaves IPv4 to others. With `false`, `[::]` hears IPv4 too, and
    /// `0.0.0.0` cannot be bound to the same port beside it. Without effect on IPv4.
    pub only_v6: bool,
}

impl Default for SocketOptions {
    /// 64 MiB, some 80,000 small datagrams; memory of the kernel, taken only while they wait. IPv6 alone.
    fn default() -> Self {
        Self { receive_buffer: 64 << 20, only_v6: true }
    }
}

/// A UDP socket over IPv4 or IPv6, bound, that nobody else need listen on.
#[derive(Debug)]
pub struct Socket {
    fd: OwnedFd,
    local: SocketAddr,
    receive_buffer: usize,
    dropped_before: u32,
    tells_drops: bool,
}

impl Socket {
    /// Listens on `address`; port 0 takes a free one.
    pub fn bind(address: SocketAddr, options: &SocketOptions) -> Result<Self, Error> {
        let family = if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let fd = socket(family, SockType::Datagram, flags, None)
            .map_err(|error| Error::Create { address, source: error.into() })?;
        if address.is_ipv6() {
            setsockopt(&fd, sockopt::Ipv6V6Only, &options.only_v6)
                .map_err(option("IPV6_V6ONLY"))?;
        }
        // Before the bind, so that no datagram meets a smaller buffer or goes untimed.
        prepare(&fd, options.receive_buffer)?;
        bind(fd.as_raw_fd(), &SockaddrStorage::from(address))
            .map_err(|error| Error::Bind { address, source: error.into() })?;
        Self::bound(fd)
    }

    /// Takes over a socket that a service manager has bound.
    ///
    /// What waits in its queue is heard. Its own receive buffer is kept where it is larger.
    pub fn from_fd(fd: OwnedFd, receive_buffer: usize) -> Result<Self, Error> {
        let not_udp = |why| Error::NotUdp { fd: fd.as_raw_fd(), why };
        match getsockopt(&fd, sockopt::SockType) {
            Ok(SockType::Datagram) => {}
            Ok(_) => return Err(not_udp("a socket of another type (TCP?)")),
            Err(_) => return Err(not_udp("no socket at all")),
        }
        let local = local(&fd)?.ok_or_else(|| not_udp("a datagram socket, but not over IP"))?;
        if local.port() == 0 {
            return Err(not_udp("not bound to a port"));
        }
        if buffer_of(&fd)? < receive_buffer {
            prepare(&fd, receive_buffer)?;
        } else {
            stamp(&fd, true)?;
        }
        Self::bound(fd)
    }

    /// Receives what waits in the queue into `batch`, up to its size, without waiting: 0 when
    /// nothing waits.
    ///
    /// What the network reports against a socket (an ICMP error, an interface going down), an
    /// interruption and a moment without memory end this call with 0; nothing that a sender
    /// can do makes it fail.
    pub fn receive(&self, batch: &mut Batch) -> Result<usize, Error> {
        match batch.fill(self) {
            Ok(received) => Ok(received),
            Err(error) if is_fatal(error) => {
                Err(Error::Receive { address: self.local, source: error.into() })
            }
            Err(_) => Ok(0),
        }
    }

    /// The address that it is bound to, with the true port.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// The size of the receive buffer in bytes as the kernel counts it: twice what was asked of
    /// it, because its own bookkeeping for each datagram is in it too (socket(7)); a datagram
    /// of 100 bytes takes up some 800.
    pub fn receive_buffer(&self) -> usize {
        self.receive_buffer
    }

    /// Drops that the kernel counted before the socket came to us. Not 0 only for a socket
    /// taken over, where an earlier process may have reported them already.
    pub fn dropped_before(&self) -> u32 {
        self.dropped_before
    }

    /// The kernel's drop counter now (32 bits, wrapping): datagrams for which the buffer had no
    /// room, and those with a wrong checksum. Asks the kernel (`SO_MEMINFO`), so it is right
    /// also when no datagram comes any more. 0 where [`Socket::tells_drops`] is false.
    pub fn drops(&self) -> Result<u32, Error> {
        Ok(drops_of(self)?.unwrap_or(0))
    }

    /// Whether the kernel tells what it drops; Linux does since 4.12.
    pub fn tells_drops(&self) -> bool {
        self.tells_drops
    }

    /// Whether each datagram comes with its time of receipt, as it does at first, or
    /// [`Socket::last_received_us`] is to tell the last one's.
    pub(crate) fn time_each(&self, each: bool) -> Result<(), Error> {
        stamp(self, each)
    }

    /// When the datagram that was received last came, in microseconds since 1970-01-01 UTC; `None`
    /// while each comes with its own time. An error where the kernel cannot tell (before 5.1).
    pub(crate) fn last_received_us(&self) -> io::Result<Option<u64>> {
        sys::last_received_us(self)
    }

    fn bound(fd: OwnedFd) -> Result<Self, Error> {
        let local = local(&fd)?
            .ok_or(Error::NotUdp { fd: fd.as_raw_fd(), why: "it has no address over IP" })?;
        let receive_buffer = buffer_of(&fd)?;
        let drops = drops_of(&fd)?;
        let (dropped_before, tells_drops) = (drops.unwrap_or(0), drops.is_some());
        Ok(Self { fd, local, receive_buffer, dropped_before, tells_drops })
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Times and a large buffer: forced where that is allowed (`CAP_NET_ADMIN`), else
/// as large as `net.core.rmem_max` lets it be.
fn prepare(fd: &OwnedFd, receive_buffer: usize) -> Result<(), Error> {
    stamp(fd, true)?;
    // The kernel doubles what it is given (`__sock_set_rcvbuf` in net/core/sock.c).
    let asked = (receive_buffer / 2).min(i32::MAX as usize / 2);
    if setsockopt(fd, sockopt::RcvBufForce, &asked).is_err() {
        setsockopt(fd, sockopt::RcvBuf, &asked).map_err(option("SO_RCVBUF"))?;
    }
    Ok(())
}

/// Asks for the receive time with each datagram.
fn stamp(fd: &impl AsFd, each: bool) -> Result<(), Error> {
    setsockopt(fd, sockopt::ReceiveTimestampns, &each).map_err(option("SO_TIMESTAMPNS"))
}

fn buffer_of(fd: &OwnedFd) -> Result<usize, Error> {
    getsockopt(fd, sockopt::RcvBuf).map_err(option("SO_RCVBUF"))
}

fn drops_of(fd: &impl AsFd) -> Result<Option<u32>, Error> {
    sys::drops(fd).map_err(|source| Error::Option { option: "SO_MEMINFO", source })
}

/// Its address, if it is one of IP.
fn local(fd: &OwnedFd) -> Result<Option<SocketAddr>, Error> {
    let address: SockaddrStorage = getsockname(fd.as_raw_fd()).map_err(option("its address"))?;
    let v4 = address.as_sockaddr_in().map(|v4| SocketAddr::V4((*v4).into()));
    Ok(v4.or_else(|| address.as_sockaddr_in6().map(|v6| SocketAddr::V6((*v6).into()))))
}

fn option(option: &'static str) -> impl Fn(Errno) -> Error {
    move |error| Error::Option { option, source: io::Error::from(error) }
}

/// Whether the same call would fail in the same way for ever: a mistake of ours or a forbidden
/// system call. Everything else comes from the network (`icmp_err_convert` in net/ipv4/icmp.c,
/// `icmpv6_err_convert` in net/ipv6/icmp.c) or passes.
fn is_fatal(error: Errno) -> bool {
    matches!(
        error,
        Errno::EBADF
            | Errno::ENOTSOCK
            | Errno::EINVAL
            | Errno::EFAULT
            | Errno::ENOSYS
            | Errno::EPERM
    )
}
