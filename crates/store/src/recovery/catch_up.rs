//! Bringing the catalogue to where the segments are.

use std::collections::{BTreeMap, BTreeSet};

use crate::catalogue::{Catalogue, News, Summary};
use crate::disk::Disk;
use crate::error::Error;
use crate::segment::{Form, Listed, SegmentFile};

/// Folds in what the catalogue lacks, and takes out what is gone. A segment that can't be read
/// is passed over: its rows, if it has some, stay as they are.
pub(super) fn catch_up(
    disk: &dyn Disk,
    catalogue: &mut Catalogue,
    listed: &[Listed],
    damaged: &BTreeMap<u64, BTreeSet<u64>>,
) -> Result<(), Error> {
    forget_gone(catalogue, listed)?;
    let mut applied = catalogue.applied()?;
    for listed in listed {
        let number = listed.name.number;
        let none = BTreeSet::new();
        let damaged = damaged.get(&number).unwrap_or(&none);
        let result = SegmentFile::open(disk, *listed)
            .and_then(|segment| catch_up_segment(catalogue, &segment, &mut applied, damaged));
        match result {
            Err(error @ Error::Catalogue { .. }) => return Err(error),
            Err(error) => tracing::warn!(%error, "a segment can't be read"),
            Ok(()) => {}
        }
    }
    Ok(())
}

/// Takes out the segments that are not there any more.
pub(crate) fn forget_gone(catalogue: &mut Catalogue, listed: &[Listed]) -> Result<(), Error> {
    let there: BTreeSet<u64> = listed.iter().map(|listed| listed.name.number).collect();
    let mut gone: BTreeSet<u64> = catalogue.applied()?.into_keys().collect();
    gone.retain(|number| !there.contains(number));
    if gone.is_empty() { Ok(()) } else { catalogue.forget_deleted(&gone) }
}

fn catch_up_segment(
    catalogue: &mut Catalogue,
    segment: &SegmentFile,
    applied: &mut BTreeMap<u64, u64>,
    damaged: &BTreeSet<u64>,
) -> Result<(), Error> {
    let number = segment.name().number;
    let known = applied.get(&number).copied().unwrap_or_default();
    if segment.name().form == Form::Sealed && segment.entries()? == known {
        return Ok(());
    }
    let mut scan = segment.scan()?;
    // A part of it was counted while it was live, and in another order. Or there is less than
    // the catalogue was told: only a disk that lied about a sync leaves that.
    let sorted = segment.name().form == Form::Sealed && known > 0;
    if sorted || known > scan.end.entries {
        catalogue.forget_segments(&[number].into())?;
        applied.remove(&number);
    }
    scan.blocks.retain(|block| !damaged.contains(&block.start.offset));
    let mut summary = Summary::default();
    let from = applied.get(&number).copied().unwrap_or_default();
    summary.segments.entry(number).or_default().entries = from;
    let told = catalogue.told_in(number)?;
    summary.segments.entry(number).or_default().strangers = catalogue.strangers_in(number)?;
    summary.fold_further(segment, &scan.blocks, u64::MAX, &told)?;
    if summary.applied(number) > from {
        add(catalogue, summary)?;
    }
    Ok(())
}

/// Commits what was folded; memories and the checkpoint stay as they are.
pub(crate) fn add(catalogue: &mut Catalogue, summary: Summary) -> Result<(), Error> {
    let next_run = catalogue.next_run()?.max(summary.next_run());
    let news = News { summary, next_run, memory_rows: usize::MAX >> 1, ..News::default() };
    catalogue.commit(&news).map(|_| ())
}
