//! Beginning segments: the first, the next, and the one after a failure.

use std::io;

use bedside_stream::Monotonic;

use crate::disk::DiskFile;
use crate::segment::{Position, Replaced, SegmentHeader, SegmentName};

use super::super::health::Counters;
use super::super::seal::SealJob;
use super::{Engine, LiveFile, Now, start};

impl Engine {
    /// Goes on with a segment of an earlier life, which ends at `end` and is synced so far.
    pub(crate) fn resume(
        &mut self,
        now: Now,
        number: u64,
        file: std::sync::Arc<dyn DiskFile>,
        end: Position,
    ) {
        self.files.push(LiveFile { number, file, end, synced: end, since: now.mono });
    }

    /// Nothing is known of what these files hold behind their last sync, so it is written again
    /// elsewhere, and they are not touched any more.
    pub(super) fn poison(&mut self, now: Now, operation: &'static str, error: &io::Error) {
        Counters::add(&self.shared.counters.failures, 1);
        let name = self.files.last().map(|live| SegmentName::live(live.number).to_string());
        let name = name.unwrap_or_else(|| "a new segment".to_owned());
        self.shared.disk_failed(now.wall, &format!("cannot {operation} {name}: {error}"));
        self.epoch += 1;
        self.sync_due = None;
        for live in std::mem::take(&mut self.files) {
            self.abandon(&live);
        }
        for block in self.unsynced.blocks_mut() {
            block.at = None;
        }
        // At once, but never faster than this however often it fails.
        if now.mono >= self.retry_at {
            self.reopen(now);
        }
    }

    fn abandon(&mut self, live: &LiveFile) {
        let segment = live.number;
        if live.synced.entries == 0 {
            self.discard(segment);
        } else {
            let from = live.synced.offset;
            self.replaced.push(Replaced { segment, from });
            self.outcome.seals.push(SealJob { number: segment, cut: Some(live.synced) });
        }
    }

    /// Removes a segment of which nothing counts; if that can't be done for good, so that it
    /// would not come back after a power loss, the next says so.
    fn discard(&mut self, segment: u64) {
        let removed = self.disk.remove(&SegmentName::live(segment).to_string());
        match removed.and_then(|()| self.disk.sync_dir()) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(_) => self.replaced.push(Replaced { segment, from: 0 }),
        }
        // Each of these took a file that could be made but not removed. So many never pile up
        // on a disk that works at all.
        let surplus = self.replaced.len().saturating_sub(REPLACED_MAX);
        self.replaced.drain(..surplus);
    }

    /// Begins a segment and writes into it, first of all, what was not synced yet.
    pub(super) fn reopen(&mut self, now: Now) {
        let number = self.next_segment;
        self.retry_at = Monotonic(now.mono.0 + self.limits.retry_after);
        let result = self.begin(now, number).and_then(|mut live| {
            self.write_again(&mut live)?;
            Ok(live)
        });
        match result {
            Ok(live) => {
                self.files.push(live);
                self.sync_due = Some(now.mono);
                self.shared.nudge.written(self.unsynced.is_empty());
                self.tell_shortfall(now);
            }
            Err(error) => {
                self.give_up();
                for block in self.unsynced.blocks_mut() {
                    block.at = None;
                }
                self.discard(number);
                let name = SegmentName::live(number);
                self.shared.disk_failed(now.wall, &format!("cannot write {name}: {error}"));
            }
        }
    }

    /// Begins the next segment. When that can't be done this one just grows on.
    pub(super) fn rotate(&mut self, now: Now) {
        if now.mono < self.rotate_at {
            return;
        }
        let number = self.next_segment;
        match self.begin(now, number) {
            Ok(live) => self.files.push(live),
            Err(error) => {
                self.discard(number);
                self.rotate_at = Monotonic(now.mono.0 + self.limits.retry_after);
                tracing::warn!(%error, "cannot begin a new segment; going on with the old one");
            }
        }
        self.want_sync(now.mono);
    }

    /// Makes the file of a segment, with its header in it.
    fn begin(&mut self, now: Now, number: u64) -> io::Result<LiveFile> {
        // Used up even if this fails: a number never means two things.
        self.next_segment += 1;
        let file = self.disk.create(&SegmentName::live(number).to_string())?;
        self.dir_changed = true;
        let replaced = self.replaced.clone();
        let header = SegmentHeader { number, created: now.wall, sealed: false, replaced };
        let mut bytes = Vec::new();
        header.emit(&mut bytes);
        file.append(&bytes)?;
        let end = start(bytes.len());
        let synced = Position { offset: 0, entries: 0 };
        Ok(LiveFile { number, file, end, synced, since: now.mono })
    }

    fn write_again(&mut self, live: &mut LiveFile) -> io::Result<()> {
        let (text, header) = (self.text.end(&mut self.spares), &mut self.header);
        self.lines.introduce_all(live.number, self.unsynced.runs(), text, header);
        let (header, block) = self.finish()?;
        live.append(&block, &header)?;
        for block in self.unsynced.blocks_mut() {
            live.append(&block.block, &block.header)?;
            block.at = Some((live.number, live.end));
        }
        Ok(())
    }

    /// Says what was lost while nothing could be written.
    fn tell_shortfall(&mut self, now: Now) {
        let Some(live) = self.files.last() else { return };
        if self.shortfall.is_empty() {
            return;
        }
        let (text, header) = (self.text.end(&mut self.spares), &mut self.header);
        self.lines.introduce_all(live.number, self.shortfall.runs(), text, header);
        self.shortfall.tell(text, header);
        self.flush(now);
    }
}

/// So many replaced tails a segment's header tells of.
const REPLACED_MAX: usize = 1024;
