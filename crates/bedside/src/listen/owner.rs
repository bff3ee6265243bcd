//! Who listens on a UDP port of this machine.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::ffi::OsStrExt;

use nix::unistd::{Uid, User};

/// Somebody who listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The address and port.
    pub address: SocketAddr,
    /// The user that made the socket.
    pub uid: u32,
    /// Datagrams that found no room in its buffer so far.
    pub drops: u64,
    /// The processes that hold it, where this one may look into them: its own user's, or any
    /// for root. Several where a service manager opened the socket.
    pub processes: Vec<Process>,
}

/// A process that holds a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// Its name, with control characters made visible.
    pub name: String,
}

impl fmt::Display for Owner {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = self.address;
        if self.processes.is_empty() {
            let user = User::from_uid(Uid::from_raw(self.uid)).ok().flatten();
            let user = user.map_or_else(|| self.uid.to_string(), |user| user.name);
            return write!(out, "a process of user {user} on {address} (root can see which)");
        }
        let processes: Vec<String> = self.processes.iter().map(Process::to_string).collect();
        write!(out, "{} on {address}", processes.join(", "))
    }
}

impl fmt::Display for Process {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} (pid {})", self.name, self.pid)
    }
}

/// All who listen on `port`, over IPv4 and IPv6.
pub fn owners(port: u16) -> io::Result<Vec<Owner>> {
    let mut sockets = BTreeMap::new();
    for table in ["/proc/self/net/udp", "/proc/self/net/udp6"] {
        match fs::read_to_string(table) {
            Ok(text) => sockets.extend(text.lines().filter_map(parse_line)),
            // A kernel without IPv6 has no table of it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    sockets.retain(|_, owner| owner.address.port() == port);
    if !sockets.is_empty() {
        name_processes(&mut sockets);
    }
    Ok(sockets.into_values().collect())
}

/// One line of /proc/self/net/udp or udp6 (`udp4_format_sock` in net/ipv4/udp.c): the inode, and all
/// that is known without looking at processes.
fn parse_line(line: &str) -> Option<(u64, Owner)> {
    let mut columns = line.split_ascii_whitespace();
    let address = parse_address(columns.nth(1)?)?;
    let uid = columns.nth(5)?.parse().ok()?;
    let inode = columns.nth(1)?.parse().ok()?;
    let drops = columns.nth(2)?.parse().ok()?;
    Some((inode, Owner { address, uid, drops, processes: Vec::new() }))
}

/// `0100007F:1A0A`: words of the address in the machine's byte order, in hexadecimal.
fn parse_address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let mut words = [[0; 4]; 4];
    let count = ip.len().div_ceil(8);
    for (at, word) in words.iter_mut().enumerate().take(count) {
        *word = u32::from_str_radix(ip.get(at * 8..at * 8 + 8)?, 16).ok()?.to_ne_bytes();
    }
    let ip: IpAddr = match count {
        1 => Ipv4Addr::from(words[0]).into(),
        4 => Ipv6Addr::from(<[u8; 16]>::try_from(words.as_flattened()).ok()?).into(),
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

/// Looks through the open files of every process that may be looked into.
fn name_processes(sockets: &mut BTreeMap<u64, Owner>) {
    let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
    for pid in pids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()) {
        for file in fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten() {
            let Some(inode) = fs::read_link(file.path()).ok().and_then(|to| socket_inode(&to))
            else {
                continue;
            };
            if let Some(owner) = sockets.get_mut(&inode)
                && owner.processes.last().is_none_or(|last| last.pid != pid)
            {
                owner.processes.push(Process { pid, name: name(pid) });
            }
        }
    }
}

/// The number in `socket:[123]`.
fn socket_inode(link: &std::path::Path) -> Option<u64> {
    let inner = link.as_os_str().as_bytes().strip_prefix(b"socket:[")?.strip_suffix(b"]")?;
    str::from_utf8(inner).ok()?.parse().ok()
}

/// A process's own name for itself, which may hold anything.
fn name(pid: u32) -> String {
    let name = fs::read(format!("/proc/{pid}/comm")).unwrap_or_default();
    name.trim_ascii_end().escape_ascii().to_string()
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    #[test]
    fn a_socket_of_this_process_is_ours() {
        for ip in ["127.0.0.1:0", "[::1]:0"] {
            let socket = UdpSocket::bind(ip).unwrap();
            let address = socket.local_addr().unwrap();
            let owners = owners(address.port()).unwrap();
            let ours = owners.iter().find(|owner| owner.address == address).unwrap();
            assert_eq!(ours.uid, Uid::current().as_raw());
            let us = ours.processes.iter().find(|process| process.pid == std::process::id());
            assert!(!us.unwrap().name.is_empty());
        }
    }

    #[test]
    fn lines_that_are_none_are_passed_over() {
        let head = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops";
        assert_eq!(parse_line(head), None);
        assert_eq!(parse_line(""), None);
        assert_eq!(parse_address("0100007F:1A0AF"), None);
        assert_eq!(parse_address("01000:1A0A"), None);
    }

    #[test]
    fn an_owner_that_cannot_be_seen_is_named_by_its_user() {
        let address = "0.0.0.0:6666".parse().unwrap();
        let owner = Owner { address, uid: 0, drops: 0, processes: Vec::new() };
        let expected = "a process of user root on 0.0.0.0:6666 (root can see which)";
        assert_eq!(owner.to_string(), expected);
    }
}
