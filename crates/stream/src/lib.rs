//! One source's datagrams become records, boots, repeats and loss: no I/O, no clock.
//!
//! The caller brings the time ([`Monotonic`]) and the datagrams; the [`Core`] gives back
//! [`Event`]s that borrow from them. After every call the events have been delivered; when
//! [`Core::poll_timeout`] names a moment, call [`Core::handle_timeout`] at or after it.

mod types;

pub use types::*;
