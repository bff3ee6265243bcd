//! The items of one boot.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::vec;

use bedside_stream::{RunId, StreamKey};

use super::merge::{Direction, Line, Source};
use super::order::{Ordered, Raw};
use super::plan::Group;
use super::segments::At;
use super::{Error, Gap, Item, OwnedRecord, Window};
use crate::entry::{Entry, StoredGap, StoredRecord};

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
    source: Source<'a>,
    direction: Direction,
    window: Window,
    /// The groups still to come.
    groups: vec::IntoIter<Group>,
    group: Option<Ordered<'a>>,
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
                    let raw = raw?;
                    let Some(item) = self.names.item(&raw) else {
                        self.raws.note(&raw);
                        continue;
                    };
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
        source: Source<'a>,
        mut groups: Vec<Group>,
        window: Window,
        direction: Direction,
    ) -> Raws<'a> {
        if direction == Direction::Backward {
            groups.reverse();
        }
        Raws { source, direction, window, groups: groups.into_iter(), group: None }
    }

    /// Notes a line that makes no sense.
    fn note(&self, raw: &Raw) {
        if let Raw::Record(line) | Raw::Gap(line) = raw {
            let At { segment, entry } = line.at();
            self.source.segments.note(segment, 0, format!("entry {entry} makes no sense"));
        }
    }

    pub(super) fn next(&mut self) -> Result<Option<Raw>, crate::Error> {
        loop {
            if let Some(group) = &mut self.group
                && let Some(raw) = group.next()?
            {
                return Ok(Some(raw));
            }
            let Some(group) = self.groups.next() else { return Ok(None) };
            self.group = Some(Ordered::new(self.source, group, self.window, self.direction)?);
        }
    }
}

impl Names {
    fn item(&self, raw: &Raw) -> Option<Item> {
        match raw {
            Raw::Record(line) | Raw::Gap(line) => self.line(line),
            Raw::Hole(hole, gap) => Some(Item::Gap(Gap {
                from_seq: Some(hole.from),
                to_seq: Some(hole.to),
                ..self.gap(gap)
            })),
        }
    }

    /// A line with all that is known of it.
    pub(super) fn line(&self, line: &Line) -> Option<Item> {
        match Entry::decode(line.text())? {
            Entry::Record(record) => self.record(&record).map(Item::Record),
            Entry::Gap(gap) => Some(Item::Gap(self.gap(&gap))),
            Entry::Run(_) => None,
        }
    }

    /// A record with all that is known of it.
    pub(crate) fn record(&self, record: &StoredRecord<'_>) -> Option<OwnedRecord> {
        let key = self.keys.get(&record.run)?;
        Some(OwnedRecord::new(record, &self.host, self.boot, *key))
    }

    /// A stored gap with all that is known of it.
    pub(crate) fn gap(&self, gap: &StoredGap) -> Gap {
        let key = gap.run.and_then(|run| self.keys.get(&run));
        Gap {
            host: Some(Arc::clone(&self.host)),
            boot: Some(self.boot),
            source: key.map(StreamKey::source),
            port: key.map(StreamKey::port),
            ..Gap::loose(gap)
        }
    }
}

impl Gap {
    /// A gap as it is stored: of which boot it is, is not told.
    pub fn loose(gap: &StoredGap) -> Gap {
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
