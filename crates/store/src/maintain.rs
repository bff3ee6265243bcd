//! What the command line does to a store that nobody writes, or reads of one that somebody does.

use std::path::Path;
use std::sync::Arc;

use crate::catalogue::{Catalogue, FILE_NAME, Summary};
use crate::disk::{Directory, Disk};
use crate::error::Error;
use crate::recovery;
use crate::segment::{Form, Listed, Scan, SegmentFile, list};
use crate::writer::{Inventory, Lock, Retention, SEGMENTS_NAME, wall_now};

/// Numbers of a store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Sealed segments.
    pub sealed: u64,
    /// Segments being written, or not sealed yet.
    pub live: u64,
    /// Bytes of all segments.
    pub bytes: u64,
    /// Bytes of all entry lines.
    pub text_bytes: u64,
    /// Blocks.
    pub blocks: u64,
    /// Records.
    pub records: u64,
    /// Entries: records, runs and gaps.
    pub entries: u64,
    /// Segments that are damaged: these numbers tell of what can be found in them.
    pub damaged: u64,
}

impl Stats {
    /// How many bytes of lines one byte on disk holds.
    pub fn ratio(&self) -> f64 {
        self.text_bytes as f64 / self.bytes.max(1) as f64
    }
}

/// What [`verify`] found.
#[derive(Debug, Default)]
pub struct Verified {
    /// What could be read.
    pub stats: Stats,
    /// What could not, and why.
    pub faults: Vec<Error>,
    /// Lines that no version of this program writes, or only a later one.
    pub unknown_lines: u64,
    /// Bytes behind the last whole block of live segments: being written, or torn.
    pub tail_bytes: u64,
}

/// Counts what the headers of all segments say. Needs read permission only; a doctor may write.
pub fn stats(dir: &Path) -> Result<Stats, Error> {
    let disk = segments(dir);
    let mut stats = Stats::default();
    for listed in list(&disk)? {
        let added = open(&disk, listed)
            .and_then(|segment| segment.map(|segment| stats.add(&segment)).transpose());
        match added {
            Err(error) if error.is_of_one_file() => stats.damaged += 1,
            added => drop(added?),
        }
    }
    Ok(stats)
}

/// Sealed segments whose end is damaged, with the index that stands there: the cheapest look at all
/// of them. Needs read permission only; a doctor may write.
pub fn damaged_ends(dir: &Path) -> Result<u64, Error> {
    let disk = segments(dir);
    let mut damaged = 0;
    for listed in list(&disk)?.into_iter().filter(|listed| listed.name.form == Form::Sealed) {
        match open(&disk, listed).and_then(|segment| segment.map(|it| it.index()).transpose()) {
            Err(error) if error.is_of_one_file() => damaged += 1,
            looked => drop(looked?),
        }
    }
    Ok(damaged)
}

/// Reads every block of every segment. Needs read permission only; a doctor may write.
pub fn verify(dir: &Path) -> Result<Verified, Error> {
    let disk = segments(dir);
    let mut verified = Verified::default();
    for listed in list(&disk)? {
        match open(&disk, listed).and_then(|segment| verified.check(segment)) {
            Ok(()) => {}
            Err(error) => verified.faults.push(error),
        }
    }
    Ok(verified)
}

/// Makes the catalogue again from the segments. Memories of streams, and the numbers of boots
/// whose records are deleted, are kept if the old one can be read. Takes the store's lock.
pub fn rebuild(dir: &Path) -> Result<Summary, Error> {
    let _lock = Lock::take(dir)?;
    let disk: Arc<dyn Disk> = Arc::new(segments(dir));
    let catalogue = recovery::rebuild(&disk, &dir.join(FILE_NAME))?;
    let summary = catalogue.load()?;
    catalogue.optimize()?;
    Ok(summary)
}

/// Deletes what `retention` does not keep, and how many segments that were. Takes the store's
/// lock: a doctor that runs does this itself.
pub fn prune(dir: &Path, retention: &Retention) -> Result<u64, Error> {
    let _lock = Lock::take(dir)?;
    let mut catalogue = Catalogue::open(&dir.join(FILE_NAME))?;
    // One that ended too early left it to the next to say what it deleted.
    recovery::forget_gone(&mut catalogue, &list(&segments(dir))?)?;
    Inventory::default().prune(&segments(dir), &mut catalogue, retention, wall_now())
}

fn segments(dir: &Path) -> Directory {
    Directory::new(dir.join(SEGMENTS_NAME))
}

/// `None`: deleted since it was listed.
fn open(disk: &dyn Disk, listed: Listed) -> Result<Option<SegmentFile>, Error> {
    match SegmentFile::open(disk, listed) {
        Err(error) if error.is_not_found() => Ok(None),
        opened => opened.map(Some),
    }
}

impl Stats {
    /// Counts what a segment's headers say; what they are, and what is wrong with its end.
    fn add(&mut self, segment: &SegmentFile) -> Result<(Scan, Option<Error>), Error> {
        let (scan, damaged) = segment.scan_somehow()?;
        match segment.name().form {
            Form::Live => self.live += 1,
            Form::Sealed => self.sealed += 1,
        }
        self.bytes += segment.bytes()?;
        self.blocks += scan.blocks.len() as u64;
        self.entries += scan.end.entries;
        for block in &scan.blocks {
            self.text_bytes += u64::from(block.header.text_len);
            self.records += block.header.records();
        }
        self.damaged += u64::from(damaged.is_some());
        Ok((scan, damaged))
    }
}

impl Verified {
    fn check(&mut self, segment: Option<SegmentFile>) -> Result<(), Error> {
        let Some(segment) = segment else { return Ok(()) };
        let (scan, damaged) = self.stats.add(&segment)?;
        self.faults.extend(damaged);
        self.tail_bytes += scan.tail.map_or(0, |tail| tail.bytes);
        let mut text = Vec::new();
        for block in &scan.blocks {
            match segment.read_block(block, &mut text) {
                Ok(()) => self.check_lines(&segment, block, &text),
                Err(error) => {
                    self.stats.records -= block.header.records();
                    self.faults.push(error);
                }
            }
        }
        Ok(())
    }

    fn check_lines(
        &mut self,
        segment: &SegmentFile,
        block: &crate::segment::BlockRef,
        text: &[u8],
    ) {
        let mut entries = 0;
        for line in text.split_inclusive(|&b| b == b'\n') {
            entries += 1;
            self.unknown_lines += u64::from(crate::Entry::decode(line).is_none());
        }
        if entries != block.header.entries {
            let object = format!("{} at {}", segment.name(), block.start.offset);
            let problem = "it has not as many lines as its header says";
            self.faults.push(Error::damaged(object, problem));
        }
    }
}

#[cfg(test)]
mod tests;
