use core::fmt::Write as _;
use core::sync::atomic::Ordering::Relaxed;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::string::{String, ToString as _};
use std::{format, vec::Vec};

use super::*;

/// Has `eth0` and `eth1`; `wlan0` is Wi-Fi.
#[derive(Default)]
struct Simulated {
    ports: BTreeMap<usize, Port>,
    gone: Vec<usize>,
    log: String,
    nonces: u64,
}

impl Devices for Simulated {
    fn open(&mut self, slot: usize, target: &Target<'_>) -> Result<Opened, Refusal> {
        assert!(!self.ports.contains_key(&slot), "slot {slot} is in use");
        let source = target.source_ip.unwrap_or(Ipv4Addr::new(10, 0, 2, 15).into());
        let device = *b"eth0\0\0\0\0\0\0\0\0\0\0\0\0";
        match target.device {
            Device::Name("eth0" | "eth1") => Ok(Opened { device, mac: Mac([2; 6]), source }),
            Device::Name("wlan0") => Err(Refusal::Wifi),
            _ => Err(Refusal::NoDevice),
        }
    }

    fn arm(&mut self, slot: usize, port: Port) {
        self.ports.insert(slot, port);
        self.gone.retain(|gone| *gone != slot);
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
        assert!(self.ports.remove(&slot).is_some(), "slot {slot} is not open");
    }

    fn is_armed(&self, slot: usize) -> bool {
        self.ports.contains_key(&slot) && !self.gone.contains(&slot)
    }

    fn port(&self, slot: usize) -> Option<&Port> {
        self.ports.get(&slot)
    }

    fn say(&mut self, _level: Level, line: fmt::Arguments<'_>) {
        writeln!(self.log, "{line}").expect("a string takes all");
    }
}

fn shown(targets: &Targets, devices: &Simulated) -> String {
    let mut out = String::new();
    targets.show(devices, &mut out).expect("a string takes all");
    out
}

#[test]
fn what_can_be_opened_is_and_the_rest_says_why_not() {
    let (mut targets, mut devices) = (Targets::new(), Simulated::default());
    let wish = b"+@/eth0,6666@10.0.2.2/;@/wlan0,@10.0.2.3/;+r@/eth7,514@10.0.2.4/\n";
    assert_eq!(targets.set(&mut devices, wish), Ok(0b1));
    assert_eq!(
        shown(&targets, &devices),
        "enabled +@/,@10.0.2.2/ device=eth0 local=10.0.2.15 signs=no sent=0 queue_stopped=0 no_memory=0 \
         device_down=0\n\
         disabled @/wlan0,@10.0.2.3/ reason=wifi sent=0 queue_stopped=0 no_memory=0 \
         device_down=0\n\
         disabled +r@/eth7,514@10.0.2.4/ reason=no-device sent=0 queue_stopped=0 no_memory=0 \
         device_down=0\n"
    );
    assert_eq!(targets.to_string(), "+@/,@10.0.2.2/;@/wlan0,@10.0.2.3/;+r@/eth7,514@10.0.2.4/");
    assert!(devices.log.contains("eth7 doesn't exist, aborting\n"), "{}", devices.log);
}

#[test]
fn a_target_that_stays_is_not_disturbed() {
    let (mut targets, mut devices) = (Targets::new(), Simulated::default());
    targets.set(&mut devices, b"+@/eth0,@10.0.2.2/;@/eth1,@10.0.2.3/").expect("a parameter");
    devices.ports[&1].counters.sent.store(7, Relaxed);
    let fresh = targets.set(&mut devices, b"@/eth1,@10.0.2.3/;@/eth0,@10.0.2.4/;@/,@10.0.2.5/");
    assert_eq!(fresh, Ok(0b101), "two new ones, in the slots that are free");
    let shown = shown(&targets, &devices);
    let lines: Vec<&str> = shown.lines().collect();
    assert!(lines[0].starts_with("enabled @/eth1,@10.0.2.3/ "), "{shown}");
    assert!(lines[0].contains(" sent=7 "), "{shown}");
    assert_eq!(lines.len(), 3);
    assert_eq!(targets.set(&mut devices, b""), Ok(0));
    assert!(devices.ports.is_empty());
    assert_eq!(targets.to_string(), "");
}

