//! Which targets there are: what is wished, at load and later, and what came of it.
//!
//! A wish is a whole `netconsole=` parameter. A target that it has in common with the one before
//! goes on undisturbed; one of which only the hardware address has changed is redirected; all
//! others are closed, and the new ones opened. What can't be opened stays in the list, disabled,
//! and is tried again with the next wish.

use core::fmt;

use netconsole_wire::frame::{Addresses, Route};
use netconsole_wire::parameter::{self, Device, MAX_LENGTH, Mac, ParameterError, Target};

use netconsole_wire::tag::{Key, Signer};

use crate::{MAX_PORTS, Port, Refusal};
use core::net::IpAddr;

/// Devices, and the ports that are opened on them: a kernel's, or simulated ones.
pub trait Devices {
    /// Opens a port for a target, which is not armed yet.
    fn open(&mut self, slot: usize, target: &Target<'_>) -> Result<Opened, Refusal>;

    /// From now on lines are sent there.
    fn arm(&mut self, slot: usize, port: Port);

    /// From now on its datagrams have a tag, or none any more.
    fn sign(&mut self, slot: usize, signer: Option<Signer>);

    /// A number that was never drawn before.
    fn nonce(&mut self) -> u64;

    /// From now on frames go to this hardware address.
    fn redirect(&mut self, slot: usize, mac: Mac);

    /// Waits until nobody uses the port, and lets its device go.
    fn close(&mut self, slot: usize);

    /// Whether it is armed: its device may have gone.
    fn is_armed(&self, slot: usize) -> bool;

    /// What was armed last.
    fn port(&self, slot: usize) -> Option<&Port>;

    /// Says a line in the kernel's log.
    fn say(&mut self, level: Level, line: fmt::Arguments<'_>);
}

/// How a line is said in the kernel's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// What is a bug.
    Emergency,
    /// What does not work.
    Error,
    /// What happens.
    Info,
}

/// What was found for a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The device's name, zeros behind it.
    pub device: [u8; 16],
    /// Its hardware address.
    pub mac: Mac,
    /// The address that is sent from.
    pub source: IpAddr,
}

/// Why a wish as a whole is not granted; nothing has changed then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WishError {
    /// It is no text.
    NotText,
    /// It is no parameter.
    Parameter(ParameterError),
    /// It has more targets than [`MAX_PORTS`].
    TooMany,
}

/// It is no key: neither 32 hex digits nor empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyError;

/// The targets that are wished, and what came of each.
#[derive(Debug)]
pub struct Targets {
    /// The parameter.
    wish: [u8; MAX_LENGTH],
    length: usize,
    /// One for each target, in their order.
    places: [Place; MAX_PORTS],
    /// What datagrams are signed with.
    key: Option<Key>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Vacant,
    Open { slot: usize },
    Refused(Refusal),
}

impl Targets {
    /// None.
    pub const fn new() -> Targets {
        Targets { wish: [0; MAX_LENGTH], length: 0, places: [Place::Vacant; MAX_PORTS], key: None }
    }

    /// Makes the targets those of `wish`: which slots are new, as bits.
    pub fn set(&mut self, devices: &mut impl Devices, wish: &[u8]) -> Result<u32, WishError> {
        let text = str::from_utf8(wish.trim_ascii()).map_err(|_| WishError::NotText)?;
        if !text.is_empty() {
            parameter::parse(text).map_err(WishError::Parameter)?;
        }
        if targets(text).count() > MAX_PORTS {
            return Err(WishError::TooMany);
        }
        let mut next = self.kept(devices, text);
        for place in &self.places {
            if let Place::Open { slot } = *place {
                devices.close(slot);
            }
        }
        let fresh = open_all(devices, text, &mut next, self.key.as_ref());
        self.places = next;
        self.keep(text);
        Ok(fresh)
    }

    /// Signs with another key from now on, or with none where `digits` is empty: which slots have
    /// to say all again that they have said, as bits.
    pub fn set_key(&mut self, devices: &mut impl Devices, digits: &[u8]) -> Result<u32, KeyError> {
        let digits = digits.trim_ascii();
        let key = if digits.is_empty() { None } else { Some(Key::parse(digits).ok_or(KeyError)?) };
        if key == self.key {
            return Ok(0);
        }
        let mut fresh = 0;
        for place in &self.places {
            let Place::Open { slot } = *place else { continue };
            if devices.port(slot).is_some_and(|port| port.extended) {
                let signer = key.clone().map(|key| Signer::new(key, devices.nonce()));
                fresh |= u32::from(signer.is_some()) << slot;
                devices.sign(slot, signer);
            }
        }
        self.key = key;
        Ok(fresh)
    }

    /// Each line: whether it is enabled, the target, what is known of it, its counters.
    pub fn show(&self, devices: &impl Devices, out: &mut impl fmt::Write) -> fmt::Result {
        for (target, place) in targets(self.wish()).zip(&self.places) {
            match *place {
                Place::Open { slot } => show_open(devices, slot, &target, out)?,
                Place::Refused(refusal) => {
                    writeln!(out, "disabled {target} reason={refusal} {NONE_SENT}")?;
                }
                Place::Vacant => {}
            }
        }
        Ok(())
    }

    fn wish(&self) -> &str {
        let wish = self.wish.get(..self.length).unwrap_or_default();
        str::from_utf8(wish).unwrap_or_default()
    }

