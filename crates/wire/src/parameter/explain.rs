//! The parameter in words.

use core::fmt;

use super::{Device, Mac, Parameter, Target};
use crate::{DEFAULT_SOURCE_PORT, DEFAULT_TARGET_PORT};

/// What a parameter says, written out line by line.
///
/// ```
/// let parameter = netconsole_wire::parameter::parse("+@/eth1,@192.168.0.2/").unwrap();
/// let text = parameter.explain().to_string();
/// assert!(text.starts_with("target 1: extended format"));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Explanation<'a> {
    parameter: Parameter<'a>,
}

impl<'a> Explanation<'a> {
    pub(super) fn new(parameter: Parameter<'a>) -> Explanation<'a> {
        Explanation { parameter }
    }
}

impl fmt::Display for Explanation<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, target) in self.parameter.targets().enumerate() {
            writeln!(out, "target {}: {}", index + 1, format(&target))?;
            writeln!(out, "  from {}", From(&target))?;
            writeln!(out, "  through {}", Through(target.device))?;
            writeln!(out, "  to {} {}", target.ip, Port(target.port, DEFAULT_TARGET_PORT))?;
            writeln!(out, "  in frames to {}", Frames(target.mac))?;
        }
        Ok(())
    }
}

fn format(target: &Target<'_>) -> &'static str {
    match (target.extended, target.release) {
        (true, true) => {
            "extended format (number, level, time, keys), with the kernel's release in each message"
        }
        (true, false) => "extended format (number, level, time, keys)",
        (false, _) => "basic format (the text of a serial console; no number, no level)",
    }
}

struct Port(u16, u16);

impl fmt::Display for Port {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "port {}{}", self.0, if self.0 == self.1 { " (the default)" } else { "" })
    }
}

struct From<'t>(&'t Target<'t>);

impl fmt::Display for From<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.source_ip {
            Some(ip) => write!(out, "{ip}")?,
            None => out.write_str("the device's own address")?,
        }
        write!(out, " {}", Port(self.0.source_port, DEFAULT_SOURCE_PORT))
    }
}

struct Through<'t>(Device<'t>);

impl fmt::Display for Through<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Device::DEFAULT => write!(out, "{} (the default)", self.0),
            Device::Name(name) => out.write_str(name),
            Device::Mac(mac) => write!(
                out,
                "the device with hardware address {mac} (an older kernel takes this for a name \
                 and finds no such device)"
            ),
        }
    }
}

struct Frames(Mac);

impl fmt::Display for Frames {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Mac::BROADCAST => out.write_str(
                "every machine of the network (the default; some switches drop it, and no router \
                 passes it on: give the receiver's hardware address, or the router's on the way \
                 to it)",
            ),
            mac => write!(out, "hardware address {mac} (kept until the parameter is changed)"),
        }
    }
}
