//! What a machine is like, as far as arming its kernel is concerned.

mod dumper;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};

use netconsole_wire::parameter::{self, Mac};
use netconsole_wire::tag::KeyId;

pub use self::dumper::{Dumper, DumperTarget, UNSIGNED};
use crate::rules::Rules;

/// Everything that a plan is made from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Who the machine is.
    pub identity: Identity,
    /// Seconds since the machine started.
    pub uptime_s: u64,
    /// Whether netconsole is there.
    pub module: Module,
    /// Whether its targets can be made and changed while it runs.
    pub configfs: Configfs,
    /// With what the module was loaded, if that was our doing.
    pub loaded: Option<Loaded>,
    /// It was loaded at the machine's start, and its targets have not been looked for since.
    pub from_start: bool,
    /// The targets that configfs shows.
    pub targets: Vec<Target>,
    /// The module that delivers a death, where it is installed.
    pub dumper: Option<Dumper>,
    /// The console log level; lines of this number and above are not sent.
    pub console_level: Option<u8>,
    /// What the kernel was told at its start.
    pub command_line: String,
    /// `/proc/consoles`.
    pub consoles: Vec<Console>,
    /// The network devices.
    pub links: Vec<Link>,
    /// The machine's own addresses, each with the number of its device.
    pub addresses: Vec<(u32, IpAddr)>,
    /// The way to each doctor of the wish, in its order.
    pub ways: Vec<Way>,
    /// What the kernel does when it dies; those that it has.
    pub panic: BTreeMap<String, i64>,
    /// A crash kernel is loaded (kdump), which takes over in a panic; whether the dumpers are asked
    /// before that (`crash_kexec_post_notifiers`).
    pub crash_kernel: Option<bool>,
    /// netconsole sends only while the kernel is dying (`oops_only`).
    pub oops_only: bool,
    /// The file and the line that keep the init system from loading netconsole at the start.
    pub blacklisted: Option<(String, String)>,
    /// Another file of modprobe's that gives netconsole a parameter.
    pub rival: Option<Rival>,
    /// What stands in the way of changing a kernel.
    pub limits: Limits,
    /// What runs the machine's services.
    pub init: Init,
    /// Whether its service, the agent, runs; nothing where that is not known or there is none.
    pub agent: Option<bool>,
    /// What makes the machine's initramfs.
    pub initramfs: Initramfs,
    /// The regular files that a plan may write, as they are; those that are there.
    pub files: BTreeMap<String, String>,
    /// Rules of the packet filters that could be read, for what goes out and what comes in; only
    /// `check` has them read.
    pub rules: Vec<(Rules, Rules)>,
    /// The key that the agent seals with what it says, if there is one.
    pub key: Option<AgentKey>,
    /// Where this program is.
    pub program: String,
    /// `ID` in os-release(5).
    pub distribution: String,
}

/// The key that the agent seals with what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AgentKey {
    /// There is one: which key it makes for the module that delivers a death.
    Usable(KeyId),
    /// Why it can't be used.
    Unusable(String),
    /// There is one, which only root may look at.
    Hidden,
}

/// A file of modprobe's that somebody else made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rival {
    /// Its path.
    pub file: String,
    /// The line that gives netconsole a parameter.
    pub line: String,
    /// It is read after ours, so that its parameter is the one that counts.
    pub wins: bool,
}

/// Who the machine is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// Its name.
    pub host: String,
    /// The number of this boot.
    pub boot_id: String,
    /// The kernel's release.
    pub release: String,
}

impl Identity {
    /// What each message is to carry: `host`, unless its name is every nameless machine's, and
    /// `boot_id`.
    pub fn userdata(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let host = self.name().map(|name| ("host", name));
        host.into_iter().chain([("boot_id", self.boot_id.as_str())])
    }

    /// Its name, unless that is every nameless machine's.
    pub fn name(&self) -> Option<&str> {
        let named = !matches!(self.host.as_str(), "" | "(none)" | "localhost");
        named.then_some(self.host.as_str())
    }
}

/// Whether netconsole is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Module {
    /// Part of the kernel.
    BuiltIn,
    /// Loaded.
    Loaded,
    /// To be had.
    #[default]
    Loadable,
    /// This line of this file forbids it.
    Forbidden {
        /// Where it stands.
        file: String,
        /// What it says.
        line: String,
    },
    /// Not there.
    Absent,
}

/// Whether targets can be made and changed while the module runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Configfs {
    /// They can.
    Ready,
    /// Not yet: configfs is not mounted, or the module not loaded.
    #[default]
    NotYet,
    /// They can't: configfs is mounted, the module there, and yet it shows nothing.
    Never,
}

/// What the module was loaded with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// Its parameter.
    pub parameter: String,
    /// The numbers of the devices that it named at that time, if the kernel does not show its
    /// targets in configfs: there they can be looked at, and changed.
    pub devices: Vec<u32>,
}

impl Loaded {
    /// The targets that its parameter names: whom each sends to, and from where.
    pub fn targets(&self) -> impl Iterator<Item = ((IpAddr, u16), Option<IpAddr>)> {
        sources(&self.parameter)
    }
}

