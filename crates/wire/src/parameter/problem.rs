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

    /// What is wrong, and why it is.
    pub fn what(self) -> &'static str {
        match self {
            Problem::Blank => "a blank or a byte outside ASCII, which the kernel takes for a value",
            Problem::TooLong => "longer than the 255 bytes that the kernel's buffer holds",
            Problem::NoTarget => "a target is missing, and the kernel refuses an empty one",
            Problem::ReleaseWithoutExtended => "`r` (release) needs `+` (extended) in front of it",
            Problem::NoSourceAt => "no `@` after the source port; it stays even without a port",
            Problem::NoSourceSlash => "no `/` after the source address; it stays even without one",
            Problem::NoComma => "no `,` between the device and the target's port",
            Problem::NoTargetAt => {
                "no `@` before the target's address; it stays even without a port"
            }
            Problem::NoTargetSlash => {
                "no `/` after the target's address; it stays even without a MAC"
            }
            Problem::BadPort => "no port: that is a decimal number from 0 to 65535",
            Problem::PortZero => "nothing can listen on port 0",
            Problem::BadAddress => "no IPv4 or IPv6 address, and the kernel resolves no names",
            Problem::NoTargetAddress => "no target address, and there is no default for it",
            Problem::MixedFamilies => "this address is of another family than the source address",
            Problem::DeviceTooLong => {
                "a device's name has at most 15 bytes; the kernel cuts the rest"
            }
            Problem::BadDevice => "no device can have this name",
            Problem::BadSourceMac => {
                "a device with a colon is read as a MAC, and this is none of one"
            }
            Problem::BadTargetMac => "no MAC: that is six pairs of hex digits with colons between",
        }
    }

    /// What to do about it.
    pub fn cure(self) -> &'static str {
        match self {
            Problem::Blank => "take it out",
            Problem::TooLong => "leave out what is a default, or set up some targets by configfs",
            Problem::NoTarget => "write one, say `@/,@192.168.0.2/`, or take the semicolon away",
            Problem::ReleaseWithoutExtended => "write `+r`, or leave out `r`",
            Problem::NoSourceAt
            | Problem::NoSourceSlash
            | Problem::NoComma
            | Problem::NoTargetAt
            | Problem::NoTargetSlash => {
                "write `[source-port]@[source-ip]/[device],[port]@<ip>/[mac]`"
            }
            Problem::BadPort => "correct it, or leave it out for the default",
            Problem::PortZero => "write the receiver's port, or leave it out for 6666",
            Problem::BadAddress => "write the address, without brackets and without a zone",
            Problem::NoTargetAddress => "write the receiver's IP address",
            Problem::MixedFamilies => {
                "write both as IPv4 or as IPv6, or leave out the source address"
            }
            Problem::DeviceTooLong | Problem::BadDevice => "write the name that `ip link` shows",
            Problem::BadSourceMac => "write the MAC that `ip link` shows, or the device's name",
            Problem::BadTargetMac => "correct it, or leave it out to send to all (broadcast)",
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
        let (what, cure) = (self.problem.what(), self.problem.cure());
        write!(out, "netconsole parameter, byte {}: {what}: {cure}", self.offset)
    }
}

impl core::error::Error for ParameterError {}

const _: () = assert!(MAX_LENGTH == 255, "the texts above say 255");
