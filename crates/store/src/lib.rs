//! Durable segments of kernel records that `zstdcat` can read, their catalogue, and how to find
//! what is in them again. `docs/store-format.md` has every byte.

pub mod disk;
pub mod entry;
mod error;
pub mod segment;

pub use entry::{Entry, StoredGap, StoredRecord, StoredRun};
pub use error::Error;
