//! Who the sources are.

use std::net::Ipv4Addr;

/// The port that netconsole sends from.
pub(crate) const SOURCE_PORT: u16 = 6665;

/// The network in which the sources live: 10/8 where frames can be made up, 127/8 where every
/// sender must be one of this machine's own addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Network {
    /// 10.0.0.0/8.
    Ten,
    /// 127.0.0.0/8.
    Loopback,
}

impl Network {
    /// The address of source `number`, from 0.
    pub(crate) fn address(self, number: u32) -> Ipv4Addr {
        let base: u32 = match self {
            Network::Ten => 0x0a00_0100,
            Network::Loopback => 0x7f01_0000,
        };
        Ipv4Addr::from_bits(base + number)
    }

    /// The number of the source with this address.
    pub(crate) fn number(self, address: Ipv4Addr) -> Option<u32> {
        let number = address.to_bits().checked_sub(self.address(0).to_bits())?;
        (number < SOURCES_MAX).then_some(number)
    }
}

/// The most sources that a network has room for.
const SOURCES_MAX: u32 = 0x00fe_0000;
