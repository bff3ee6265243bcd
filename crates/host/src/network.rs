//! Devices, ways to doctors, and who is next on the way.

use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV6, ToSocketAddrs as _, UdpSocket};
use std::time::{Duration, Instant};

use bedside_plan::facts::{Link, Route, RouteKind, Way};
use bedside_plan::{Doctor, Host};
use netconsole_wire::parameter::Mac;
use nix::libc;

use crate::netlink::{Message, Socket, attribute, emit_attribute};
use crate::{Error, Machine};

impl Machine {
    /// The network devices.
    pub(crate) fn links(&self) -> Result<Vec<Link>, Error> {
        let messages =
            Socket::dump(libc::RTM_GETLINK, &[0; LINK]).map_err(Error::netlink("the devices"))?;
        Ok(messages.iter().filter_map(|message| self.link(message)).collect())
    }

    /// `struct ifinfomsg`: family, padding, type, index, flags, change.
    fn link(&self, message: &Message) -> Option<Link> {
        let [_, _, kind_low, kind_high, i0, i1, i2, i3, f0, f1, f2, f3, ..] =
            message.fixed::<LINK>()?;
        let flags = u32::from_ne_bytes([f0, f1, f2, f3]);
        let has = |flag: libc::c_int| flags & flag as u32 != 0;
        let name = text(message.attribute(LINK, libc::IFLA_IFNAME)?);
        let info = message.attribute(LINK, libc::IFLA_LINKINFO);
        let kind = info.and_then(|info| attribute(info, libc::IFLA_INFO_KIND)).map(text);
        let class = format!("/sys/class/net/{name}");
        let wireless =
            ["wireless", "phy80211"].map(|file| self.is_there(&format!("{class}/{file}")));
        // Else its number is one of another network.
        let here = message.attribute(LINK, libc::IFLA_LINK_NETNSID).is_none();
        Some(Link {
            index: u32::from_ne_bytes([i0, i1, i2, i3]),
            kind,
            master: message.number(LINK, libc::IFLA_MASTER),
            below: message.number(LINK, libc::IFLA_LINK).filter(|below| *below != 0 && here),
            up: has(libc::IFF_UP),
            carrier: has(libc::IFF_LOWER_UP),
            ethernet: u16::from_ne_bytes([kind_low, kind_high]) == libc::ARPHRD_ETHER,
            loopback: has(libc::IFF_LOOPBACK),
            wireless: wireless.contains(&true),
            mac: message.attribute(LINK, libc::IFLA_ADDRESS).and_then(mac),
            name,
        })
    }
}

/// The machine's own addresses that can be sent from, each with the number of its device.
pub(crate) fn addresses() -> Result<Vec<(u32, IpAddr)>, Error> {
    let messages =
        Socket::dump(libc::RTM_GETADDR, &[0; ADDRESS]).map_err(Error::netlink("the addresses"))?;
    Ok(messages.iter().filter_map(read_address).collect())
}

/// `struct ifaddrmsg`: family, prefix, flags, scope, index. Of a point-to-point link the local
/// address is the machine's; IPv6 has it only where the two differ.
fn read_address(message: &Message) -> Option<(u32, IpAddr)> {
    let [_, _, flags, _, i0, i1, i2, i3] = message.fixed::<ADDRESS>()?;
    if u32::from(flags) & (libc::IFA_F_TENTATIVE | libc::IFA_F_DADFAILED) != 0 {
        return None;
    }
    let own = |number| message.attribute(ADDRESS, number).and_then(ip);
    let address = own(libc::IFA_LOCAL).or(own(libc::IFA_ADDRESS))?;
    Some((u32::from_ne_bytes([i0, i1, i2, i3]), address))
}

