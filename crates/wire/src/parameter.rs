//! The `netconsole=` parameter: which targets a kernel sends to.
//!
//! ```text
//! [+][r][source-port]@[source-ip]/[device|source-mac],[port]@<ip>/[mac][;next target…]
//! ```
//!
//! [`parse`] reads it as the kernel does (`drivers/net/netconsole.c`, `init_netconsole`,
//! `alloc_param_target`, `netconsole_parser_cmdline`), but refuses what the kernel would quietly
//! cut off or give up on. Nothing is allocated: targets are read again from the text.
//!
//! ```
//! use netconsole_wire::parameter;
//! let parameter = parameter::parse("+r6665@/eth1,6666@192.168.0.2/").unwrap();
//! let target = parameter.targets().next().unwrap();
//! assert!(target.extended && target.release);
//! assert_eq!(target.mac, parameter::Mac::BROADCAST);
//! assert_eq!(parameter.to_string(), "+r@/eth1,@192.168.0.2/");
//!
//! let error = parameter::parse("@/,@doctor.example/").unwrap_err();
//! assert_eq!(error.offset, 4);
//! ```

mod explain;
mod problem;

use core::fmt;
use core::net::IpAddr;

use crate::{DEFAULT_SOURCE_PORT, DEFAULT_TARGET_PORT};

pub use explain::Explanation;
pub use problem::{ParameterError, Problem};

/// A parameter that a kernel understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameter<'a> {
    /// The value, without the parameter's name; every target in it has been read once.
    value: &'a str,
}

/// One receiver, and how to send to it. Written out it is what stands between two semicolons.
///
/// To check one made by hand, print it and [`parse`] that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target<'a> {
    /// `+`: the extended format.
    pub extended: bool,
    /// `r`: the kernel's release in front of every message; needs `extended`.
    pub release: bool,
    /// The UDP port that is sent from.
    pub source_port: u16,
    /// The address that is sent from; the device's own if there is none.
    pub source_ip: Option<IpAddr>,
    /// What is sent through.
    pub device: Device<'a>,
    /// The receiver's UDP port.
    pub port: u16,
    /// The receiver's address, of the same family as `source_ip`.
    pub ip: IpAddr,
    /// The hardware address on every frame: the receiver's, or the router's on the way to it.
    pub mac: Mac,
}

/// What a target is sent through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device<'a> {
    /// The device of that name, at most 15 bytes.
    Name(&'a str),
    /// The device that has this hardware address. Older kernels take it for a name.
    Mac(Mac),
}

/// A hardware address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac(pub [u8; 6]);

/// Reads the parameter's value, with or without its name (`netconsole=`, `netconsole.netconsole=`)
/// in front.
pub fn parse(text: &str) -> Result<Parameter<'_>, ParameterError> {
    let start = NAMES.iter().filter(|name| text.starts_with(**name)).map(|name| name.len()).max();
    let start = start.unwrap_or(0);
    let value = text.get(start..).unwrap_or_default();
    let parameter = Parameter { value };
    parameter.check().map_err(|error| error.moved_by(start))?;
    Ok(parameter)
}

impl<'a> Parameter<'a> {
    /// The text it was read from, without the parameter's name.
    pub fn as_str(&self) -> &'a str {
        self.value
    }

    /// Each target.
    pub fn targets(&self) -> impl Iterator<Item = Target<'a>> + use<'a> {
        self.value.split(';').filter_map(|target| Target::parse(target).ok())
    }

    /// What it says, for people, line by line.
    pub fn explain(&self) -> Explanation<'a> {
        Explanation::new(*self)
    }

    fn check(&self) -> Result<(), ParameterError> {
        if let Some(offset) = self.value.find(|character: char| !character.is_ascii_graphic()) {
            return Err(Problem::Blank.at(offset));
        }
        if self.value.len() > MAX_LENGTH {
            return Err(Problem::TooLong.at(MAX_LENGTH));
        }
        let mut offset = 0;
        for target in self.value.split(';') {
            Target::parse(target).map_err(|error| error.moved_by(offset))?;
            offset += target.len() + 1;
        }
        Ok(())
    }
}

/// The shortest text that says the same: what is a default is left out.
impl fmt::Display for Parameter<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, target) in self.targets().enumerate() {
            let separator = if index == 0 { "" } else { ";" };
            write!(out, "{separator}{target}")?;
        }
        Ok(())
    }
}

impl<'a> Target<'a> {
    /// A target with the kernel's defaults: basic format, from port 6665 of `eth0` to port 6666,
    /// to all hardware addresses.
    pub fn to(ip: IpAddr) -> Target<'a> {
        Target {
            extended: false,
            release: false,
            source_port: DEFAULT_SOURCE_PORT,
            source_ip: None,
            device: Device::DEFAULT,
            port: DEFAULT_TARGET_PORT,
            ip,
            mac: Mac::BROADCAST,
        }
    }

    fn parse(text: &'a str) -> Result<Target<'a>, ParameterError> {
        if text.is_empty() {
            return Err(Problem::NoTarget.at(0));
        }
        let mut reader = Reader { text, at: 0 };
        let extended = reader.flag("+");
        let release = reader.flag("r");
        if release && !extended {
            return Err(Problem::ReleaseWithoutExtended.at(0));
        }
        let source_port = reader.until("@", Problem::NoSourceAt)?.port(DEFAULT_SOURCE_PORT)?;
        let source_ip = reader.until("/", Problem::NoSourceSlash)?.ip()?;
        let device = reader.until(",", Problem::NoComma)?.device()?;
        let port = reader.until("@", Problem::NoTargetAt)?;
        let port = match port.port(DEFAULT_TARGET_PORT)? {
            0 => return Err(Problem::PortZero.at(port.offset)),
            number => number,
        };
        let address = reader.until("/", Problem::NoTargetSlash)?;
        let ip = address.ip()?.ok_or(Problem::NoTargetAddress.at(address.offset))?;
        if source_ip.is_some_and(|source| source.is_ipv4() != ip.is_ipv4()) {
            return Err(Problem::MixedFamilies.at(address.offset));
        }
        let mac = reader.rest().mac()?;
        Ok(Target { extended, release, source_port, source_ip, device, port, ip, mac })
    }
}

