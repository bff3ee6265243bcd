//! Which boot a dump tells of, and what of it was heard.

use std::collections::HashSet;
use std::path::Path;

use bedside_store::read::{BootSummary, End, Error, Item, OwnedRecord, Reader, Window};
use bedside_stream::RunId;
use netconsole_wire::basic_line;
use serde::{Deserialize, Serialize};

use super::Gathered;
use crate::time;

/// Where a dump belongs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) run: Option<RunId>,
    pub(super) joined: Option<Joined>,
    /// Of each line that there is, whether it was heard.
    pub(super) heard: Vec<bool>,
}

/// How it is known of which boot a dump tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Joined {
    /// Lines of it were heard, with the same time stamps.
    Lines,
    /// None was heard; the boot is the one before that in which it was found.
    Order,
}

/// A line of the kernel's log: its time in microseconds, and its text.
type Said = (u64, Vec<u8>);

/// Looks in the store in `data`. The boot that has said most of its lines, at the same times, is
/// the one; if none has said any, the one before the sender's, unless that was shut down.
pub(super) fn place(data: &Path, dump: &Gathered) -> Result<Place, Error> {
    let said: Vec<Option<Said>> = dump.lines.iter().flatten().map(|line| said(line)).collect();
    let address = dump.key.ip();
    let named = |name: &str| Some(name) == dump.host.as_deref();
    let reader = Reader::open_of(data, |name, other| named(name) || other == address)?;
    let mut boots = reader.boots(time::now());
    // Others may share its address, but not its name.
    let nameless = |boot: &BootSummary| boot.host.parse() == Ok(address.to_canonical());
    boots.retain(|boot| named(&boot.host) || dump.host.is_none() || nameless(boot));
    let here = boots.iter().position(|boot| is_in(boot, dump));
    let mut best: Option<(usize, &BootSummary, Vec<bool>)> = None;
    for (at, boot) in boots.iter().enumerate().rev().take(CANDIDATES) {
        if Some(at) == here {
            continue;
        }
        let heard = heard(&reader, boot, &said)?;
        let count = heard.iter().filter(|heard| **heard).count();
        if count > best.as_ref().map_or(0, |(count, ..)| *count) {
            best = Some((count, boot, heard));
        }
    }
    if let Some((_, boot, heard)) = best {
        let run = boot.runs.first().copied();
        return Ok(Place { run, joined: Some(Joined::Lines), heard });
    }
    let before = here.unwrap_or(boots.len()).checked_sub(1).and_then(|at| boots.get(at));
    let before = before.filter(|boot| boot.end != Some(End::Clean));
    let run = before.and_then(|boot| boot.runs.first().copied());
    Ok(Place { run, joined: run.map(|_| Joined::Order), heard: vec![false; said.len()] })
}

/// Whether the dump was sent in this boot. One whose number is not known is the last one.
fn is_in(boot: &BootSummary, dump: &Gathered) -> bool {
    match &boot.boot_id {
        Some(boot_id) => boot_id == dump.boot_id.as_bytes(),
        None => !boot.superseded,
    }
}

/// Of each line, whether it is among the last of the boot. At time 0, before there is a clock, all
/// boots say the same.
fn heard(reader: &Reader, boot: &BootSummary, said: &[Option<Said>]) -> Result<Vec<bool>, Error> {
    let wanted: HashSet<&Said> = said.iter().flatten().filter(|(time, _)| *time > 0).collect();
    let mut found: HashSet<Said> = HashSet::new();
    for item in reader.items_rev(boot, Window::default())?.take(RECORDS) {
        let Item::Record(record) = item? else { continue };
        found.extend(lines(&record).filter(|line| wanted.contains(line)));
    }
    let is_heard = |line: &Option<Said>| line.as_ref().is_some_and(|line| found.contains(line));
    Ok(said.iter().map(is_heard).collect())
}

/// A record's lines, each of which pstore has with the record's time.
fn lines(record: &OwnedRecord) -> impl Iterator<Item = Said> {
    let lines = record.text.split(|byte| *byte == b'\n');
    record
        .time_us
        .into_iter()
        .flat_map(move |time| lines.clone().map(move |line| (time, line.to_vec())))
}

/// A dump's line; nothing, without a time.
fn said(line: &[u8]) -> Option<Said> {
    let line = basic_line(line);
    Some((line.time?.0, line.text.to_vec()))
}

/// Boots that are looked at, the last ones, and records of each.
const CANDIDATES: usize = 8;
const RECORDS: usize = 100_000;
