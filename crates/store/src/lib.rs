//! Durable segments of kernel records whose texts `zstdcat` can read, their catalogue, and how to
//! find what is in them again. `docs/store-format.md` has every byte.

mod batch;
pub mod catalogue;
#[cfg(test)]
mod crashes;
#[cfg(test)]
mod day;
pub mod disk;
pub mod entry;
mod error;
pub mod follow;
pub mod maintain;
mod needle;
pub mod read;
mod recovery;
pub mod segment;
#[cfg(test)]
mod testing;
mod writer;

pub use batch::Batch;
pub use entry::{Entry, StoredGap, StoredRecord, StoredRun};
pub use error::Error;
pub use needle::{Needle, Word};
pub use recovery::{Replay, Replayed, Torn};
pub use writer::{
    Counters, Health, LOCK_NAME, Options, Recovered, Retention, SEGMENTS_NAME, Tap, Trouble, Writer,
};
