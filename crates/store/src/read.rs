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

mod blocks;
pub(crate) mod boots;
mod counts;
pub(crate) mod holes;
mod item;
pub(crate) mod items;
mod lock;
mod merge;
mod order;
mod parts;
mod plan;
mod recent;
pub(crate) mod runs;
mod search;
pub(crate) mod segments;
mod summary;
mod totals;
pub(crate) mod view;

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bedside_stream::WallTime;

pub use self::holes::{Edge, Hole};
pub use self::item::{Gap, Item, OwnedRecord};
pub use self::items::Items;
pub use self::search::{Finds, Found, Matches, Search};
pub use self::summary::{BootCounts, BootSummary, End, HostSummary, Losses};

use self::counts::Hosts;
use self::merge::Direction;
use self::recent::Recent;
use self::segments::lines;
use self::view::View;
use crate::catalogue::Asked;
use crate::entry::{Head, StoredRun, decode_head};
use crate::follow::Follower;

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
    #[error(
        "no store in {path}: it has no `segments` directory; name the one that `bedside serve` \
         writes"
    )]
    NoStore {
        /// The directory that was named.
        path: PathBuf,
    },
    /// A part of it can't be read.
    #[error("store in {path}: {source}")]
    Unreadable {
        /// The store's directory.
        path: PathBuf,
        /// What failed, and why.
        source: crate::Error,
    },
    /// Nothing tells of new entries.
    #[error("can't watch {path}: {source}; the limits are in /proc/sys/fs/inotify")]
    Watch {
        /// The directory of the segments.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
}

/// A store, open for reading.
#[derive(Debug)]
pub struct Reader {
    view: Arc<View>,
}

impl Reader {
    /// Opens the store in `dir`.
    pub fn open(dir: &Path) -> Result<Reader, Error> {
        Ok(Reader { view: Arc::new(View::open(dir, None)?) })
    }

    /// Opens the store in `dir` to ask it for some hosts: those that `are_meant`, by name or by
    /// an address that they were heard from. Their boots are given as [`Reader::open`] gives
    /// them, others may be missing. The less is meant, the faster it is.
    pub fn open_of(dir: &Path, are_meant: impl Fn(&str, IpAddr) -> bool) -> Result<Reader, Error> {
        let are_meant = |label: &[u8], address| are_meant(&String::from_utf8_lossy(label), address);
        Ok(Reader { view: Arc::new(View::open(dir, Some(Asked::new(&are_meant)))?) })
    }

    /// Searches the whole store in `dir`, and opens it for the boots of which that found
    /// something: it need not be known of which boots a record may be to find that there is none.
    /// `None`: there is much to be found; open the store, and [search](Reader::search) its boots.
    pub fn open_found(dir: &Path, search: &Search<'_>) -> Result<Option<(Reader, Finds)>, Error> {
        let segments = view::open_segments(dir)?;
        let unreadable = |source| Error::Unreadable { path: dir.to_owned(), source };
        let Some(finds) = search::find(&segments, search).map_err(unreadable)? else {
            return Ok(None);
        };
        let asked = finds.asked();
        let view = Arc::new(View::with_runs(dir, segments, asked)?);
        Ok(Some((Reader { view }, finds)))
    }

    /// Takes in what was written, sealed or deleted since the last look.
    pub fn refresh(&mut self) -> Result<(), Error> {
        *self = Reader::open(self.dir())?;
        Ok(())
    }

    /// The directory it was opened on.
    pub fn dir(&self) -> &Path {
        self.view.dir()
    }

    /// The process that writes this store now, if one does; 0 when it doesn't tell its number.
    pub fn doctor_running(&self) -> Option<u32> {
        lock::holder(self.dir())
    }

    /// All boots, by first receipt. Reads no records.
    ///
    /// `now` is what silence is measured against.
    pub fn boots(&self, now: WallTime) -> Vec<BootSummary> {
        boots::boots(self.view.runs(), now, self.doctor_running().is_some())
    }

    /// What `boot` holds, exactly: from what segments say of its numbers where they do, else by
    /// reading it.
    pub fn counts(&self, boot: &BootSummary) -> Result<BootCounts, Error> {
        let counts = self.counts_of(std::slice::from_ref(boot))?;
        Ok(counts.into_iter().next().unwrap_or_default())
    }

    /// What each of `boots` holds, in their order. Costs a look at each segment's numbers and,
    /// where they don't tell, a pass or two over the blocks, however many boots share a block.
    pub fn counts_of(&self, boots: &[BootSummary]) -> Result<Vec<BootCounts>, Error> {
        self.view.counts(boots, true).map_err(self.unreadable())
    }

    /// All hosts, by name. Costs a [`Reader::counts_of`] all boots.
    pub fn hosts(&self, now: WallTime) -> Result<Vec<HostSummary>, Error> {
        let boots = self.boots(now);
        let counts = self.view.counts(&boots, false).map_err(self.unreadable())?;
        let boots: Vec<_> = boots.into_iter().zip(counts).collect();
        let mut hosts = Hosts::new(&boots);
        let recent = Recent::new(self.view.runs(), self.view.segments(), &hosts, now);
        recent.add_to(&mut hosts).map_err(self.unreadable())?;
        Ok(hosts.finish())
    }

