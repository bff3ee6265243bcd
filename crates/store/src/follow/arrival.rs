//! Lines by arrival: from block to block, from segment to segment, each once.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::disk::Disk;
use crate::read::Error;
use crate::read::view::View;
use crate::segment::{BlockRef, Form, Listed, Position, SegmentFile, Unpacker, list, stretch};

/// Where a follower stands.
#[derive(Debug)]
pub(super) struct Arrival {
    view: Arc<View>,
    /// A segment may have come that is not known; and when that was looked up last.
    unsure: bool,
    looked: Instant,
    /// The last segment that was begun; 0: none.
    number: u64,
    current: Option<Current>,
    /// So many lines, those of runs not counted, were given out, and lie in front.
    ///
    /// Sealing keeps the order of arrival, and a tail that is written again comes in the
    /// same order: so what was given out from a tail that then was replaced is known again.
    given: u64,
    passed: u64,
    unpacker: Unpacker,
}

/// The segment that is being read.
#[derive(Debug)]
struct Current {
    file: Arc<SegmentFile>,
    end: Position,
    blocks: VecDeque<BlockRef>,
    /// Offset of each block that was read, or of the first of some that belong together, and what was passed in front of it.
    read: Vec<(u64, u64)>,
}

/// Blocks whose lines come next, and where they are.
type Buffered = (Vec<BlockRef>, Arc<SegmentFile>);

impl Arrival {
    /// Begins behind the last entry that the view shows.
    pub(super) fn new(view: &Arc<View>) -> Result<Arrival, Error> {
        let (number, current) = view.segments().end();
        let current = current.map(|segment| Current {
            end: segment.end,
            file: Arc::clone(&segment.file),
            blocks: VecDeque::new(),
            read: Vec::new(),
        });
        Ok(Arrival { number, current, ..Arrival::behind(0, view)? })
    }

    /// Begins behind the segment of this number.
    pub(super) fn behind(number: u64, view: &Arc<View>) -> Result<Arrival, Error> {
        let path = view.dir().join("segments");
        let unpacker = Unpacker::new().map_err(|source| Error::Unreadable { path, source })?;
        Ok(Arrival {
            view: Arc::clone(view),
            unsure: true,
            looked: Instant::now(),
            number,
            current: None,
            given: 0,
            passed: 0,
            unpacker,
        })
    }

    /// A segment may have come.
    pub(super) fn look_around(&mut self) {
        self.unsure = true;
    }

    /// Gives room back that is not needed while nothing comes.
    pub(super) fn rest(&mut self) {
        self.unpacker.rest();
    }

    /// Gives the lines of the next block out; of a sealed segment, of the next that belong together.
    /// Of ordinary blocks perhaps no records; those that would be left with nothing are passed over
    /// together. The number of the segment; `None`: there is no block yet.
    pub(super) fn block(
        &mut self,
        ordinary: bool,
        mut line: impl FnMut(u64, &[u8]),
    ) -> Result<Option<u64>, crate::Error> {
        if !self.reach()? {
            return Ok(None);
        }
        if !ordinary && self.pass() {
            return Ok(Some(self.number));
        }
        let Some((blocks, file)) = self.buffered() else { return Ok(None) };
        let (number, segments) = (self.number, self.view.segments());
        let records = ordinary || !blocks.iter().all(|block| block.header.ordinary);
        let (passed, given) = (&mut self.passed, self.given);
        let skip = |block: &BlockRef, error| segments.skip(number, block.start.offset, error);
        file.by_arrival(&blocks, &mut self.unpacker, skip, |_, text| {
            let text = text.strip_suffix(b"\n").unwrap_or(text);
            let counted = text.first() != Some(&b'R');
            let wanted = records || !text.first().is_some_and(u8::is_ascii_digit);
            if wanted && (!counted || *passed >= given) {
                line(number, text);
            }
            *passed += u64::from(counted);
        })?;
        self.given = self.given.max(self.passed);
        Ok(Some(number))
    }

