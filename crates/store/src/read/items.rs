//! The items of one boot.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::vec;

use bedside_stream::{RunId, StreamKey, WallTime};

use super::merge::{Direction, Line};
use super::order::{Ordered, Raw};
use super::plan::Group;
use super::segments::Segments;
use super::{Error, Gap, Item, OwnedRecord, Window};
use crate::entry::{Entry, Head, StoredGap, StoredRecord, decode_head, unescape};

/// The items of one boot, in order or in reverse.
#[derive(Debug)]
pub struct Items<'a> {
    raws: Raws<'a>,
    window: Window,
    dir: PathBuf,
    names: Names,
    failed: bool,
}

/// The same before they are decoded.
#[derive(Debug)]
pub(super) struct Raws<'a> {
    segments: &'a Segments,
    direction: Direction,
    window: Window,
    /// The groups still to come.
    groups: vec::IntoIter<Group>,
    group: Option<Ordered>,
}

/// What the entries of a boot don't say themselves.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    pub(crate) host: Arc<str>,
    pub(crate) boot: u32,
    pub(crate) keys: HashMap<RunId, StreamKey>,
}

impl<'a> Items<'a> {
    pub(super) fn new(raws: Raws<'a>, window: Window, dir: PathBuf, names: Names) -> Items<'a> {
        Items { raws, window, dir, names, failed: false }
    }
}

impl Iterator for Items<'_> {
    type Item = Result<Item, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.failed {
            match self.raws.next() {
                Ok(raw) => {
                    let Some(item) = self.names.item(&raw?) else { continue };
                    if self.window.contains(item.received()) {
                        return Some(Ok(item));
                    }
                }
                Err(source) => {
                    self.failed = true;
                    return Some(Err(Error::Unreadable { path: self.dir.clone(), source }));
                }
            }
        }
        None
    }
}

impl<'a> Raws<'a> {
    pub(super) fn new(
        segments: &'a Segments,
        mut groups: Vec<Group>,
        window: Window,
        direction: Direction,
    ) -> Raws<'a> {
        if direction == Direction::Backward {
            groups.reverse();
        }
        Raws { segments, direction, window, groups: groups.into_iter(), group: None }
    }

    pub(super) fn next(&mut self) -> Result<Option<Raw>, crate::Error> {
        loop {
            if let Some(group) = &mut self.group
                && let Some(raw) = group.next(self.segments)?
            {
                return Ok(Some(raw));
            }
            let Some(group) = self.groups.next() else { return Ok(None) };
            let ordered = Ordered::new(self.segments, group, self.window, self.direction)?;
            self.group = Some(ordered);
        }
    }
}

impl Names {
    fn item(&self, raw: &Raw) -> Option<Item> {
        match raw {
            Raw::Record(line) => match Entry::decode(line.text())? {
                Entry::Record(record) => self.record(&record).map(Item::Record),
                _ => None,
            },
            Raw::Gap(line) => match Entry::decode(line.text())? {
                Entry::Gap(gap) => Some(Item::Gap(self.gap(&gap))),
                _ => None,
            },
            Raw::Hole { hole, cause, count, after } => {
                let (run, received) = head(after)?;
                Some(Item::Gap(Gap {
                    from_seq: Some(hole.from),
                    to_seq: Some(hole.to),
                    ..self.gap(&StoredGap {
                        run: Some(run),
                        received,
                        cause: *cause,
                        count: *count,
                    })
                }))
            }
        }
    }

    /// A record with all that is known of it.
    pub(crate) fn record(&self, record: &StoredRecord<'_>) -> Option<OwnedRecord> {
        let key = self.keys.get(&record.run)?;
        let fields = record.fields.iter().map(|(key, value)| (unescape(key), unescape(value)));
        Some(OwnedRecord {
            host: Arc::clone(&self.host),
            boot: self.boot,
            run: record.run,
            source: key.source,
            port: key.port,
            received: record.received,
            format: record.format,
            incomplete: record.incomplete,
            release: record.release_bytes(),
            prefix: record.prefix.map(|prefix| prefix.0),
            seq: record.seq.map(|seq| seq.0),
            time_us: record.time.map(|time| time.0),
            continued: record.continued,
            caller: record.caller_bytes(),
            text: record.text_bytes(),
            fields: fields.collect(),
        })
    }

    /// A stored gap with all that is known of it.
    pub(crate) fn gap(&self, gap: &StoredGap) -> Gap {
        let key = gap.run.and_then(|run| self.keys.get(&run));
        Gap {
            host: Some(Arc::clone(&self.host)),
            boot: Some(self.boot),
            source: key.map(|key| key.source),
            port: key.map(|key| key.port),
            ..Gap::loose(gap)
        }
    }
}

impl Gap {
    /// A gap that belongs to no boot.
    pub(crate) fn loose(gap: &StoredGap) -> Gap {
        Gap {
            cause: gap.cause,
            count: gap.count,
            from_seq: None,
            to_seq: None,
            received: gap.received,
            host: None,
            boot: None,
            source: None,
            port: None,
        }
    }
}

fn head(line: &Line) -> Option<(RunId, WallTime)> {
    match decode_head(line.text())? {
        Head::Record { run, received, .. } => Some((run, received)),
        _ => None,
    }
}
