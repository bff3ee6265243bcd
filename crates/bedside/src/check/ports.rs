//! Whether the addresses can be had, and with how large a buffer.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::MetadataExt as _;

use bedside_udp::{Socket, SocketOptions};

use super::Verdict;
use crate::config::{Config, Size};
use crate::listen::{self, Error, Owner, buffer_cure, bytes};

/// Tries each address as `serve` would, for a moment. `doctor`: who writes the store.
pub(super) fn ports(config: &Config, doctor: Option<u32>) -> Vec<Verdict> {
    let addresses: Vec<SocketAddr> = config.listen.iter().map(|listen| listen.0).collect();
    let by_default = config.listen == Config::default().listen;
    if addresses.is_empty() {
        return vec![from_error(&Error::Nowhere, "")];
    }
    addresses
        .iter()
        .map(|&address| {
            let verdict = match listen::bind_one(address, &addresses, config.receive_buffer.0) {
                Ok(_) => Verdict::ok("port", "free"),
                Err(Error::Taken { owners, .. }) => taken(&owners, doctor),
                Err(Error::NoIpv6 { .. }) if by_default => {
                    Verdict::ok("port", "this machine has no IPv6; it is heard over IPv4 alone")
                }
                Err(error) => from_error(&error, &address.to_string()),
            };
            verdict.on(address)
        })
        .collect()
}

/// The port numbers, each once.
pub(super) fn numbers(config: &Config) -> Vec<u16> {
    let mut ports: Vec<u16> = config.listen.iter().map(|listen| listen.0.port()).collect();
    ports.retain(|port| *port != 0);
    ports.sort_unstable();
    ports.dedup();
    ports
}

/// Whether the doctor has a buffer of that size; where none runs, whether one by this user would.
pub(super) fn receive_buffer(asked: u64, doctors: Option<u64>) -> Verdict {
    let (who, got) = match doctors {
        Some(got) => ("the doctor has", Ok(got)),
        None => ("a doctor by this user gets", try_buffer(asked)),
    };
    match got {
        Ok(got) if got < asked => Verdict::problem(
            "receive_buffer",
            format!("{who} {} instead of {}: bursts will be lost", bytes(got), bytes(asked)),
            buffer_cure(asked),
        ),
        Ok(_) => Verdict::ok("receive_buffer", format!("{who} {}", bytes(asked))),
        Err(error) => {
            Verdict::unknown("receive_buffer", error.to_string(), "see `bedside serve` itself")
        }
    }
}

/// Asks for a buffer of that size on a socket that nobody knows of.
fn try_buffer(asked: u64) -> Result<u64, bedside_udp::Error> {
    let options =
        SocketOptions { receive_buffer: Size(asked).in_memory(), ..SocketOptions::default() };
    let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    Socket::bind(anywhere, &options).map(|socket| socket.receive_buffer() as u64)
}

/// The store's own doctor may hold the port, and only it.
fn taken(owners: &[Owner], doctor: Option<u32>) -> Verdict {
    let names: Vec<String> = owners.iter().map(Owner::to_string).collect();
    let names = names.join(" and ");
    let drops: u64 = owners.iter().map(|owner| owner.drops).sum();
    let lost = match drops {
        0 => String::new(),
        drops => format!("; {drops} datagrams found no room since it began"),
    };
    if doctor.is_some_and(|pid| owners.iter().any(|owner| is(owner, pid))) {
        Verdict::ok("port", format!("the doctor of this store hears there: {names}{lost}"))
    } else if owners.iter().any(|owner| owner.processes.iter().any(|process| process.pid == 1)) {
        Verdict::ok("port", format!("held for bedside.socket or another unit: {names}"))
    } else {
        let names = if names.is_empty() { "somebody who cannot be seen" } else { &names };
        Verdict::problem(
            "port",
            format!("taken by {names}"),
            "stop what listens there, or give another port with --listen",
        )
    }
}

/// Whether that process holds the socket, as far as this user may see: at least its user does.
fn is(owner: &Owner, pid: u32) -> bool {
    if owner.processes.is_empty() {
        return fs::metadata(format!("/proc/{pid}")).is_ok_and(|it| it.uid() == owner.uid);
    }
    owner.processes.iter().any(|process| process.pid == pid)
}

/// An error of `serve`: its first line says what is wrong, the next what to try.
fn from_error(error: &Error, address: &str) -> Verdict {
    let error = error.to_string();
    let (evidence, cure) = error.split_once('\n').unwrap_or((&error, ""));
    let evidence = evidence.strip_prefix(&format!("cannot listen on {address}: "));
    let evidence = evidence.unwrap_or_else(|| error.lines().next().unwrap_or_default());
    let cure = cure.split_once(": ").map(|(_, cure)| cure.to_owned());
    Verdict { cure, ..Verdict::problem("port", evidence, "") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::State;
    use crate::config::Listen;

    fn config(listen: &[SocketAddr]) -> Config {
        let listen = listen.iter().copied().map(Listen).collect();
        Config { listen, receive_buffer: Size(65_536), ..Config::default() }
    }

    #[test]
    fn a_port_is_free_taken_or_our_own() {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let config = config(&[socket.local_addr().unwrap()]);
        let pid = std::process::id();
        let strange = ports(&config, None).remove(0);
        assert_eq!(strange.state, State::Problem);
        assert!(strange.evidence.contains(&format!("(pid {pid})")), "{}", strange.evidence);
        let own = ports(&config, Some(pid)).remove(0);
        assert_eq!(own.state, State::Ok);
        assert!(own.evidence.starts_with("the doctor of this store hears there: "));
        assert_eq!(ports(&config, Some(pid + 1)).remove(0).state, State::Problem);
        drop(socket);
        assert_eq!(ports(&config, None).remove(0).evidence, "free");
    }

    #[test]
    fn an_error_of_serve_keeps_its_cure() {
        let verdict = ports(&config(&["192.0.2.1:0".parse().unwrap()]), None).remove(0);
        assert_eq!(verdict.state, State::Problem);
        assert_eq!(verdict.evidence, "no interface of this machine has this address");
        assert_eq!(
            verdict.cure.unwrap(),
            "`ip address` shows those that it has; 0.0.0.0 and [::] stand for all"
        );
        assert_eq!(ports(&config(&[]), None).remove(0).cure.unwrap(), "--listen 6666");
    }

    #[test]
    fn the_buffer_is_tried() {
        assert_eq!(receive_buffer(65_536, None).state, State::Ok);
        let verdict = receive_buffer(1 << 40, None);
        assert_eq!(verdict.state, State::Problem);
        assert!(verdict.cure.unwrap().contains("the most that a kernel gives"));
        let doctors = receive_buffer(65_536, Some(4096));
        assert_eq!(
            (doctors.state, doctors.evidence.as_str()),
            (State::Problem, "the doctor has 4 KiB instead of 64 KiB: bursts will be lost")
        );
        assert!(buffer_cure(64 << 20).contains("net.core.rmem_max=33554432"));
    }

    #[test]
    fn each_port_is_named_once() {
        let addresses = ["0.0.0.0:6666", "[::]:6666", "[::1]:514", "127.0.0.1:0"];
        let addresses = addresses.map(|text| text.parse().unwrap());
        assert_eq!(numbers(&config(&addresses)), [514, 6666]);
    }
}
