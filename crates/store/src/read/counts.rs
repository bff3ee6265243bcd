//! Boots and hosts in numbers, which agree with the items that are given out.

use std::cmp::Reverse;
use std::collections::hash_map::Entry as Place;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;

use bedside_stream::{RunId, WallTime};

use super::merge::{Direction, Source};
use super::order::{Ordered, Raw};
use super::plan::Group;
use super::segments::{Segments, lines};
use super::{BootCounts, BootSummary, HostSummary, Losses, Window};
use crate::entry::{Entry, StoredRecord};
use crate::error::Error;
use crate::segment::{BlockRef, RunSpan};

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
    of_run: HashMap<RunId, usize>,
    /// Where the last minute and the last hour begin, and now.
    times: [WallTime; 3],
}

impl Hosts {
    pub(super) fn new(boots: &[(BootSummary, BootCounts)], now: WallTime) -> Hosts {
        let ago = |seconds: u64| WallTime(now.0.saturating_sub(seconds * 1_000_000));
        let times = [ago(60), ago(3600), now];
        let mut hosts = Hosts { all: Vec::new(), of_run: HashMap::new(), times };
        let mut places: HashMap<Arc<str>, usize> = HashMap::new();
        for (boot, counts) in boots {
            let place = match places.entry(Arc::clone(&boot.host)) {
                Place::Occupied(place) => *place.get(),
                Place::Vacant(place) => {
                    hosts.all.push(HostSummary::of(boot));
                    *place.insert(hosts.all.len() - 1)
                }
            };
            hosts.all[place].boot(boot, counts);
            hosts.of_run.extend(boot.runs.iter().map(|&run| (run, place)));
        }
        hosts
    }

    /// By name.
    pub(super) fn finish(mut self) -> Vec<HostSummary> {
        self.all.sort_by(|a, b| a.host.cmp(&b.host));
        self.all
    }

    /// Adds what each host said last and how much lately, as it was received: repeats count.
    pub(super) fn add_recent(&mut self, segments: &Segments) -> Result<(), Error> {
        let mut text = Vec::new();
        for number in segments.numbers().rev() {
            let Some(segment) = segments.segment(number)? else { continue };
            for block in segment.full()?.iter().rev() {
                if self.told_by_header(block) {
                    self.spans(&block.header.runs);
                } else {
                    segments.read(&segment.file, block, &mut text)?;
                    self.lines(&text);
                }
            }
        }
        Ok(())
    }

    fn told_by_header(&self, block: &BlockRef) -> bool {
        let [minute, hour, now] = self.times;
        let straddles = |span: &RunSpan, edge: WallTime| span.first < edge && edge <= span.last;
        block.header.runs.iter().all(|span| {
            let host = self.of_run.get(&span.run).map(|&host| &self.all[host]);
            let later = WallTime(now.0.saturating_add(1));
            host.is_none_or(|host| host.last_line.is_some())
                && [minute, hour, later].into_iter().all(|edge| !straddles(span, edge))
        })
    }

    fn spans(&mut self, spans: &[RunSpan]) {
        for span in spans {
            self.received(span.run, span.last, u64::from(span.records));
        }
    }

    fn received(&mut self, run: RunId, received: WallTime, records: u64) -> Option<usize> {
        let host = *self.of_run.get(&run)?;
        let [minute, hour, now] = self.times;
        if received >= minute && received <= now {
            self.all[host].last_minute += records;
        }
        if received >= hour && received <= now {
            self.all[host].last_hour += records;
        }
        Some(host)
    }

    /// The lines of a block that stands in front of all that were counted so far.
    fn lines(&mut self, text: &[u8]) {
        let mut last = HashMap::new();
        for line in lines(text) {
            let Some(Entry::Record(record)) = Entry::decode(line) else { continue };
            if let Some(host) = self.received(record.run, record.received, 1) {
                last.insert(host, record.text);
            }
        }
        for (host, text) in last {
            self.all[host].last_line.get_or_insert_with(|| crate::entry::unescape(text));
        }
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
