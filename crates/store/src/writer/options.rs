//! How a store is written: every bound by name, with its default.

use std::sync::Arc;
use std::time::Duration;

use crate::disk::Disk;

/// Takes the entry lines of each batch as they are appended, for the live view.
pub type Tap = Box<dyn FnMut(&[u8]) + Send>;

/// How a store is written.
pub struct Options {
    /// What was appended is synced within this time (200 ms). A sync is begun at half of it, so
    /// that it may take as long as it waited.
    pub sync_within: Duration,
    /// After an urgent batch every batch is synced at once for this long (2 s).
    pub urgent_for: Duration,
    /// A segment is sealed when it is as large as this while it is live, which is nearly its text
    /// (128 MiB).
    pub segment_max_bytes: u64,
    /// A segment is sealed when it is as old as this (one day).
    pub segment_max_age: Duration,
    /// Batches that wait for the store thread, in bytes (64 MiB). More is lost, and counted.
    pub queue_bytes: usize,
    /// Blocks kept in memory until they are synced, in bytes (64 MiB): they are written again
    /// after a failure. From a thirty-second of it on, what a sync under way will free not counted,
    /// a sync is begun at once; from a quarter on blocks are compressed; when it is full the queue
    /// has to wait.
    pub unsynced_bytes: usize,
    /// How long after a failure the disk is tried again (1 s).
    pub retry_after: Duration,
    /// A disk that has not answered for so long counts as failing (10 s).
    pub stalled_after: Duration,
    /// How long [`Writer::close`](crate::Writer::close) waits for the disk (30 s).
    pub close_within: Duration,
    /// How often the catalogue is brought up to date (30 s); readers do the rest for themselves.
    pub commit_every: Duration,
    /// What is kept.
    pub retention: Retention,
    /// zstd level of a live segment while the disk or the sealing can't keep up (1); while they
    /// can, text is stored as it is.
    pub pressed_level: i32,
    /// zstd level of a sealed segment (1).
    pub sealed_level: i32,
    /// So much text is sorted together when a segment is sealed, in bytes (8 MiB): it is memory
    /// that sealing takes. The more, the closer together stand the lines of a machine.
    pub chapter_text: usize,
    /// Text of a sealed block, in bytes (384 KiB): so much is unpacked for a line of it.
    pub sealed_block_text: usize,
    /// Streams remembered in the catalogue (1,114,112: all that the core holds; about 400 bytes
    /// each).
    pub memory_rows: usize,
    /// Host labels whose boots are counted (1,048,576; 16 bytes each). Beyond it those with the
    /// fewest boots are forgotten and may be counted from 1 again.
    pub labels: usize,
    /// Runs whose lines are at hand to be written into the next segment (1,572,864; about 200
    /// bytes each).
    pub active_runs: usize,
    /// Called with each batch's entry lines, whether or not the disk takes them.
    pub tap: Option<Tap>,
    /// Where segments go, in place of the directory `segments`: for tests.
    pub storage: Option<Arc<dyn Disk>>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            sync_within: Duration::from_millis(200),
            urgent_for: Duration::from_secs(2),
            segment_max_bytes: 128 << 20,
            segment_max_age: Duration::from_hours(24),
            queue_bytes: 64 << 20,
            unsynced_bytes: 64 << 20,
            retry_after: Duration::from_secs(1),
            stalled_after: Duration::from_secs(10),
            close_within: Duration::from_secs(30),
            commit_every: Duration::from_secs(30),
            retention: Retention::default(),
            pressed_level: 1,
            sealed_level: 1,
            chapter_text: 8 << 20,
            sealed_block_text: 384 << 10,
            memory_rows: (1 << 20) + (1 << 16),
            labels: 1 << 20,
            active_runs: 3 << 19,
            tap: None,
            storage: None,
        }
    }
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options").field("sync_within", &self.sync_within).finish_non_exhaustive()
    }
}

/// What is kept. Only whole sealed segments are deleted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Retention {
    /// Bytes of all segments together (10 GiB); 0: no bound.
    pub max_bytes: u64,
    /// Age of a segment's last record; `None` (the default): no bound.
    pub max_age: Option<Duration>,
    /// When there is too much and one host has more than this share of `max_bytes` (0.5), the
    /// oldest segment which that host fills goes first, not the oldest of all: a noisy machine
    /// pushes out its own past, not that of the others.
    pub max_host_share: f64,
}

impl Default for Retention {
    fn default() -> Self {
        Retention { max_bytes: 10 << 30, max_age: None, max_host_share: 0.5 }
    }
}
