//! What is measured, each way in a file of its own.

pub(crate) mod death;
pub(crate) mod drain;
pub(crate) mod figures;
pub(crate) mod flood;
pub(crate) mod full;
mod large;
pub(crate) mod latency;
pub(crate) mod memory;
pub(crate) mod paced;
pub(crate) mod patient;
pub(crate) mod store;
mod storm;
