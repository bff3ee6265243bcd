//! A patient: sends what a kernel sent, over real UDP, no faster than the doctor listens.

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, SocketAddr, UdpSocket};

use anyhow::{Context, Result, bail};

use crate::capture::Datagram;
use crate::wait;

/// Sends from one socket per original source, so that streams stay what they were.
#[derive(Debug)]
pub struct Patient {
    /// Where the recorded targets are now.
    targets: BTreeMap<SocketAddr, SocketAddr>,
    /// The address to send from; none leaves it to the system.
    address: Option<IpAddr>,
    sockets: BTreeMap<SocketAddr, UdpSocket>,
}

/// What waits in the sockets bound to a port, and what they had to drop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Queue {
    /// Bytes of buffer in use.
    pub bytes: u64,
    /// Datagrams dropped since the socket was made.
    pub dropped: u64,
}

impl Patient {
    /// `targets` maps each recorded target to one where a doctor listens.
    pub fn new(targets: impl IntoIterator<Item = (SocketAddr, SocketAddr)>) -> Self {
        Self { targets: targets.into_iter().collect(), address: None, sockets: BTreeMap::new() }
    }

    /// Sends from this address of the machine instead of the usual one.
    #[must_use]
    pub fn from_address(mut self, address: IpAddr) -> Self {
        self.address = Some(address);
        self
    }

    /// Sends all of it in order, and waits while the doctor's queue is long.
    pub fn send<'a>(&mut self, datagrams: impl IntoIterator<Item = &'a Datagram>) -> Result<()> {
        for (count, datagram) in datagrams.into_iter().enumerate() {
            let Some(&target) = self.targets.get(&datagram.target) else {
                bail!("no doctor stands in for {}", datagram.target);
            };
            self.send_from(datagram.source, target, &datagram.payload)?;
            if count % BETWEEN_LOOKS == 0 {
                drained(target.port(), SHORT_QUEUE)?;
            }
        }
        Ok(())
    }

    /// Sends one datagram from the socket that stands in for `source`.
    pub fn send_from(
        &mut self,
        source: SocketAddr,
        target: SocketAddr,
        payload: &[u8],
    ) -> Result<()> {
        let socket = match self.sockets.entry(source) {
            std::collections::btree_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::btree_map::Entry::Vacant(new) => {
                new.insert(socket_towards(target, self.address)?)
            }
        };
        let sent = socket.send_to(payload, target);
        sent.with_context(|| format!("{} bytes to {target} not sent", payload.len()))?;
        Ok(())
    }

    /// The address and port that stand in for `source`, once it has sent.
    pub fn stands_in(&self, source: SocketAddr) -> Option<SocketAddr> {
        self.sockets.get(&source)?.local_addr().ok()
    }

    /// From now on every source speaks from a new port.
    pub fn change_ports(&mut self) {
        self.sockets.clear();
    }
}

impl Queue {
    /// Looks at the sockets of this machine that are bound to `port`.
    pub fn of(port: u16) -> Result<Self> {
        let mut queue = Self::default();
        for table in ["/proc/thread-self/net/udp", "/proc/thread-self/net/udp6"] {
            let text = fs::read_to_string(table).with_context(|| format!("{table} not read"))?;
            for socket in text.lines().skip(1).filter_map(parse_socket) {
                if socket.0 == port {
                    queue.bytes += socket.1.bytes;
                    queue.dropped += socket.1.dropped;
                }
            }
        }
        Ok(queue)
    }
}

/// Waits until at most `bytes` are left unread in the sockets bound to `port`.
pub fn drained(port: u16, bytes: u64) -> Result<()> {
    wait::until(&format!("port {port} to be read"), || {
        Ok((Queue::of(port)?.bytes <= bytes).then_some(()))
    })
}

/// `sl local remote st tx:rx … drops`; the numbers of a socket are hexadecimal, drops is not.
fn parse_socket(line: &str) -> Option<(u16, Queue)> {
    let columns: Vec<&str> = line.split_whitespace().collect();
    let port = u16::from_str_radix(columns.get(1)?.rsplit(':').next()?, 16).ok()?;
    let bytes = u64::from_str_radix(columns.get(4)?.split(':').nth(1)?, 16).ok()?;
    Some((port, Queue { bytes, dropped: columns.last()?.parse().ok()? }))
}

fn socket_towards(target: SocketAddr, address: Option<IpAddr>) -> Result<UdpSocket> {
    let address = address.unwrap_or(match target.ip() {
        IpAddr::V4(_) => IpAddr::from([127, 0, 0, 1]),
        IpAddr::V6(_) => IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]),
    });
    UdpSocket::bind((address, 0)).with_context(|| format!("no socket at {address}"))
}

/// Datagrams between two looks at the queue: together they fit in what [`SHORT_QUEUE`] leaves of
/// the smallest usual buffer (208 KiB, and the kernel counts 2.3 KiB for a full datagram).
const BETWEEN_LOOKS: usize = 32;
const SHORT_QUEUE: u64 = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_queue_of_a_socket_that_nobody_reads() {
        let deaf = UdpSocket::bind("127.0.0.1:0").unwrap();
        let target = deaf.local_addr().unwrap();
        let source = SocketAddr::from(([127, 0, 0, 1], 1));
        assert_eq!(Queue::of(target.port()).unwrap(), Queue::default());
        let mut patient = Patient::new([]);
        patient.send_from(source, target, b"<6>hello").unwrap();
        assert!(Queue::of(target.port()).unwrap().bytes > 0);
        let (_, from) = deaf.recv_from(&mut [0; 16]).unwrap();
        assert_eq!(Some(from), patient.stands_in(source));
        drained(target.port(), 0).unwrap();
    }
}
