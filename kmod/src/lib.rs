//! The kernel's sender: all that a module decides, apart from the kernel's own structures.
//!
//! Which targets there are is wished and changed while it runs ([`targets`]). A new one gets the
//! whole log first, then lines as the kernel prints them ([`live`]). When it dies, or may be dying, the tail of
//! its log goes out once more, whole ([`death`]): in the extended format with printk's own
//! numbers, all levels, twice, and a closing record that says what it was made of.
//!
//! What the kernel has is behind one trait, [`Machine`]: the shim in C has it inside a kernel
//! (`kernel.rs` and `kernel/`, the one place with unsafe code), a simulated one in the tests. Nothing here
//! allocates, sleeps, takes a lock or reads a clock, and every wait has an end.
//!
//! Deliberately absent: name resolution, routes, ARP (as in netconsole), and whatever could fail
//! only while the kernel dies: all that a death needs is there before it.
#![no_std]
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

#[cfg(test)]
extern crate std;

mod abi;
mod backfill;
pub mod death;
#[cfg(target_os = "none")]
mod kernel;
mod line;
pub mod live;
mod machine;
mod port;
mod refusal;
#[cfg(test)]
mod simulated;
pub mod targets;

pub use backfill::Backfill;
pub use machine::{Failure, Frame, Machine, Readiness, RingRecord, Urgency};
pub use port::{Counters, Port, Ports, Release};
pub use refusal::Refusal;

/// How many targets there may be: no more than fit into a parameter of 255 bytes that is any use.
pub const MAX_PORTS: usize = 16;
