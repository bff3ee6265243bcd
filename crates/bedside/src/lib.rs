//! The doctor: everything behind the `bedside` command.
//!
//! Each command is a module with a function that takes its parsed arguments and gives back an
//! [`Exit`], or an error that says what failed, on what, why, and what to try.

pub mod boots;
pub mod capture;
pub mod cli;
pub mod config;
mod exit;
pub mod hosts;
pub mod listen;
pub mod log;
pub mod man;
mod reading;
pub mod notify;
pub mod render;
pub mod time;

pub use exit::{Exit, conclude};
