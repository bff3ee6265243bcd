//! What passes between the shim and the logic, as C has it (`shim/logic.h`).
#![cfg_attr(not(target_os = "none"), allow(dead_code, reason = "the kernel's side is not there"))]

use core::ffi::c_int;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netconsole_wire::closing::Reason;
use netconsole_wire::parameter::{Device, Mac, Target};

use crate::targets::{Level, Opened};
use crate::{Failure, Frame, Readiness};

/// `struct bn_wish`.
#[repr(C)]
pub(crate) struct Wish {
    device: [u8; 16],
    mac: [u8; 6],
    by_mac: bool,
    v6: bool,
    has_source: bool,
    target: [u8; 16],
    source: [u8; 16],
}

/// `struct bn_found`.
#[repr(C)]
#[derive(Default)]
pub(crate) struct Found {
    device: [u8; 16],
    mac: [u8; 6],
    source: [u8; 16],
}

/// `struct bn_frame`.
#[repr(C)]
pub(crate) struct FrameBytes {
    header: *const u8,
    header_length: usize,
    payload: *const u8,
    payload_length: usize,
}

impl Wish {
    pub(crate) fn of(target: &Target<'_>) -> Wish {
        let (mut device, mut mac) = ([0; 16], [0; 6]);
        match target.device {
            Device::Name(name) => {
                device.iter_mut().zip(name.bytes()).for_each(|(to, from)| *to = from);
            }
            Device::Mac(address) => mac = address.0,
        }
        Wish {
            device,
            mac,
            by_mac: matches!(target.device, Device::Mac(_)),
            v6: target.ip.is_ipv6(),
            has_source: target.source_ip.is_some(),
            target: octets(target.ip),
            source: target.source_ip.map_or([0; 16], octets),
        }
    }
}

impl Found {
    /// What was found for a target of that family.
    pub(crate) fn opened(&self, v6: bool) -> Opened {
        let [a, b, c, d, ..] = self.source;
        let v4 = Ipv4Addr::new(a, b, c, d);
        let source = if v6 { Ipv6Addr::from(self.source).into() } else { v4.into() };
        Opened { device: self.device, mac: Mac(self.mac), source }
    }
}

impl FrameBytes {
    pub(crate) fn of(frame: &Frame<'_>) -> FrameBytes {
        let Frame { header, payload } = frame;
        FrameBytes {
            header: header.as_ptr(),
            header_length: header.len(),
            payload: payload.as_ptr(),
            payload_length: payload.len(),
        }
    }
}

fn octets(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, c, d] = ip.octets();
            [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        }
        IpAddr::V6(ip) => ip.octets(),
    }
}

/// What a call of the shim says of a device.
pub(crate) fn readiness(code: c_int) -> Readiness {
    match -code {
        0 => Readiness::Ready,
        EAGAIN => Readiness::Stopped,
        _ => Readiness::Down,
    }
}

/// What came of a frame.
pub(crate) fn sent(code: c_int) -> Result<(), Failure> {
    match -code {
        0 => Ok(()),
        EAGAIN => Err(Failure::Stopped),
        ENOMEM => Err(Failure::NoMemory),
        _ => Err(Failure::Down),
    }
}

/// `include/linux/kmsg_dump.h`, `enum kmsg_dump_reason`.
pub(crate) fn reason(code: c_int) -> Reason {
    match code {
        1 => Reason::Panic,
        2 => Reason::Oops,
        _ => Reason::Emergency,
    }
}

/// printk's number for it.
pub(crate) fn level(level: Level) -> c_int {
    match level {
        Level::Emergency => 0,
        Level::Error => 3,
        Level::Info => 6,
    }
}

/// The kernel's own numbers (`include/uapi/asm-generic/errno-base.h`).
const EAGAIN: c_int = 11;
const ENOMEM: c_int = 12;
pub(crate) const EINVAL: c_int = 22;
