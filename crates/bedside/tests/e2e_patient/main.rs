//! Real kernels in a virtual machine are armed by `bedside-patient`, prove it to a doctor, die,
//! and are what they were when it is undone.
//!
//! `cargo test -p bedside --features vm --test e2e_patient`. Needs what `e2e_vm` needs, and
//! Rust's target `x86_64-unknown-linux-musl`. With `-- --show-output` it tells how long things
//! took.

mod arming;
mod deaths;
mod debian;
mod down;
mod dumper;
mod ipv6;
mod network;
mod others;
mod pstore;
mod refusals;
mod relay;
mod ward;
