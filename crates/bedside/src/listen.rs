//! From the configuration to sockets that hear.

mod allow;
mod owner;

use std::collections::HashSet;
use std::io::{self, ErrorKind, Write};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use bedside_udp::{Socket, SocketOptions};
use listenfd::ListenFd;

use crate::config::{Config, Size};

pub use allow::Allow;
pub use owner::{Owner, owners};

/// Sockets that hear, and what there is to say about them.
#[derive(Debug)]
pub struct Listening {
    /// In the order of the configuration, or of the service manager.
    pub sockets: Vec<Socket>,
    /// Addresses that are not heard though the configuration names them, with the reason.
    pub missing: Vec<Error>,
}

/// Why an address cannot be heard, and what can be done about it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Somebody else listens there.
    #[error(
        "cannot listen on {address}: the port is taken{}\n\
         try: stop what listens there, or give another port with --listen",
        by(owners)
    )]
    Taken {
        /// What was asked for.
        address: SocketAddr,
        /// Who holds the port, as far as this process may know.
        owners: Vec<Owner>,
    },
    /// A port below `net.ipv4.ip_unprivileged_port_start` without the privilege.
    #[error(
        "cannot listen on {address}: a port below 1024 needs a privilege that this process has not\n\
         try one of: the systemd unit bedside.socket; `setcap cap_net_bind_service=+ep` on the \
         bedside program; a port from 1024 on, with --listen"
    )]
    Privileged {
        /// What was asked for.
        address: SocketAddr,
    },
    /// No interface has the address.
    #[error(
        "cannot listen on {address}: no interface of this machine has this address\n\
         try: `ip address` shows those that it has; 0.0.0.0 and [::] stand for all"
    )]
    NotOurs {
        /// What was asked for.
        address: SocketAddr,
    },
    /// The kernel was started or built without IPv6.
    #[error("cannot listen on {address}: this machine has no IPv6\ntry: listen on IPv4 only")]
    NoIpv6 {
        /// What was asked for.
        address: SocketAddr,
    },
    /// The service manager opened others.
    #[error(
        "not listening on {address}: the service manager handed over sockets, and only those are \
         heard\ntry: name it in the socket unit with `ListenDatagram=`, or start without that unit"
    )]
    NotHandedOver {
        /// What was asked for.
        address: SocketAddr,
    },
    /// The service manager handed over something else.
    #[error(
        "descriptor {fd}, handed over by the service manager, cannot be used: {source}\n\
         try: `ListenDatagram=` in the socket unit, and no other kind"
    )]
    HandedOver {
        /// The descriptor's number.
        fd: usize,
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// There is nowhere to listen.
    #[error("nowhere to listen: the list of addresses is empty\ntry: --listen 6666")]
    Nowhere,
    /// Anything else.
    #[error(transparent)]
    Socket(bedside_udp::Error),
}

/// Opens what a service manager handed over, else what the configuration names.
///
/// Call it once, early, while there is one thread: it takes the descriptors out of the
/// environment.
pub fn open(config: &Config) -> Result<Listening, Error> {
    let mut handed_over = ListenFd::from_env();
    if handed_over.len() > 0 {
        let sockets = take_over(&mut handed_over, config.receive_buffer.in_memory())?;
        return Ok(Listening { missing: not_among(&sockets, config), sockets });
    }
    bind(config)
}

/// Opens what the configuration names.
///
/// The default list asks for both families; what a machine without IPv6 lacks of it is missing,
/// not fatal. Whatever somebody has asked for must be there.
pub fn bind(config: &Config) -> Result<Listening, Error> {
    let addresses: Vec<SocketAddr> = config.listen.iter().map(|listen| listen.0).collect();
    let by_default = config.listen == Config::default().listen;
    let mut listening = Listening { sockets: Vec::new(), missing: Vec::new() };
    let mut named = HashSet::new();
    for &address in addresses.iter().filter(|it| it.port() == 0 || named.insert(**it)) {
        match bind_one(address, &addresses, config.receive_buffer.0) {
            Ok(socket) => listening.sockets.push(socket),
            Err(error @ Error::NoIpv6 { .. }) if by_default => listening.missing.push(error),
            Err(error) => return Err(error),
        }
    }
    if listening.sockets.is_empty() { Err(Error::Nowhere) } else { Ok(listening) }
}