impl fmt::Display for Target<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(if self.extended { "+" } else { "" })?;
        out.write_str(if self.release { "r" } else { "" })?;
        write_unless(&DEFAULT_SOURCE_PORT, &self.source_port, out)?;
        out.write_str("@")?;
        if let Some(source) = self.source_ip {
            write!(out, "{source}")?;
        }
        out.write_str("/")?;
        write_unless(&Device::DEFAULT, &self.device, out)?;
        out.write_str(",")?;
        write_unless(&DEFAULT_TARGET_PORT, &self.port, out)?;
        write!(out, "@{}/", self.ip)?;
        write_unless(&Mac::BROADCAST, &self.mac, out)
    }
}

impl Device<'_> {
    /// The device that a kernel takes when none is named.
    pub const DEFAULT: Device<'static> = Device::Name("eth0");
}

impl fmt::Display for Device<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Device::Name(name) => out.write_str(name),
            Device::Mac(mac) => mac.fmt(out),
        }
    }
}

impl Mac {
    /// Every machine of the network: what a kernel takes when none is given.
    pub const BROADCAST: Mac = Mac([0xff; 6]);

    /// Whether it addresses a group, as the broadcast address does, and so no single device.
    pub fn is_group(self) -> bool {
        let [first, ..] = self.0;
        first & 1 == 1
    }

    /// Reads six pairs of hex digits with colons between them, and nothing else.
    pub fn parse(text: &str) -> Option<Mac> {
        let mut pairs = text.split(':');
        let mut bytes = [0; 6];
        for byte in &mut bytes {
            let pair = pairs.next().filter(|pair| pair.len() == 2 && !pair.starts_with('+'))?;
            *byte = u8::from_str_radix(pair, 16).ok()?;
        }
        pairs.next().is_none().then_some(Mac(bytes))
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { ":" };
            write!(out, "{separator}{byte:02x}")?;
        }
        Ok(())
    }
}

/// Takes a target's text apart from the left.
struct Reader<'a> {
    text: &'a str,
    at: usize,
}

/// A piece of a target, and where it begins.
struct Part<'a> {
    text: &'a str,
    offset: usize,
}

impl<'a> Reader<'a> {
    fn flag(&mut self, flag: &str) -> bool {
        let found = self.rest().text.starts_with(flag);
        self.at += if found { flag.len() } else { 0 };
        found
    }

    /// What stands before the next `delimiter`, which is passed over.
    fn until(&mut self, delimiter: &str, missing: Problem) -> Result<Part<'a>, ParameterError> {
        let offset = self.at;
        let (text, _) =
            self.rest().text.split_once(delimiter).ok_or(missing.at(self.text.len()))?;
        self.at += text.len() + delimiter.len();
        Ok(Part { text, offset })
    }

    fn rest(&self) -> Part<'a> {
        Part { text: self.text.get(self.at..).unwrap_or_default(), offset: self.at }
    }
}

impl<'a> Part<'a> {
    fn port(&self, default: u16) -> Result<u16, ParameterError> {
        if self.text.is_empty() {
            return Ok(default);
        }
        let digits = self.text.bytes().all(|byte| byte.is_ascii_digit());
        let port = self.text.parse().ok().filter(|_| digits);
        port.ok_or(Problem::BadPort.at(self.offset))
    }

    fn ip(&self) -> Result<Option<IpAddr>, ParameterError> {
        if self.text.is_empty() {
            return Ok(None);
        }
        self.text.parse().map(Some).map_err(|_| Problem::BadAddress.at(self.offset))
    }

    fn device(&self) -> Result<Device<'a>, ParameterError> {
        if self.text.is_empty() {
            return Ok(Device::DEFAULT);
        }
        if self.text.contains(':') {
            let mac = Mac::parse(self.text).filter(|mac| !mac.is_group());
            return mac.map(Device::Mac).ok_or(Problem::BadSourceMac.at(self.offset));
        }
        if self.text.len() > MAX_DEVICE_NAME {
            return Err(Problem::DeviceTooLong.at(self.offset));
        }
        if self.text.contains('/') || matches!(self.text, "." | "..") {
            return Err(Problem::BadDevice.at(self.offset));
        }
        Ok(Device::Name(self.text))
    }

    fn mac(&self) -> Result<Mac, ParameterError> {
        if self.text.is_empty() {
            return Ok(Mac::BROADCAST);
        }
        Mac::parse(self.text).ok_or(Problem::BadTargetMac.at(self.offset))
    }
}

fn write_unless<T: fmt::Display + PartialEq>(
    default: &T,
    value: &T,
    out: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    if value == default { Ok(()) } else { value.fmt(out) }
}

/// The longest parameter value: the kernel's buffer of 256 bytes (`MAX_PARAM_LENGTH`) less a NUL.
pub const MAX_LENGTH: usize = 255;

/// `IFNAMSIZ` less a NUL.
const MAX_DEVICE_NAME: usize = 15;

const NAMES: [&str; 2] = ["netconsole=", "netconsole.netconsole="];
