//! Lines of a kernel's log become incidents that a person can act on: no I/O, no clock.
//!
//! [`Triage`] takes the lines of one boot and gives [`Event`]s: an [`Incident`] is opened at its
//! first line, changes while more of it comes, and is closed by what follows it. [`Text`] and
//! [`incidents`] do the same for any file with such lines in it.
//!
//! ```
//! let log = b"[    9.1] BUG: kernel NULL pointer dereference, address: 0000000000000008\n";
//! let found = bedside_triage::incidents(log);
//! assert!(found.len() <= 1);
//! ```
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
