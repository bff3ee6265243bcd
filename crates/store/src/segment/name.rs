//! Names of segments, and what a directory holds.

use std::fmt;

use super::SegmentFile;
use crate::disk::Disk;
use crate::error::Error;

/// Whether a segment still grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Form {
    /// Being written, or not sealed yet.
    Live,
    /// Never changed again.
    Sealed,
}

/// The name of a segment's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentName {
    /// Its number, from a counter.
    pub number: u64,
    /// Whether it still grows.
    pub form: Form,
}

impl SegmentName {
    /// The name of the live file of segment `number`.
    pub fn live(number: u64) -> SegmentName {
        SegmentName { number, form: Form::Live }
    }

    /// The name of the sealed file of segment `number`.
    pub fn sealed(number: u64) -> SegmentName {
        SegmentName { number, form: Form::Sealed }
    }

    /// Reads a file name; `None` for one that no segment has.
    pub fn parse(name: &str) -> Option<SegmentName> {
        let stem = name.strip_suffix(".zst")?;
        let (digits, form) = match stem.strip_suffix(".live") {
            Some(digits) => (digits, Form::Live),
            None => (stem, Form::Sealed),
        };
        let parsed = SegmentName { number: digits.parse().ok()?, form };
        // One name per segment: no `+7`, no missing or surplus zeros.
        (parsed.to_string() == name).then_some(parsed)
    }
}

impl fmt::Display for SegmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let suffix = if self.form == Form::Live { ".live" } else { "" };
        write!(f, "{:08}{suffix}.zst", self.number)
    }
}

/// A segment that a directory holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The file that counts.
    pub name: SegmentName,
    /// Blocks that begin at or behind this offset stand in a later segment.
    pub cut: Option<u64>,
}

/// The segments of a directory in order: one entry each, the sealed form where both exist, and
/// what later segments replaced of a live one. One that was replaced as a whole is not among them.
pub fn list(disk: &dyn Disk) -> Result<Vec<Listed>, Error> {
    let mut listed = list_all(disk)?;
    listed.retain(|listed| listed.cut != Some(0));
    Ok(listed)
}

/// The same with those that were replaced as a whole.
pub(crate) fn list_all(disk: &dyn Disk) -> Result<Vec<Listed>, Error> {
    let names = disk.list().map_err(|e| Error::io("list", "the segments", e))?;
    let mut names: Vec<_> = names.iter().filter_map(|name| SegmentName::parse(name)).collect();
    // Of one number the sealed form is the greater one, and comes first this way.
    names.sort_unstable_by(|a, b| b.cmp(a));
    names.dedup_by_key(|name| name.number);
    names.reverse();
    let mut listed: Vec<_> = names.into_iter().map(|name| Listed { name, cut: None }).collect();
    apply_replaced(disk, &mut listed);
    Ok(listed)
}

/// Only a segment behind a live one can replace a part of it; there are few of those.
fn apply_replaced(disk: &dyn Disk, listed: &mut [Listed]) {
    let Some(first) = listed.iter().position(|l| l.name.form == Form::Live) else { return };
    for later in first + 1..listed.len() {
        // A file that cannot be read replaces nothing; whoever opens it gets the error.
        let Ok(segment) = SegmentFile::open(disk, listed[later]) else { continue };
        for replaced in &segment.header().replaced {
            let number = replaced.segment;
            for earlier in &mut listed[first..later] {
                if earlier.name == SegmentName::live(number) {
                    let from = replaced.from;
                    earlier.cut = Some(earlier.cut.map_or(from, |cut| cut.min(from)));
                }
            }
        }
    }
}
