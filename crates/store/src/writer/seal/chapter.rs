//! The lines of one chapter: taken as they came, given out run by run.

use std::collections::HashMap;
use std::ops::Range;

use foldhash::fast::RandomState;

use crate::entry::{Head, decode_head, decode_said};
use crate::error::Error;
use crate::segment::{BlockRef, Filter, Numbers, Parts, Places, SegmentFile, Unpacker, push_other};

use super::super::block::BlockMaker;
use super::Shape;

/// Lines in the order of their arrival until they are sorted.
#[derive(Debug)]
pub(super) struct Lines {
    shape: Shape,
    text: Vec<u8>,
    /// Those of the block in the making.
    together: Vec<u8>,
    /// Each of them, by arrival.
    pieces: Vec<Line>,
    /// The same in the order in which they are given out.
    sorted: Vec<Sorted>,
    runs: Runs,
    places: Places,
    numbers: Numbers,
    /// The number of the first line.
    first_entry: u64,
    unpacker: Unpacker,
}

/// A line.
#[derive(Clone, Copy, Debug)]
struct Line {
    /// The place of its run among those of the chapter.
    run: u32,
    start: u32,
    len: u32,
}

/// A line, when they are sorted.
#[derive(Clone, Copy, Debug, Default)]
struct Sorted {
    /// The how manieth of the chapter it was when it came.
    place: u32,
    start: u32,
    len: u32,
}

/// The runs of a chapter, and how many lines each has; 0 stands for what is told of runs, which
/// comes first, and for gaps of none.
#[derive(Debug, Default)]
struct Runs {
    /// The place of each, by which its lines name it, and how many they are.
    of: HashMap<u64, (u32, u32), RandomState>,
}

impl Lines {
    pub(super) fn new(shape: Shape) -> Result<Lines, Error> {
        Ok(Lines {
            shape,
            text: Vec::with_capacity(shape.chapter + ONE_BLOCK),
            together: Vec::new(),
            pieces: Vec::new(),
            sorted: Vec::new(),
            runs: Runs::default(),
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
        let text = &self.text[start..];
        let mut begin = 0;
        for end in memchr::memchr_iter(b'\n', text).map(|at| at + 1) {
            let line = &text[begin..end];
            let run = self.runs.count(run_of(line));
            self.pieces.push(Line { run, start: start as u32, len: line.len() as u32 });
            (begin, start) = (end, start + line.len());
        }
        Ok(())
    }

    /// Whether they make a chapter.
    pub(super) fn are_enough(&self) -> bool {
        self.text.len() >= self.shape.chapter
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Puts the lines of each run together; among them arrival decides.
    pub(super) fn sort(&mut self) {
        let mut next = self.runs.starts();
        self.sorted.clear();
        self.sorted.resize(self.pieces.len(), Sorted::default());
        for (&Line { run, start, len }, place) in self.pieces.iter().zip(0..) {
            let next = &mut next[run as usize];
            self.sorted[*next as usize] = Sorted { place, start, len };
            *next += 1;
        }
    }

    /// The lines from `first` on that make a block; none at the end.
    pub(super) fn part(&self, first: usize) -> Range<usize> {
        let mut length = 0;
        let rest = self.sorted.get(first..).unwrap_or_default();
        let count = rest.iter().take_while(|line| {
            length += line.len as usize;
            length <= self.shape.block
        });
        // A line may be longer than a block.
        first..first + count.count().max(1).min(rest.len())
    }

    /// Puts lines into a block; answers their length, and their numbers.
    pub(super) fn put(
        &mut self,
        part: Range<usize>,
        maker: &mut BlockMaker,
        filter: &mut Filter,
    ) -> (usize, Vec<u64>) {
        let sorted = self.sorted.get(part).unwrap_or_default();
        self.places.clear();
        // Copied all at once, as they lie apart and memory is slow; then gone through in order.
        self.together.clear();
        for line in sorted {
            self.together.extend_from_slice(&self.text[line.text()]);
        }
        let (mut rest, mut before) = (self.together.as_slice(), None);
        for line in sorted {
            let (line, behind) = rest.split_at(line.len as usize);
            let parts = Parts::of(line);
            let (head, said, fields) = match &parts {
                Some(parts) => parts.counted(),
                None => decode_said(line),
            };
            self.numbers.count(fields, head.as_ref());
            maker.header.count_line(head, &mut self.places);
            filter.add(said);
            match parts {
                Some(parts) => {
                    maker.columns.push(&parts, before.as_ref(), &mut maker.text);
                    before = Some(parts);
                }
                None => push_other(line, &mut maker.text),
            }
            rest = behind;
        }
        maker.header.sort();
        let entries = sorted.iter().map(|line| self.first_entry + u64::from(line.place));
        (self.together.len(), entries.collect())
    }

    /// What was given out of each run, in all chapters.
    pub(super) fn numbers(&self) -> &Numbers {
        &self.numbers
    }

    /// Begins the next chapter.
    pub(super) fn clear(&mut self) {
        self.first_entry += self.pieces.len() as u64;
        self.text.clear();
        self.pieces.clear();
        self.runs.clear();
    }
}

/// What the last block of a chapter may go beyond it without a larger room.
const ONE_BLOCK: usize = 2 << 20;

impl Sorted {
    fn text(&self) -> Range<usize> {
        self.start as usize..(self.start + self.len) as usize
    }
}

impl Runs {
    /// Counts a line of a run, and answers the run's place.
    fn count(&mut self, run: u64) -> u32 {
        let next = self.of.len() as u32;
        let (place, lines) = self.of.entry(run).or_insert((next, 0));
        *lines += 1;
        *place
    }

    /// Where the lines of each begin when all are sorted, by its place.
    fn starts(&self) -> Vec<u32> {
        let mut by_run: Vec<_> = self.of.iter().collect();
        by_run.sort_unstable_by_key(|(run, _)| **run);
        let mut starts = vec![0; by_run.len()];
        let mut before = 0;
        for (_, (place, lines)) in by_run {
            starts[*place as usize] = before;
            before += lines;
        }
        starts
    }

    fn clear(&mut self) {
        self.of.clear();
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
