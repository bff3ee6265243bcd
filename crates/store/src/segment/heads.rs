//! Heads and texts apart: in a sealed block the numbers of its records' heads are columns in front
//! of the frame, and what else a head says stands in the frame once for all records in a row that
//! it is true of. Numbers between two texts cost more than the texts.

use std::collections::BTreeSet;
use std::ops::Range;

use zstd::bulk::Compressor;

use super::BlockHeader;
use super::header::{Bytes, checked, emit_checked, push_small_varint, skippable};
use crate::entry::{Head, ROOM, Short, canonical_number};
use bedside_stream::{RunId, WallTime};

const MAGIC: u32 = 0x184D_2A59;
/// When a record was received, its prefix, its sequence number, its time.
const COLUMNS: usize = 4;
/// The numbers behind the receive time.
const NUMBERS: usize = COLUMNS - 1;
/// Stands in a head for a number that is in a column.
const ELSEWHERE: u8 = b'#';

/// The line of a record, taken apart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parts<'a> {
    /// Its digits.
    run: &'a [u8],
    /// ` <format>[!] <release>`.
    kind: &'a [u8],
    /// `<flags>,<caller>`.
    end: &'a [u8],
    received: u64,
    numbers: [Option<u64>; NUMBERS],
    head: Head,
    /// From the semicolon on, with the newline.
    said: &'a [u8],
}

impl<'a> Parts<'a> {
    /// `None`: it is no record, or not one as this program writes them.
    pub(crate) fn of(line: &'a [u8]) -> Option<Parts<'a>> {
        let (id, rest) = canonical_number(line)?;
        let run = &line[..line.len() - rest.len()];
        let (received, rest) = canonical_number(rest.strip_prefix(b" ")?)?;
        let (kind, mut rest) = rest.split_at(rest.iter().position(|b| matches!(b, b',' | b';'))?);
        let mut numbers = [None; NUMBERS];
        for number in &mut numbers {
            rest = rest.strip_prefix(b",")?;
            if rest.first().is_some_and(u8::is_ascii_digit) {
                let (value, behind) = canonical_number(rest)?;
                (*number, rest) = (Some(value), behind);
            }
        }
        let rest = rest.strip_prefix(b",")?;
        let (end, said) = rest.split_at(rest.iter().position(|byte| *byte == b';')?);
        let head = Head::Record { run: RunId(id), received: WallTime(received), seq: numbers[1] };
        Some(Parts { run, kind, end, received, numbers, head, said })
    }

    /// What it is counted by: like [`decode_said`](crate::entry::decode_said).
    pub(crate) fn counted(&self) -> (Option<Head>, &'a [u8], &'a [u8]) {
        let said = self.said.get(1..).unwrap_or_default();
        let said = said.strip_suffix(b"\n").unwrap_or(said);
        let (text, fields) = said.split_at(memchr::memchr(b'\t', said).unwrap_or(said.len()));
        (Some(self.head), text, fields)
    }

    /// Whether all but the numbers and what is said is the same.
    fn is_like(&self, other: &Parts<'_>) -> bool {
        let has = |parts: &Parts<'_>| parts.numbers.map(|number| number.is_some());
        (self.run, self.kind, self.end) == (other.run, other.kind, other.end)
            && has(self) == has(other)
    }

    /// Appends its head as a line, without the numbers.
    fn emit(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.run);
        out.extend_from_slice(&[b' ', ELSEWHERE]);
        out.extend_from_slice(self.kind);
        for number in self.numbers {
            out.push(b',');
            out.extend(number.map(|_| ELSEWHERE));
        }
        out.push(b',');
        out.extend_from_slice(self.end);
        out.push(b'\n');
    }
}

/// The numbers of a block in the making, column by column: each less the one before, as varints.
#[derive(Debug, Default)]
pub(crate) struct Columns {
    steps: [Vec<u8>; COLUMNS],
    last: [u64; COLUMNS],
}

impl Columns {
    /// Appends to `text` what the frame says of a record, behind what it said of `before`.
    pub(crate) fn push(
        &mut self,
        record: &Parts<'_>,
        before: Option<&Parts<'_>>,
        text: &mut Vec<u8>,
    ) {
        if !before.is_some_and(|before| before.is_like(record)) {
            record.emit(text);
        }
        text.extend_from_slice(record.said);
        self.step(0, record.received);
        for (number, column) in record.numbers.iter().zip(1..) {
            if let Some(number) = number {
                self.step(column, *number);
            }
        }
    }

    fn step(&mut self, column: usize, value: u64) {
        let step = value.wrapping_sub(self.last[column]).cast_signed();
        self.last[column] = value;
        let zigzag = (step << 1 ^ step >> 63).cast_unsigned();
        push_small_varint(&mut self.steps[column], zigzag);
    }

