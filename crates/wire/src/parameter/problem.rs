//! What can be wrong with the parameter.

use core::fmt;

use super::MAX_LENGTH;

/// Why a parameter is refused, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParameterError {
    /// What is wrong.
    pub problem: Problem,
    /// Counted in bytes from the beginning of the text given: where what is wrong begins, or
    /// where what is missing should stand.
    pub offset: usize,
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Problem {
    /// A space, a control character or one outside ASCII.
    Blank,
    /// More than 255 bytes.
    TooLong,
    /// Nothing at all, or nothing between two semicolons.
    NoTarget,
    /// `r` without `+`.
    ReleaseWithoutExtended,
    /// No `@` after the source port.
    NoSourceAt,
    /// No `/` after the source address.
    NoSourceSlash,
    /// No `,` after the device.
    NoComma,
    /// No `@` after the target's port.
    NoTargetAt,
    /// No `/` after the target's address.
    NoTargetSlash,
    /// A port that is no number up to 65535.
    BadPort,
    /// Port 0 to send to.
    PortZero,
    /// Something that is no IP address in the place of one.
    BadAddress,
    /// No target address.
    NoTargetAddress,
    /// One address is IPv4, the other IPv6.
    MixedFamilies,
    /// A device name longer than the kernel's.
    DeviceTooLong,
    /// A name that no device can have.
    BadDevice,
    /// A colon in the device's place, but no device's hardware address.
    BadSourceMac,
    /// Something that is no hardware address in the target's last place.
    BadTargetMac,
}

impl Problem {
    pub(super) fn at(self, offset: usize) -> ParameterError {
        ParameterError { problem: self, offset }
    }

    /// What is wrong, why it is, and what to do.
    pub fn as_str(self) -> &'static str {
        match self {
            Problem::Blank => {
                "only printable ASCII without spaces may stand in the parameter, as the kernel \
                 reads a blank as part of a value: take it out"
            }
            Problem::TooLong => {
                "the parameter is longer than 255 bytes, and the kernel's buffer holds no more: \
                 leave out what is a default, or set up further targets through configfs"
            }
            Problem::NoTarget => {
                "a target is missing here, and the kernel refuses an empty one: write one, say \
                 `@/,@192.168.0.2/`, or take the semicolon away"
            }
            Problem::ReleaseWithoutExtended => {
                "`r` (release) needs `+` (extended format) in front of it, in this order: write \
                 `+r`, or leave out `r`"
            }
            Problem::NoSourceAt => {
                "the `@` after the source port is missing (it stays even without a port): write \
                 `[source-port]@[source-ip]/[device],[port]@<ip>/[mac]`"
            }
            Problem::NoSourceSlash => {
                "the `/` after the source address is missing (it stays even without an address): \
                 write `@/[device],[port]@<ip>/[mac]`"
            }
            Problem::NoComma => {
                "the `,` between the device and the target's port is missing: write \
                 `@/[device],[port]@<ip>/[mac]`"
            }
            Problem::NoTargetAt => {
                "the `@` in front of the target's address is missing (it stays even without a \
                 port): write `@/,[port]@<ip>/`"
            }
            Problem::NoTargetSlash => {
                "the `/` after the target's address is missing (it stays even without a hardware \
                 address): add it"
            }
            Problem::BadPort => {
                "this is no port, which is a decimal number from 0 to 65535: correct it, or leave \
                 it out for the default"
            }
            Problem::PortZero => {
                "nothing can listen on port 0: write the receiver's port, or leave it out for 6666"
            }
            Problem::BadAddress => {
                "this is no IPv4 or IPv6 address, and the kernel resolves no names: write the \
                 address, without brackets or a zone"
            }
            Problem::NoTargetAddress => {
                "the target's address is missing, and there is no default for it: write the \
                 receiver's IP address"
            }
            Problem::MixedFamilies => {
                "the source address is of another family than this one, and a packet has one \
                 family: write both as IPv4 or both as IPv6, or leave out the source address"
            }
            Problem::DeviceTooLong => {
                "a device's name has at most 15 bytes, and the kernel would cut this one: give \
                 the name that `ip link` shows"
            }
            Problem::BadDevice => {
                "no device can have this name, as devices are directories of /sys: give the name \
                 that `ip link` shows"
            }
            Problem::BadSourceMac => {
                "a device with a colon in it is read as a hardware address, and this is none of \
                 a single device: write six pairs of hex digits, as `ip link` shows them, or \
                 the device's name"
            }
            Problem::BadTargetMac => {
                "this is no hardware address, which is six pairs of hex digits with colons \
                 between them: correct it, or leave it out to send to all (broadcast)"
            }
        }
    }
}

impl ParameterError {
    pub(super) fn moved_by(self, bytes: usize) -> ParameterError {
        ParameterError { offset: self.offset + bytes, ..self }
    }
}

impl fmt::Display for ParameterError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "netconsole parameter, byte {}: {}", self.offset, self.problem.as_str())
    }
}

impl core::error::Error for ParameterError {}

const _: () = assert!(MAX_LENGTH == 255, "the texts above say 255");
