//! A machine whose device does what tests ask of it.

use std::collections::{BTreeMap, VecDeque};
use std::net::Ipv4Addr;
use std::string::String;
use std::vec::Vec;
use std::{format, vec};

use netconsole_wire::closing::Closing;
use netconsole_wire::frame::{Addresses, Route};
use netconsole_wire::parameter::{self, Mac};
use netconsole_wire::tag::{Key, Signer, Tagged};
use netconsole_wire::{Datagram, parse};

use crate::{Failure, Frame, Machine, Port, Ports, Readiness, RingRecord, Urgency};

/// A kernel with a log, and a device with a queue.
#[derive(Debug)]
pub(crate) struct Simulated {
    pub(crate) clock_us: u64,
    /// Its host lets it run no more for so long whenever its queue is full.
    pub(crate) sleeps_us: u64,
    pub(crate) log: Vec<(u64, String)>,
    /// Frames that the device still has.
    pub(crate) queue: VecDeque<Vec<u8>>,
    /// How many it holds.
    pub(crate) queue_length: usize,
    /// It sends all that it holds every so often.
    pub(crate) drains_every_us: u64,
    pub(crate) drained_us: u64,
    /// Buffers for a death.
    pub(crate) buffers: usize,
    pub(crate) down: bool,
    pub(crate) locked: bool,
    /// Nothing is sent until it is forced.
    pub(crate) stuck: bool,
    /// The port whose device takes no frame.
    pub(crate) takes_nothing: Option<usize>,
    /// What came out on the wire: the datagrams.
    pub(crate) wire: Vec<Vec<u8>>,
    /// Printed when that many datagrams have come out.
    pub(crate) prints_at: BTreeMap<usize, String>,
}

impl Simulated {
    pub(crate) fn new(lines: usize) -> Simulated {
        let line = |n: usize| (n as u64, format!("<6>[{:5}.{:06}] line {n}\n", n / 10, n));
        Simulated {
            clock_us: 0,
            sleeps_us: 0,
            log: (0..lines).map(line).collect(),
            queue: VecDeque::new(),
            queue_length: 8,
            drains_every_us: 100,
            drained_us: 0,
            buffers: 64,
            down: false,
            locked: false,
            stuck: false,
            takes_nothing: None,
            wire: Vec::new(),
            prints_at: BTreeMap::new(),
        }
    }

    pub(crate) fn print(&mut self, text: &str) {
        let seq = self.log.last().map_or(0, |(seq, _)| seq + 1);
        self.log.push((seq, format!("<0>[  999.000000] {text}\n")));
    }

    /// The numbers of the records on the wire, in order.
    pub(crate) fn numbers(&self) -> Vec<u64> {
        let number = |datagram: &Vec<u8>| match parse(datagram) {
            Datagram::Extended(message) => Some(message.header.seq.0),
            _ => None,
        };
        self.wire.iter().filter_map(number).collect()
    }

    pub(crate) fn closings(&self) -> Vec<Closing> {
        self.wire.iter().filter_map(|datagram| Closing::parse(datagram)).collect()
    }

    fn drain(&mut self) {
        if !self.stuck && self.clock_us - self.drained_us >= self.drains_every_us {
            self.drained_us = self.clock_us;
            while let Some(frame) = self.queue.pop_front() {
                self.wire.push(frame[14 + 20 + 8..].to_vec());
                if let Some(text) = self.prints_at.remove(&self.wire.len()) {
                    self.print(&text);
                }
            }
        }
    }
}

impl Machine for Simulated {
    fn now_us(&mut self) -> u64 {
        self.clock_us += 1;
        self.clock_us
    }

    fn pause(&mut self) {
        self.clock_us += 20;
    }

    fn rest(&mut self) {
        self.clock_us += 1000;
        self.drain();
    }

    fn record(&mut self, from: u64, room: &mut [u8]) -> Option<RingRecord> {
        let (seq, text) = self.log.iter().find(|(seq, _)| *seq >= from)?;
        let length = text.len().min(room.len());
        room[..length].copy_from_slice(&text.as_bytes()[..length]);
        Some(RingRecord { seq: *seq, length })
    }

    fn measure(&mut self, from: u64) -> Option<RingRecord> {
        let (seq, text) = self.log.iter().find(|(seq, _)| *seq >= from)?;
        Some(RingRecord { seq: *seq, length: text.len() })
    }

    fn begin(&mut self, _port: usize, alone: bool) -> Readiness {
        self.locked &= !alone;
        match self {
            Simulated { locked: true, .. } => Readiness::Stopped,
            Simulated { down: true, .. } => Readiness::Down,
            _ => Readiness::Ready,
        }
    }

    fn readiness(&mut self, port: usize) -> Readiness {
        assert!(!self.locked, "a locked device was touched");
        match self {
            Simulated { down: true, .. } => Readiness::Down,
            _ if self.takes_nothing == Some(port) => Readiness::Stopped,
            _ if self.queue.len() >= self.queue_length => {
                self.clock_us += self.sleeps_us;
                Readiness::Stopped
            }
            _ => Readiness::Ready,
        }
    }

    fn poll(&mut self, _port: usize) {
        assert!(!self.locked, "a locked device was touched");
        self.drain();
    }

    fn force(&mut self, _port: usize) {
        self.stuck = false;
    }

    fn send(&mut self, port: usize, frame: &Frame<'_>, urgency: Urgency) -> Result<(), Failure> {
        match self.readiness(port) {
            Readiness::Down => Err(Failure::Down),
            Readiness::Stopped => Err(Failure::Stopped),
            Readiness::Ready if urgency == Urgency::Death && self.queue.len() >= self.buffers => {
                Err(Failure::NoMemory)
            }
            Readiness::Ready => {
                self.queue.push_back([frame.header, frame.payload].concat());
                Ok(())
            }
        }
    }

    fn is_at_rest(&mut self, _port: usize) -> bool {
        self.queue.is_empty()
    }

    fn end(&mut self, _port: usize, _alone: bool) {}
}

/// A target as the parameter has it, of a machine 10.0.2.15.
pub(crate) fn port(text: &str) -> Port {
    let parameter = parameter::parse(text).expect("a target");
    let target = parameter.targets().next().expect("one target");
    let (source, ip) = (Ipv4Addr::new(10, 0, 2, 15), target.ip);
    let addresses = Addresses::pair(source.into(), ip).expect("IPv4");
    let source_mac = Mac([2, 0, 0, 0, 0, 1]);
    let (mac, port) = (target.mac, target.port);
    let route = Route { source_mac, mac, addresses, source_port: target.source_port, port };
    Port::new(&target, *b"eth0\0\0\0\0\0\0\0\0\0\0\0\0", route)
}

pub(crate) fn only(port: &Port) -> Ports<'_> {
    let mut ports = [None; crate::MAX_PORTS];
    ports[0] = Some(port);
    ports
}

/// The numbers twice over.
pub(crate) fn twice(numbers: std::ops::Range<u64>) -> Vec<u64> {
    vec![numbers.clone(), numbers].into_iter().flatten().collect()
}

pub(crate) const KEY: [u8; 16] = *b"sixteen letters.";

/// The same port, with a key.
pub(crate) fn signing(mut port: Port) -> Port {
    port.signer = Some(Signer::new(Key::new(KEY), 7));
    port
}

/// Whether a datagram has that port's tag.
pub(crate) fn is_signed(datagram: &[u8]) -> bool {
    Tagged::open(datagram)
        .is_some_and(|tagged| tagged.tag.nonce == 7 && tagged.is_by(&Key::new(KEY)))
}
