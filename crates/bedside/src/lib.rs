//! The doctor: everything behind the `bedside` command.
//!
//! Each command is a module with a function that takes its parsed arguments and gives back an
//! [`Exit`], or an error that says what failed, on what, why, and what to try.

pub mod alerts;
mod answers;
mod attention;
pub mod boots;
pub mod capture;
pub mod check;
pub mod cli;
mod closing;
pub mod config;
mod confine;
pub mod demo;
pub mod doctor;
mod exit;
mod fate;
mod health;
mod heap;
mod hint;
pub mod hosts;
pub mod incidents;
mod keys;
pub mod listen;
pub mod log;
pub mod man;
pub mod notify;
mod patience;
mod pstore;
mod pulse;
mod reading;
pub mod render;
pub mod replay;
mod scribe;
pub mod serve;
pub mod store;
pub mod time;
pub mod triage;

pub use exit::{Exit, conclude};
