//! What bedside is tested with: recordings of real kernels, an oracle that decodes them in the
//! plainest way, a patient that sends them again, and a doctor that runs as a process of its own.
//!
//! Development only; nothing that ships depends on it, and it depends on none of the other
//! crates, so that it can't share a mistake with them.

pub mod answer;
pub mod capture;
pub mod chance;
pub mod check;
pub mod doctor;
pub mod mounts;
pub mod networks;
pub mod oracle;
pub mod patient;
pub mod programs;
pub mod serial;
pub mod vm;
pub mod wait;
