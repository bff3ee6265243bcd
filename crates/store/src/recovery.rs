//! Opening a store, whatever ended its last life.
//!
//! What was synced is kept, whole and in order. A torn tail is reported, as far as its headers
//! tell, and left out. Files of half-done work are removed; a file that can't be made sense of is
//! set aside under another name, never deleted.

mod catch_up;
mod examine;
mod replay;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use bedside_stream::{Memory, RunId};

use crate::catalogue::{Catalogue, Place};
use crate::disk::{Disk, DiskFile};
use crate::error::Error;
use crate::segment::{Form, Listed, Position, SegmentName, list};
use crate::writer::{Numbering, Options, RunLines, SealJob, line_of};

pub(crate) use catch_up::forget_gone;
pub use examine::Torn;
pub use replay::{Replay, Replayed};

/// What was found, and what is to be done.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) catalogue: Catalogue,
    pub(crate) next_segment: u64,
    pub(crate) resume: Option<Resume>,
    pub(crate) seals: Vec<SealJob>,
    pub(crate) torn: Vec<Torn>,
    pub(crate) next_run: RunId,
    pub(crate) memories: Vec<Memory>,
    pub(crate) replay: Replay,
    pub(crate) numbering: Numbering,
    /// The lines of runs that may go on.
    pub(crate) lines: RunLines,
}

/// A live segment that ended well and has room.
#[derive(Debug)]
pub(crate) struct Resume {
    pub(crate) number: u64,
    pub(crate) file: Arc<dyn DiskFile>,
    pub(crate) end: Position,
}

/// Brings the segments in `disk` and their catalogue to where they can be written again.
pub(crate) fn recover(
    disk: &Arc<dyn Disk>,
    mut catalogue: Catalogue,
    options: &Options,
) -> Result<Found, Error> {
    tidy(disk.as_ref())?;
    let mut found = examine::examine_all(disk, options.segment_max_bytes / 2)?;
    let listed = list(disk.as_ref())?;
    catch_up::catch_up(disk.as_ref(), &mut catalogue, &listed, &found.damaged)?;
    for torn in &mut found.torn {
        torn.name_hosts(&catalogue);
        tracing::warn!("{torn}");
    }
    let start = catalogue.checkpoint().unwrap_or_default();
    let mut replay = Replay::new(disk, listed, start, found.resume.as_ref());
    let mut next_run = catalogue.next_run()?.max(1);
    let mut memories = Vec::new();
    catalogue.memories(|memory, place| {
        next_run = next_run.max(memory.run().0.saturating_add(1));
        replay.knows(memory.key(), place);
        memories.push(memory);
    })?;
    // Of streams that share an address the newest count most.
    memories.sort_by_key(Memory::last_received);
    let next_run = RunId(next_run);
    let next_segment = next_segment(disk.as_ref(), &catalogue)?;
    let (numbering, lines) = familiar(&catalogue, options, replay.start(), next_segment)?;
    let examine::Examined { resume, seals, torn, .. } = found;
    Ok(Found {
        catalogue,
        next_segment,
        resume,
        seals,
        torn,
        next_run,
        memories,
        replay,
        numbering,
        lines,
    })
}

/// The numbers of boots, and the lines of the runs that may go on.
fn familiar(
    catalogue: &Catalogue,
    options: &Options,
    start: Place,
    next_segment: u64,
) -> Result<(Numbering, RunLines), Error> {
    let mut numbering = Numbering::new(options.labels, options.active_runs);
    let mut lines = RunLines::new(options.active_runs);
    catalogue.next_boots(options.labels, |label, next| numbering.restore_label(label, next))?;
    catalogue.recent_runs(start.segment, options.active_runs, |stored| {
        numbering.restore_run(&stored);
        lines.restore(stored.run.id, line_of(&stored), next_segment);
    })?;
    Ok((numbering, lines))
}

/// Fills the catalogue at `path` anew from the segments.
pub(crate) fn rebuild(disk: &Arc<dyn Disk>, path: &Path) -> Result<Catalogue, Error> {
    let mut catalogue = open_catalogue(path)?;
    catalogue.clear()?;
    catch_up::catch_up(disk.as_ref(), &mut catalogue, &list(disk.as_ref())?, &BTreeMap::new())?;
    Ok(catalogue)
}

/// Removes what a seal left behind that was cut short.
fn tidy(disk: &dyn Disk) -> Result<(), Error> {
    let names = disk.list().map_err(|e| Error::io("list", "the segments", e))?;
    let sealed = |number| names.contains(&SegmentName::sealed(number).to_string());
    for name in &names {
        let twin = SegmentName::parse(name)
            .is_some_and(|name| name.form == Form::Live && sealed(name.number));
        if twin || Path::new(name).extension().is_some_and(|extension| extension == "tmp") {
            match disk.remove(name) {
                Ok(()) => tracing::info!("removed {name}, left over from an earlier life"),
                Err(error) => tracing::warn!(%error, "cannot remove {name}; it does no harm"),
            }
        }
    }
    Ok(())
}

/// Opens the store in `disk` with the catalogue at `path`, made anew where it can't be read. Where
/// it can't be written, a full disk say, one in memory stands in for it, and why is answered too.
pub(crate) fn recover_with(
    disk: &Arc<dyn Disk>,
    path: &Path,
    options: &Options,
) -> Result<(Found, Option<Error>), Error> {
    let attempt = || {
        let found = recover(disk, open_catalogue(path)?, options)?;
        Ok((found, None))
    };
    let recovered = match attempt() {
        // Opened, but a page of it makes no sense.
        Err(error @ Error::Catalogue { .. }) if error.is_damaged() => {
            set_aside(path, &error).and_then(|()| attempt())
        }
        recovered => recovered,
    };
    match recovered {
        Err(error @ (Error::Catalogue { .. } | Error::Io { .. })) => {
            let found = recover(disk, Catalogue::standing_in_for(path)?, options)?;
            Ok((found, Some(error)))
        }
        recovered => recovered,
    }
}

/// The catalogue, made anew where it can't be made sense of.
fn open_catalogue(path: &Path) -> Result<Catalogue, Error> {
    match Catalogue::open(path) {
        Err(error) if error.is_damaged() => {
            set_aside(path, &error)?;
            Catalogue::open(path)
        }
        opened => opened,
    }
}

fn set_aside(path: &Path, error: &Error) -> Result<(), Error> {
    tracing::warn!(%error, "the catalogue is set aside and rebuilt from the segments");
    std::fs::rename(path, path.with_extension("sqlite.damaged"))
        .map_err(|e| Error::io("rename", path.display().to_string(), e))
}

/// A number above that of any file, and of any segment that ever was, as far as is known.
fn next_segment(disk: &dyn Disk, catalogue: &Catalogue) -> Result<u64, Error> {
    let names = disk.list().map_err(|e| Error::io("list", "the segments", e))?;
    let number = |name: &String| name.split('.').next()?.parse::<u64>().ok();
    let files = names.iter().filter_map(number).max();
    let rows = catalogue.applied()?.keys().next_back().copied();
    let deleted = catalogue.deleted()?.last().copied();
    Ok(files.max(rows).max(deleted).unwrap_or_default().saturating_add(1))
}

/// The start of the last but one segment: where to look when no checkpoint is known.
fn recent(listed: &[Listed]) -> Place {
    let last_but_one = listed.get(listed.len().saturating_sub(2));
    let segment = last_but_one.map_or(0, |listed| listed.name.number);
    Place { segment, entries: 0 }
}

#[cfg(test)]
mod tests;
