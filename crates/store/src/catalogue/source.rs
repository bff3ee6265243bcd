//! A stream in a row: its source in 6 or 18 bytes, the port at the end, big-endian; our port, and
//! in the bits above it the voice.

use std::net::{IpAddr, SocketAddr};

use bedside_stream::{StreamKey, Voice};

pub(super) fn source_bytes(source: SocketAddr) -> Vec<u8> {
    let mut bytes = match source.ip() {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    bytes.extend_from_slice(&source.port().to_be_bytes());
    // A link-local address is nothing without its interface.
    if let SocketAddr::V6(source) = source
        && source.scope_id() != 0
    {
        bytes.extend_from_slice(&source.scope_id().to_be_bytes());
    }
    bytes
}

/// The second column.
pub(super) fn port_and_voice(key: &StreamKey) -> u32 {
    u32::from(key.port()) | (key.voice() as u32) << 16
}

/// Both columns.
pub(super) fn read_key(source: &[u8], port_and_voice: u32) -> Option<StreamKey> {
    let voice = Voice::ALL.get((port_and_voice >> 16) as usize)?;
    Some(StreamKey::new(read_source(source)?, port_and_voice as u16).with_voice(*voice))
}

pub(super) fn read_source(bytes: &[u8]) -> Option<SocketAddr> {
    if let Some((address, rest)) = bytes.split_first_chunk::<16>() {
        let (port, scope) = rest.split_first_chunk::<2>()?;
        let mut source =
            std::net::SocketAddrV6::new((*address).into(), u16::from_be_bytes(*port), 0, 0);
        if let Ok(scope) = scope.try_into() {
            source.set_scope_id(u32::from_be_bytes(scope));
        }
        return Some(source.into());
    }
    let (address, rest) = bytes.split_first_chunk::<4>()?;
    let port = u16::from_be_bytes(rest.try_into().ok()?);
    Some(SocketAddr::from((*address, port)))
}
