//! The wire formats of Linux netconsole, both ways: no_std, no allocation, no dependency, no
//! unsafe code.
//!
//! [`parse`] reads any bytes of any length into a [`Datagram`], which [`Datagram::emit`] writes
//! again byte for byte. Nothing is an error: what is not netconsole's is syslog's or kept as text.
//! Whatever brought it, a message becomes a [`Record`] that borrows from the datagram.
//!
//! ```
//! use netconsole_wire::{Datagram, Record, parse};
//!
//! fn each(payload: &[u8], mut take: impl FnMut(&Record<'_>)) {
//!     match parse(payload) {
//!         // A fragment waits for the others: put the bodies together by `offset` and `total`,
//!         // then call `record_from` with the header of any of them.
//!         Datagram::Extended(message) if message.fragment().is_some() => {}
//!         Datagram::Extended(message) => take(&message.record()),
//!         Datagram::Syslog(message) => take(&message.record()),
//!         // A datagram that is cut goes on in the next one: join the two before `lines`.
//!         Datagram::Basic(text) => text.lines().for_each(|line| take(&line.record(false))),
//!         Datagram::Raw(bytes) => take(&Record::raw(bytes)),
//!     }
//! }
//!
//! each(b"6,416,1758426,-,caller=T1;usb 1-1: new\\x09device\n SUBSYSTEM=usb\n", |record| {
//!     assert!(record.text.unescaped().eq(*b"usb 1-1: new\tdevice"));
//!     assert_eq!(record.caller, Some(&b"T1"[..]));
//! });
//! ```
//!
//! The other way [`Message::emit`] sends a message as the kernel does, in fragments if it must,
//! [`frame`] puts the headers of Ethernet, IP and UDP in front, and [`parameter`] reads, checks, explains and prints the `netconsole=` string.
//!
//! Deliberately absent: reassembly, order, repeats and loss (they need memory and time), the
//! meaning of syslog's time stamps (it needs a calendar), and every error but the parameter's.
//! The formats stand byte by byte in `docs/wire-format.md`.
#![no_std]
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing)]

#[cfg(test)]
extern crate std;

mod basic;
pub mod closing;
pub mod dump;
mod emit;
mod escape;
mod extended;
mod fields;
pub mod frame;
pub mod heartbeat;
mod notice;
pub mod parameter;
pub mod question;
mod record;
mod scan;
pub mod seal;
mod syslog;
pub mod tag;

pub use basic::{Basic, BasicLine, Lines, basic_line, lines, starts_like_a_line};
pub use emit::{HeaderTooLong, Message, Sink, SliceSink};
pub use escape::{escape, unescape, unescape_into};
pub use extended::{Body, Extended, Flags, Fragment, Header, record_from};
pub use fields::{Field, Fields, Origin};
pub use notice::{Notice, Notices};
pub use record::{Format, Prefix, PrintkTime, Record, Sequence, Text};
pub use syslog::Syslog;

/// One datagram, read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Datagram<'a> {
    /// netconsole's extended format.
    Extended(Extended<'a>),
    /// A syslog client's message.
    Syslog(Syslog<'a>),
    /// Headerless text of 1 to 1000 bytes: netconsole's basic format, or anything else.
    Basic(Basic<'a>),
    /// Headerless, and empty or longer than netconsole ever sends.
    Raw(&'a [u8]),
}

/// Reads one datagram.
///
/// ```
/// use netconsole_wire::{Datagram, parse};
/// let Datagram::Extended(message) = parse(b"6,416,1758426,-;usb 1-1: new device\n") else { panic!() };
/// assert_eq!(message.header.seq.0, 416);
/// ```
pub fn parse(payload: &[u8]) -> Datagram<'_> {
    if let Some(extended) = Extended::parse(payload) {
        return Datagram::Extended(extended);
    }
    if let Some(syslog) = Syslog::parse(payload) {
        return Datagram::Syslog(syslog);
    }
    match payload.len() {
        1..=MAX_PRINT_CHUNK => Datagram::Basic(Basic { bytes: payload }),
        _ => Datagram::Raw(payload),
    }
}

/// The longest datagram that netconsole sends (`drivers/net/netconsole.c`, `MAX_PRINT_CHUNK`).
pub const MAX_PRINT_CHUNK: usize = 1000;

/// The longest message a receiver should put together from fragments, in bytes of text and
/// dictionary. 256 userdata entries make about 68 KiB; this leaves room for more.
pub const MAX_TOTAL: usize = 128 * 1024;

/// The port that netconsole sends from unless told otherwise.
pub const DEFAULT_SOURCE_PORT: u16 = 6665;

/// The port that netconsole sends to unless told otherwise.
pub const DEFAULT_TARGET_PORT: u16 = 6666;

/// The port of syslog.
pub const SYSLOG_PORT: u16 = 514;
