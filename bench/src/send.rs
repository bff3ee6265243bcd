//! Sends a load: as raw frames where that is allowed, else through a socket that takes on one
//! of this machine's own addresses after the other.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, bind, setsockopt, socket, sockopt};

use crate::generate::address::Network;
use crate::generate::{Load, Slot};
use crate::process::Ear;
use crate::sys::Outbox;

/// Sends datagrams to one address.
pub(crate) struct Sender {
    way: Way,
    outbox: Outbox,
    network: Network,
}

enum Way {
    /// AF_PACKET on the loopback interface.
    Frames(OwnedFd),
    /// One socket, the source address beside each datagram.
    Addresses(UdpSocket),
}

impl Sender {
    /// Sends to `target`, from addresses of `network`.
    pub(crate) fn new(network: Network, target: SocketAddrV4) -> Result<Self> {
        let way = match network {
            Network::Ten => Way::Frames(packet_socket()?),
            Network::Loopback => Way::Addresses(address_socket(target)?),
        };
        Ok(Self { way, outbox: Outbox::new(BATCH), network })
    }

    /// Sends these datagrams in order, as fast as the kernel takes them.
    pub(crate) fn send(&mut self, load: &Load, slots: &[Slot]) -> Result<()> {
        for mut batch in slots.chunks(BATCH) {
            while !batch.is_empty() {
                let sent = match self.send_batch(load, batch) {
                    // No room in the interface's queue; it will have some.
                    Err(error) if error.raw_os_error() == Some(nix::libc::ENOBUFS) => 0,
                    sent => sent.context("sendmmsg failed")?,
                };
                batch = &batch[sent..];
            }
        }
        Ok(())
    }

    /// Sends no faster than it is heard: never more than half a buffer waits.
    pub(crate) fn send_gently(&mut self, load: &Load, ear: &Ear) -> Result<()> {
        let room = ear.buffer()? / 2;
        for part in load.parts(BATCH) {
            while ear.queued()? > room {
                std::thread::yield_now();
            }
            self.send(load, &load.slots()[part])?;
        }
        Ok(())
    }

    fn send_batch(&mut self, load: &Load, slots: &[Slot]) -> io::Result<usize> {
        match &self.way {
            Way::Frames(fd) => {
                self.outbox.send(fd, slots.iter().map(|slot| (load.frame(slot), None)))
            }
            Way::Addresses(socket) => {
                let from = |slot: &Slot| Some(self.network.address(slot.source));
                let messages = slots.iter().map(|slot| (load.payload(slot), from(slot)));
                self.outbox.send(socket, messages)
            }
        }
    }
}

fn packet_socket() -> Result<OwnedFd> {
    let fd = socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, None)
        .context("no packet socket")?;
    let loopback = getifaddrs()?
        .filter(|interface| interface.flags.contains(InterfaceFlags::IFF_LOOPBACK))
        .find_map(|interface| Some(*interface.address?.as_link_addr()?))
        .context("there is no loopback interface")?;
    bind(fd.as_raw_fd(), &loopback).context("a packet socket can't be bound to loopback")?;
    Ok(fd)
}

fn address_socket(target: SocketAddrV4) -> Result<UdpSocket> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).context("no socket")?;
    socket.connect(target).with_context(|| format!("no way to {target}"))?;
    setsockopt(&socket, sockopt::SndBuf, &(1 << 20)).context("SO_SNDBUF")?;
    Ok(socket)
}

/// Keeps a rate: whoever is behind catches up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    began: Instant,
    nanos: u64,
    sent: u64,
}

impl Pace {
    /// So many datagrams a second, from now on.
    pub(crate) fn new(rate: u64) -> Self {
        Self { began: Instant::now(), nanos: 1_000_000_000 / rate.max(1), sent: 0 }
    }

    /// Waits until the next `count` datagrams are due. It does not sleep: a sleep is longer than
    /// the time between two datagrams.
    pub(crate) fn wait_for(&mut self, count: usize) {
        let due = Duration::from_nanos(self.nanos * self.sent);
        while self.began.elapsed() < due {
            std::hint::spin_loop();
        }
        self.sent += count as u64;
    }
}

/// Datagrams of one system call.
pub(crate) const BATCH: usize = 64;