/// Whom the targets of a parameter send to, and from where.
fn sources(parameter: &str) -> impl Iterator<Item = ((IpAddr, u16), Option<IpAddr>)> {
    let parameter = parameter::parse(parameter).ok();
    let targets = parameter.into_iter().flat_map(|parameter| parameter.targets());
    targets.map(|target| ((target.ip, target.port), target.source_ip))
}

/// A target as configfs shows it. What an attribute's file does not show is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// Its directory's name.
    pub name: String,
    /// Whether it sends.
    pub enabled: bool,
    /// Whether it sends the extended format.
    pub extended: Option<bool>,
    /// Whether it sends the kernel's release.
    pub release: Option<bool>,
    /// The device that it sends through.
    pub device: String,
    /// The address that it sends from.
    pub local_ip: Option<IpAddr>,
    /// The port that it sends from.
    pub local_port: u16,
    /// The address that it sends to.
    pub remote_ip: Option<IpAddr>,
    /// The port that it sends to.
    pub remote_port: u16,
    /// The hardware address that it sends to.
    pub remote_mac: Option<Mac>,
    /// Datagrams that the kernel knows it failed to send.
    pub transmit_errors: Option<u64>,
    /// What it adds to each message; `None` where the kernel can't.
    pub userdata: Option<BTreeMap<String, String>>,
    /// What the kernel can add to each message by itself, and whether it does.
    pub sysdata: BTreeMap<String, bool>,
}

/// A line of `/proc/consoles`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Console {
    /// Its name: `netcon_ext0`.
    pub name: String,
    /// Its flags, letters (`show_console_dev` in fs/proc/consoles.c).
    pub flags: String,
}

impl Console {
    /// Whether it is the kernel's own netconsole's.
    pub fn is_netconsole(&self) -> bool {
        self.name.starts_with("netcon")
    }

    /// Whether it is the module's that delivers a death, which can send living lines too.
    pub fn is_dumper(&self) -> bool {
        self.name.starts_with("bedside")
    }

    /// Whether lines leave it from a thread (`N`, CON_NBCON).
    pub fn is_threaded(&self) -> bool {
        self.flags.contains('N')
    }
}

/// A network device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "they are the kernel's own flags")]
pub struct Link {
    /// Its number.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// What made it (`IFLA_INFO_KIND`): `bridge`, `veth`, … Hardware has none.
    pub kind: Option<String>,
    /// The number of the bridge or bond whose port it is.
    pub master: Option<u32>,
    /// The number of the device that it stands on, of a VLAN.
    pub below: Option<u32>,
    /// Whether it is switched on.
    pub up: bool,
    /// Whether something is at the other end.
    pub carrier: bool,
    /// Whether its frames are Ethernet's.
    pub ethernet: bool,
    /// Whether it is the loopback device.
    pub loopback: bool,
    /// Whether it is a radio.
    pub wireless: bool,
    /// Its hardware address.
    pub mac: Option<Mac>,
}

/// The way to a doctor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// Its name has no address.
    Unresolved(String),
    /// The routing table knows no way to the address.
    NoRoute(IpAddr, String),
    /// There is a way.
    Route(Route),
}

/// A way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The doctor's address.
    pub address: IpAddr,
    /// The number of the device.
    pub device: u32,
    /// The machine's own address there.
    pub source: Option<IpAddr>,
    /// Who takes the frames: the router, or the doctor itself.
    pub next_hop: IpAddr,
    /// The next hop's hardware address, if it answered.
    pub mac: Option<Mac>,
    /// Whether the address is one machine's, or this one's.
    pub kind: RouteKind,
}

impl Route {
    /// A port of the doctor's.
    pub fn at(&self, port: u16) -> SocketAddr {
        reached(self.address, port, self.device)
    }
}

/// A port of an address. One that every link may have, of IPv6, is told with its link, by number.
pub fn reached(address: IpAddr, port: u16, link: u32) -> SocketAddr {
    match address {
        IpAddr::V6(address) if address.is_unicast_link_local() => {
            SocketAddrV6::new(address, port, 0, link).into()
        }
        address => SocketAddr::new(address, port),
    }
}

/// To whom a route leads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RouteKind {
    /// To a machine.
    #[default]
    Unicast,
    /// To this machine itself.
    Local,
    /// To all or to many.
    Group,
}

/// What stands in the way of changing a kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// The capabilities that are needed and not held, by name.
    pub missing_capabilities: Vec<String>,
    /// What kind of container this is, if it is one.
    pub container: Option<String>,
    /// The kernel's lockdown, if it is on: `integrity`, `confidentiality`.
    pub lockdown: Option<String>,
    /// No more modules may be loaded until the next start (`kernel.modules_disabled`).
    pub modules_disabled: bool,
}

/// What runs the machine's services.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Init {
    /// systemd.
    Systemd,
    /// OpenRC.
    OpenRc,
    /// OpenWrt's procd.
    Procd,
    /// Scripts in `/etc/rcS.d`.
    SysV,
    /// Nothing that is known.
    #[default]
    Unknown,
}

/// What makes an initramfs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Initramfs {
    /// Debian's and Ubuntu's initramfs-tools.
    Tools,
    /// dracut.
    Dracut,
    /// Nothing that is known.
    #[default]
    Unknown,
}

impl Facts {
    /// The device of that number.
    pub fn link(&self, index: u32) -> Option<&Link> {
        self.links.iter().find(|link| link.index == index)
    }
}
