//! Who is to hear, in the notations that people use.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use netconsole_wire::parameter::{self, Device, Mac, ParameterError};
use netconsole_wire::{DEFAULT_SOURCE_PORT, DEFAULT_TARGET_PORT};

/// A receiver, and what was said about the way to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doctor {
    /// Its address or its name.
    pub host: Host,
    /// Its UDP port.
    pub port: u16,
    /// The UDP port to send from.
    pub source_port: u16,
    /// How to say it.
    pub format: Format,
    /// The device to send through; the routing table decides where there is none.
    pub device: Option<String>,
    /// The address to send from; the routing table decides where there is none.
    pub source: Option<IpAddr>,
    /// The hardware address on the frames; the next hop's is looked up where there is none.
    pub mac: Option<Mac>,
}

/// Where a doctor is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// At an address.
    Address(IpAddr),
    /// At whatever address this name has.
    Name(String),
}

/// What a datagram says beside the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Nothing: for syslog servers and netcat.
    Basic,
    /// Number, level, time, dictionary, and the kernel's release wherever the kernel can.
    Extended,
}

/// A word that names no doctor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotADoctor {
    /// Nothing where a name or address should stand.
    NoHost(String),
    /// Something that is no port.
    BadPort(String),
    /// Neither a name nor an address.
    BadHost(String),
    /// A kernel parameter that the kernel would not understand.
    Parameter(ParameterError),
}

impl Doctor {
    /// Whoever listens at `host`: extended format, netconsole's own ports.
    pub fn at(host: Host) -> Self {
        Self {
            host,
            port: DEFAULT_TARGET_PORT,
            source_port: DEFAULT_SOURCE_PORT,
            format: Format::Extended,
            device: None,
            source: None,
            mac: None,
        }
    }

    /// Reads one of these:
    ///
    /// - `HOST`, `HOST:PORT`, `ADDRESS`, `[IPV6]:PORT`: the extended format;
    /// - `[+][PORT]@HOST`, as Debian's netconsole-setup has it: the extended format with `+`;
    /// - a kernel parameter, which may name several doctors: the format that it says. What it
    ///   leaves out is filled in; `eth0` and broadcast, its defaults, count as left out.
    ///
    /// ```
    /// use bedside_plan::Doctor;
    /// let [doctor] = &Doctor::parse("192.168.0.2:514").unwrap()[..] else { panic!() };
    /// assert_eq!((doctor.port, doctor.source_port), (514, 6665));
    /// ```
    pub fn parse(word: &str) -> Result<Vec<Doctor>, NotADoctor> {
        if word.contains('/') {
            let parameter = parameter::parse(word).map_err(NotADoctor::Parameter)?;
            return Ok(parameter.targets().map(|target| Doctor::from(&target)).collect());
        }
        let doctor = match word.split_once('@') {
            Some((before, host)) => parse_debian(before, host)?,
            None => parse_plain(word)?,
        };
        Ok(vec![doctor])
    }
}

impl From<&parameter::Target<'_>> for Doctor {
    fn from(target: &parameter::Target<'_>) -> Self {
        let device = match target.device {
            Device::DEFAULT | Device::Mac(_) => None,
            Device::Name(name) => Some(name.to_owned()),
        };
        Doctor {
            port: target.port,
            source_port: target.source_port,
            format: if target.extended { Format::Extended } else { Format::Basic },
            device,
            source: target.source_ip,
            mac: Some(target.mac).filter(|mac| *mac != Mac::BROADCAST),
            ..Doctor::at(Host::Address(target.ip))
        }
    }
}

/// `[+][PORT]@HOST`, split at the `@`.
fn parse_debian(before: &str, host: &str) -> Result<Doctor, NotADoctor> {
    let (format, port) = match before.strip_prefix('+') {
        Some(port) => (Format::Extended, port),
        None => (Format::Basic, before),
    };
    let port = if port.is_empty() { DEFAULT_TARGET_PORT } else { parse_port(port)? };
    Ok(Doctor { port, format, ..Doctor::at(parse_host(host)?) })
}

fn parse_plain(word: &str) -> Result<Doctor, NotADoctor> {
    if let Some(rest) = word.strip_prefix('[') {
        let (address, port) =
            rest.split_once(']').ok_or_else(|| NotADoctor::BadHost(word.to_owned()))?;
        let address: Ipv6Addr =
            address.parse().map_err(|_| NotADoctor::BadHost(word.to_owned()))?;
        let doctor = Doctor::at(Host::Address(address.into()));
        return match port.strip_prefix(':') {
            Some(port) => Ok(Doctor { port: parse_port(port)?, ..doctor }),
            None if port.is_empty() => Ok(doctor),
            None => Err(NotADoctor::BadPort(port.to_owned())),
        };
    }
    match word.split_once(':') {
        Some((host, port)) if !port.contains(':') => {
            Ok(Doctor { port: parse_port(port)?, ..Doctor::at(parse_host(host)?) })
        }
        _ => Ok(Doctor::at(parse_host(word)?)),
    }
}