    /// Appends the section of a block with so much in its frame, and begins the next; answers its
    /// length.
    pub(crate) fn emit(
        &mut self,
        frame_text: usize,
        compressor: &mut Compressor<'_>,
        out: &mut Vec<u8>,
    ) -> std::io::Result<u32> {
        let start = out.len();
        let packed = compressor.compress(&self.steps.concat())?;
        emit_checked(MAGIC, out, |out| {
            out.extend_from_slice(&(frame_text as u32).to_le_bytes());
            for column in &self.steps {
                out.extend_from_slice(&(column.len() as u32).to_le_bytes());
            }
            out.extend_from_slice(&packed);
        });
        self.clear();
        Ok((out.len() - start) as u32)
    }

    pub(crate) fn clear(&mut self) {
        self.steps.iter_mut().for_each(Vec::clear);
        self.last = [0; COLUMNS];
    }
}

/// Appends to a block's text a line that is no record, so that it is not taken for what else may
/// stand there.
pub(crate) fn push_other(line: &[u8], text: &mut Vec<u8>) {
    if matches!(line.first(), Some(b'0'..=b'9' | b';' | b'=')) {
        text.push(b'=');
    }
    text.extend_from_slice(line);
}

/// What the section in front of a frame says.
#[derive(Debug)]
pub(super) struct Section<'a> {
    /// The length of what is in the frame.
    pub(super) frame_text: usize,
    lens: [usize; COLUMNS],
    packed: &'a [u8],
}

impl<'a> Section<'a> {
    /// Reads a section of a block with that header. `None`: it is damaged.
    pub(super) fn parse(bytes: &'a [u8], header: &BlockHeader) -> Option<Section<'a>> {
        let length = skippable(bytes, MAGIC)?;
        let mut rest = Bytes(checked(bytes.get(8..).filter(|payload| payload.len() == length))?);
        let frame_text = rest.u32()? as usize;
        let mut lens = [0; COLUMNS];
        for len in &mut lens {
            *len = rest.u32()? as usize;
            // A record's line is longer than a varint.
            (*len <= header.text_len as usize).then_some(())?;
        }
        // At most a byte is added to each line.
        (frame_text <= 2 * header.text_len as usize).then_some(())?;
        Some(Section { frame_text, lens, packed: rest.0 })
    }

    /// Unpacks the columns into `room`, in place of what it held.
    pub(super) fn unpack(
        &self,
        decompressor: &mut zstd::bulk::Decompressor<'_>,
        room: &mut Vec<u8>,
    ) -> Option<()> {
        let wanted = self.lens.iter().sum();
        room.clear();
        room.reserve(wanted);
        let length = decompressor.decompress_to_buffer(self.packed, room).ok()?;
        (length == wanted).then_some(())
    }

    /// What puts lines together again; `columns` are unpacked.
    pub(super) fn joiner<'b>(&self, mut columns: &'b [u8]) -> Joiner<'b> {
        let columns = self.lens.map(|len| {
            let (column, rest) = columns.split_at_checked(len).unwrap_or_default();
            columns = rest;
            Bytes(column)
        });
        Joiner { columns, last: [0; COLUMNS], skipped: [0; COLUMNS], common: None }
    }
}

/// Puts heads and texts together.
pub(super) struct Joiner<'a> {
    columns: [Bytes<'a>; COLUMNS],
    last: [u64; COLUMNS],
    /// So many numbers lie between the last and the next one that is wanted.
    skipped: [usize; COLUMNS],
    common: Option<Common>,
}

/// What the heads of some records have in common.
struct Common {
    run: RunId,
    line: Vec<u8>,
    /// Where in the line the parts of a head are; the first with the blank behind it.
    id: Range<usize>,
    kind: Range<usize>,
    end: Range<usize>,
    has: [bool; NUMBERS],
}

