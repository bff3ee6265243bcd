//! Durable segments of kernel records that `zstdcat` can read, their catalogue, and how to find
//! what is in them again. `docs/store-format.md` has every byte.

pub mod catalogue;
pub mod disk;
pub mod entry;
mod error;
pub mod follow;
pub mod read;
pub mod segment;

pub use entry::{Entry, StoredGap, StoredRecord, StoredRun};
pub use error::Error;
