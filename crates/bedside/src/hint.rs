//! What a doctor that has never heard anybody tells whoever started it: how to be heard.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;

use crate::config::PORT;

/// What to type on the machine to be watched, for each address at which this one can be reached;
/// nothing where it hears itself only.
pub(crate) fn first_steps(listening: &[SocketAddr]) -> Option<String> {
    steps(listening, &own_addresses())
}

fn steps(listening: &[SocketAddr], own: &[IpAddr]) -> Option<String> {
    let mut targets: Vec<(IpAddr, u16)> = Vec::new();
    for address in listening {
        let (ip, port) = (address.ip(), address.port());
        let reached = own
            .iter()
            .filter(|own| **own == ip || (ip.is_unspecified() && own.is_ipv4() == ip.is_ipv4()));
        targets.extend(reached.map(|own| (*own, port)));
    }
    if targets.is_empty() {
        return None;
    }
    let mut text =
        String::from("nothing was heard here yet; on the machine to be watched, as root:\n");
    for (at, (ip, port)) in targets.iter().enumerate() {
        let or = if at == 0 { "" } else { "   # or, by this way" };
        // Writing to a string cannot fail.
        let _infallible = writeln!(text, "  bedside-patient up {}{or}", doctor(*ip, *port));
    }
    if let Some((ip, port)) = targets.first() {
        let _infallible = write!(
            text,
            "or without it:\n  modprobe netconsole netconsole=+@/,{port}@{ip}/ && dmesg -n 8"
        );
    }
    Some(text)
}

/// As `bedside-patient` wants it: netconsole's own port goes without saying.
fn doctor(ip: IpAddr, port: u16) -> String {
    if port == PORT { ip.to_string() } else { SocketAddr::new(ip, port).to_string() }
}

/// The addresses of this machine that others may know: those of interfaces that are up, without
/// loopback and link-local ones.
fn own_addresses() -> Vec<IpAddr> {
    let Ok(interfaces) = getifaddrs() else {
        return Vec::new();
    };
    let up = interfaces.filter(|interface| {
        interface.flags.contains(InterfaceFlags::IFF_UP)
            && !interface.flags.contains(InterfaceFlags::IFF_LOOPBACK)
    });
    let addresses = up.filter_map(|interface| {
        let address = interface.address?;
        let v4 = address.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
        v4.or_else(|| address.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip())))
    });
    addresses.filter(|address| !is_link_local(*address)).collect()
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(listening: &[&str], own: &[&str], commands: &[&str]) {
        let listening: Vec<SocketAddr> = listening.iter().map(|a| a.parse().unwrap()).collect();
        let own: Vec<IpAddr> = own.iter().map(|a| a.parse().unwrap()).collect();
        let told = steps(&listening, &own).unwrap_or_default();
        let told: Vec<&str> = told
            .lines()
            .filter_map(|line| line.trim().strip_prefix("bedside-patient up "))
            .collect();
        assert_eq!(told, commands);
    }

    #[test]
    fn each_way_to_be_reached_is_told() {
        check(&["0.0.0.0:6666"], &["192.168.0.2"], &["192.168.0.2"]);
        check(
            &["0.0.0.0:6666", "[::]:6666"],
            &["192.168.0.2", "fd00::2"],
            &["192.168.0.2", "fd00::2   # or, by this way"],
        );
        check(&["10.0.0.1:514"], &["10.0.0.1", "10.0.0.2"], &["10.0.0.1:514"]);
    }

    #[test]
    fn who_hears_only_itself_is_told_nothing() {
        check(&["127.0.0.1:6666", "[::1]:6666"], &["192.168.0.2"], &[]);
        check(&["0.0.0.0:6666"], &[], &[]);
    }
}
