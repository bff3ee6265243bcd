//! Where measurements are made.

use std::fs;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use nix::sched::{CloneFlags, CpuSet, sched_getaffinity, sched_setaffinity, unshare};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::{Pid, geteuid};

use crate::generate::address::Network;
use crate::sys;

/// Works with this process, and all that it starts meanwhile, bound to one core.
pub(crate) fn on_one_core<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    let this = Pid::from_raw(0);
    let cores = sched_getaffinity(this)?;
    let mut one = CpuSet::new();
    let first = (0..CpuSet::count()).find(|&core| cores.is_set(core).unwrap_or(false));
    one.set(first.context("no core")?)?;
    sched_setaffinity(this, &one)?;
    let done = work();
    sched_setaffinity(this, &cores)?;
    done
}

/// The doctor's program, a folder, and the network between the two ends.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    pub(crate) program: PathBuf,
    pub(crate) dir: PathBuf,
    pub(crate) network: Network,
}

impl Site {
    /// Enters a network namespace of our own if that is allowed. Must come before any thread is
    /// started.
    pub(crate) fn enter(program: PathBuf, dir: PathBuf) -> Result<Self> {
        let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
        // For peers that keep a file per source open.
        setrlimit(Resource::RLIMIT_NOFILE, most, most)?;
        let network = if geteuid().is_root() { own_namespace()? } else { Network::Loopback };
        Ok(Self { program, dir, network })
    }

    /// A new folder in the site's.
    pub(crate) fn folder(&self, name: &str) -> Result<PathBuf> {
        let dir = self.dir.join(name);
        if dir.exists() {
            fs::remove_dir_all(&dir).with_context(|| format!("{} stays", dir.display()))?;
        }
        fs::create_dir_all(&dir).with_context(|| format!("{} can't be made", dir.display()))?;
        Ok(dir)
    }
}

/// Nobody else's datagrams are in it, and its loopback takes frames from any address.
fn own_namespace() -> Result<Network> {
    unshare(CloneFlags::CLONE_NEWNET).context("no network namespace")?;
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    sys::raise_loopback(&socket).context("loopback can't be brought up")?;
    // Frames to 127.0.0.1 that come in from elsewhere are "martians" without the first; the
    // other is off in a new namespace unless the first namespace has it on.
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

/// An installed program, looked for where daemons are as well.
pub(crate) fn installed(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path).chain([Path::new("/usr/sbin").to_owned()]);
    places.map(|place| place.join(name)).find(|program| program.is_file())
}