    /// What of the places stays under another wish: those are taken out of `self`.
    fn kept(&mut self, devices: &mut impl Devices, wish: &str) -> [Place; MAX_PORTS] {
        let (mut next, before) = ([Place::Vacant; MAX_PORTS], self.wish);
        let before = str::from_utf8(before.get(..self.length).unwrap_or_default());
        for (target, place) in targets(wish).zip(&mut next) {
            for (other, old) in targets(before.unwrap_or_default()).zip(&mut self.places) {
                let Place::Open { slot } = *old else { continue };
                if !devices.is_armed(slot) || !differ_by_mac_at_most(&target, &other) {
                    continue;
                }
                if target.mac != other.mac {
                    devices.redirect(slot, target.mac);
                    devices
                        .say(Level::Info, format_args!("remote ethernet address {}", target.mac));
                }
                *place = core::mem::replace(old, Place::Vacant);
                break;
            }
        }
        next
    }

    fn keep(&mut self, wish: &str) {
        self.length = 0;
        for (to, from) in self.wish.iter_mut().zip(wish.bytes()) {
            *to = from;
            self.length += 1;
        }
    }
}

/// The wish, in its shortest form.
impl fmt::Display for Targets {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        parameter::parse(self.wish()).map_or(Ok(()), |parameter| parameter.fmt(out))
    }
}

impl fmt::Display for KeyError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("the key is not 32 hex digits, nor empty to sign no more")
    }
}

impl Default for Targets {
    fn default() -> Self {
        Targets::new()
    }
}

impl fmt::Display for WishError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WishError::NotText => out.write_str("the parameter is no text"),
            WishError::Parameter(error) => error.fmt(out),
            WishError::TooMany => write!(out, "more than {MAX_PORTS} targets: leave some out"),
        }
    }
}

/// Of a parameter that was read before; an empty one has none.
fn targets(wish: &str) -> impl Iterator<Item = Target<'_>> {
    let parameter = Some(wish).filter(|wish| !wish.is_empty()).map(parameter::parse);
    parameter.and_then(Result::ok).into_iter().flat_map(|parameter| parameter.targets())
}

fn differ_by_mac_at_most(one: &Target<'_>, other: &Target<'_>) -> bool {
    *one == Target { mac: one.mac, ..*other }
}

/// Opens what is not open yet.
fn open_all(
    devices: &mut impl Devices,
    wish: &str,
    places: &mut [Place; MAX_PORTS],
    key: Option<&Key>,
) -> u32 {
    let mut fresh = 0;
    for (index, target) in targets(wish).enumerate() {
        let taken = |slot: &usize| places.contains(&Place::Open { slot: *slot });
        let Some(slot) = (0..MAX_PORTS).find(|slot| !taken(slot)) else { break };
        let Some(place) = places.get_mut(index).filter(|place| **place == Place::Vacant) else {
            continue;
        };
        *place = match open(devices, slot, &target, key) {
            Ok(()) => {
                fresh |= 1 << slot;
                Place::Open { slot }
            }
            Err(refusal) => {
                devices.say(Level::Error, format_args!("{}", refusal.of(target.device)));
                Place::Refused(refusal)
            }
        };
    }
    fresh
}

/// The lines are those of netconsole (`drivers/net/netconsole.c`, `net/core/netpoll.c`).
fn open(
    devices: &mut impl Devices,
    slot: usize,
    target: &Target<'_>,
    key: Option<&Key>,
) -> Result<(), Refusal> {
    let mut say = |line: fmt::Arguments<'_>| devices.say(Level::Info, line);
    say(format_args!("local port {}", target.source_port));
    if let Some(source) = target.source_ip {
        say(format_args!("local {}", Address(source)));
    }
    match target.device {
        Device::Name(name) => say(format_args!("interface name '{name}'")),
        Device::Mac(mac) => say(format_args!("interface mac '{mac}'")),
    }
    say(format_args!("remote port {}", target.port));
    say(format_args!("remote {}", Address(target.ip)));
    say(format_args!("remote ethernet address {}", target.mac));
    let opened = devices.open(slot, target)?;
    if target.source_ip.is_none() {
        devices.say(Level::Info, format_args!("local {}", Address(opened.source)));
    }
    // Of one family, as the shim looks for an address of the target's.
    let addresses = Addresses::pair(opened.source, target.ip).ok_or(Refusal::NoAddress)?;
    let route = Route {
        source_mac: opened.mac,
        mac: target.mac,
        addresses,
        source_port: target.source_port,
        port: target.port,
    };
    let key = key.filter(|_| target.extended);
    let signer = key.map(|key| Signer::new(key.clone(), devices.nonce()));
    let mut port = Port::new(target, opened.device, route);
    port.signer = signer;
    devices.arm(slot, port);
    Ok(())
}

fn show_open(
    devices: &impl Devices,
    slot: usize,
    target: &Target<'_>,
    out: &mut impl fmt::Write,
) -> fmt::Result {
    let Some(port) = devices.port(slot) else { return Ok(()) };
    let counters = &port.counters;
    if devices.is_armed(slot) {
        let (device, local) = (port.device(), port.route.addresses.source());
        write!(out, "enabled {target} device={device} local={local} signs=")?;
        match &port.signer {
            Some(signer) => write!(out, "{}", signer.key_id())?,
            None => out.write_str("no")?,
        }
        writeln!(out, " {counters}")
    } else {
        writeln!(out, "disabled {target} reason={} {counters}", Refusal::Gone)
    }
}

struct Address(IpAddr);

impl fmt::Display for Address {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let family = if self.0.is_ipv4() { "IPv4" } else { "IPv6" };
        write!(out, "{family} address {}", self.0)
    }
}

const NONE_SENT: &str = "sent=0 queue_stopped=0 no_memory=0 device_down=0";

#[cfg(test)]
mod tests;
