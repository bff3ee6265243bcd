//! Which device netconsole can send through.

use crate::Refusal;
use crate::facts::{Facts, Link};

/// The device to name for a route that leaves by `index`, and why it is another one if it is.
///
/// 1. The port of a bridge, bond or team: the bridge, bond or team (`netpoll_setup` in
///    net/core/netpoll.c refuses a device with a master).
/// 2. What forbids polling, or stands on something that does: refused.
pub(crate) fn choose(facts: &Facts, index: u32) -> Result<(&Link, Option<String>), Refusal> {
    let first = facts.link(index).ok_or_else(|| gone(index))?;
    let mut link = first;
    for _ in 0..DEPTH {
        let Some(master) = link.master else { break };
        link = facts.link(master).ok_or_else(|| gone(master))?;
    }
    refuse(facts, link, DEPTH).map_err(|(culprit, why)| refusal(link, culprit, why))?;
    let why = (first.index != link.index).then(|| {
        let kind = link.kind.as_deref().unwrap_or("master");
        format!("{} is a port of the {kind} {}, which sends for it", first.name, link.name)
    });
    Ok((link, why))
}

/// The first device at fault among `link` and those that it sends through.
fn refuse<'f>(
    facts: &'f Facts,
    link: &'f Link,
    depth: usize,
) -> Result<(), (&'f Link, &'static str)> {
    if let Some(why) = unfit(link) {
        return Err((link, why));
    }
    if depth == 0 {
        return Ok(());
    }
    let ports = facts.links.iter().filter(|port| port.master == Some(link.index));
    let below = link.below.and_then(|index| facts.link(index));
    ports.chain(below).try_for_each(|other| refuse(facts, other, depth - 1))
}

/// Why nothing can be sent through it.
fn unfit(link: &Link) -> Option<&'static str> {
    if link.loopback {
        return Some("is the loopback device, which reaches only this machine");
    }
    if link.wireless {
        return Some(
            "is Wi-Fi, which can't send while the kernel is dying: its driver needs threads and \
             keys that are gone by then",
        );
    }
    match link.kind.as_deref() {
        Some("veth") => Some("is a veth pair, a container's wire, which forbids polling"),
        Some("tun") => Some("is a tun or tap device: a program carries its frames, and dies too"),
        Some("wireguard") => Some("is WireGuard: it encrypts in threads, which a panic stops"),
        Some("vrf") => Some("is a VRF, and netconsole refuses the devices in it"),
        Some("openvswitch") => Some("is Open vSwitch's, which forbids polling"),
        _ if !link.ethernet => Some("carries no Ethernet frames, and netconsole makes no others"),
        _ => None,
    }
}

fn refusal(link: &Link, culprit: &Link, why: &str) -> Refusal {
    let named = &culprit.name;
    let why = if culprit.index == link.index {
        format!("the way leads through {named}: it {why}")
    } else {
        format!("{} can't be used because of {named}, through which it sends: it {why}", link.name)
    };
    if culprit.loopback {
        return Refusal::new(why, "give the address of another machine, where a doctor runs");
    }
    Refusal::new(
        why,
        "`bedside-patient up --relay DOCTOR` sends from user space by any way, as long as user \
         space lives; or name a doctor that a wired card reaches",
    )
}

fn gone(index: u32) -> Refusal {
    Refusal::new(
        format!("the device number {index} of the route has gone meanwhile"),
        "run it again",
    )
}

/// A VLAN on a bond of cards has 3; no network that was meant has more.
const DEPTH: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn card(index: u32, name: &str) -> Link {
        Link {
            index,
            name: name.into(),
            up: true,
            carrier: true,
            ethernet: true,
            ..Link::default()
        }
    }

    fn of_kind(index: u32, name: &str, kind: &str) -> Link {
        Link { kind: Some(kind.into()), ..card(index, name) }
    }

    fn facts(links: &[Link]) -> Facts {
        Facts { links: links.to_vec(), ..Facts::default() }
    }

    fn chosen(links: &[Link], index: u32) -> String {
        choose(&facts(links), index).map(|(link, _)| link.name.clone()).unwrap()
    }

    fn refused(links: &[Link], index: u32) -> String {
        choose(&facts(links), index).unwrap_err().why
    }

    #[test]
    fn a_card_is_taken_and_a_ports_master_instead_of_the_port() {
        let eth0 = card(2, "eth0");
        assert_eq!(chosen(std::slice::from_ref(&eth0), 2), "eth0");
        let port = Link { master: Some(3), ..eth0 };
        let links = [port, of_kind(3, "br0", "bridge")];
        assert_eq!(chosen(&links, 2), "br0");
        assert_eq!(chosen(&links, 3), "br0");
        let (_, why) = choose(&facts(&links), 2).map(|(l, why)| (l.clone(), why)).unwrap();
        assert_eq!(why.unwrap(), "eth0 is a port of the bridge br0, which sends for it");
    }

    #[test]
    fn a_vlan_on_a_bond_is_taken() {
        let slave = Link { master: Some(3), ..card(2, "eth0") };
        let vlan = Link { below: Some(3), ..of_kind(4, "bond0.7", "vlan") };
        assert_eq!(chosen(&[slave, of_kind(3, "bond0", "bond"), vlan], 4), "bond0.7");
    }

    #[test]
    fn each_device_that_cannot_send_is_refused_with_its_reason() {
        let wlan = Link { wireless: true, ..card(2, "wlan0") };
        let lo = Link { loopback: true, ethernet: false, ..card(1, "lo") };
        let ppp = Link { ethernet: false, ..card(2, "ppp0") };
        for (link, words) in [
            (wlan, "wlan0: it is Wi-Fi"),
            (lo, "lo: it is the loopback device"),
            (ppp, "ppp0: it carries no Ethernet frames"),
            (of_kind(2, "veth1", "veth"), "veth1: it is a veth pair"),
            (of_kind(2, "tap0", "tun"), "tap0: it is a tun or tap device"),
            (of_kind(2, "wg0", "wireguard"), "wg0: it is WireGuard"),
            (of_kind(2, "red", "vrf"), "red: it is a VRF"),
            (of_kind(2, "ovs0", "openvswitch"), "ovs0: it is Open vSwitch's"),
        ] {
            let index = link.index;
            let why = refused(&[link], index);
            assert!(why.contains(words), "{why}");
        }
    }

    #[test]
    fn a_bridge_with_a_port_that_cannot_is_refused_and_the_port_named() {
        let links = [
            Link { master: Some(3), ..card(2, "eth0") },
            of_kind(3, "br0", "bridge"),
            Link { master: Some(3), ..of_kind(4, "vnet0", "tun") },
        ];
        assert!(refused(&links, 3).starts_with("br0 can't be used because of vnet0"));
        let vlan = Link { below: Some(9), ..of_kind(5, "wlan0.2", "vlan") };
        let wlan = Link { wireless: true, ..card(9, "wlan0") };
        assert!(refused(&[vlan, wlan], 5).starts_with("wlan0.2 can't be used because of wlan0"));
    }

    #[test]
    fn masters_in_a_circle_end() {
        let a = Link { master: Some(3), ..of_kind(2, "a", "bridge") };
        let b = Link { master: Some(2), ..of_kind(3, "b", "bridge") };
        assert!(choose(&facts(&[a, b]), 2).is_ok());
    }
}