    /// Passes over the next blocks as long as they are ordinary and hold records only; whether
    /// there were such.
    fn pass(&mut self) -> bool {
        let Some(current) = &mut self.current else { return false };
        let mut any = false;
        let is_passed = |block: &mut BlockRef| block.header.ordinary && !block.header.notes;
        while let Some(block) = current.blocks.pop_front_if(is_passed) {
            current.read.push((block.start.offset, self.passed));
            self.passed += u64::from(block.header.entries);
            any = true;
        }
        self.given = self.given.max(self.passed);
        any
    }

    /// Goes on until there is a block to be read; `false`: there is none yet.
    fn reach(&mut self) -> Result<bool, crate::Error> {
        loop {
            if self.has_some() {
                return Ok(true);
            }
            self.scan()?;
            if self.has_some() {
                return Ok(true);
            }
            let Some(later) = self.later()? else { return Ok(false) };
            // Now that there is a later one, what this one holds is all that it ever will.
            self.scan()?;
            if self.has_some() {
                return Ok(true);
            }
            if !self.begin(later)? {
                return Ok(false);
            }
        }
    }

    fn has_some(&self) -> bool {
        self.current.as_ref().is_some_and(|current| !current.blocks.is_empty())
    }

    fn buffered(&mut self) -> Option<Buffered> {
        let current = self.current.as_mut()?;
        let first = current.blocks.front()?.start.offset;
        current.read.push((first, self.passed));
        let blocks = current.blocks.drain(..stretch(&current.blocks)).collect();
        Some((blocks, Arc::clone(&current.file)))
    }

    /// Looks what the current segment got.
    fn scan(&mut self) -> Result<(), crate::Error> {
        let Some(current) = &mut self.current else { return Ok(()) };
        if current.file.name().form == Form::Live {
            let scan = current.file.scan_outlines(Some(current.end))?;
            current.end = scan.end;
            current.blocks.extend(scan.blocks);
        }
        Ok(())
    }

    /// The next segment, and whether it is the last one so far.
    fn later(&mut self) -> Result<Option<(Listed, bool)>, crate::Error> {
        if !self.unsure && self.looked.elapsed() < LOOK_AGAIN {
            return Ok(None);
        }
        self.looked = Instant::now();
        let mut later = list(self.disk())?.into_iter().filter(|l| l.name.number > self.number);
        let first = later.next();
        // Of one that has no word in it yet, the next change may be the first.
        self.unsure = first.is_some();
        Ok(first.map(|first| (first, later.next().is_none())))
    }

    /// Goes on with a later segment. `false`: not a word of it is there yet.
    fn begin(&mut self, (listed, last): (Listed, bool)) -> Result<bool, crate::Error> {
        let number = listed.name.number;
        let opened = SegmentFile::open(self.disk(), listed).and_then(|file| {
            let scan = match file.scan_outlines(None) {
                Err(error) if file.name().form == Form::Sealed => {
                    self.view.segments().skip(number, 0, error)?;
                    file.scan_from(file.start())
                }
                scan => scan,
            };
            Ok((scan?, Arc::new(file)))
        });
        let (scan, file) = match opened {
            Ok(opened) => opened,
            Err(crate::Error::Damaged { .. }) if last && listed.name.form == Form::Live => {
                return Ok(false);
            }
            Err(error) => {
                self.view.segments().skip(number, 0, error)?;
                (self.number, self.current) = (number, None);
                return Ok(true);
            }
        };
        self.go_back(&file);
        let (end, blocks) = (scan.end, scan.blocks.into());
        (self.number, self.current) =
            (number, Some(Current { file, end, blocks, read: Vec::new() }));
        Ok(true)
    }

    /// What `file` has once more of the current segment is not passed yet.
    fn go_back(&mut self, file: &SegmentFile) {
        let Some(current) = &self.current else { return };
        let replaced = file.header().replaced.iter();
        let from = replaced.filter(|r| r.segment == self.number).map(|r| r.from).min();
        let Some(from) = from else { return };
        let first = current.read.iter().find(|(offset, _)| *offset >= from);
        if let Some((_, passed)) = first {
            self.passed = *passed;
        }
    }

    fn disk(&self) -> &dyn Disk {
        self.view.segments().disk().as_ref()
    }
}

/// Where nothing tells of changes (network file systems), they are seen this late.
pub(super) const LOOK_AGAIN: Duration = Duration::from_secs(1);
