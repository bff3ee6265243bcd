//! A machine, as far as arming its kernel goes: gathers the facts that a plan is made from,
//! carries out its steps, and undoes them from a journal.
//!
//! Every path is taken under a given root, and programs are looked for there, so that tests run
//! on a tree of their own. Only netlink is the running kernel's own.

mod apply;
mod dumper;
mod error;
mod gather;
mod journal;
mod kernel;
mod kmsg;
mod machine;
mod names;
mod netlink;
mod network;
mod pstore;
mod targets;
mod undo;

pub use error::Error;
pub use kmsg::Kmsg;
pub use machine::{Lock, Machine};
pub use names::Name;
pub use netlink::Changes;
pub use network::{resolve, touch};
pub use pstore::{Dump, Pstore};
pub use undo::Undone;