    /// The records and gaps of `boot` that were received within `window`, in order: by our port
    /// and kind of format in order of first receipt, then by number, or by arrival where there
    /// is none. Repeats are removed. Streams: holds no more than the blocks that overlap.
    pub fn items(&self, boot: &BootSummary, window: Window) -> Result<Items<'_>, Error> {
        self.directed(boot, window, Direction::Forward)
    }

    /// The same items as [`Reader::items`], last first. Reads only as far as it is asked.
    pub fn items_rev(&self, boot: &BootSummary, window: Window) -> Result<Items<'_>, Error> {
        self.directed(boot, window, Direction::Backward)
    }

    /// The last `count` records of `boot` with the gaps between them, in order.
    pub fn tail(&self, boot: &BootSummary, count: usize) -> Result<Vec<Item>, Error> {
        let (mut items, mut records) = (Vec::new(), 0);
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
        // What lies in front of the first record is not between them.
        while records > 0 && matches!(items.last(), Some(Item::Gap(_))) {
            items.pop();
        }
        items.reverse();
        Ok(items)
    }

    /// The records of `boots` that are wanted, boot by boot in their order: of each boot what
    /// [`Reader::items`] gives, with the gaps that were stored, but without holes in the numbers.
    /// Reads only what may hold them. `None`: they are too many to be held; search fewer boots,
    /// or read the boot.
    pub fn search<'a>(
        &'a self,
        boots: &[&'a BootSummary],
        search: &Search<'_>,
    ) -> Result<Option<Matches<'a>>, Error> {
        search::search(&self.view, boots, search).map_err(self.unreadable())
    }

    /// What was found when this reader was opened, of these boots; as [`Reader::search`] gives
    /// it.
    pub fn matches<'a>(
        &'a self,
        boots: &[&'a BootSummary],
        finds: Finds,
        window: Window,
    ) -> Matches<'a> {
        finds.matches(&self.view, boots, window)
    }

    /// The names of all hosts, as far as is known without their boots; perhaps those too that they
    /// had before they had another.
    pub fn host_names(&self) -> Vec<String> {
        let labels = self.view.runs().labels();
        labels.map(|label| String::from_utf8_lossy(label).into_owned()).collect()
    }

    /// Records of strangers: senders that came in a flood and were heard no more than a few
    /// times. Their boots are not among [`Reader::boots`] until they were taken in.
    pub fn stranger_records(&self) -> u64 {
        self.view.runs().stranger_records()
    }

    /// Takes those strangers in that `are_wanted`: their boots are given like all others from
    /// now on. Reads all segments that hold strangers.
    pub fn take_strangers_in(
        &mut self,
        are_wanted: impl Fn(&StoredRun) -> bool,
    ) -> Result<(), Error> {
        let dir = self.dir().to_owned();
        let Some(view) = Arc::get_mut(&mut self.view) else {
            return Ok(());
        };
        let taken = view.take_strangers_in(are_wanted);
        taken.map_err(|source| Error::Unreadable { path: dir, source })
    }

    /// The gaps that belong to no boot (the socket's, and limits met before a run was known), by
    /// receive time.
    pub fn loose_gaps(&self) -> Result<Vec<Gap>, Error> {
        let segments = self.view.segments();
        let (mut gaps, mut text) = (Vec::new(), Vec::new());
        for number in self.view.runs().segments_with_loose_gaps() {
            let segment = segments.segment(number).map_err(self.unreadable())?;
            let Some(segment) = segment else { continue };
            for block in segment.blocks.iter().filter(|block| block.header.notes) {
                segments.read(&segment.file, block, &mut text).map_err(self.unreadable())?;
                gaps.extend(lines(&text).filter_map(loose));
            }
        }
        gaps.sort_by_key(|gap| gap.received);
        Ok(gaps)
    }

    /// What could not be read so far, and was skipped. Grows as more is read; bounded.
    pub fn damage(&self) -> Vec<Damage> {
        self.view.segments().damage()
    }

    /// Follows the store from where this reader's view of it ends: what it showed is not
    /// given again, and nothing after it is missed.
    pub fn follow(&self) -> Result<Follower, Error> {
        Follower::new(Arc::clone(&self.view))
    }

    fn directed(
        &self,
        boot: &BootSummary,
        window: Window,
        direction: Direction,
    ) -> Result<Items<'_>, Error> {
        let raws = self.view.raws(&boot.runs, window, direction).map_err(self.unreadable())?;
        Ok(Items::new(raws, window, self.dir().to_owned(), self.view.names(boot)))
    }

    fn unreadable(&self) -> impl Fn(crate::Error) -> Error + '_ {
        |source| Error::Unreadable { path: self.dir().to_owned(), source }
    }
}

fn loose(line: &[u8]) -> Option<Gap> {
    match decode_head(line)? {
        Head::Gap(gap) if gap.run.is_none() => Some(Gap::loose(&gap)),
        _ => None,
    }
}
