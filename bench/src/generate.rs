//! Load whose every record is known: so many sources, both formats, fragments, records out of
//! order, records that never arrive. The same seed gives the same bytes.
//!
//! All datagrams of a *lap* lie in memory before anything is timed. The next lap is the same
//! datagrams with their numbers and times moved on, so that a load of any length costs the
//! generator a few digits per datagram and no memory.

pub(crate) mod address;
mod frame;
mod load;
mod maker;
mod texts;

pub(crate) use load::{Load, Slot};
pub(crate) use maker::{Format, Life, Profile, RARE, SELDOM};