#[test]
fn another_hardware_address_only_redirects() {
    let (mut targets, mut devices) = (Targets::new(), Simulated::default());
    targets.set(&mut devices, b"+@/eth0,@10.0.2.2/").expect("a parameter");
    devices.ports[&0].counters.sent.store(7, Relaxed);
    let fresh = targets.set(&mut devices, b"+@/eth0,@10.0.2.2/52:54:00:12:34:56");
    assert_eq!(fresh, Ok(0), "nothing that needs the log again");
    assert_eq!(devices.ports[&0].route.mac, Mac([0x52, 0x54, 0, 0x12, 0x34, 0x56]));
    assert!(shown(&targets, &devices).contains(" sent=7 "));
}

#[test]
fn what_is_no_parameter_changes_nothing() {
    let (mut targets, mut devices) = (Targets::new(), Simulated::default());
    targets.set(&mut devices, b"+@/eth0,@10.0.2.2/").expect("a parameter");
    let before = shown(&targets, &devices);
    let many = ["@/,@10.0.2.2/"; MAX_PORTS + 1].join(";");
    for wish in [&b"+@/eth0"[..], b"\xff", b";", many.as_bytes()] {
        assert!(targets.set(&mut devices, wish).is_err(), "{}", wish.escape_ascii());
        assert_eq!(shown(&targets, &devices), before);
    }
}

#[test]
fn a_target_whose_device_went_is_tried_again() {
    let (mut targets, mut devices) = (Targets::new(), Simulated::default());
    targets.set(&mut devices, b"@/eth0,@10.0.2.2/").expect("a parameter");
    devices.ports[&0].counters.sent.store(7, Relaxed);
    devices.gone.push(0);
    let said = shown(&targets, &devices);
    assert!(said.starts_with("disabled @/,@10.0.2.2/ reason=gone sent=7 "), "{said}");
    assert_eq!(targets.set(&mut devices, b"@/eth0,@10.0.2.2/"), Ok(1));
    assert!(shown(&targets, &devices).starts_with("enabled "));
}

const KEY: &[u8] = b"000102030405060708090a0b0c0d0e0f\n";

/// What each port signs with, in order.
fn signers(devices: &Simulated) -> Vec<Option<Signer>> {
    devices.ports.values().map(|port| port.signer.clone()).collect()
}

#[test]
fn a_key_is_every_extended_targets_with_a_nonce_for_each() {
    let (mut targets, mut devices) = (Targets::new(), Simulated::default());
    targets.set(&mut devices, b"+@/eth0,@10.0.2.2/;@/eth1,@10.0.2.3/").expect("two targets");
    assert_eq!(signers(&devices), [None, None]);
    assert_eq!(targets.set_key(&mut devices, KEY), Ok(0b01));
    targets.set(&mut devices, b"+@/eth0,@10.0.2.2/;@/eth1,@10.0.2.3/;+@/eth1,@10.0.2.4/").unwrap();
    let key = Key::parse(KEY.trim_ascii()).expect("a key");
    let signer = |nonce| Some(Signer::new(key.clone(), nonce));
    assert_eq!(signers(&devices), [signer(1), None, signer(2)]);
    let text = shown(&targets, &devices);
    let signs = format!("signs={}", key.id());
    assert_eq!((text.matches(&signs).count(), text.matches("signs=no").count()), (2, 1), "{text}");
}

#[test]
fn a_key_is_changed_and_taken_away_and_one_that_is_none_changes_nothing() {
    let (mut targets, mut devices) = (Targets::new(), Simulated::default());
    targets.set(&mut devices, b"+@/eth0,@10.0.2.2/").expect("a target");
    assert_eq!(targets.set_key(&mut devices, KEY), Ok(0b1));
    let first = signers(&devices);
    for nothing_new in [KEY, b"000102030405060708090a0b0c0d0e0", b"no key", b"\xff"] {
        targets.set_key(&mut devices, nothing_new).ok();
        assert_eq!(signers(&devices), first);
    }
    assert_eq!(targets.set_key(&mut devices, b"short"), Err(KeyError));
    assert_eq!(targets.set_key(&mut devices, &KEY.to_ascii_uppercase()), Ok(0), "the same");
    assert_eq!(targets.set_key(&mut devices, b"ffffffffffffffffffffffffffffffff"), Ok(0b1));
    assert_ne!(signers(&devices), first);
    assert_eq!(targets.set_key(&mut devices, b"\n"), Ok(0));
    assert_eq!(signers(&devices), [None]);
}