/// The way to a doctor, whose name has these addresses. Asks the next hop for its hardware address
/// if nobody knows it.
pub(crate) fn way(
    doctor: &Doctor,
    addresses: io::Result<Vec<IpAddr>>,
    links: &[Link],
) -> Result<Way, Error> {
    let addresses = match addresses {
        Ok(addresses) => addresses,
        Err(error) => return Ok(Way::Unresolved(error.to_string())),
    };
    let device = doctor.device.as_deref();
    let device = device.map(|name| links.iter().find(|link| link.name == name));
    if device == Some(None) {
        let name = doctor.device.as_deref().unwrap_or_default();
        let address = addresses.first().copied().unwrap_or(NOWHERE);
        return Ok(Way::NoRoute(address, format!("there is no device {name}")));
    }
    let device = device.flatten().map(|link| link.index);
    let mut way = Way::Unresolved("it has none".into());
    for address in addresses {
        way = route(address, device)?;
        if matches!(way, Way::Route(_)) {
            break;
        }
    }
    if let Way::Route(route) = &mut way
        && route.kind == RouteKind::Unicast
        && doctor.mac.is_none()
    {
        route.mac = next_hop(route)?;
    }
    Ok(way)
}

/// A host's addresses, at least one; of a name IPv4 first, as the resolver has it otherwise.
pub fn resolve(host: &Host) -> io::Result<Vec<IpAddr>> {
    let name = match host {
        Host::Address(address) => return Ok(vec![*address]),
        Host::Name(name) => name.as_str(),
    };
    let found = (name, 0).to_socket_addrs()?;
    let mut addresses: Vec<IpAddr> = found.map(|address| address.ip()).collect();
    addresses.sort_by_key(IpAddr::is_ipv6);
    addresses.dedup();
    if addresses.is_empty() { Err(io::Error::other("it has none")) } else { Ok(addresses) }
}

/// Asks the routing table, as `ip route get` does.
fn route(address: IpAddr, device: Option<u32>) -> Result<Way, Error> {
    let mut body = vec![0; ROUTE];
    body[0] = family(address);
    body[1] = if address.is_ipv4() { 32 } else { 128 };
    emit_attribute(libc::RTA_DST, &octets(address), &mut body);
    if let Some(device) = device {
        emit_attribute(libc::RTA_OIF, &device.to_ne_bytes(), &mut body);
    }
    match Socket::get(libc::RTM_GETROUTE, &body) {
        Ok(Some(message)) => Ok(read_route(address, &message)),
        Ok(None) => Ok(Way::NoRoute(address, "the kernel knows none".into())),
        Err(error) => match error.raw_os_error() {
            Some(
                libc::ENETUNREACH
                | libc::EHOSTUNREACH
                | libc::EACCES
                | libc::EINVAL
                | libc::ENODEV
                | libc::ENONET,
            ) => Ok(Way::NoRoute(address, error.to_string())),
            _ => Err(Error::netlink("the route")(error)),
        },
    }
}

/// `struct rtmsg`, whose eighth byte is the type.
fn read_route(address: IpAddr, message: &Message) -> Way {
    let kind = match message.fixed::<ROUTE>().map(|fixed| fixed[7]) {
        Some(libc::RTN_UNICAST) => RouteKind::Unicast,
        Some(libc::RTN_LOCAL) => RouteKind::Local,
        Some(libc::RTN_BROADCAST | libc::RTN_MULTICAST | libc::RTN_ANYCAST) => RouteKind::Group,
        _ => return Way::NoRoute(address, "a route forbids it".into()),
    };
    let Some(device) = message.number(ROUTE, libc::RTA_OIF) else {
        return Way::NoRoute(address, "it leads through no device".into());
    };
    let ip = |number| message.attribute(ROUTE, number).and_then(self::ip);
    // An IPv4 route through an IPv6 router: a family, then the address.
    let via = message.attribute(ROUTE, RTA_VIA).and_then(|via| self::ip(via.get(2..)?));
    Way::Route(Route {
        address,
        device,
        source: ip(libc::RTA_PREFSRC),
        next_hop: ip(libc::RTA_GATEWAY).or(via).unwrap_or(address),
        mac: None,
        kind,
    })
}

