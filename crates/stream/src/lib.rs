//! One source's datagrams become records, boots, repeats and loss: no I/O, no clock.
//!
//! The caller brings the time ([`Monotonic`]) and the datagrams; the [`Core`] gives back
//! [`Event`]s that borrow from them, through a [`World`]. After every call all events have been
//! given; when [`Core::poll_timeout`] names a moment, call [`Core::handle_timeout`] at or after
//! it.
//!
//! Deliberately absent: sockets, clocks, threads, files, and any waiting for a record that is
//! late. Records come out in order of arrival; their order in a boot is the reader's to make.

mod boots;
mod core;
mod desk;
mod history;
mod key;
mod limits;
mod memory;
mod mind;
mod pending;
mod replay;
mod returns;
mod room;
mod siblings;
mod stream;
mod table;
mod track;
mod types;
mod words;

pub use core::{Core, World};
pub use key::StreamKey;
pub use limits::{Counters, Limits};
pub use memory::Memory;
pub use replay::Kept;
pub use types::*;