fn parse_host(word: &str) -> Result<Host, NotADoctor> {
    if let Ok(address) = word.parse() {
        return Ok(Host::Address(address));
    }
    if word.is_empty() {
        return Err(NotADoctor::NoHost(word.to_owned()));
    }
    // RFC 1123 2.1, and the underscore that some networks use. All digits and dots would be a
    // mistyped address.
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let lettered = word.bytes().any(|byte| byte.is_ascii_alphabetic());
    let sound = word.len() <= 253 && !word.starts_with('-') && word.bytes().all(known);
    if sound && lettered {
        Ok(Host::Name(word.to_owned()))
    } else {
        Err(NotADoctor::BadHost(word.to_owned()))
    }
}

fn parse_port(word: &str) -> Result<u16, NotADoctor> {
    let digits = word.bytes().all(|byte| byte.is_ascii_digit());
    let port = word.parse().ok().filter(|port| digits && *port != 0);
    port.ok_or_else(|| NotADoctor::BadPort(word.to_owned()))
}

/// The shortest word that [`Doctor::parse`] reads as the same, as long as nothing is said about
/// the way; that is not written.
impl fmt::Display for Doctor {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Address(IpAddr::V6(address)) if self.port != DEFAULT_TARGET_PORT => {
                write!(out, "[{address}]")?;
            }
            host => write!(out, "{host}")?,
        }
        if self.port == DEFAULT_TARGET_PORT { Ok(()) } else { write!(out, ":{}", self.port) }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Address(address) => address.fmt(out),
            Host::Name(name) => out.write_str(name),
        }
    }
}

impl fmt::Display for NotADoctor {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotADoctor::NoHost(_) => out.write_str("no name and no address"),
            NotADoctor::BadPort(port) => write!(out, "{port:?} is no port: give 1 to 65535"),
            NotADoctor::BadHost(host) => write!(out, "{host:?} is neither a name nor an address"),
            NotADoctor::Parameter(error) => error.fmt(out),
        }
    }
}

impl std::error::Error for NotADoctor {}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(word: &str) -> Doctor {
        let mut doctors = Doctor::parse(word).unwrap_or_else(|error| panic!("{word}: {error}"));
        assert_eq!(doctors.len(), 1, "{word}");
        doctors.remove(0)
    }

    #[test]
    fn every_notation_that_people_use() {
        for (word, host, port, format) in [
            ("192.168.0.2", "192.168.0.2", 6666, Format::Extended),
            ("192.168.0.2:514", "192.168.0.2", 514, Format::Extended),
            ("doctor.example", "doctor.example", 6666, Format::Extended),
            ("doctor:53", "doctor", 53, Format::Extended),
            ("fd00::2", "fd00::2", 6666, Format::Extended),
            ("[fd00::2]", "fd00::2", 6666, Format::Extended),
            ("[fd00::2]:514", "fd00::2", 514, Format::Extended),
            ("@192.168.0.2", "192.168.0.2", 6666, Format::Basic),
            ("+@192.168.0.2", "192.168.0.2", 6666, Format::Extended),
            ("+514@fd00::2", "fd00::2", 514, Format::Extended),
            ("514@doctor", "doctor", 514, Format::Basic),
            ("@/,514@192.168.0.2/", "192.168.0.2", 514, Format::Basic),
            ("netconsole=+r@/,@192.168.0.2/", "192.168.0.2", 6666, Format::Extended),
        ] {
            let doctor = one(word);
            let found = (doctor.host.to_string(), doctor.port, doctor.format);
            assert_eq!(found, (host.to_owned(), port, format), "{word}");
            assert_eq!((doctor.device, doctor.source, doctor.mac), (None, None, None), "{word}");
        }
    }

    #[test]
    fn a_parameter_says_more_about_the_way() {
        let doctor = one("+1234@192.168.0.1/eth1,53@192.0.32.10/01:02:03:04:05:06");
        assert_eq!((doctor.source_port, doctor.port), (1234, 53));
        assert_eq!(doctor.device.as_deref(), Some("eth1"));
        assert_eq!(doctor.source, Some("192.168.0.1".parse().unwrap()));
        assert_eq!(doctor.mac, Some(Mac([1, 2, 3, 4, 5, 6])));
        let two = Doctor::parse("@/,@10.0.0.1/;+@/,@10.0.0.2/").unwrap();
        assert_eq!(two.len(), 2);
    }

    #[test]
    fn what_names_nobody_is_refused() {
        for word in [
            "",
            "@",
            "+@",
            "192.168.0",
            "192.168.0.256",
            "doctor:0",
            "doctor:65536",
            "doctor:",
            ":6666",
            "[fd00::2",
            "[fd00::2]x",
            "-x",
            "a b",
            "doctor:+1",
            "@/,@doctor/",
        ] {
            assert!(Doctor::parse(word).is_err(), "{word:?}");
        }
    }

    #[test]
    fn what_is_written_is_read_as_the_same() {
        for word in ["10.0.0.1", "10.0.0.1:514", "fd00::2", "[fd00::2]:514", "doctor:53"] {
            assert_eq!(one(word).to_string(), word);
        }
    }
}
