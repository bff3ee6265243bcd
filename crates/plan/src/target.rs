//! The targets that are wanted.

use std::net::IpAddr;

use netconsole_wire::parameter::{Device, Mac, Target};

use crate::device::choose;
use crate::facts::{Dumper, Facts, Link, Loaded, Route, RouteKind, Way};
use crate::{Doctor, Format, Refusal};

/// A target that is wanted, with nothing left open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The doctor, as people know it.
    pub doctor: String,
    /// How to say it.
    pub format: Format,
    /// The device's name.
    pub device: String,
    /// The device's number.
    pub index: u32,
    /// The address to send from.
    pub source: IpAddr,
    /// The port to send from.
    pub source_port: u16,
    /// The address to send to.
    pub ip: IpAddr,
    /// The port to send to.
    pub port: u16,
    /// The hardware address on the frames.
    pub mac: Mac,
    /// How each of these was found.
    pub why: String,
}

/// The target for each doctor, or why there can be none.
pub fn wanted(facts: &Facts, doctors: &[Doctor]) -> Result<Vec<Wanted>, Vec<Refusal>> {
    let mut found = Vec::new();
    let mut refusals = Vec::new();
    for (doctor, way) in doctors.iter().zip(&facts.ways) {
        match target(facts, doctor, way) {
            // Named twice, or by a name and an address: each line would come twice.
            Ok(target) if found.iter().any(|other: &Wanted| other.reaches_as(&target)) => {}
            Ok(target) => found.push(target),
            Err(refusal) => refusals.push(refusal),
        }
    }
    if refusals.is_empty() { Ok(found) } else { Err(refusals) }
}

fn target(facts: &Facts, doctor: &Doctor, way: &Way) -> Result<Wanted, Refusal> {
    let route = route(doctor, way)?;
    leads_to_a_machine(route)?;
    let (link, instead) = choose(facts, route.device)?;
    if link.name.contains([',', ';']) {
        return Err(Refusal::new(
            format!("netconsole's parameter can't name the device {:?}", link.name),
            "give the device another name: `ip link set … name …`",
        ));
    }
    let held = || sends_from(facts, doctor, route, link.index);
    let source = doctor.source.or_else(held).or(route.source).ok_or_else(|| no_source(link))?;
    Ok(Wanted {
        doctor: doctor.to_string(),
        format: doctor.format,
        device: link.name.clone(),
        index: link.index,
        source,
        source_port: doctor.source_port,
        ip: route.address,
        port: doctor.port,
        mac: mac(doctor, route, &link.name)?,
        why: reason(doctor, route, &link.name, instead),
    })
}

fn no_source(link: &Link) -> Refusal {
    Refusal::new(
        format!("{} has no address to send from", link.name),
        "give it one (`ip address`), or name one: `[PORT]@SOURCE/DEVICE,[PORT]@DOCTOR/`",
    )
}

/// The hardware address on the frames, which is one machine's.
fn mac(doctor: &Doctor, route: &Route, device: &str) -> Result<Mac, Refusal> {
    match doctor.mac.or(route.mac) {
        None => Err(no_answer(doctor, route, device)),
        Some(mac) if mac.is_group() => Err(Refusal::new(
            format!("{mac} is no machine's hardware address"),
            "leave it out: the next hop is asked for its own",
        )),
        Some(mac) => Ok(mac),
    }
}

/// The address that the kernel sends from already, if it is still the machine's own: IPv6 prefers
/// another one every day, and the doctor would have to know the machine again.
fn sends_from(facts: &Facts, doctor: &Doctor, route: &Route, device: u32) -> Option<IpAddr> {
    let shown = facts
        .targets
        .iter()
        .filter_map(|target| Some(((target.remote_ip?, target.remote_port), target.local_ip?)));
    let dumper = facts.dumper.iter().flat_map(Dumper::sources);
    let loaded = facts.loaded.iter().flat_map(Loaded::targets).chain(dumper);
    let hidden = loaded.filter_map(|(to, source)| Some((to, source?)));
    let mut to_it = shown.chain(hidden).filter(|(to, _)| *to == (route.address, doctor.port));
    let (_, source) = to_it.find(|(_, source)| facts.addresses.contains(&(device, *source)))?;
    Some(source)
}