impl Joiner<'_> {
    /// Appends the lines that `text` stands for, whole lines of a frame; `out` gets no longer
    /// than `most`. `None`: it can't be.
    pub(super) fn join(&mut self, text: &[u8], most: usize, out: &mut Vec<u8>) -> Option<()> {
        out.reserve(most.saturating_sub(out.len()));
        self.each(text, |_, _| true, most, out)
    }

    /// The same, but of records only those of `runs`: the others are empty lines.
    pub(super) fn join_runs(
        &mut self,
        text: &[u8],
        runs: &BTreeSet<RunId>,
        most: usize,
        out: &mut Vec<u8>,
    ) -> Option<()> {
        self.each(text, |_, run| runs.contains(&run), most, out)
    }

    /// The run of the record that came last.
    pub(super) fn run(&self) -> Option<RunId> {
        self.common.as_ref().map(|common| common.run)
    }

    /// The same, but of records only those whose lines in `text` begin at one of `wanted`, which
    /// rise: the others are empty lines, which costs little; those behind the last one cost
    /// nothing if there is nothing else to be had, no `notes`.
    pub(super) fn join_some(
        &mut self,
        text: &[u8],
        wanted: &[usize],
        notes: bool,
        most: usize,
        out: &mut Vec<u8>,
    ) -> Option<()> {
        let behind = |start: &usize| text.get(*start..).and_then(|rest| lines(rest).next());
        let end = |start: &usize| start + behind(start).map_or(0, <[u8]>::len);
        let text = if notes { text } else { text.get(..wanted.last().map_or(0, end))? };
        let mut wanted = wanted.iter().peekable();
        let is_wanted = |at, _| {
            while wanted.next_if(|start| **start < at).is_some() {}
            wanted.next_if_eq(&&at).is_some()
        };
        self.each(text, is_wanted, most, out)
    }

    fn each(
        &mut self,
        text: &[u8],
        mut is_wanted: impl FnMut(usize, RunId) -> bool,
        most: usize,
        out: &mut Vec<u8>,
    ) -> Option<()> {
        let mut next = 0;
        for line in lines(text) {
            let start = next;
            next += line.len();
            match line.first()? {
                b';' => {
                    let run = self.common.as_ref()?.run;
                    self.record(is_wanted(start, run).then_some(line), out)?;
                }
                b'0'..=b'9' => {
                    let room = self.common.take().map(|common| common.line);
                    self.common = Some(Common::parse(line, room.unwrap_or_default())?);
                }
                b'=' => out.extend_from_slice(&line[1..]),
                _ => out.extend_from_slice(line),
            }
            (out.len() <= most).then_some(())?;
        }
        Some(())
    }

    fn record(&mut self, said: Option<&[u8]>, out: &mut Vec<u8>) -> Option<()> {
        let has = self.common.as_ref()?.has;
        let Some(said) = said else {
            self.skip(has);
            out.push(b'\n');
            return Some(());
        };
        let received = self.next(0)?;
        let mut numbers = [None; NUMBERS];
        for column in 0..NUMBERS {
            if has[column] {
                numbers[column] = Some(self.next(column + 1)?);
            }
        }
        let common = self.common.as_ref()?;
        out.extend_from_slice(&common.line[common.id.clone()]);
        let mut room = [0; ROOM];
        let mut short = Short::new(&mut room);
        short.number(received);
        short.flush(out);
        out.extend_from_slice(&common.line[common.kind.clone()]);
        for number in numbers {
            short.byte(b',');
            short.optional(number);
        }
        short.byte(b',');
        short.flush(out);
        out.extend_from_slice(&common.line[common.end.clone()]);
        out.extend_from_slice(said);
        Some(())
    }

    fn skip(&mut self, has: [bool; NUMBERS]) {
        self.skipped[0] += 1;
        for (skipped, has) in self.skipped[1..].iter_mut().zip(has) {
            *skipped += usize::from(has);
        }
    }

    fn next(&mut self, column: usize) -> Option<u64> {
        let (mut last, bytes) = (self.last[column], &mut self.columns[column]);
        for _ in 0..=std::mem::take(&mut self.skipped[column]) {
            last = last.wrapping_add(bytes.step()?);
        }
        self.last[column] = last;
        Some(last)
    }
}

impl Common {
    /// Reads a head without numbers; keeps it in `room`, in place of what that held.
    fn parse(line: &[u8], mut room: Vec<u8>) -> Option<Common> {
        let line = line.strip_suffix(b"\n")?;
        let (run, rest) = canonical_number(line)?;
        let rest = rest.strip_prefix(&[b' ', ELSEWHERE])?;
        let kind = line.len() - rest.len();
        let kind = kind..kind + memchr::memchr(b',', rest)?;
        let mut rest = &line[kind.end..];
        let mut has = [false; NUMBERS];
        for has in &mut has {
            rest = rest.strip_prefix(b",")?;
            if let [ELSEWHERE, behind @ ..] = rest {
                (*has, rest) = (true, behind);
            }
        }
        let end = rest.strip_prefix(b",")?.len();
        room.clear();
        room.extend_from_slice(line);
        let (id, end) = (0..kind.start - 1, line.len() - end..line.len());
        Some(Common { run: RunId(run), line: room, id, kind, end, has })
    }
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut start = 0;
    memchr::memchr_iter(b'\n', text).map(move |end| {
        let line = &text[start..=end];
        start = end + 1;
        line
    })
}

#[cfg(test)]
mod tests;
