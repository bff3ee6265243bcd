//! What is shown, piece by piece, oldest or newest first.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::iter::Peekable;

use bedside_store::read::{End, Error, Finds, Gap, Item, OwnedRecord, Reader, Window};
use bedside_stream::WallTime;

use super::choose::Chosen;
use super::filter::Filter;
use super::search::{First, Searched};
use crate::pstore::{Death, Deaths};

/// What was asked for, of a store.
#[derive(Debug)]
pub(super) struct Log<'a> {
    /// The store.
    pub(super) reader: &'a Reader,
    /// The boots, by first receipt.
    pub(super) boots: &'a [Chosen<'a>],
    /// When it must have been received.
    pub(super) window: Window,
    /// What records must be like.
    pub(super) filter: &'a Filter,
    /// The gaps that belong to no boot, by receive time.
    pub(super) loose: Vec<Gap>,
    /// All that the pattern finds in these boots, if it was looked for already.
    pub(super) found: RefCell<Option<Finds>>,
    /// What pstore tells of dead kernels.
    pub(super) deaths: &'a Deaths,
}

/// A piece of a log.
#[derive(Debug)]
pub(super) enum Piece<'a> {
    /// A boot begins.
    Begin(&'a Chosen<'a>),
    /// A record or a gap.
    Item(Item),
    /// A line that was found in pstore only.
    Pstore(OwnedRecord),
    /// A boot has ended, or fallen silent.
    End(&'a Chosen<'a>, End),
}

pub(super) type Pieces<'a> = Box<dyn Iterator<Item = Result<Piece<'a>, Error>> + 'a>;

impl<'a> Log<'a> {
    /// All pieces in order. Levels leave out records only, and move nothing; a pattern leaves its
    /// matches only, and their boots.
    pub(super) fn oldest_first(&'a self) -> Pieces<'a> {
        if self.filter.pattern.is_some() {
            let found = Searched::new(self, First::Oldest);
            return self.whole(found, self.loose.iter().cloned().collect(), due_before);
        }
        let boots = self.boots.iter().flat_map(|chosen| {
            let items = pieces(self.reader.items(chosen.boot, self.window));
            begin(chosen).chain(items).chain(self.found_dead(chosen)).chain(end(chosen))
        });
        self.whole(boots, self.loose.iter().cloned().collect(), due_before)
    }

    /// Whether pstore holds a line of that boot that is wanted.
    pub(super) fn has_found_dead(&self, chosen: &Chosen<'_>) -> bool {
        let wanted = |record: &OwnedRecord| self.filter.wants(record);
        self.deaths.of(chosen.boot).any(|death| death.records(chosen.boot).any(|r| wanted(&r)))
    }

    /// What pstore tells of that boot, and nobody heard.
    fn found_dead(
        &'a self,
        chosen: &'a Chosen<'a>,
    ) -> impl DoubleEndedIterator<Item = Result<Piece<'a>, Error>> {
        let deaths: Vec<&Death> = self.deaths.of(chosen.boot).collect();
        let records = deaths.into_iter().flat_map(|death| death.records(chosen.boot));
        let records = records.filter(|record| self.window.contains(record.received));
        records.map(|record| Ok(Piece::Pstore(record)))
    }

