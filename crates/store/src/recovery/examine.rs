//! Looking at what the last life left unsealed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use bedside_stream::{RunId, WallTime};

use crate::catalogue::Catalogue;
use crate::disk::Disk;
use crate::error::Error;
use crate::segment::{
    BlockHeader, Form, Listed, Position, Scan, SegmentFile, SegmentName, Tail, list_all,
};
use crate::writer::SealJob;

use super::Resume;

/// What of a segment did not survive the end of the last life. None of it had been synced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Torn {
    /// The segment.
    pub segment: u64,
    /// Bytes that are no whole block.
    pub bytes: u64,
    /// Records that they held, as far as headers tell.
    pub records: u64,
    /// First and last receive time of those.
    pub received: Option<(WallTime, WallTime)>,
    /// The host labels of those, as far as known; at most 16.
    pub hosts: Vec<Vec<u8>>,
    runs: BTreeSet<RunId>,
}

/// What was found of live segments.
#[derive(Debug, Default)]
pub(super) struct Examined {
    pub(super) resume: Option<Resume>,
    pub(super) seals: Vec<SealJob>,
    pub(super) torn: Vec<Torn>,
    /// Damaged blocks by segment: the offsets of their headers.
    pub(super) damaged: BTreeMap<u64, BTreeSet<u64>>,
}

/// Examines all live segments. The last one is resumed if it is whole and shorter than
/// `resume_below`; all others are to be sealed.
pub(super) fn examine_all(disk: &Arc<dyn Disk>, resume_below: u64) -> Result<Examined, Error> {
    let mut examined = Examined::default();
    let listed = list_all(disk.as_ref())?;
    let last = listed.last().map(|listed| listed.name.number);
    for listed in listed.into_iter().filter(|listed| listed.name.form == Form::Live) {
        if listed.cut == Some(0) {
            remove(disk.as_ref(), listed.name);
            continue;
        }
        match SegmentFile::open(disk.as_ref(), listed) {
            Ok(segment) => {
                let resume_below = if Some(listed.name.number) == last { resume_below } else { 0 };
                examined.examine(disk.as_ref(), listed, &segment, resume_below)?;
            }
            Err(Error::Damaged { .. }) => {
                examined.torn.extend(set_aside(disk.as_ref(), listed.name));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(examined)
}

/// A cut's number of entries is of no use any more: the segment is not written.
fn seal_job(listed: Listed) -> SealJob {
    let cut = listed.cut.map(|offset| Position { offset, entries: u64::MAX });
    SealJob { number: listed.name.number, cut }
}

/// Opens a segment to go on with it. What is in it was perhaps never synced: that comes first,
/// and if it fails the segment is sealed instead, which copies it.
fn resume(disk: &dyn Disk, name: SegmentName, end: Position) -> Option<Resume> {
    let file = disk.reopen(&name.to_string()).ok()?;
    file.sync().ok()?;
    Some(Resume { number: name.number, file, end })
}

/// A segment that was written again as a whole.
fn remove(disk: &dyn Disk, live: SegmentName) {
    if let Err(error) = disk.remove(&live.to_string()) {
        tracing::warn!(%error, "cannot remove {live}; it does no harm");
    }
}

/// A segment without a readable header: nothing in it was ever synced, or the disk has lost it.
fn set_aside(disk: &dyn Disk, live: SegmentName) -> Option<Torn> {
    let name = live.to_string();
    let bytes = disk.open(&name).and_then(|file| file.len()).unwrap_or_default();
    let done = if bytes == 0 {
        disk.remove(&name)
    } else {
        disk.rename(&name, &format!("{name}.damaged"))
    };
    if let Err(error) = done {
        tracing::warn!(%error, "cannot set {name} aside");
    }
    (bytes > 0).then(|| Torn { segment: live.number, bytes, ..Torn::default() })
}

impl Examined {
    fn examine(
        &mut self,
        disk: &dyn Disk,
        listed: Listed,
        segment: &SegmentFile,
        resume_below: u64,
    ) -> Result<(), Error> {
        let scan = segment.scan()?;
        let torn = self.look(segment, &scan)?;
        let whole = torn.is_none() && listed.cut.is_none();
        let room = scan.end.offset < resume_below && scan.end.entries > 0;
        self.torn.extend(torn);
        if whole && room {
            self.resume = resume(disk, listed.name, scan.end);
        }
        if self.resume.is_none() {
            self.seals.push(seal_job(listed));
        }
        Ok(())
    }

    /// Checks every block of a segment; what of it is torn.
    fn look(&mut self, segment: &SegmentFile, scan: &Scan) -> Result<Option<Torn>, Error> {
        let number = segment.name().number;
        let mut torn = Torn { segment: number, ..Torn::default() };
        for block in &scan.blocks {
            match segment.read_frame(block) {
                Ok(_) => {}
                Err(Error::Damaged { .. }) => {
                    self.damaged.entry(number).or_default().insert(block.start.offset);
                    torn.bytes += block.end().offset - block.start.offset;
                    torn.add(&block.header);
                }
                Err(error) => return Err(error),
            }
        }
        if let Some(Tail { bytes, header }) = &scan.tail {
            torn.bytes += bytes;
            if let Some(header) = header {
                torn.add(header);
            }
        }
        Ok((torn.bytes > 0).then_some(torn))
    }
}

impl Torn {
    fn add(&mut self, header: &BlockHeader) {
        self.records += header.records();
        self.runs.extend(header.runs.iter().map(|span| span.run));
        for span in &header.runs {
            let (first, last) = self.received.unwrap_or((span.first, span.last));
            self.received = Some((first.min(span.first), last.max(span.last)));
        }
    }

    /// Finds out whose records they were.
    pub(super) fn name_hosts(&mut self, catalogue: &Catalogue) {
        let mut hosts = BTreeSet::new();
        for run in &self.runs {
            if let Ok(Some(stored)) = catalogue.run(*run) {
                hosts.insert(stored.host_label());
            }
            if hosts.len() == HOSTS_MAX {
                break;
            }
        }
        self.hosts = hosts.into_iter().collect();
    }
}

const HOSTS_MAX: usize = 16;

impl fmt::Display for Torn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Torn { segment, bytes, records, received, hosts, .. } = self;
        write!(f, "segment {segment} ends torn: {bytes} bytes that were not synced are lost")?;
        if let Some((first, last)) = received {
            let (first, last) = (first.0 / 1_000_000, last.0 / 1_000_000);
            write!(f, ", with {records} records received from {first} to {last} (Unix time)")?;
        }
        for (at, host) in hosts.iter().enumerate() {
            let lead = if at == 0 { " of " } else { ", " };
            write!(f, "{lead}{}", host.escape_ascii())?;
        }
        Ok(())
    }
}
