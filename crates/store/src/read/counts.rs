//! Boots and hosts in numbers, which agree with the items that are given out.

use std::cmp::Reverse;
use std::collections::hash_map::Entry as Place;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;

use bedside_stream::RunId;
use foldhash::fast::RandomState;

use super::merge::{Direction, Source};
use super::order::{Ordered, Raw};
use super::plan::Group;
use super::{BootCounts, BootSummary, HostSummary, Losses, Window};
use crate::entry::{Entry, StoredRecord};
use crate::error::Error;

/// Counts what boots give out, by the groups of each. They are gone through side by side, so
/// that a block which holds parts of many of them is read once.
pub(super) fn count(source: Source<'_>, boots: Vec<Vec<Group>>) -> Result<Vec<BootCounts>, Error> {
    let mut counts = vec![BootCounts::default(); boots.len()];
    let mut groups = Vec::new();
    let mut due = BinaryHeap::new();
    for (boot, of_boot) in boots.into_iter().enumerate() {
        for group in of_boot {
            let group = Ordered::new(source, group, Window::default(), Direction::Forward)?;
            due.push(Reverse((group.upcoming(), groups.len())));
            groups.push((boot, group));
        }
    }
    while let Some(Reverse((upcoming, index))) = due.pop() {
        let (boot, group) = &mut groups[index];
        while group.upcoming() == upcoming {
            let Some(raw) = group.next()? else { break };
            counts[*boot].raw(&raw);
        }
        if group.upcoming() != upcoming {
            due.push(Reverse((group.upcoming(), index)));
        }
    }
    Ok(counts)
}

impl BootCounts {
    fn raw(&mut self, raw: &Raw) {
        match raw {
            Raw::Hole(_, gap) => self.losses.add(gap.cause, gap.count),
            Raw::Record(line) | Raw::Gap(line) => match Entry::decode(line.text()) {
                Some(Entry::Record(record)) => self.record(&record),
                Some(Entry::Gap(gap)) => self.losses.add(gap.cause, gap.count),
                _ => {}
            },
        }
    }

    fn record(&mut self, record: &StoredRecord<'_>) {
        self.records += 1;
        if !self.formats.contains(&record.format) {
            self.formats.push(record.format);
        }
    }
}

/// The hosts of `boots`, in the making.
#[derive(Debug)]
pub(super) struct Hosts {
    all: Vec<HostSummary>,
    /// The runs of each.
    runs: Vec<Vec<RunId>>,
    of_run: HashMap<RunId, usize, RandomState>,
}

impl Hosts {
    pub(super) fn new(boots: &[(BootSummary, BootCounts)]) -> Hosts {
        let mut hosts = Hosts { all: Vec::new(), runs: Vec::new(), of_run: HashMap::default() };
        let mut places: HashMap<Arc<str>, usize> = HashMap::new();
        for (boot, counts) in boots {
            let place = match places.entry(Arc::clone(&boot.host)) {
                Place::Occupied(place) => *place.get(),
                Place::Vacant(place) => {
                    hosts.all.push(HostSummary::of(boot));
                    hosts.runs.push(Vec::new());
                    *place.insert(hosts.all.len() - 1)
                }
            };
            hosts.all[place].boot(boot, counts);
            hosts.runs[place].extend(&boot.runs);
            hosts.of_run.extend(boot.runs.iter().map(|&run| (run, place)));
        }
        hosts
    }

    /// By name.
    pub(super) fn finish(mut self) -> Vec<HostSummary> {
        self.all.sort_by(|a, b| a.host.cmp(&b.host));
        self.all
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn runs(&self, place: usize) -> &[RunId] {
        &self.runs[place]
    }

    /// Which host a run is of.
    pub(super) fn place(&self, run: RunId) -> Option<usize> {
        self.of_run.get(&run).copied()
    }

    pub(super) fn of_run(&mut self, run: RunId) -> Option<&mut HostSummary> {
        self.place(run).map(|place| &mut self.all[place])
    }

    pub(super) fn lacks_line(&self, place: usize) -> bool {
        self.all[place].last_line.is_none()
    }

    pub(super) fn said_last(&mut self, place: usize, text: Vec<u8>) {
        self.all[place].last_line.get_or_insert(text);
    }
}

impl HostSummary {
    fn of(boot: &BootSummary) -> HostSummary {
        HostSummary {
            host: Arc::clone(&boot.host),
            addresses: Vec::new(),
            boots: 0,
            first_received: boot.first_received,
            last_received: boot.last_received,
            records: 0,
            losses: Losses::default(),
            last_minute: 0,
            last_hour: 0,
            last_line: None,
        }
    }

    fn boot(&mut self, boot: &BootSummary, counts: &BootCounts) {
        self.boots += 1;
        self.first_received = self.first_received.min(boot.first_received);
        self.last_received = self.last_received.max(boot.last_received);
        self.records += counts.records;
        self.losses.merge(&counts.losses);
        self.addresses.extend(boot.addresses());
        self.addresses.sort_unstable();
        self.addresses.dedup();
    }
}