/// Opens one address of a list, which says whether IPv6 hears IPv4 too.
pub(crate) fn bind_one(
    address: SocketAddr,
    all: &[SocketAddr],
    receive_buffer: u64,
) -> Result<Socket, Error> {
    let options = SocketOptions {
        receive_buffer: Size(receive_buffer).in_memory(),
        only_v6: !hears_both(address, all),
    };
    Socket::bind(address, &options).map_err(|error| explain(address, error))
}

/// Says on which addresses `sockets` hear, with their true ports and receive buffers, and what
/// to do where a buffer is smaller than `asked`.
pub fn announce(listening: &Listening, asked: u64, out: &mut impl Write) -> io::Result<()> {
    for error in &listening.missing {
        writeln!(out, "{error}")?;
    }
    for socket in &listening.sockets {
        writeln!(out, "listening on {}", socket.local())?;
    }
    for socket in &listening.sockets {
        let (local, got) = (socket.local(), socket.receive_buffer() as u64);
        if got < asked {
            let (got, asked, cure) = (bytes(got), bytes(asked), buffer_cure(asked));
            writeln!(out, "receive buffer on {local}: {got} instead of {asked}; for more: {cure}")?;
        } else {
            writeln!(out, "receive buffer on {local}: {}", bytes(got))?;
        }
        if !socket.tells_drops() {
            writeln!(
                out,
                "what is dropped on {local} this kernel does not tell; Linux does since 4.12"
            )?;
        }
        if socket.dropped_before() > 0 {
            let count = socket.dropped_before();
            writeln!(out, "{count} datagrams found no room on {local} before this start")?;
        }
    }
    Ok(())
}

/// What makes a receive buffer of `asked` bytes possible. The kernel doubles what a program
/// asks for, after it has held it against `rmem_max`, and counts both in an `int`
/// (`net/core/sock.c`, `__sock_set_rcvbuf`).
pub(crate) fn buffer_cure(asked: u64) -> String {
    if asked > i32::MAX as u64 {
        return "`receive_buffer = \"2GiB\"` is the most that a kernel gives".to_owned();
    }
    format!("`sysctl -w net.core.rmem_max={}`, or give bedside CAP_NET_ADMIN", asked / 2)
}

/// A number of bytes for people.
pub(crate) fn bytes(count: u64) -> String {
    let (unit, shift) = match count {
        0..0x400 => return format!("{count} bytes"),
        0x400..0x10_0000 => ("KiB", 10),
        0x10_0000..0x4000_0000 => ("MiB", 20),
        _ => ("GiB", 30),
    };
    let tenths = count as f64 / f64::from(1 << shift);
    format!("{} {unit}", (tenths * 10.0).round() / 10.0)
}

/// The sockets that a service manager opened.
fn take_over(handed_over: &mut ListenFd, receive_buffer: usize) -> Result<Vec<Socket>, Error> {
    /// `SD_LISTEN_FDS_START` in sd_listen_fds(3).
    const FIRST: usize = 3;
    let mut sockets = Vec::new();
    for at in 0..handed_over.len() {
        let fd = at + FIRST;
        let socket = handed_over
            .take_udp_socket(at)
            .map_err(|source| Error::HandedOver { fd, source: source.into() })?;
        if let Some(socket) = socket {
            let socket = Socket::from_fd(OwnedFd::from(socket), receive_buffer)
                .map_err(|source| Error::HandedOver { fd, source: source.into() })?;
            sockets.push(socket);
        }
    }
    Ok(sockets)
}

/// What somebody asked for and none of these hears; nobody has asked for the default.
fn not_among(sockets: &[Socket], config: &Config) -> Vec<Error> {
    if config.listen == Config::default().listen {
        return Vec::new();
    }
    let asked = config.listen.iter().map(|listen| listen.0);
    let missing = asked.filter(|asked| !sockets.iter().any(|socket| socket.local() == *asked));
    missing.map(|address| Error::NotHandedOver { address }).collect()
}

/// Whether an IPv6 socket hears IPv4 too: `[::]` does unless IPv4 has a socket of its own there.
fn hears_both(address: SocketAddr, all: &[SocketAddr]) -> bool {
    address.ip().is_unspecified()
        && !all.iter().any(|other| other.is_ipv4() && other.port() == address.port())
}

