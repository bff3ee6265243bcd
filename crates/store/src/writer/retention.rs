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
    /// The last receive time in it.
    pub(crate) last: WallTime,
    /// Records per host label.
    pub(crate) hosts: Vec<(Vec<u8>, u64)>,
}

/// Deletes the segments that retention does not keep, and how many those were.
pub(crate) fn prune(
    disk: &dyn Disk,
    catalogue: &mut Catalogue,
    retention: &Retention,
    now: WallTime,
) -> Result<u64, Error> {
    let (mut live, mut sealed) = (0, Vec::new());
    for listed in list(disk)? {
        let Ok(segment) = SegmentFile::open(disk, listed) else { continue };
        match segment.name().form {
            Form::Live => live += segment.bytes()?,
            Form::Sealed => sealed.push((segment.bytes()?, segment)),
        }
    }
    let bytes = live + sealed.iter().map(|(bytes, _)| bytes).sum::<u64>();
    let fits = retention.max_bytes == 0 || bytes <= retention.max_bytes;
    if fits && retention.max_age.is_none() {
        return Ok(0);
    }
    let gone = plan(&take_stock(catalogue, sealed), live, retention, now);
    for number in &gone {
        let name = SegmentName::sealed(*number).to_string();
        disk.remove(&name).map_err(|e| Error::io("remove", name, e))?;
        tracing::info!("segment {number} is deleted by retention");
    }
    if !gone.is_empty() {
        catalogue.forget_segments(&gone)?;
    }
    Ok(gone.len() as u64)
}

/// Looks up how old each segment is and who fills it.
fn take_stock(catalogue: &Catalogue, sealed: Vec<(u64, SegmentFile)>) -> Vec<Stock> {
    // Without the catalogue's word on who fills what, the oldest go first.
    let mut hosts = catalogue.records_by_host().unwrap_or_default();
    let stock = sealed.into_iter().map(|(bytes, segment)| {
        let number = segment.name().number;
        // One that can't be read is as old as can be.
        let last = last_received(&segment).unwrap_or_default();
        Stock { number, bytes, last, hosts: hosts.remove(&number).unwrap_or_default() }
    });
    stock.collect()
}

/// The last receive time of a segment's records and gaps.
fn last_received(segment: &SegmentFile) -> Result<WallTime, Error> {
    let blocks = segment.index()?.blocks;
    Ok(blocks.iter().map(|block| block.header.last).max().unwrap_or_default())
}

/// Which of `stock`, in order of number, must go. `live` bytes are in segments that can't.
pub(crate) fn plan(
    stock: &[Stock],
    live: u64,
    retention: &Retention,
    now: WallTime,
) -> BTreeSet<u64> {
    let too_old = |segment: &&Stock| {
        retention.max_age.is_some_and(|age| {
            let age = u64::try_from(age.as_micros()).unwrap_or(u64::MAX);
            segment.last.0.saturating_add(age) < now.0
        })
    };
    let mut gone: BTreeSet<u64> = stock.iter().filter(too_old).map(|s| s.number).collect();
    if retention.max_bytes == 0 {
        return gone;
    }
    loop {
        let left: Vec<&Stock> = stock.iter().filter(|s| !gone.contains(&s.number)).collect();
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
        for (label, records) in &segment.hosts {
            let share = *records as f64 / segment.records().max(1) as f64;
            *shares.entry(label).or_default() += share * segment.bytes as f64;
        }
    }
    let bound = retention.max_host_share * retention.max_bytes as f64;
    let (label, bytes) = shares.into_iter().max_by(|a, b| a.1.total_cmp(&b.1))?;
    let fills = |segment: &&&Stock| {
        let mut hosts = segment.hosts.iter();
        hosts.any(|(other, records)| other == label && 2 * records > segment.records())
    };
    left.iter().find(|segment| bytes > bound && fills(segment)).copied()
}

impl Stock {
    fn records(&self) -> u64 {
        self.hosts.iter().map(|(_, records)| records).sum()
    }
}

#[cfg(test)]
mod tests;
