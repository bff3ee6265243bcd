//! Where the traffic goes: a network namespace of our own where root, so that nobody else's
//! datagrams are in it and loopback takes frames from any address.

use std::fs;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};

use anyhow::{Context as _, Result};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::geteuid;

use crate::generate::address::Network;
use crate::sys;

/// Enters a namespace of our own if that is allowed, and says from where sources may speak.
/// Must come before any thread is started.
pub(crate) fn enter() -> Result<Network> {
    if !geteuid().is_root() {
        return Ok(Network::Loopback);
    }
    unshare(CloneFlags::CLONE_NEWNET).context("no network namespace")?;
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    sys::raise_loopback(&socket).context("loopback can't be brought up")?;
    // Frames to 127.0.0.1 that come in from elsewhere are "martians" without the first; the
    // others are off in a new namespace unless the first namespace has them on.
    for (key, value) in [("route_localnet", "1"), ("rp_filter", "0")] {
        for interface in ["all", "lo"] {
            let path = format!("/proc/sys/net/ipv4/conf/{interface}/{key}");
            fs::write(&path, value).with_context(|| format!("{path} can't be written"))?;
        }
    }
    Ok(Network::Ten)
}

/// A port on loopback that nobody listens on.
pub(crate) fn free_address() -> Result<SocketAddrV4> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(SocketAddrV4::new(Ipv4Addr::LOCALHOST, socket.local_addr()?.port()))
}
