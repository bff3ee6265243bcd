//! The kernel module's logic, on a machine whose log and device are anything: targets that are
//! wished one list after the other, the log so far, live lines, deaths. Every frame fits, no
//! closing record tells of what was not there, and every wait has an end.
#![no_main]

use std::collections::BTreeMap;
use std::net::IpAddr;

use bedside_kmod::death::{Death, Limits, Occasion};
use bedside_kmod::live::Live;
use bedside_kmod::targets::{Devices, Level, Opened, Targets};
use bedside_kmod::{
    Backfill, Failure, Frame, MAX_PORTS, Machine, Port, Ports, Readiness, Refusal, RingRecord,
    Urgency,
};
use libfuzzer_sys::fuzz_target;
use netconsole_wire::closing::{Closing, Reason};
use netconsole_wire::parameter::{Device, Mac, Target};
use netconsole_wire::tag::{Key, Signer, Tagged};
use netconsole_wire::{Datagram, MAX_PRINT_CHUNK, parse};

/// What the input says happens, a byte each time.
struct Any<'d> {
    log: Vec<&'d [u8]>,
    chances: std::iter::Cycle<std::iter::Copied<std::slice::Iter<'d, u8>>>,
    now_us: u64,
    /// For so long of it the machine's host has not let it run.
    slept_us: u64,
    nonces: u64,
    /// What each target signs with while lines are sent.
    signers: BTreeMap<usize, Signer>,
    ports: BTreeMap<usize, Port>,
}

impl Any<'_> {
    fn chance(&mut self) -> u8 {
        self.chances.next().unwrap_or_default()
    }

    fn awake_us(&self) -> u64 {
        self.now_us - self.slept_us
    }

    fn readiness(&mut self) -> Readiness {
        match self.chance() {
            0..=3 => Readiness::Stopped,
            4 => Readiness::Down,
            _ => Readiness::Ready,
        }
    }
}

impl Machine for Any<'_> {
    fn now_us(&mut self) -> u64 {
        self.now_us += 1;
        self.now_us
    }

    fn pause(&mut self) {
        self.now_us += 20;
    }

    fn rest(&mut self) {}

    fn record(&mut self, from: u64, room: &mut [u8]) -> Option<RingRecord> {
        let found = self.measure(from)?;
        let sleep_us = u64::from(self.chance()) * 1000;
        self.now_us += sleep_us;
        self.slept_us += sleep_us;
        let text = self.log[found.seq as usize];
        let length = text.len().min(room.len());
        room[..length].copy_from_slice(&text[..length]);
        Some(RingRecord { length, ..found })
    }

    fn measure(&mut self, from: u64) -> Option<RingRecord> {
        let text = self.log.get(usize::try_from(from).ok()?)?;
        Some(RingRecord { seq: from, length: text.len() })
    }

    fn begin(&mut self, _port: usize, _alone: bool) -> Readiness {
        self.readiness()
    }

    fn readiness(&mut self, _port: usize) -> Readiness {
        Any::readiness(self)
    }

    fn poll(&mut self, _port: usize) {}

    fn force(&mut self, _port: usize) {}

    fn send(&mut self, port: usize, frame: &Frame<'_>, _: Urgency) -> Result<(), Failure> {
        assert!(frame.payload.len() <= MAX_PRINT_CHUNK);
        let tagged = Tagged::open(frame.payload);
        let is_ours = tagged.is_some_and(|tagged| tagged.is_by(&Key::new(*KEY)));
        let extended = matches!(parse(frame.payload), Datagram::Extended(_));
        let closing = Closing::parse(frame.payload).is_some();
        assert_eq!(is_ours, self.signers.contains_key(&port) && (extended || closing));
        assert!(matches!(frame.header.len(), 42 | 62));
        if let Some(closing) = Closing::parse(frame.payload) {
            assert!(closing.last.0 < self.log.len() as u64);
        }
        match self.chance() {
            0 => Err(Failure::Stopped),
            1 => Err(Failure::NoMemory),
            2 => Err(Failure::Down),
            _ => Ok(()),
        }
    }

    fn is_at_rest(&mut self, _port: usize) -> bool {
        self.chance() > 3
    }

    fn end(&mut self, _port: usize, _alone: bool) {}
}

