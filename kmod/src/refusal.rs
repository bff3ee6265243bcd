//! Why a target can't be had.

use core::fmt;

use netconsole_wire::parameter::Device;

/// What a device, or the kernel, has against a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such device.
    NoDevice,
    /// It is the port of a bridge, a bond or a team.
    Slave,
    /// Its driver can't be polled, or it was told not to let itself be.
    NoPolling,
    /// It is Wi-Fi.
    Wifi,
    /// It has no address of the target's family.
    NoAddress,
    /// It was down and can't be brought up.
    OpenFailed,
    /// No memory for its buffers.
    NoMemory,
    /// It speaks no Ethernet.
    NotEthernet,
    /// It was there, and then went or got a master.
    Gone,
    /// Any other error of the kernel's.
    Error(i32),
}

impl Refusal {
    /// What one of the kernel's error numbers means, as the shim uses them (`open.c`).
    pub fn from_errno(errno: i32) -> Refusal {
        match errno {
            ENODEV => Refusal::NoDevice,
            EBUSY => Refusal::Slave,
            ENOTSUPP => Refusal::NoPolling,
            EOPNOTSUPP => Refusal::Wifi,
            EADDRNOTAVAIL => Refusal::NoAddress,
            ENETDOWN => Refusal::OpenFailed,
            ENOMEM => Refusal::NoMemory,
            EPFNOSUPPORT => Refusal::NotEthernet,
            errno => Refusal::Error(errno),
        }
    }

    /// A sentence for the log, in netpoll's words where it has some (`net/core/netpoll.c`).
    pub fn of(self, device: Device<'_>) -> impl fmt::Display {
        Sentence(self, device)
    }
}

/// A word for programs.
impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Refusal::NoDevice => "no-device",
            Refusal::Slave => "slave",
            Refusal::NoPolling => "no-polling",
            Refusal::Wifi => "wifi",
            Refusal::NoAddress => "no-address",
            Refusal::OpenFailed => "open-failed",
            Refusal::NoMemory => "no-memory",
            Refusal::NotEthernet => "not-ethernet",
            Refusal::Gone => "gone",
            Refusal::Error(errno) => return write!(out, "error-{errno}"),
        })
    }
}

struct Sentence<'d>(Refusal, Device<'d>);

impl fmt::Display for Sentence<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let device = self.1;
        match self.0 {
            Refusal::NoDevice => write!(out, "{device} doesn't exist, aborting"),
            Refusal::Slave => {
                write!(out, "{device} is a slave device, aborting: name its bridge or bond instead")
            }
            Refusal::NoPolling => {
                write!(out, "{device} doesn't support polling, aborting: name another device")
            }
            Refusal::Wifi => {
                write!(out, "{device} is Wi-Fi, which can't send while the kernel dies, aborting")
            }
            Refusal::NoAddress => {
                write!(out, "no IP address for {device}, aborting: give it one first")
            }
            Refusal::OpenFailed => write!(out, "failed to open {device}"),
            Refusal::NoMemory => write!(out, "no memory for {device}'s buffers"),
            Refusal::NotEthernet => write!(out, "{device} is no Ethernet device, aborting"),
            Refusal::Gone => write!(out, "{device} is gone"),
            Refusal::Error(errno) => write!(out, "{device} can't be used: error {errno}"),
        }
    }
}

/// The kernel's own numbers (`include/uapi/asm-generic/errno*.h`, `include/linux/errno.h`).
const ENOMEM: i32 = 12;
const EBUSY: i32 = 16;
const ENODEV: i32 = 19;
const EOPNOTSUPP: i32 = 95;
const EPFNOSUPPORT: i32 = 96;
const EADDRNOTAVAIL: i32 = 99;
const ENETDOWN: i32 = 100;
const ENOTSUPP: i32 = 524;
