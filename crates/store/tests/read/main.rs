//! Stores as readers see them.
#![allow(clippy::unwrap_used, reason = "a test that can't go on should stop there")]

mod boots;
mod deleted;
mod follow;
mod model;
mod order;
mod parts;
mod random;
mod store;
mod together;