/// The system's word, in people's words.
fn explain(address: SocketAddr, error: bedside_udp::Error) -> Error {
    let created = !matches!(error, bedside_udp::Error::Create { .. });
    match error.io().map(io::Error::kind) {
        Some(ErrorKind::AddrInUse) => {
            Error::Taken { address, owners: owners(address.port()).unwrap_or_default() }
        }
        Some(ErrorKind::PermissionDenied) if created => Error::Privileged { address },
        Some(ErrorKind::AddrNotAvailable) if address.ip().is_unspecified() => {
            Error::NoIpv6 { address }
        }
        Some(ErrorKind::AddrNotAvailable) => Error::NotOurs { address },
        _ if !created && address.is_ipv6() => Error::NoIpv6 { address },
        _ => Error::Socket(error),
    }
}

/// ` by a and b`, or nothing where nobody is known.
fn by(owners: &[Owner]) -> String {
    let names: Vec<String> = owners.iter().map(Owner::to_string).collect();
    if names.is_empty() { String::new() } else { format!(" by {}", names.join(" and ")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Listen;

    fn config(listen: &[&str]) -> Config {
        let listen = listen.iter().map(|text| Listen(text.parse().unwrap())).collect();
        Config { listen, receive_buffer: Size(65_536), ..Config::default() }
    }

    fn announced(listening: &Listening, asked: u64) -> String {
        let mut out = Vec::new();
        announce(listening, asked, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_true_port_is_told() {
        let listening = bind(&config(&["127.0.0.1:0", "[::1]:0"])).unwrap();
        let ports: Vec<u16> = listening.sockets.iter().map(|s| s.local().port()).collect();
        assert_eq!(
            announced(&listening, 65_536),
            format!(
                "listening on 127.0.0.1:{0}\nlistening on [::1]:{1}\n\
                 receive buffer on 127.0.0.1:{0}: 64 KiB\nreceive buffer on [::1]:{1}: 64 KiB\n",
                ports[0], ports[1]
            )
        );
    }

    #[test]
    fn a_small_buffer_comes_with_its_cure() {
        let listening = bind(&config(&["127.0.0.1:0"])).unwrap();
        let said = announced(&listening, 8 << 20);
        let port = listening.sockets[0].local().port();
        let line = said.lines().nth(1).unwrap();
        assert_eq!(
            line,
            format!(
                "receive buffer on 127.0.0.1:{port}: 64 KiB instead of 8 MiB; for more: \
                 `sysctl -w net.core.rmem_max=4194304`, or give bedside CAP_NET_ADMIN"
            )
        );
    }

    #[test]
    fn a_taken_port_is_told_with_its_owner() {
        let first = bind(&config(&["127.0.0.1:0"])).unwrap();
        let address = first.sockets[0].local().to_string();
        let error = bind(&config(&[&address])).unwrap_err().to_string();
        let pid = std::process::id();
        assert!(error.starts_with(&format!("cannot listen on {address}: the port is taken by ")));
        assert!(error.contains(&format!("(pid {pid})")), "{error}");
        assert!(error.contains("\ntry: "), "{error}");
    }

    #[test]
    fn an_address_of_others_is_told_as_such() {
        let error = bind(&config(&["192.0.2.1:0"])).unwrap_err();
        assert!(matches!(error, Error::NotOurs { .. }), "{error}");
    }

    #[test]
    fn an_empty_list_is_an_error() {
        assert!(matches!(bind(&config(&[])).unwrap_err(), Error::Nowhere));
    }

    #[test]
    fn any_ipv6_address_hears_ipv4_unless_that_has_its_own_socket() {
        let parse = |list: &[&str]| -> Vec<SocketAddr> {
            list.iter().map(|text| text.parse().unwrap()).collect()
        };
        let hears = |list: &[&str]| hears_both(parse(list)[0], &parse(list));
        assert!(hears(&["[::]:6666"]));
        assert!(hears(&["[::]:6666", "0.0.0.0:514"]));
        assert!(!hears(&["[::]:6666", "0.0.0.0:6666"]));
        assert!(!hears(&["[::]:6666", "10.0.0.1:6666"]));
        assert!(!hears(&["[::1]:6666"]));
    }

    #[test]
    fn bytes_are_told_in_the_greatest_unit() {
        let told = [0, 1023, 1024, 212_992, 425_984, 8 << 20, 1 << 30, 3 << 29].map(bytes);
        let expected =
            ["0 bytes", "1023 bytes", "1 KiB", "208 KiB", "416 KiB", "8 MiB", "1 GiB", "1.5 GiB"];
        assert_eq!(told, expected);
    }
}
