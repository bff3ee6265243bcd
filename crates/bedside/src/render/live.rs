//! What comes in, shown as it comes: by `log -f`, and by `serve` on a terminal.

use std::io::{self, Write};
use std::sync::Arc;

use bedside_store::follow::{BootChange, FollowItem};
use bedside_store::read::BootSummary;

use super::recent::Recent;
use super::{BootEvent, BootMark, Look, Render, Shown, renderer};
use crate::cli::Output;
use crate::time;

/// Shows records, gaps and boots by arrival.
pub struct Live {
    render: Box<dyn Render>,
    /// The last boot known of each machine, to say how long after it the next one began. Of a
    /// machine that was forgotten the heading says less.
    last_boots: Recent<Arc<str>, BootSummary>,
}

impl Live {
    /// One that knows of no boots yet.
    pub fn new(output: Output, look: Look) -> Live {
        Live { render: renderer(output, look), last_boots: Recent::new(HOSTS) }
    }

    /// Tells it of a boot that began earlier.
    pub fn knows(&mut self, boot: &BootSummary) {
        self.last_boots.insert(Arc::clone(&boot.host), boot.clone());
    }

    /// Shows what came in. `records` is how many are held of the boot that the item is about,
    /// where that is known.
    pub fn show(
        &mut self,
        item: &FollowItem,
        records: Option<u64>,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        match item {
            FollowItem::Record(record) => {
                if let Some(boot) = self.last_boots.get_mut(&record.host) {
                    boot.last_received = boot.last_received.max(record.received);
                }
                self.render.show(Shown::Record(record), out)
            }
            FollowItem::Gap(gap) => self.render.show(Shown::Gap(gap), out),
            FollowItem::Boot(change, boot) => self.boot(*change, boot, records, out),
        }
    }

    /// Writes what is held back; to be called when nothing more is there for now.
    pub fn settle(&mut self, out: &mut dyn Write) -> io::Result<()> {
        self.render.settle(out)?;
        out.flush()
    }

    fn boot(
        &mut self,
        change: BootChange,
        boot: &BootSummary,
        records: Option<u64>,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let event = match change {
            BootChange::Began => BootEvent::Begin,
            BootChange::Ended(end) => BootEvent::End(end),
            BootChange::Joined { from } => BootEvent::Joined(from),
            BootChange::Named => BootEvent::Named,
        };
        let last = self.last_boots.get_mut(&boot.host);
        let before = last.filter(|last| last.number < boot.number).map(|last| &*last);
        let (fate, delivery, now) = (None, None, time::now());
        let mark = BootMark { event, boot, records, before, fate, delivery, now };
        self.render.show(Shown::Boot(&mark), out)?;
        self.knows(boot);
        Ok(())
    }
}

impl std::fmt::Debug for Live {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Live").finish_non_exhaustive()
    }
}

/// Of how many machines at least the last boot is kept in mind.
const HOSTS: usize = 10_000;
