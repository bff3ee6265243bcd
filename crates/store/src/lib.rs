//! placeholder

pub mod follow;
pub mod read;
