//! The lines of one chapter: taken as they came, given out run by run.

use std::ops::Range;

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
    /// Each of them, by arrival until they are sorted.
    pieces: Vec<Line>,
    /// Room to sort them.
    room: Vec<Line>,
    places: Places,
    numbers: Numbers,
    /// The number of the first line.
    first_entry: u64,
    unpacker: Unpacker,
}

/// A line.
#[derive(Clone, Copy, Debug, Default)]
struct Line {
    /// 0 stands for what is told of runs, which comes first, and for gaps of none.
    run: u64,
    /// The how manieth of the chapter it was when it came.
    place: u32,
    start: u32,
    len: u32,
}

impl Lines {
    pub(super) fn new(shape: Shape) -> Result<Lines, Error> {
        Ok(Lines {
            shape,
            text: Vec::with_capacity(shape.chapter + ONE_BLOCK),
            together: Vec::new(),
            pieces: Vec::new(),
            room: Vec::new(),
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
            let (place, len) = (self.pieces.len() as u32, line.len() as u32);
            self.pieces.push(Line { run: run_of(line), place, start: start as u32, len });
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
        let runs = || self.pieces.iter().map(|line| line.run);
        let lowest = runs().min().unwrap_or_default();
        let farthest = runs().max().unwrap_or_default() - lowest;
        self.room.resize(self.pieces.len(), Line::default());
        // Byte by byte of the number, the lowest first; of most they are two.
        for shift in (0..64).step_by(8).take_while(|shift| farthest >> shift > 0) {
            sort_by_byte(&self.pieces, |line| (line.run - lowest) >> shift, &mut self.room);
            std::mem::swap(&mut self.pieces, &mut self.room);
        }
    }

    /// The lines from `first` on that make a block; none at the end.
    pub(super) fn part(&self, first: usize) -> Range<usize> {
        let mut length = 0;
        let rest = self.pieces.get(first..).unwrap_or_default();
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
        let sorted = self.pieces.get(part).unwrap_or_default();
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
    }
}

/// What the last block of a chapter may go beyond it without a larger room.
const ONE_BLOCK: usize = 2 << 20;

impl Line {
    fn text(&self) -> Range<usize> {
        self.start as usize..(self.start + self.len) as usize
    }
}

/// Puts `lines` into `sorted`, which is as long, by the lowest byte of their keys; of equal ones
/// those in front stay there.
fn sort_by_byte(lines: &[Line], key: impl Fn(&Line) -> u64, sorted: &mut [Line]) {
    let byte = |line: &Line| usize::from(key(line) as u8);
    let mut next = [0; 256];
    for line in lines {
        next[byte(line)] += 1;
    }
    let mut before = 0;
    for next in &mut next {
        (*next, before) = (before, before + *next);
    }
    for line in lines {
        let next = &mut next[byte(line)];
        sorted[*next] = *line;
        *next += 1;
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