/// The next hop's hardware address; if the kernel does not know it, it is made to ask.
fn next_hop(route: &Route) -> Result<Option<Mac>, Error> {
    let begun = Instant::now();
    let mut asked = false;
    loop {
        if let Some(mac) = neighbour(route.device, route.next_hop)? {
            return Ok(Some(mac));
        }
        if !asked {
            asked = true;
            provoke(route);
        }
        if begun.elapsed() > NEIGHBOUR_PATIENCE {
            return Ok(None);
        }
        std::thread::sleep(NEIGHBOUR_BREATH);
    }
}

/// What the kernel knows of a neighbour. An entry that may be old is good enough: its change
/// is news.
fn neighbour(device: u32, address: IpAddr) -> Result<Option<Mac>, Error> {
    let mut body = [0; NEIGHBOUR];
    body[0] = family(address);
    let all = Socket::dump(libc::RTM_GETNEIGH, &body).map_err(Error::netlink("the neighbours"))?;
    Ok(all.iter().find_map(|message| read_neighbour(message, device, address)))
}

/// `struct ndmsg`: family, padding, index, state, flags, type.
fn read_neighbour(message: &Message, device: u32, address: IpAddr) -> Option<Mac> {
    let [_, _, _, _, i0, i1, i2, i3, s0, s1, ..] = message.fixed::<NEIGHBOUR>()?;
    let known = libc::NUD_REACHABLE
        | libc::NUD_STALE
        | libc::NUD_DELAY
        | libc::NUD_PROBE
        | libc::NUD_PERMANENT;
    let fits = u32::from_ne_bytes([i0, i1, i2, i3]) == device
        && u16::from_ne_bytes([s0, s1]) & known != 0
        && message.attribute(NEIGHBOUR, libc::NDA_DST).and_then(ip) == Some(address);
    fits.then(|| message.attribute(NEIGHBOUR, libc::NDA_LLADDR).and_then(mac)).flatten()
}

/// Has the kernel look whether the next hops are still who they were, without waiting for it: what
/// it finds is news ([`crate::Changes`]). A machine that sends nothing else would not notice.
pub fn touch(ways: &[Way]) {
    for way in ways {
        if let Way::Route(route) = way {
            provoke(route);
        }
    }
}

/// An empty datagram to where nothing listens, so that the kernel asks for the hardware address.
fn provoke(route: &Route) {
    let discard = match route.next_hop {
        IpAddr::V4(address) => SocketAddr::from((address, DISCARD)),
        IpAddr::V6(address) => SocketAddrV6::new(address, DISCARD, 0, route.device).into(),
    };
    let any: IpAddr = if discard.is_ipv4() { NOWHERE } else { [0; 16].into() };
    if let Ok(socket) = UdpSocket::bind((any, 0)) {
        // Whether it worked shows in the neighbours.
        drop(socket.send_to(&[], discard));
    }
}

fn family(address: IpAddr) -> u8 {
    (if address.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 }) as u8
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

fn ip(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = || <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from);
    v4().or_else(|| <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from))
}

fn mac(bytes: &[u8]) -> Option<Mac> {
    bytes.try_into().ok().map(Mac)
}

fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

/// include/uapi/linux/rtnetlink.h; not every C library names it.
const RTA_VIA: u16 = 18;
/// Sizes of the fixed parts.
const LINK: usize = 16;
const ADDRESS: usize = 8;
const ROUTE: usize = 12;
const NEIGHBOUR: usize = 12;

const NOWHERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);
/// RFC 863.
const DISCARD: u16 = 9;
/// The kernel asks three times, a second apart (`mcast_solicit`, `retrans_time_ms`).
const NEIGHBOUR_PATIENCE: Duration = Duration::from_millis(3500);
const NEIGHBOUR_BREATH: Duration = Duration::from_millis(10);
