//! Lines of a kernel's log become incidents that a person can act on: no I/O, no clock.
//!
//! [`Triage`] takes the lines of one boot and gives [`Event`]s: an [`Incident`] is opened at its
//! first line, changes while more of it comes, and is closed by what follows it. [`Text`] and
//! [`incidents`] do the same for any file with such lines in it.
//!
//! ```
//! let log = b"\
//! [    9.100000] BUG: kernel NULL pointer dereference, address: 0000000000000008
//! [    9.200000] CPU: 0 PID: 117 Comm: init Not tainted 6.12.94 #1
//! [    9.300000] RIP: 0010:write_item+0x10/0x30 [driver]
//! [    9.400000] Call Trace:
//! [    9.500000]  vfs_write+0xcf/0x450
//! ";
//! let found = bedside_triage::incidents(log);
//! let title = "BUG: unable to handle kernel NULL pointer dereference in write_item";
//! assert_eq!(found[0].title, title);
//! assert_eq!(found[0].function.as_deref(), Some("write_item"));
//! ```
//!
//! What the kernel prints stands in tables of its own format strings (`rules`), by subject; who
//! is guilty follows from lists of those who are not (`guilty`), each with its reason. A log that
//! no table knows by heart gets its title all the same.
//!
//! Deliberately absent: sockets, clocks, files, threads, and escaping: an incident's strings are
//! what a sender wrote.

mod fingerprint;
mod form;
mod guilty;
mod incident;
mod line;
mod normal;
mod prefilter;
mod report;
mod rules;
#[cfg(test)]
mod tests;
mod text;
mod trace;
mod triage;
mod words;

pub use fingerprint::Fingerprint;
pub use incident::{Corruption, Frame, Incident, Kind, ReportLine, Section, Severity};
pub use line::{Caller, Line};
pub use prefilter::may_begin;
pub use text::{Text, incidents};
pub use triage::{Event, Limits, Triage};
