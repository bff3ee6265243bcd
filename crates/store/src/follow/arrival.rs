//! Lines by arrival: from block to block, from segment to segment, each once.

use std::collections::VecDeque;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use inotify::{Inotify, WatchMask};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::disk::Disk;
use crate::read::Error;
use crate::read::view::View;
use crate::segment::{BlockRef, Form, Listed, Position, SegmentFile, Unpacker, list, stretch};

/// Where a follower stands.
#[derive(Debug)]
pub(super) struct Arrival {
    view: Arc<View>,
    inotify: Inotify,
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
        let watch = |source| Error::Watch { path: path.clone(), source };
        let inotify = Inotify::init().map_err(watch)?;
        let mask = WatchMask::CREATE | WatchMask::MODIFY | WatchMask::MOVED_TO;
        inotify.watches().add(&path, mask).map_err(watch)?;
        let view = Arc::clone(view);
        let unpacker = Unpacker::new().map_err(|source| Error::Unreadable { path, source })?;
        Ok(Arrival { view, inotify, number, current: None, given: 0, passed: 0, unpacker })
    }

    /// Waits until something may have changed, at most for `timeout`.
    pub(super) fn wait(&mut self, timeout: Duration) -> Result<(), Error> {
        let watch = |source| Error::Watch { path: self.view.dir().join("segments"), source };
        let timeout = timeout.min(LOOK_AGAIN).as_millis().max(1) as u16;
        let mut fds = [PollFd::new(self.inotify.as_fd(), PollFlags::POLLIN)];
        match poll(&mut fds, PollTimeout::from(timeout)) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(watch(error.into())),
        }
        // What happened is looked up afterwards; here it only must not wake us again.
        let mut buffer = [0; 4096];
        loop {
            match self.inotify.read_events(&mut buffer) {
                Ok(mut events) => {
                    if events.next().is_none() {
                        return Ok(());
                    }
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(watch(error)),
            }
        }
    }

    /// Gives room back that is not needed while nothing comes.
    pub(super) fn rest(&mut self) {
        self.unpacker.rest();
    }

    /// Gives the lines of the next block out; of a sealed segment, of the next that belong together.
    /// Of ordinary blocks perhaps no records. The number of the segment; `None`: there is no block yet.
    pub(super) fn block(
        &mut self,
        ordinary: bool,
        mut line: impl FnMut(u64, &[u8]),
    ) -> Result<Option<u64>, crate::Error> {
        let Some((blocks, file)) = self.next_blocks()? else { return Ok(None) };
        let number = file.name().number;
        let records = ordinary || !blocks.iter().all(|block| block.header.ordinary);
        if !records && blocks.iter().all(|block| !block.header.notes) {
            self.pass(&blocks);
            return Ok(Some(number));
        }
        let segments = self.view.segments();
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

    /// Passes over blocks that hold records only.
    fn pass(&mut self, blocks: &[BlockRef]) {
        self.passed += blocks.iter().map(|block| u64::from(block.header.entries)).sum::<u64>();
        self.given = self.given.max(self.passed);
    }

    fn next_blocks(&mut self) -> Result<Option<Buffered>, crate::Error> {
        loop {
            if let Some(blocks) = self.buffered() {
                return Ok(Some(blocks));
            }
            self.scan()?;
            if let Some(blocks) = self.buffered() {
                return Ok(Some(blocks));
            }
            let Some(later) = self.later()? else { return Ok(None) };
            // Now that there is a later one, what this one holds is all that it ever will.
            self.scan()?;
            if let Some(blocks) = self.buffered() {
                return Ok(Some(blocks));
            }
            if !self.begin(later)? {
                return Ok(None);
            }
        }
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
    fn later(&self) -> Result<Option<(Listed, bool)>, crate::Error> {
        let mut later = list(self.disk())?.into_iter().filter(|l| l.name.number > self.number);
        let first = later.next();
        Ok(first.map(|first| (first, later.next().is_none())))
    }

    /// Goes on with a later segment. `false`: not a word of it is there yet.
    fn begin(&mut self, (listed, last): (Listed, bool)) -> Result<bool, crate::Error> {
        let number = listed.name.number;
        let opened = SegmentFile::open(self.disk(), listed)
            .and_then(|file| Ok((file.scan_outlines(None)?, Arc::new(file))));
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
const LOOK_AGAIN: Duration = Duration::from_secs(1);
