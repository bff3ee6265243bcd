//! What a search found, boot by boot.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use bedside_stream::RunId;

use super::super::items::Names;
use super::super::merge::{Direction, Line};
use super::super::order::{Raw, in_order};
use super::super::plan::Key;
use super::super::segments::At;
use super::super::view::View;
use super::super::{BootSummary, Error, Item, Window};
use super::{Hit, Kind};

/// What was found of one boot.
#[derive(Debug)]
pub struct Found {
    /// Which of the boots that were searched.
    pub boot: usize,
    /// Its records that were wanted, in the order of [`Reader::items`](super::super::Reader::items),
    /// and among them the gaps of it that were stored.
    pub items: Vec<Item>,
}

/// What a search found, by the order of the boots that were searched.
#[derive(Debug)]
pub struct Matches<'a> {
    view: &'a View,
    boots: Vec<&'a BootSummary>,
    window: Window,
    hits: Vec<Hit>,
    text: Arc<Vec<u8>>,
    /// The hits that were not given out yet.
    left: Range<usize>,
}

/// A part of a boot: one of our ports, with numbers or without.
type Group = (u16, bool);

impl<'a> Matches<'a> {
    pub(super) fn new(
        view: &'a View,
        boots: Vec<&'a BootSummary>,
        window: Window,
        mut hits: Vec<Hit>,
        text: Vec<u8>,
    ) -> Matches<'a> {
        hits.sort_by_key(|hit| hit.boot);
        let left = 0..hits.len();
        Matches { view, boots, window, hits, text: Arc::new(text), left }
    }

    /// Bytes of the lines that were found.
    pub fn text_len(&self) -> usize {
        self.text.len()
    }

    fn found(&self, hits: Range<usize>) -> Option<Result<Found, Error>> {
        let hits = self.hits.get(hits)?;
        let number = hits.first()?.boot;
        let boot = self.boots.get(number)?;
        let items = self
            .items(boot, hits)
            .map_err(|source| Error::Unreadable { path: self.view.dir().to_owned(), source });
        Some(items.map(|items| Found { boot: number, items }))
    }

    fn items(&self, boot: &BootSummary, hits: &[Hit]) -> Result<Vec<Item>, crate::Error> {
        let names = self.view.names(boot);
        // Whether there is a whole copy of it, only the boot itself can tell.
        if hits.iter().any(|hit| hit.incomplete && hit.kind != Kind::Plain) {
            return self.read_boot(boot, hits, &names);
        }
        let mut groups = self.groups(hits);
        let mut items = Vec::new();
        for group in self.order(boot, &groups)? {
            for line in in_order(groups.remove(&group).unwrap_or_default(), group.1) {
                items.extend(self.item(&line, &names));
            }
        }
        Ok(items)
    }

    /// The same by reading all of the boot.
    fn read_boot(
        &self,
        boot: &BootSummary,
        hits: &[Hit],
        names: &Names,
    ) -> Result<Vec<Item>, crate::Error> {
        let wanted: HashSet<At> = hits.iter().map(|hit| hit.at).collect();
        let mut raws = self.view.raws(&boot.runs, Window::default(), Direction::Forward)?;
        let mut items = Vec::new();
        while let Some(raw) = raws.next()? {
            if let Raw::Record(line) | Raw::Gap(line) = raw
                && wanted.contains(&line.at())
            {
                items.extend(self.item(&line, names));
            }
        }
        Ok(items)
    }

    fn item(&self, line: &Line, names: &Names) -> Option<Item> {
        let item = names.line(line)?;
        self.window.contains(item.received()).then_some(item)
    }

    /// The lines of each group. A gap stands behind what its run had reached when it came.
    fn groups(&self, hits: &[Hit]) -> BTreeMap<Group, Vec<Line>> {
        let mut by_arrival: Vec<&Hit> = hits.iter().collect();
        by_arrival.sort_by_key(|hit| hit.at);
        let has_number = |hit: &&Hit| matches!(hit.kind, Kind::Numbered(_));
        let numbered: HashSet<RunId> = hits.iter().filter(has_number).map(|hit| hit.run).collect();
        let mut reached: HashMap<RunId, u64> = HashMap::new();
        let mut groups: BTreeMap<Group, Vec<Line>> = BTreeMap::new();
        for hit in by_arrival {
            let Some(known) = self.view.runs().get(hit.run) else { continue };
            let (seq, numbered) = match hit.kind {
                Kind::Numbered(seq) => {
                    let highest = reached.entry(hit.run).or_default();
                    *highest = seq.max(*highest);
                    (seq, true)
                }
                Kind::Plain => (0, false),
                Kind::Gap => {
                    let reached = reached.get(&hit.run).copied();
                    (reached.unwrap_or(0), numbered.contains(&hit.run))
                }
            };
            let key = Key { seq, at: hit.at };
            let line = Line::new(key, hit.kind == Kind::Gap, &self.text, hit.start..hit.end);
            groups.entry((known.run().key.port(), numbered)).or_default().push(line);
        }
        groups
    }

    /// The order in which the groups stand in the boot.
    fn order(
        &self,
        boot: &BootSummary,
        groups: &BTreeMap<Group, Vec<Line>>,
    ) -> Result<Vec<Group>, crate::Error> {
        let mut order = Vec::new();
        if groups.len() > 1 {
            let all = self.view.groups(&boot.runs)?;
            order.extend(all.iter().map(|group| (group.port, group.numbered)));
        }
        let others = groups.keys().filter(|group| !order.contains(group)).copied();
        let others: Vec<Group> = others.collect();
        Ok(others.into_iter().chain(order).collect())
    }
}

impl Iterator for Matches<'_> {
    type Item = Result<Found, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let left = self.hits.get(self.left.clone())?;
        let boot = left.first()?.boot;
        let count = left.iter().take_while(|hit| hit.boot == boot).count();
        let hits = self.left.start..self.left.start + count;
        self.left.start = hits.end;
        self.found(hits)
    }
}

impl DoubleEndedIterator for Matches<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        let left = self.hits.get(self.left.clone())?;
        let boot = left.last()?.boot;
        let count = left.iter().rev().take_while(|hit| hit.boot == boot).count();
        let hits = self.left.end - count..self.left.end;
        self.left.end = hits.start;
        self.found(hits)
    }
}
