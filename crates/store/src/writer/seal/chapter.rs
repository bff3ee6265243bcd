//! The lines of one chapter: taken as they came, given out run by run.

use std::ops::Range;

use crate::entry::{Head, decode_head};
use crate::error::Error;
use crate::segment::{BlockRef, Filter, Numbers, Places, SegmentFile, Unpacker};

use super::super::block::BlockMaker;
use super::Shape;

/// Lines in the order of their arrival until they are sorted.
#[derive(Debug)]
pub(super) struct Lines {
    shape: Shape,
    text: Vec<u8>,
    sorted: Vec<Line>,
    filter: Filter,
    places: Places,
    numbers: Numbers,
    /// The number of the first line.
    first_entry: u64,
    unpacker: Unpacker,
}

/// A line, in the order in which they are given out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Line {
    /// Its run; 0 for what is told of runs, which comes first, and for gaps of none.
    run: u64,
    /// Its place among the lines of the chapter, by arrival.
    arrival: u32,
    start: u32,
    end: u32,
}

impl Lines {
    pub(super) fn new(shape: Shape) -> Result<Lines, Error> {
        Ok(Lines {
            shape,
            text: Vec::new(),
            sorted: Vec::new(),
            filter: Filter::new(),
            places: Places::default(),
            numbers: Numbers::new(),
            first_entry: 0,
            unpacker: Unpacker::new()?,
        })
    }

    /// Adds the lines of a block of `segment`.
    pub(super) fn read(&mut self, segment: &SegmentFile, block: &BlockRef) -> Result<(), Error> {
        let mut start = self.text.len();
        segment.append_block(block, &mut self.unpacker, &mut self.text)?;
        for line in self.text[start..].split_inclusive(|&byte| byte == b'\n') {
            let (run, arrival) = (run_of(line), self.sorted.len() as u32);
            let end = start + line.len();
            self.sorted.push(Line { run, arrival, start: start as u32, end: end as u32 });
            start = end;
        }
        Ok(())
    }

    /// Whether they make a chapter.
    pub(super) fn are_enough(&self) -> bool {
        self.text.len() >= self.shape.chapter
    }

    pub(super) fn is_empty(&self) -> bool {
        self.sorted.is_empty()
    }

    /// Puts the lines of each run together; among them arrival decides.
    pub(super) fn sort(&mut self) {
        self.sorted.sort_unstable();
    }

    /// The lines from `first` on that make a block; none at the end.
    pub(super) fn part(&self, first: usize) -> Range<usize> {
        let mut length = 0;
        let rest = self.sorted.get(first..).unwrap_or_default();
        let count = rest.iter().take_while(|line| {
            length += line.text().len();
            length <= self.shape.block
        });
        // A line may be longer than a block.
        first..first + count.count().max(1).min(rest.len())
    }

    /// Puts lines into a block, and answers their numbers.
    pub(super) fn put(&mut self, part: Range<usize>, maker: &mut BlockMaker) -> Vec<u64> {
        let lines = self.sorted.get(part).unwrap_or_default();
        self.places.clear();
        for line in lines {
            let text = &self.text[line.text()];
            maker.text.extend_from_slice(text);
            let head = decode_head(text);
            self.numbers.count(text, head.as_ref());
            maker.header.count_line(head, &mut self.places);
            self.filter.add(said(text));
        }
        maker.header.sort();
        lines.iter().map(|line| self.first_entry + u64::from(line.arrival)).collect()
    }

    /// What their texts hold.
    pub(super) fn filter(&self) -> &Filter {
        &self.filter
    }

    /// What was given out of each run, in all chapters.
    pub(super) fn numbers(&self) -> &Numbers {
        &self.numbers
    }

    /// Begins the next chapter.
    pub(super) fn clear(&mut self) {
        self.first_entry += self.sorted.len() as u64;
        self.text.clear();
        self.sorted.clear();
        self.filter.clear();
    }
}

impl Line {
    fn text(&self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// What a line is sorted by.
fn run_of(line: &[u8]) -> u64 {
    match line.first() {
        Some(b'0'..=b'9') => {
            let digits = line.iter().take_while(|byte| byte.is_ascii_digit());
            digits.fold(0, |run, digit| run.wrapping_mul(10).wrapping_add(u64::from(digit - b'0')))
        }
        Some(b'G') => match decode_head(line) {
            Some(Head::Gap(gap)) => gap.run.map_or(0, |run| run.0),
            _ => 0,
        },
        _ => 0,
    }
}

/// The message of a record's line; of other lines nothing that could be asked for.
fn said(line: &[u8]) -> &[u8] {
    if !line.first().is_some_and(u8::is_ascii_digit) {
        return &[];
    }
    let head = memchr::memchr(b';', line).map_or(line.len(), |at| at + 1);
    let said = &line[head..];
    let end = memchr::memchr2(b'\t', b'\n', said).unwrap_or(said.len());
    &said[..end]
}
