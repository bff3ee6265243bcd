//! Which boots are shown.

use std::cell::OnceCell;
use std::collections::HashMap;

use bedside_store::read::{BootSummary, Reader, Window};
use bedside_stream::WallTime;

use crate::cli::BootChoice;
use crate::fate::nexts;
use crate::reading::Hosts;

/// A boot that is shown.
#[derive(Debug)]
pub(super) struct Chosen<'a> {
    /// The boot.
    pub(super) boot: &'a BootSummary,
    /// The one before it of the same machine, shown or not.
    pub(super) before: Option<&'a BootSummary>,
    /// When the one after it was heard first.
    pub(super) next: Option<WallTime>,
    records: OnceCell<u64>,
}

impl Chosen<'_> {
    /// How many records the store holds of it; none if they can't be counted. Reads the boot,
    /// once.
    pub(super) fn records(&self, reader: &Reader) -> Option<u64> {
        if self.records.get().is_none() {
            self.records.set(reader.counts(self.boot).ok()?.records).ok()?;
        }
        self.records.get().copied()
    }
}

/// The boots of these machines that are the chosen one and overlap the window, by first receipt.
pub(super) fn boots<'a>(
    all: &'a [BootSummary],
    hosts: &Hosts,
    choice: Option<BootChoice>,
    window: Window,
) -> Vec<Chosen<'a>> {
    let mut of_host: HashMap<&str, Vec<&'a BootSummary>> = HashMap::new();
    let mut chosen = Vec::new();
    let meant = || all.iter().filter(|boot| hosts.contain_boot(boot));
    for (boot, next) in meant().zip(nexts(meant())) {
        let earlier = of_host.entry(&boot.host).or_default();
        let before = earlier.last().copied();
        chosen.push(Chosen { boot, before, next, records: OnceCell::new() });
        earlier.push(boot);
    }
    chosen.retain(|one| match choice {
        None => true,
        Some(BootChoice::Number(number)) => u64::from(one.boot.number) == number,
        Some(BootChoice::Back(back)) => {
            let boots = of_host.get(&*one.boot.host).map_or(&[][..], Vec::as_slice);
            let wanted = usize::try_from(back).ok().and_then(|back| boots.iter().nth_back(back));
            wanted.is_some_and(|wanted| wanted.number == one.boot.number)
        }
    });
    chosen.retain(|one| overlaps(one.boot, window));
    chosen
}

fn overlaps(boot: &BootSummary, window: Window) -> bool {
    window.until.is_none_or(|until| boot.first_received <= until)
        && window.since.is_none_or(|since| boot.last_received >= since)
}
