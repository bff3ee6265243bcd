//! What goes when there is too much: whole sealed segments.

use std::collections::{BTreeMap, BTreeSet};

use bedside_stream::WallTime;

use crate::catalogue::Catalogue;
use crate::disk::Disk;
use crate::error::Error;
use crate::segment::{Form, SegmentFile, SegmentName, list};

use super::options::Retention;

/// A sealed segment, as far as retention cares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stock {
    pub(crate) number: u64,
    pub(crate) bytes: u64,
    /// The last receive time in it, where that can be read.
    pub(crate) last: Option<WallTime>,
    /// Who fills it, once that was asked for.
    pub(crate) filled: Option<Filled>,
}

/// The records of a segment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filled {
    pub(crate) records: u64,
    /// Host labels and their records; of hosts with less than a sixty-fourth of all, nothing.
    pub(crate) hosts: Vec<(Vec<u8>, u64)>,
}

/// The sealed segments. They never change, so each is looked at once.
#[derive(Debug, Default)]
pub(crate) struct Inventory {
    sealed: BTreeMap<u64, Stock>,
    /// Deleted, and the catalogue was not told yet.
    untold: BTreeSet<u64>,
}

impl Inventory {
    /// Deletes the segments that retention does not keep, and how many those were.
    pub(crate) fn prune(
        &mut self,
        disk: &dyn Disk,
        catalogue: &mut Catalogue,
        retention: &Retention,
        now: WallTime,
    ) -> Result<u64, Error> {
        self.tell(catalogue)?;
        let live = self.look(disk)?;
        let bytes = live + self.sealed.values().map(|stock| stock.bytes).sum::<u64>();
        let fits = retention.max_bytes == 0 || bytes <= retention.max_bytes;
        if fits && retention.max_age.is_none() {
            return Ok(0);
        }
        if !fits {
            self.ask_who_fills(catalogue);
        }
        let stock: Vec<&Stock> = self.sealed.values().collect();
        let gone = plan(&stock, live, retention, now);
        for number in &gone {
            let name = SegmentName::sealed(*number).to_string();
            disk.remove(&name).map_err(|e| Error::io("remove", name, e))?;
            self.untold.insert(*number);
            tracing::info!("segment {number} is deleted by retention");
        }
        self.tell(catalogue)?;
        Ok(gone.len() as u64)
    }

    /// Tells the catalogue what was deleted; what it can't be told now is the next time.
    fn tell(&mut self, catalogue: &mut Catalogue) -> Result<(), Error> {
        if !self.untold.is_empty() {
            catalogue.forget_deleted(&self.untold)?;
            self.untold.clear();
        }
        Ok(())
    }

    /// Takes in what was sealed since the last look, lets go of what is gone, and answers how
    /// many bytes are in segments that are not sealed.
    fn look(&mut self, disk: &dyn Disk) -> Result<u64, Error> {
        let (mut live, mut sealed) = (0, BTreeMap::new());
        for listed in list(disk)? {
            let number = listed.name.number;
            if let Some(stock) = self.sealed.remove(&number) {
                sealed.insert(number, stock);
                continue;
            }
            let opened = SegmentFile::open(disk, listed);
            let name = opened.as_ref().map_or(listed.name, SegmentFile::name);
            let bytes = match &opened {
                Ok(segment) => segment.bytes()?,
                Err(_) => length(disk, name),
            };
            match name.form {
                Form::Live => live += bytes,
                Form::Sealed => {
                    let last = opened.and_then(|segment| last_received(&segment)).ok();
                    sealed.insert(number, Stock { number, bytes, last, filled: None });
                }
            }
        }
        self.sealed = sealed;
        Ok(live)
    }

    /// Without the catalogue's word on who fills what, the oldest go first.
    fn ask_who_fills(&mut self, catalogue: &Catalogue) {
        for stock in self.sealed.values_mut().filter(|stock| stock.filled.is_none()) {
            let hosts = catalogue.records_by_host(stock.number).unwrap_or_default();
            let records = hosts.iter().map(|(_, records)| records).sum();
            let many = hosts.into_iter().filter(|(_, of_it)| of_it.saturating_mul(64) >= records);
            stock.filled = (records > 0).then(|| Filled { records, hosts: many.collect() });
        }
    }
}

/// The last receive time of a segment's records and gaps.
fn last_received(segment: &SegmentFile) -> Result<WallTime, Error> {
    let blocks = segment.index()?.blocks;
    Ok(blocks.iter().map(|block| block.header.last).max().unwrap_or_default())
}

/// The bytes of a file of which nothing else is known.
fn length(disk: &dyn Disk, name: SegmentName) -> u64 {
    disk.open(&name.to_string()).and_then(|file| file.len()).unwrap_or(0)
}

/// Which of `stock`, in order of number, must go. `live` bytes are in segments that can't.
pub(crate) fn plan(
    stock: &[&Stock],
    live: u64,
    retention: &Retention,
    now: WallTime,
) -> BTreeSet<u64> {
    let age = retention.max_age.map(|age| u64::try_from(age.as_micros()).unwrap_or(u64::MAX));
    let is_old = |segment: &&Stock| {
        age.zip(segment.last).is_some_and(|(age, last)| last.0.saturating_add(age) < now.0)
    };
    // One that can't be read is older than the next one.
    let newest_old = stock.iter().rposition(is_old);
    let all = stock.iter().copied().enumerate();
    let old = all.filter(|(at, it)| is_old(it) || it.last.is_none() && newest_old > Some(*at));
    let mut gone: BTreeSet<u64> = old.map(|(_, segment)| segment.number).collect();
    if retention.max_bytes == 0 {
        return gone;
    }
    loop {
        let left: Vec<&Stock> =
            stock.iter().copied().filter(|s| !gone.contains(&s.number)).collect();
        let bytes = left.iter().map(|segment| segment.bytes).sum::<u64>() + live;
        if bytes <= retention.max_bytes {
            return gone;
        }
        let Some(victim) = noisy(&left, retention).or(left.first().copied()) else { return gone };
        gone.insert(victim.number);
    }
}

/// The oldest segment that is filled by a host which has more than its share.
fn noisy<'a>(left: &[&'a Stock], retention: &Retention) -> Option<&'a Stock> {
    let mut shares = BTreeMap::<&[u8], f64>::new();
    for segment in left {
        let Some(filled) = &segment.filled else { continue };
        for (label, records) in &filled.hosts {
            let share = *records as f64 / filled.records.max(1) as f64;
            *shares.entry(label).or_default() += share * segment.bytes as f64;
        }
    }
    let bound = retention.max_host_share * retention.max_bytes as f64;
    let (label, bytes) = shares.into_iter().max_by(|a, b| a.1.total_cmp(&b.1))?;
    let fills = |segment: &&&Stock| {
        let filled = segment.filled.iter();
        let mut hosts = filled.flat_map(|f| f.hosts.iter().map(|host| (host, f.records)));
        hosts.any(|((other, of_it), records)| other == label && 2 * of_it > records)
    };
    left.iter().find(|segment| bytes > bound && fills(segment)).copied()
}

#[cfg(test)]
mod tests;
