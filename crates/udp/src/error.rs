//! What can go wrong with a socket, with the operation, the object and the system's own word.

use std::io;
use std::net::SocketAddr;

/// A failed operation on a socket or on the receiver around it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel gave no socket of this family.
    #[error("cannot make a UDP socket for {address}: {source}")]
    Create {
        /// What it was for.
        address: SocketAddr,
        /// The system's word.
        source: io::Error,
    },
    /// The address could not be had.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// The address asked for.
        address: SocketAddr,
        /// The system's word: `AddrInUse`, `PermissionDenied`, `AddrNotAvailable`, …
        source: io::Error,
    },
    /// An option was refused.
    #[error("cannot set or read {option} of a UDP socket: {source}")]
    Option {
        /// The option's name in socket(7) or ipv6(7).
        option: &'static str,
        /// The system's word.
        source: io::Error,
    },
    /// A descriptor that was handed over is not a bound UDP socket over IP.
    #[error("descriptor {fd} is not a UDP socket: {why}")]
    NotUdp {
        /// The descriptor's number.
        fd: i32,
        /// What it is instead.
        why: &'static str,
    },
    /// Receiving failed for good. What the network does to a socket is never reported here.
    #[error("cannot receive on {address}: {source}")]
    Receive {
        /// The socket's own address.
        address: SocketAddr,
        /// The system's word.
        source: io::Error,
    },
    /// The means of waiting for several sockets at once failed.
    #[error("cannot wait for datagrams ({operation}): {source}")]
    Wait {
        /// The system call.
        operation: &'static str,
        /// The system's word.
        source: io::Error,
    },
}

impl Error {
    /// The system's word, where the system has spoken.
    pub fn io(&self) -> Option<&io::Error> {
        match self {
            Error::NotUdp { .. } => None,
            Error::Create { source, .. }
            | Error::Bind { source, .. }
            | Error::Option { source, .. }
            | Error::Receive { source, .. }
            | Error::Wait { source, .. } => Some(source),
        }
    }
}