impl Devices for Any<'_> {
    fn open(&mut self, slot: usize, target: &Target<'_>) -> Result<Opened, Refusal> {
        assert!(slot < MAX_PORTS && !self.ports.contains_key(&slot));
        let any = if target.ip.is_ipv4() { [10, 0, 2, 15].into() } else { [0; 16].into() };
        let source: IpAddr = target.source_ip.unwrap_or(any);
        match (self.chance(), target.device) {
            (0, Device::Mac(_)) => Err(Refusal::NoDevice),
            (1, _) => Err(Refusal::from_errno(16)),
            _ => Ok(Opened { device: [b'e'; 16], mac: Mac([2; 6]), source }),
        }
    }

    fn arm(&mut self, slot: usize, port: Port) {
        assert!(self.ports.insert(slot, port).is_none());
    }

    fn sign(&mut self, slot: usize, signer: Option<Signer>) {
        self.ports.get_mut(&slot).expect("a port").signer = signer;
    }

    fn nonce(&mut self) -> u64 {
        self.nonces += 1;
        self.nonces
    }

    fn redirect(&mut self, slot: usize, mac: Mac) {
        self.ports.get_mut(&slot).expect("a port").route.mac = mac;
    }

    fn close(&mut self, slot: usize) {
        assert!(self.ports.remove(&slot).is_some());
    }

    fn is_armed(&self, slot: usize) -> bool {
        self.ports.contains_key(&slot)
    }

    fn port(&self, slot: usize) -> Option<&Port> {
        self.ports.get(&slot)
    }

    fn say(&mut self, _: Level, line: std::fmt::Arguments<'_>) {
        assert!(!line.to_string().is_empty());
    }
}

/// When the time is up each target's device is looked at some thousand times more.
const LAST_LOOKS_US: u64 = 100_000;
const KEY: &[u8; 16] = b"sixteen letters.";
const KEY_DIGITS: &[u8] = b"7369787465656e206c6574746572732e";

// Two wishes, then the log, its records with zeros between.
fuzz_target!(|data: &[u8]| {
    let mut parts = data.splitn(3, |byte| *byte == b'\n');
    let mut part = || parts.next().unwrap_or_default();
    let (first, second, log) = (part(), part(), part());
    let log: Vec<&[u8]> = log.split(|byte| *byte == 0).collect();
    let chances = data.iter().copied().cycle();
    let (signers, ports) = (BTreeMap::new(), BTreeMap::new());
    let mut any =
        Any { log: log.clone(), chances, now_us: 0, slept_us: 0, nonces: 0, signers, ports };
    let mut targets = Targets::new();
    for wish in [first, second] {
        let before = targets.to_string();
        if targets.set(&mut any, wish).is_err() {
            assert_eq!(targets.to_string(), before);
        }
        let key = if first.len() % 2 == 0 { &b""[..] } else { KEY_DIGITS };
        let taken = targets.set_key(&mut any, second).is_ok();
        assert!(!taken || matches!(second.trim_ascii().len(), 0 | 32), "no key");
        targets.set_key(&mut any, key).expect("a key or none");
        let mut shown = String::new();
        targets.show(&any, &mut shown).expect("a string takes all");
        assert!(shown.len() < 4096, "more than a page");
    }
    let armed = std::mem::take(&mut any.ports);
    let signer = |(slot, port): (&usize, &Port)| Some((*slot, port.signer.clone()?));
    any.signers = armed.iter().filter_map(signer).collect();
    let mut ports: Ports<'_> = [None; MAX_PORTS];
    armed.iter().for_each(|(slot, port)| ports[*slot] = Some(port));
    Backfill::new().send(&mut any, &ports, b"7.3.4");
    for line in &log {
        Live::new().extended(&mut any, &ports, b"7.3.4", line);
        Live::new().basic(&mut any, &ports, line);
    }
    let mut death = Death::new();
    for (reason, alone) in [(Reason::Oops, false), (Reason::Panic, true), (Reason::Panic, true)] {
        let begun = any.awake_us();
        let limits = if alone { Limits::DEFAULT } else { Limits::WHILE_OTHERS_RUN };
        death.deliver(&mut any, &ports, b"7.3.4", Occasion { reason, alone, limits });
        let took = any.awake_us() - begun;
        assert!(took <= limits.whole_us + MAX_PORTS as u64 * LAST_LOOKS_US, "no end");
    }
});
