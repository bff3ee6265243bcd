//! The segments as one reader sees them: what was there when it looked, and no more.

mod segment;

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use zstd::bulk::Decompressor;

pub(crate) use self::segment::{Outline, Segment};
use super::Damage;
use crate::catalogue::{Catalogue, FILE_NAME};
use crate::disk::{Disk, DiskFile};
use crate::error::Error;
use crate::needle::Needle;
use crate::segment::{BlockRef, Entries, Form, Listed, Section, SegmentFile, Unpacker, list};

/// A place in the order of arrival. It stays valid when the segment is sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(crate) struct At {
    /// Number of the segment.
    pub(crate) segment: u64,
    /// Number of the entry in it, from 0.
    pub(crate) entry: u64,
}

/// The segments of a store, in order.
#[derive(Debug)]
pub(crate) struct Segments {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    listed: Vec<Listed>,
    /// Those that still grow, kept open so that sealing can't move what this reader saw.
    live: HashMap<u64, Arc<Segment>>,
    opened: Mutex<HashMap<u64, Arc<Segment>>>,
    damage: Mutex<Vec<Damage>>,
    deleted: OnceLock<BTreeSet<u64>>,
}

impl Segments {
    /// Looks at what is there. `dir` is only shown.
    pub(crate) fn open(disk: Arc<dyn Disk>, dir: &Path) -> Result<Segments, Error> {
        let mut segments = Segments {
            listed: list_steady(disk.as_ref())?,
            disk,
            dir: dir.to_owned(),
            live: HashMap::new(),
            opened: Mutex::default(),
            damage: Mutex::default(),
            deleted: OnceLock::new(),
        };
        segments.may_be_read()?;
        for listed in segments.listed.iter().filter(|l| l.name.form == Form::Live) {
            let number = listed.name.number;
            match Segment::open(segments.disk.as_ref(), *listed) {
                Ok((segment, _)) => drop(segments.live.insert(number, Arc::new(segment))),
                Err(error) if segments.is_empty_file(*listed, &error) => {}
                Err(error) => segments.skip(number, 0, error)?,
            }
        }
        Ok(segments)
    }

