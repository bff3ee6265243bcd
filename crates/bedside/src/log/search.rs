//! Pieces of the boots that hold a match, found without reading all the others say.

use std::collections::VecDeque;
use std::ops::Range;

use bedside_store::StoredRecord;
use bedside_store::read::{Error, Found, Matches, Search};

use super::pieces::{Log, Piece, Pieces};

/// Which end comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum First {
    Oldest,
    Newest,
}

/// The pieces of one search.
pub(super) struct Searched<'a> {
    log: &'a Log<'a>,
    first: First,
    /// The boots that are still to be searched, those that come next last.
    left: Vec<Range<usize>>,
    /// How many boots are searched at a time.
    step: usize,
    found: Option<Matches<'a>>,
    /// Which boot the first of those is that were searched.
    start: usize,
    ready: VecDeque<Piece<'a>>,
    /// A boot of which more was found than can be held.
    large: Option<Pieces<'a>>,
}

impl<'a> Searched<'a> {
    /// First of a few boots, so that something is soon to be seen.
    pub(super) fn new(log: &'a Log<'a>, first: First) -> Searched<'a> {
        let all = 0..log.boots.len();
        let step = if log.found.borrow().is_some() { usize::MAX } else { FIRST_STEP };
        let (found, ready, large) = (None, VecDeque::new(), None);
        Searched { log, first, left: vec![all], step, found, start: 0, ready, large }
    }

    /// The boots that are searched next.
    fn range(&mut self) -> Option<Range<usize>> {
        let mut range = self.left.pop()?;
        if range.len() > self.step {
            let (mut rest, from) = (range.clone(), range.end - self.step);
            match self.first {
                First::Newest => (rest.end, range.start) = (from, from),
                First::Oldest => {
                    range.end = range.start + self.step;
                    rest.start = range.end;
                }
            }
            self.left.push(rest);
        }
        Some(range)
    }

    fn search(&mut self, range: Range<usize>) -> Result<(), Error> {
        if range.is_empty() {
            return Ok(());
        }
        let log = self.log;
        let boots: Vec<_> = log.boots[range.clone()].iter().map(|chosen| chosen.boot).collect();
        let wants = |record: &StoredRecord<'_>, text: &[u8]| log.filter.wants_stored(record, text);
        if let Some(found) = log.found.take() {
            let found = log.reader.matches(&boots, found, log.window);
            (self.found, self.start) = (Some(found), range.start);
            return Ok(());
        }
        let search = Search { needle: &log.filter.needle, wants: &wants, window: log.window };
        // What was found in pstore is in no index: such a boot is read as a whole.
        let dead = log.boots[range.clone()].iter().any(|chosen| log.has_found_dead(chosen));
        match if dead { None } else { log.reader.search(&boots, &search)? } {
            Some(found) => {
                if found.text_len() < STEP_BYTES {
                    self.step = self.step.saturating_mul(STEP_GROWS);
                }
                (self.found, self.start) = (Some(found), range.start);
            }
            None if range.len() > 1 => {
                self.step = range.len() / 2;
                let middle = range.start + range.len() / 2;
                let halves = [range.start..middle, middle..range.end];
                self.left.extend(halves);
                if self.first == First::Oldest {
                    let last = self.left.len() - 1;
                    self.left.swap(last - 1, last);
                }
            }
            None => self.large = Some(log.records_of(&log.boots[range.start], self.first)),
        }
        Ok(())
    }

    /// What was found of the next boot.
    fn next_found(&mut self) -> Option<Result<Found, Error>> {
        let found = self.found.as_mut()?;
        match self.first {
            First::Oldest => found.next(),
            First::Newest => found.next_back(),
        }
    }

    fn take(&mut self, Found { boot, items }: Found) {
        let chosen = &self.log.boots[self.start + boot];
        let begin = Piece::Begin(chosen);
        let end = chosen.boot.end.map(|end| Piece::End(chosen, end));
        let items = items.into_iter().map(Piece::Item);
        match self.first {
            First::Oldest => self.ready.extend([begin].into_iter().chain(items).chain(end)),
            First::Newest => {
                self.ready.extend(end.into_iter().chain(items.rev()).chain([begin]));
            }
        }
    }
}

impl<'a> Iterator for Searched<'a> {
    type Item = Result<Piece<'a>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(piece) = self.ready.pop_front() {
                return Some(Ok(piece));
            }
            match self.next_found() {
                Some(Ok(found)) => {
                    self.take(found);
                    continue;
                }
                Some(Err(error)) => return Some(Err(error)),
                None => {}
            }
            if let Some(piece) = self.large.as_mut().and_then(Iterator::next) {
                return Some(piece);
            }
            let range = self.range()?;
            if let Err(error) = self.search(range) {
                self.left.clear();
                return Some(Err(error));
            }
        }
    }
}

/// So many boots are searched at first, and so many times as many next, as long as what is found
/// is not more than so much.
const FIRST_STEP: usize = 16;
const STEP_GROWS: usize = 8;
const STEP_BYTES: usize = 4 << 20;
