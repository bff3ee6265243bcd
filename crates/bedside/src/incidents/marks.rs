//! Which boots had incidents, and which lines those were cut from.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::Path;

use bedside_store::read::{BootSummary, OwnedRecord};
use bedside_stream::WallTime;

use super::book::{Book, Error, Row};
use super::group::short;
use crate::render::escape::Escaped;

/// The incidents of each boot, by their short names.
#[derive(Debug, Default)]
pub(crate) struct OfBoots(HashMap<String, HashMap<u32, BTreeSet<String>>>);

impl OfBoots {
    /// As the book has them, if there is one. One that can't be read marks nothing, and is told of.
    pub(crate) fn read(data: &Path) -> OfBoots {
        OfBoots::try_read(data).unwrap_or_else(|error| {
            tracing::warn!("boots are not marked with their incidents: {error}");
            OfBoots::default()
        })
    }

    fn try_read(data: &Path) -> Result<OfBoots, Error> {
        let mut all = OfBoots::default();
        let Some(book) = Book::open_read_only(data)? else { return Ok(all) };
        for (host, boot, fingerprint) in book.boots()? {
            all.0.entry(host).or_default().entry(boot).or_default().insert(short(fingerprint));
        }
        Ok(all)
    }

    pub(crate) fn of(&self, boot: &BootSummary) -> Vec<&str> {
        let ids = self.0.get(&*boot.host).and_then(|boots| boots.get(&boot.number));
        ids.into_iter().flatten().map(String::as_str).collect()
    }
}

/// The incidents of records; asks the book for a boot when its first record is met.
#[derive(Debug, Default)]
pub(crate) struct OfRecords {
    book: Option<Book>,
    boots: HashMap<String, HashMap<u32, Vec<Case>>>,
}

/// The lines of a case.
#[derive(Debug)]
struct Case {
    id: String,
    first: WallTime,
    last: WallTime,
    /// The kernel's numbers of its lines, and their texts where there are no such numbers.
    numbers: HashSet<u64>,
    texts: HashSet<String>,
}

impl OfRecords {
    /// Of a book that can't be read nothing is marked, and that is told.
    pub(crate) fn open(data: &Path) -> OfRecords {
        let book = Book::open_read_only(data).unwrap_or_else(|error| {
            tracing::warn!("lines are not marked with their incidents: {error}");
            None
        });
        OfRecords { book, boots: HashMap::new() }
    }

    /// The incident that was cut from this record among others.
    pub(crate) fn of(&mut self, record: &OwnedRecord) -> Option<&str> {
        let book = self.book.as_ref()?;
        let known = self.boots.get(&*record.host).is_some_and(|it| it.contains_key(&record.boot));
        if !known {
            let cases = cases(book, record).unwrap_or_else(|error| {
                let host = Escaped(record.host.as_bytes());
                tracing::warn!(
                    %host,
                    boot = record.boot,
                    "lines are not marked with their incidents: {error}"
                );
                Vec::new()
            });
            self.boots.entry(record.host.to_string()).or_default().insert(record.boot, cases);
        }
        let cases = self.boots.get(&*record.host)?.get(&record.boot)?;
        cases.iter().find(|case| case.has(record)).map(|case| case.id.as_str())
    }
}

impl Case {
    fn new(book: &Book, row: &Row) -> Result<Case, Error> {
        let lines = book.incident(row.id)?.map(|incident| incident.lines).unwrap_or_default();
        Ok(Case {
            id: short(row.fingerprint),
            first: row.first,
            last: row.last,
            numbers: lines.iter().map(|line| line.at).collect(),
            texts: lines.into_iter().map(|line| line.text).collect(),
        })
    }

    fn has(&self, record: &OwnedRecord) -> bool {
        match record.seq {
            Some(number) => self.numbers.contains(&number),
            None if (self.first..=self.last).contains(&record.received) => {
                let line = record.text.split(|byte| *byte == b'\n').next().unwrap_or_default();
                self.texts.contains(&*String::from_utf8_lossy(line))
            }
            None => false,
        }
    }
}

fn cases(book: &Book, record: &OwnedRecord) -> Result<Vec<Case>, Error> {
    let rows = book.of_boot(&record.host, record.boot)?;
    rows.iter().map(|row| Case::new(book, row)).collect()
}
