//! Room for many datagrams, filled by one system call.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::AsFd;
use std::time::{SystemTime, UNIX_EPOCH};

use nix::errno::Errno;

use crate::control::{CONTROL_BYTES, parse_address, parse_stamp};
use crate::sys::{Beside, Headers};

/// One datagram, borrowed from the [`Batch`] that received it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// Who sent it. An IPv4-mapped address is given as IPv4; an IPv6 address has neither flow
    /// label nor scope.
    pub source: SocketAddr,
    /// Microseconds since 1970-01-01 UTC at which the kernel took it from the network. Where full
    /// batches follow each other within a millisecond it is the time of the last of the batch;
    /// the batch in which such a load ends is the only one that may be longer.
    pub received_us: u64,
    /// Its payload, whole: 0 to 65,527 bytes.
    pub payload: &'a [u8],
}

/// Preallocated room for datagrams of any size.
///
/// Each slot is 64 KiB of address space, of which only the pages that datagrams touched take up
/// memory: a batch of 64 that has heard nothing but netconsole (at most 1000 bytes) holds
/// 64 pages, a quarter of a MiB, or at most two pages each where a slot's start straddles them.
pub struct Batch {
    payloads: Vec<u8>,
    beside: Box<[Beside]>,
    /// Who sent each, read before any is handed on: put together in small pieces, an address that
    /// is copied at once makes the processor wait for the pieces.
    sources: Box<[SocketAddr]>,
    headers: Headers,
    received: usize,
    /// Stands in for the kernel's time where there is none.
    clock_us: u64,
}

impl Batch {
    /// Room for `slots` datagrams, at least one.
    pub fn new(slots: usize) -> Self {
        let slots = slots.max(1);
        Self {
            payloads: vec![0; slots * STRIDE],
            beside: vec![Beside::EMPTY; slots].into_boxed_slice(),
            sources: vec![NOBODY; slots].into_boxed_slice(),
            headers: Headers::new(slots),
            received: 0,
            clock_us: 0,
        }
    }

    /// How many datagrams one call can receive.
    pub fn slots(&self) -> usize {
        self.beside.len()
    }

    /// Takes what waits in the socket's queue, instead of what was here before.
    pub(crate) fn fill(&mut self, socket: &impl AsFd) -> Result<usize, Errno> {
        self.received = 0;
        let payloads = self.payloads.chunks_exact_mut(STRIDE);
        self.received = self.headers.receive(socket, payloads, &mut self.beside)?;
        if self.received > 0 {
            self.clock_us = clock_us();
        }
        for (source, beside) in self.sources.iter_mut().zip(&self.beside[..self.received]) {
            *source = parse_address(&beside.address).unwrap_or(NOBODY);
        }
        Ok(self.received)
    }

    /// The datagrams of the last call, in the order in which the kernel queued them.
    pub fn datagrams(&self) -> impl ExactSizeIterator<Item = Datagram<'_>> {
        (0..self.received).map(|at| self.datagram(at))
    }

    /// Who sent them, in the same order.
    pub fn sources(&self) -> impl ExactSizeIterator<Item = SocketAddr> {
        self.sources[..self.received].iter().copied()
    }

    /// When the last of them was received.
    pub(crate) fn last_received_us(&self) -> Option<u64> {
        self.received.checked_sub(1).map(|last| self.datagram(last).received_us)
    }

    /// The time of those that came without one.
    pub(crate) fn set_clock(&mut self, clock_us: u64) {
        self.clock_us = clock_us;
    }

    fn datagram(&self, at: usize) -> Datagram<'_> {
        let (length, control_length) = self.headers.lengths(at);
        let control = &self.beside[at].control;
        let stamp = parse_stamp(&control[..control_length.min(CONTROL_BYTES)]);
        Datagram {
            source: self.sources[at],
            received_us: stamp.unwrap_or(self.clock_us),
            payload: &self.payloads[at * STRIDE..][..length.min(STRIDE)],
        }
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Batch")
            .field("slots", &self.slots())
            .field("received", &self.received)
            .finish_non_exhaustive()
    }
}

/// Microseconds since 1970 by the system's clock.
pub(crate) fn clock_us() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64)
}

/// From one slot to the next: room for every length that fits UDP's 16-bit length field, and
/// an odd number of cache lines on top, so that the slots' beginnings, which is all that is
/// used of most, don't all compete for the same few sets of the cache.
const STRIDE: usize = 65_536 + 17 * 64;

/// Stands in for a sender that the kernel did not name, which it always does over IP.
const NOBODY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