/// The way that was found, or why there is none.
fn route<'w>(doctor: &Doctor, way: &'w Way) -> Result<&'w Route, Refusal> {
    match way {
        Way::Route(route) => Ok(route),
        Way::Unresolved(why) => Err(Refusal::new(
            format!("{} has no address: {why}", doctor.host),
            "write its address, or mend /etc/resolv.conf",
        )),
        Way::NoRoute(address, why) => Err(Refusal::new(
            format!("there is no way to {address}: {why}"),
            "is the network up (`ip route`)? is it the right address?",
        )),
    }
}

fn leads_to_a_machine(route: &Route) -> Result<(), Refusal> {
    let address = route.address;
    // Whatever the routing table makes of it while the loopback device is down.
    let kind = match address {
        _ if address.is_loopback() => RouteKind::Local,
        _ if address.is_multicast() || address.is_unspecified() => RouteKind::Group,
        _ => route.kind,
    };
    match kind {
        RouteKind::Unicast => Ok(()),
        RouteKind::Local => Err(Refusal::new(
            format!("{address} is this machine itself, and it can't hear its own death"),
            "give the address of another machine, where a doctor runs",
        )),
        RouteKind::Group => Err(no_single_machine(address)),
    }
}

/// The way of a relay. A socket may send to this machine itself and to a multicast group; to a
/// broadcast address not without asking (SO_BROADCAST, socket(7)), which the relay does not.
pub(crate) fn relay_route<'w>(doctor: &Doctor, way: &'w Way) -> Result<&'w Route, Refusal> {
    let route = route(doctor, way)?;
    if route.kind == RouteKind::Group && !route.address.is_multicast() {
        return Err(no_single_machine(route.address));
    }
    Ok(route)
}

fn no_single_machine(address: IpAddr) -> Refusal {
    Refusal::new(
        format!("{address} is no single machine's address"),
        "give the address of the machine where a doctor runs",
    )
}

fn no_answer(doctor: &Doctor, route: &Route, device: &str) -> Refusal {
    let format = if doctor.format == Format::Extended { "+" } else { "" };
    let hop = route.next_hop;
    let who = if hop == route.address {
        "the doctor".to_owned()
    } else {
        format!("the router to {}", route.address)
    };
    Refusal::new(
        format!("{hop}, {who}, does not tell its hardware address on {device}"),
        format!(
            "is it switched on, and on this network (`ping {hop}`)? If it can't answer, name its \
             hardware address: `{format}@/{device},{port}@{}/MAC`",
            route.address,
            port = doctor.port
        ),
    )
}

fn reason(doctor: &Doctor, route: &Route, device: &str, instead: Option<String>) -> String {
    let name = match &doctor.host {
        crate::Host::Name(name) => format!("{name} is {}; ", route.address),
        crate::Host::Address(_) => String::new(),
    };
    let device = instead.unwrap_or_else(|| format!("the routing table sends it through {device}"));
    let hop = if doctor.mac.is_some() {
        ", and the hardware address is the one you named".to_owned()
    } else if route.next_hop == route.address {
        ", where the doctor itself answers".to_owned()
    } else {
        format!(" to the router {}", route.next_hop)
    };
    name + &device + &hop
}

impl Wanted {
    fn reaches_as(&self, other: &Wanted) -> bool {
        (self.ip, self.port) == (other.ip, other.port)
    }

    /// As a kernel parameter says it.
    pub fn parameter(&self) -> String {
        let target = Target {
            extended: self.format == Format::Extended,
            release: false,
            source_port: self.source_port,
            source_ip: Some(self.source),
            device: Device::Name(&self.device),
            port: self.port,
            ip: self.ip,
            mac: self.mac,
        };
        target.to_string()
    }
}