    /// All pieces, newest first. Reads only as far as it is asked.
    pub(super) fn newest_first(&'a self) -> Pieces<'a> {
        if self.filter.pattern.is_some() {
            return self.search_newest();
        }
        let boots = self.boots.iter().rev().flat_map(|chosen| {
            let items = pieces(self.reader.items_rev(chosen.boot, self.window));
            end(chosen).chain(self.found_dead(chosen).rev()).chain(items).chain(begin(chosen))
        });
        self.whole(boots, self.loose.iter().rev().cloned().collect(), due_after)
    }

    /// The last `count` records with what stands among and after them, newest first. Where all
    /// of a boot's records are among them, its beginning is too.
    pub(super) fn last(&'a self, count: usize) -> Result<Vec<Piece<'a>>, Error> {
        let mut last = Vec::new();
        let mut records = 0;
        let pieces = match self.filter.pattern {
            Some(_) => self.search_newest(),
            None => self.newest_first(),
        };
        for piece in pieces {
            let piece = piece?;
            if piece.is_record() {
                if records == count {
                    cut_before_first_record(&mut last);
                    break;
                }
                records += 1;
            }
            last.push(piece);
        }
        Ok(last)
    }

    fn search_newest(&'a self) -> Pieces<'a> {
        let found = Searched::new(self, First::Newest);
        self.whole(found, self.loose.iter().rev().cloned().collect(), due_after)
    }

    /// The records of one boot that are wanted, with its beginning and end, and the gaps that
    /// were stored.
    pub(super) fn records_of(&'a self, chosen: &'a Chosen<'a>, first: First) -> Pieces<'a> {
        let records = |piece: &Result<Piece<'a>, Error>| match piece {
            Ok(Piece::Item(Item::Record(record))) => self.filter.wants(record),
            Ok(Piece::Item(Item::Gap(gap))) => gap.from_seq.is_none(),
            Ok(_) | Err(_) => true,
        };
        match first {
            First::Oldest => {
                let items = pieces(self.reader.items(chosen.boot, self.window));
                let items = items.filter(records).chain(self.found_dead(chosen));
                Box::new(begin(chosen).chain(items).chain(end(chosen)))
            }
            First::Newest => {
                let items = pieces(self.reader.items_rev(chosen.boot, self.window));
                let items = self.found_dead(chosen).rev().chain(items.filter(records));
                Box::new(end(chosen).chain(items).chain(begin(chosen)))
            }
        }
    }

    /// The pieces of boots with the gaps of no boot among them, without the records that are not
    /// wanted.
    fn whole(
        &'a self,
        boots: impl Iterator<Item = Result<Piece<'a>, Error>> + 'a,
        loose: VecDeque<Gap>,
        is_due: fn(WallTime, &Piece<'_>) -> bool,
    ) -> Pieces<'a> {
        let all = WithLoose { inner: boots.peekable(), loose, is_due };
        Box::new(all.filter(|piece| match piece {
            Ok(Piece::Item(Item::Record(record)) | Piece::Pstore(record)) => {
                self.filter.wants(record)
            }
            _ => true,
        }))
    }
}

impl Piece<'_> {
    fn is_record(&self) -> bool {
        matches!(self, Piece::Item(Item::Record(_)) | Piece::Pstore(_))
    }
}

fn pieces<'a, I>(items: Result<I, Error>) -> Pieces<'a>
where
    I: Iterator<Item = Result<Item, Error>> + 'a,
{
    match items {
        Ok(items) => Box::new(items.map(|item| item.map(Piece::Item))),
        Err(error) => Box::new(std::iter::once(Err(error))),
    }
}

fn begin<'a>(chosen: &'a Chosen<'a>) -> Pieces<'a> {
    Box::new(std::iter::once(Ok(Piece::Begin(chosen))))
}

fn end<'a>(chosen: &'a Chosen<'a>) -> Pieces<'a> {
    Box::new(chosen.boot.end.map(|end| Ok(Piece::End(chosen, end))).into_iter())
}

/// Takes off what is older than the oldest record, but for the beginning of its own boot.
fn cut_before_first_record(newest_first: &mut Vec<Piece<'_>>) {
    let oldest = newest_first.iter().rposition(Piece::is_record);
    let oldest = oldest.map_or(0, |at| at + 1);
    let begin = newest_first.iter().skip(oldest).position(|piece| matches!(piece, Piece::Begin(_)));
    newest_first.truncate(oldest + begin.map_or(0, |at| at + 1));
}

/// Puts gaps that belong to no boot among the pieces, by receive time.
struct WithLoose<'a, I: Iterator<Item = Result<Piece<'a>, Error>>> {
    inner: Peekable<I>,
    loose: VecDeque<Gap>,
    is_due: fn(WallTime, &Piece<'_>) -> bool,
}

impl<'a, I: Iterator<Item = Result<Piece<'a>, Error>>> Iterator for WithLoose<'a, I> {
    type Item = Result<Piece<'a>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let gap = self.loose.front().map(|gap| gap.received);
        let due = match (gap, self.inner.peek()) {
            (Some(gap), Some(Ok(piece))) => (self.is_due)(gap, piece),
            (gap, None) => gap.is_some(),
            _ => false,
        };
        if due {
            return self.loose.pop_front().map(|gap| Ok(Piece::Item(Item::Gap(gap))));
        }
        self.inner.next()
    }
}

/// Oldest first, a gap stands before the first record that was received after it.
fn due_before(gap: WallTime, piece: &Piece<'_>) -> bool {
    match piece {
        Piece::Begin(chosen) => gap < chosen.boot.first_received,
        Piece::Item(Item::Record(record)) => gap < record.received,
        Piece::Item(Item::Gap(_)) | Piece::Pstore(_) | Piece::End(..) => false,
    }
}

/// Newest first, a gap stands before the first record that was not received after it.
fn due_after(gap: WallTime, piece: &Piece<'_>) -> bool {
    match piece {
        Piece::End(chosen, _) => gap >= chosen.boot.last_received,
        Piece::Item(Item::Record(record)) => gap >= record.received,
        Piece::Item(Item::Gap(_)) | Piece::Pstore(_) | Piece::Begin(_) => false,
    }
}
