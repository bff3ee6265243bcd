//! Syncs in groups: one at a time, and what is asked for meanwhile joins the next.

use std::io;
use std::sync::Arc;

use bedside_stream::Monotonic;

use crate::catalogue::Place;
use crate::disk::{Disk, DiskFile};
use crate::segment::Position;

use super::super::health::Counters;
use super::super::seal::SealJob;
use super::{Engine, Now};

/// A sync to be carried out, on whatever thread.
#[derive(Debug)]
pub(crate) struct Ticket {
    epoch: u64,
    files: Vec<(u64, Arc<dyn DiskFile>, Position)>,
    dir: Option<Arc<dyn Disk>>,
}

impl Ticket {
    /// Carries it out; blocks as long as the disk does.
    pub(crate) fn run(&self) -> io::Result<()> {
        for (_, file, _) in &self.files {
            file.sync()?;
        }
        self.dir.as_ref().map_or(Ok(()), |disk| disk.sync_dir())
    }
}

impl Engine {
    /// Asks for a sync: soon, or at once while it is urgent.
    pub(super) fn want_sync(&mut self, now: Monotonic) {
        let more = self.unsynced.bytes().saturating_sub(self.in_flight.unwrap_or(0));
        let crowded = more >= self.limits.unsynced_bytes / 32;
        let at_once = crowded || now < self.urgent_until;
        let wait = if at_once { 0 } else { self.limits.sync_after };
        let due = Monotonic(now.0 + wait);
        self.sync_due = Some(self.sync_due.map_or(due, |earlier| earlier.min(due)));
    }

    /// The sync that is due, unless one is under way.
    pub(crate) fn next_sync(&mut self, now: Monotonic) -> Option<Ticket> {
        if self.in_flight.is_some() || self.sync_due.is_none_or(|due| due > now) {
            return None;
        }
        self.begin_sync()
    }

    /// A sync of all that is not synced, due or not.
    pub(crate) fn begin_sync(&mut self) -> Option<Ticket> {
        self.sync_due = None;
        if self.in_flight.is_some() || self.files.is_empty() {
            return None;
        }
        self.in_flight = Some(self.unsynced.bytes());
        let dirty = self.files.iter().filter(|live| !live.is_synced());
        let files = dirty.map(|live| (live.number, Arc::clone(&live.file), live.end)).collect();
        let dir = std::mem::take(&mut self.dir_changed).then(|| Arc::clone(&self.disk));
        Some(Ticket { epoch: self.epoch, files, dir })
    }

    /// Takes the result of a sync.
    pub(crate) fn sync_done(&mut self, now: Now, ticket: &Ticket, result: io::Result<()>) {
        self.in_flight = None;
        if ticket.epoch != self.epoch {
            return;
        }
        match result {
            Ok(()) => self.synced(ticket),
            Err(error) => self.poison(now, "sync", &error),
        }
    }

    /// Whether the files of a ticket are still being written.
    #[cfg(test)]
    pub(crate) fn is_current(&self, ticket: &Ticket) -> bool {
        ticket.epoch == self.epoch
    }

    fn synced(&mut self, ticket: &Ticket) {
        Counters::add(&self.shared.counters.syncs, 1);
        self.shared.disk_works();
        for (number, _, position) in &ticket.files {
            if let Some(live) = self.files.iter_mut().find(|live| live.number == *number) {
                live.synced = *position;
            }
        }
        // The header that tells of them is durable now.
        self.replaced.clear();
        self.settle();
        self.retire();
    }

    /// Lets go of what is durable.
    fn settle(&mut self) {
        for live in &self.files {
            let (settled, spares) = (&mut self.outcome.settled, &mut self.spares);
            self.unsynced.settle(live.number, live.synced, settled, spares);
            if !live.is_synced() {
                break;
            }
        }
        let synced = self.files.iter().rev().find(|live| live.synced.entries > 0);
        if let Some(live) = synced {
            let (segment, entries) = (live.number, live.synced.entries);
            self.outcome.synced = Some(Place { segment, entries });
        }
    }

    /// Hands over the segments that are complete and durable.
    fn retire(&mut self) {
        while self.files.len() > 1 && self.files.first().is_some_and(super::LiveFile::is_synced) {
            let live = self.files.remove(0);
            self.outcome.seals.push(SealJob { number: live.number, cut: None });
        }
    }
}