    /// Who may read none of them is no reader of this store.
    fn may_be_read(&self) -> Result<(), Error> {
        let mut denied = None;
        for listed in &self.listed {
            match self.disk.open(&listed.name.to_string()) {
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                    denied = denied.or(Some((listed.name, error)));
                }
                _ => return Ok(()),
            }
        }
        denied.map_or(Ok(()), |(name, error)| Err(Error::io("open", name.to_string(), error)))
    }

    /// Whether a segment was just begun.
    fn is_empty_file(&self, listed: Listed, error: &Error) -> bool {
        let empty = |file: Arc<dyn DiskFile>| file.is_empty().unwrap_or(false);
        matches!(error, Error::Damaged { .. })
            && self.disk.open(&listed.name.to_string()).is_ok_and(empty)
    }

    pub(crate) fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    /// The numbers of the segments, rising.
    pub(crate) fn numbers(&self) -> impl DoubleEndedIterator<Item = u64> + '_ {
        self.listed.iter().map(|listed| listed.name.number)
    }

    /// Whether a segment between these two was deleted, as far as the catalogue knows.
    pub(crate) fn deleted_between(&self, one: u64, other: u64) -> bool {
        one != other && self.deleted().range(one.min(other)..=one.max(other)).next().is_some()
    }

    /// Those that were deleted while older ones were not.
    fn deleted(&self) -> &BTreeSet<u64> {
        self.deleted.get_or_init(|| {
            let path = self.dir.with_file_name(FILE_NAME);
            let known = Catalogue::open_read_only(&path).and_then(|catalogue| catalogue.deleted());
            known.unwrap_or_default()
        })
    }

    /// Whether there are any.
    pub(crate) fn any_deleted(&self) -> bool {
        !self.deleted().is_empty()
    }

    /// One segment; `None` when it can't be read, which is noted once.
    pub(crate) fn segment(&self, number: u64) -> Result<Option<Arc<Segment>>, Error> {
        if let Some(segment) = self.live.get(&number) {
            return Ok(Some(Arc::clone(segment)));
        }
        if let Some(segment) = lock(&self.opened).get(&number) {
            return Ok(Some(Arc::clone(segment)));
        }
        let Some(listed) = self.listed(number) else { return Ok(None) };
        match Segment::open(self.disk.as_ref(), listed) {
            Ok((segment, damaged)) => {
                if let Some(error) = damaged {
                    self.skip(number, segment.end.offset, error)?;
                }
                Ok(Some(self.keep(number, Arc::new(segment))))
            }
            Err(error) => {
                self.skip(number, 0, error)?;
                Ok(None)
            }
        }
    }

    fn keep(&self, number: u64, segment: Arc<Segment>) -> Arc<Segment> {
        let mut opened = lock(&self.opened);
        if opened.len() >= OPENED_MAX {
            opened.clear();
        }
        opened.insert(number, Arc::clone(&segment));
        segment
    }

    /// Puts the lines of a block into `text`; leaves it empty when they can't be read, which
    /// is noted.
    pub(crate) fn read(
        &self,
        file: &SegmentFile,
        block: &BlockRef,
        text: &mut Vec<u8>,
    ) -> Result<(), Error> {
        if let Err(error) = file.read_block(block, text) {
            text.clear();
            self.skip(file.name().number, block.start.offset, error)?;
        }
        Ok(())
    }

    /// The same with the numbers of the entries.
    pub(crate) fn read_numbered(
        &self,
        file: &SegmentFile,
        block: &BlockRef,
        text: &mut Vec<u8>,
    ) -> Result<Entries, Error> {
        self.read(file, block, text)?;
        self.entries(file, block, &mut Unpacker::new()?.decompressor)
    }

    /// The numbers of a block's entries; made up, and noted, where they can't be read.
    pub(crate) fn entries(
        &self,
        file: &SegmentFile,
        block: &BlockRef,
        decompressor: &mut Decompressor<'_>,
    ) -> Result<Entries, Error> {
        file.unpack_entries(block, decompressor).or_else(|error| {
            self.skip(file.name().number, block.start.offset, error)?;
            Ok(Entries::From(block.start.entries))
        })
    }

    /// A segment with those of its blocks whose texts may hold what is looked for, and with all
    /// that hold lines which are no records if those `notes` are wanted too; of a sealed
    /// one's blocks the runs are not told. `None`: it can't be read, which is noted.
    pub(crate) fn outline(
        &self,
        number: u64,
        needle: &Needle,
        notes: bool,
    ) -> Result<Option<Outline>, Error> {
        if let Some(segment) = self.live.get(&number) {
            return Ok(Some(Outline::of(segment)));
        }
        let outlined = self.listed(number).map(|listed| {
            let file = SegmentFile::open(self.disk.as_ref(), listed)?;
            let index = file.index()?;
            let blocks = if needle.asks_filters() {
                let filters = file.filters(&index)?;
                index.blocks_with(&filters, needle.sets(), notes).cloned().collect()
            } else {
                index.blocks
            };
            Ok(Outline { file: Arc::new(file), blocks })
        });
        match outlined {
            // Without its index or filters it can still be read from one end to the other.
            Some(Err(Error::Damaged { .. })) => {
                let segment = self.segment(number)?;
                Ok(segment.map(|segment| Outline::of(&segment)))
            }
            Some(Err(error)) => self.skip(number, 0, error).map(|()| None),
            Some(Ok(outline)) => Ok(Some(outline)),
            None => Ok(None),
        }
    }

    /// What a sealed segment says that it holds of each run; `None` if it does not, or has not so
    /// many `entries`.
    pub(crate) fn section(
        &self,
        number: u64,
        entries: Option<u64>,
    ) -> Result<Option<Section>, Error> {
        let Some(listed) = self.listed(number).filter(|l| l.name.form == Form::Sealed) else {
            return Ok(None);
        };
        let section =
            SegmentFile::open(self.disk.as_ref(), listed).and_then(|file| match entries {
                Some(entries) if file.entries()? != entries => Ok(None),
                _ => file.numbers(),
            });
        match section {
            Err(error) if error.is_of_one_file() || error.is_not_found() => Ok(None),
            section => section,
        }
    }

    fn listed(&self, number: u64) -> Option<Listed> {
        let at = self.listed.binary_search_by_key(&number, |listed| listed.name.number).ok()?;
        self.listed.get(at).copied()
    }

    /// The last segment that can be read, none being 0, and what it held while it grows.
    pub(crate) fn end(&self) -> (u64, Option<Arc<Segment>>) {
        for listed in self.listed.iter().rev() {
            let live = self.live.get(&listed.name.number);
            if live.is_some() || listed.name.form == Form::Sealed {
                return (listed.name.number, live.cloned());
            }
        }
        (0, None)
    }

    /// Notes what is skipped; an error that is not the file's own is the caller's.
    pub(crate) fn skip(&self, segment: u64, offset: u64, error: Error) -> Result<(), Error> {
        let what = match error {
            Error::Damaged { problem, .. } => problem.to_owned(),
            error if error.is_not_found() => "it was deleted while it was being read".to_owned(),
            Error::Io { ref source, .. } if error.is_of_one_file() => source.to_string(),
            error => return Err(error),
        };
        self.note(segment, offset, what);
        Ok(())
    }

    pub(crate) fn note(&self, segment: u64, offset: u64, what: String) {
        let listed = self.listed.iter().find(|listed| listed.name.number == segment);
        let name = listed.map(|listed| listed.name.to_string()).unwrap_or_default();
        let damage = Damage { path: self.dir.join(name), offset, what };
        let mut noted = lock(&self.damage);
        if noted.len() < DAMAGE_MAX && !noted.contains(&damage) {
            noted.push(damage);
        }
    }

    pub(crate) fn damage(&self) -> Vec<Damage> {
        lock(&self.damage).clone()
    }
}

/// Lists until two looks agree: one that falls into a sealing can miss the segment's both names.
fn list_steady(disk: &dyn Disk) -> Result<Vec<Listed>, Error> {
    let mut listed = list(disk)?;
    for _ in 0..LOOKS_MAX {
        let again = list(disk)?;
        if again == listed {
            break;
        }
        listed = again;
    }
    Ok(listed)
}

/// The lines of a block's text.
pub(crate) fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut start = 0;
    memchr::memchr_iter(b'\n', text).map(move |end| {
        let line = &text[start..end];
        start = end + 1;
        line
    })
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing that is guarded here can be left half done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sealed segments kept open at a time.
const OPENED_MAX: usize = 64;
/// What a reader tells of damage.
const DAMAGE_MAX: usize = 1000;
/// How often a listing is repeated until two agree.
const LOOKS_MAX: usize = 5;
