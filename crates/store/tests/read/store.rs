//! Stores written block by block, as a test wants them.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use bedside_store::entry::{decode_head, write_gap, write_record, write_run};
use bedside_store::segment::{
    BlockHeader, BlockRef, Filters, Index, Numbers, Position, Replaced, RunSpan, SegmentHeader,
    SegmentName, emit_order,
};
use bedside_store::{StoredGap, StoredRun};
use bedside_stream::{Cause, LastWord, Run, RunId, StreamKey, Verdict, WallTime};
use netconsole_wire::{Fields, Format, Prefix, PrintkTime, Record, Sequence, Text};

/// A record as far as the tests care.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) run: u64,
    pub(crate) received: u64,
    pub(crate) format: Format,
    pub(crate) seq: Option<u64>,
    pub(crate) time: Option<u64>,
    pub(crate) text: String,
    pub(crate) msgid: Option<u32>,
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    Said(Said),
    Run(StoredRun),
    Gap(StoredGap),
}

pub(crate) fn numbered(run: u64, received: u64, seq: u64, time: u64, text: &str) -> Line {
    let (seq, time, text) = (Some(seq), Some(time), text.to_owned());
    Line::Said(Said { run, received, format: Format::Extended, seq, time, text, msgid: None })
}

pub(crate) fn counted(run: u64, received: u64, seq: u64, msgid: u32) -> Line {
    let Line::Said(said) = numbered(run, received, seq, seq * 10, "counted") else { panic!() };
    Line::Said(Said { msgid: Some(msgid), ..said })
}

pub(crate) fn basic(run: u64, received: u64, time: Option<u64>, text: &str) -> Line {
    let text = text.to_owned();
    Line::Said(Said { run, received, format: Format::Basic, seq: None, time, text, msgid: None })
}

pub(crate) fn gap(run: Option<u64>, received: u64, cause: Cause, count: u64) -> Line {
    Line::Gap(StoredGap { run: run.map(RunId), received: WallTime(received), cause, count })
}

/// A run of 10.0.0.1, to port 6666, that is a boot of its own, number 1; tests change the rest.
pub(crate) fn run(id: u64, first: u64) -> StoredRun {
    let key = StreamKey::new("10.0.0.1:6665".parse().unwrap(), 6666);
    let run = Run {
        id: RunId(id),
        key,
        first_received: WallTime(first),
        verdict: Verdict::Boot,
        host: None,
        boot_id: None,
        release: None,
        last_word: None,
        stranger: false,
    };
    StoredRun { run, boot: Some(1) }
}

pub(crate) trait With: Sized {
    fn with(self, change: impl FnOnce(&mut Run)) -> Self;
    fn number(self, boot: u32) -> Self;
    fn host(self, host: &str) -> Self {
        self.with(|run| run.host = Some(host.as_bytes().to_vec()))
    }
    fn source(self, source: &str) -> Self {
        let source = source.parse().unwrap();
        self.with(|run| {
            run.key = StreamKey::new(source, run.key.port()).with_voice(run.key.voice());
        })
    }
    fn port(self, port: u16) -> Self {
        self.with(|run| run.key = run.key.with_port(port))
    }
    fn same_as(self, other: u64) -> Self {
        self.with(|run| run.verdict = Verdict::SameAs(RunId(other)))
    }
    fn word(self, word: LastWord) -> Self {
        self.with(|run| run.last_word = Some(word))
    }
}

impl With for StoredRun {
    fn with(mut self, change: impl FnOnce(&mut Run)) -> StoredRun {
        change(&mut self.run);
        self
    }

    fn number(mut self, boot: u32) -> StoredRun {
        self.boot = Some(boot);
        self
    }
}

impl From<StoredRun> for Line {
    fn from(run: StoredRun) -> Line {
        Line::Run(run)
    }
}

impl Line {
    pub(crate) fn write(&self, text: &mut Vec<u8>) {
        match self {
            Line::Run(run) => write_run(text, run),
            Line::Gap(gap) => write_gap(text, gap.run, gap.received, gap.cause, gap.count),
            Line::Said(said) => said.write(text),
        }
    }

    fn count(&self, numbers: &mut Numbers) {
        let mut text = Vec::new();
        self.write(&mut text);
        numbers.count(&text, decode_head(&text).as_ref());
    }

    /// The run that sealing sorts it by.
    fn run(&self) -> u64 {
        match self {
            Line::Run(_) => 0,
            Line::Gap(gap) => gap.run.map_or(0, |run| run.0),
            Line::Said(said) => said.run,
        }
    }

    fn received(&self) -> Option<WallTime> {
        match self {
            Line::Run(_) => None,
            Line::Gap(gap) => Some(gap.received),
            Line::Said(said) => Some(WallTime(said.received)),
        }
    }
}

impl Said {
    fn write(&self, text: &mut Vec<u8>) {
        let dictionary = self.msgid.map(|msgid| format!(" cpu=0\n msgid={msgid}\n"));
        let record = Record {
            format: self.format,
            release: None,
            prefix: Some(Prefix(6)),
            seq: self.seq.map(Sequence),
            time: self.time.map(PrintkTime),
            continued: false,
            caller: None,
            text: Text::Plain(self.text.as_bytes()),
            fields: Fields::new(b"", dictionary.as_deref().unwrap_or_default().as_bytes()),
            incomplete: false,
        };
        write_record(text, RunId(self.run), WallTime(self.received), &record);
    }
}

/// The header of a block of `lines`, but for what compression decides.
fn header(lines: &[Line]) -> BlockHeader {
    let times = lines.iter().filter_map(Line::received);
    let mut spans: BTreeMap<u64, RunSpan> = BTreeMap::new();
    for line in lines {
        let Line::Said(said) = line else { continue };
        let (run, at) = (RunId(said.run), WallTime(said.received));
        let numbered = said.seq.is_some();
        let (first, last, dense) = (at, at, numbered);
        let span = RunSpan { run, records: 0, first, last, seq: None, numbered, dense };
        let span = spans.entry(said.run).or_insert(span);
        let follows = span.seq.is_none_or(|(_, high)| said.seq == high.checked_add(1));
        span.numbered &= numbered;
        span.dense &= numbered && follows;
        span.records += 1;
        (span.first, span.last) = (span.first.min(at), span.last.max(at));
        let seq = said.seq.map(|seq| (seq, seq));
        span.seq = match (span.seq, seq) {
            (Some((a, b)), Some((c, d))) => Some((a.min(c), b.max(d))),
            (one, other) => one.or(other),
        };
    }
    BlockHeader {
        entries: lines.len() as u32,
        first: times.clone().min().unwrap_or_default(),
        last: times.max().unwrap_or_default(),
        notes: lines.iter().any(|line| !matches!(line, Line::Said(_))),
        runs: spans.into_values().collect(),
        ..BlockHeader::default()
    }
}

/// A block's bytes, and its header.
pub(crate) fn block(lines: &[Line]) -> (Vec<u8>, BlockHeader) {
    let (frame, header) = frame(lines);
    let mut bytes = Vec::new();
    header.emit(&mut bytes);
    bytes.extend(frame);
    (bytes, header)
}

/// A block's frame, and its header.
fn frame(lines: &[Line]) -> (Vec<u8>, BlockHeader) {
    let mut text = Vec::new();
    for line in lines {
        line.write(&mut text);
    }
    let frame = zstd::bulk::compress(&text, 1).unwrap();
    let header = BlockHeader {
        text_len: text.len() as u32,
        frame_len: frame.len() as u32,
        frame_crc: crc32fast::hash(&frame),
        ..header(lines)
    };
    (frame, header)
}

/// A store that a test writes.
#[derive(Debug)]
pub(crate) struct TestStore {
    dir: tempfile::TempDir,
}

impl TestStore {
    pub(crate) fn new() -> TestStore {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("segments")).unwrap();
        TestStore { dir }
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Turns the last byte of a sealed segment, which is its index's.
    pub(crate) fn damage_index(&self, number: u64) {
        let path = self.path().join(format!("segments/{number:08}.zst"));
        let mut bytes = std::fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        std::fs::write(path, bytes).unwrap();
    }

    pub(crate) fn segment(&self, number: u64) -> SegmentWriter {
        self.replacing(number, Vec::new())
    }

    /// A segment whose first blocks stand in for the tails of earlier ones.
    pub(crate) fn replacing(&self, number: u64, replaced: Vec<Replaced>) -> SegmentWriter {
        SegmentWriter::new(&self.path().join("segments"), number, replaced)
    }
}

/// A segment in the making.
#[derive(Debug)]
pub(crate) struct SegmentWriter {
    dir: PathBuf,
    number: u64,
    file: File,
    end: Position,
    written: Vec<Vec<Line>>,
}

impl SegmentWriter {
    fn new(dir: &Path, number: u64, replaced: Vec<Replaced>) -> SegmentWriter {
        let path = dir.join(SegmentName::live(number).to_string());
        let mut file = OpenOptions::new().append(true).create_new(true).open(path).unwrap();
        let mut bytes = Vec::new();
        SegmentHeader { number, created: WallTime(0), sealed: false, replaced }.emit(&mut bytes);
        file.write_all(&bytes).unwrap();
        let end = Position { offset: bytes.len() as u64, entries: 0 };
        SegmentWriter { dir: dir.to_owned(), number, file, end, written: Vec::new() }
    }

    /// Where the next block will begin.
    pub(crate) fn offset(&self) -> u64 {
        self.end.offset
    }

    pub(crate) fn live_path(&self) -> PathBuf {
        self.dir.join(SegmentName::live(self.number).to_string())
    }

    pub(crate) fn append(&mut self, bytes: &[u8]) {
        self.file.write_all(bytes).unwrap();
        self.end.offset += bytes.len() as u64;
    }

    pub(crate) fn block(&mut self, lines: &[Line]) {
        self.append(&block(lines).0);
        self.end.entries += lines.len() as u64;
        self.written.push(lines.to_vec());
    }

    /// The same, of lines that were looked at when they came.
    pub(crate) fn ordinary_block(&mut self, lines: &[Line]) {
        let (frame, header) = frame(lines);
        let mut bytes = Vec::new();
        BlockHeader { ordinary: true, ..header }.emit(&mut bytes);
        bytes.extend(frame);
        self.append(&bytes);
        self.end.entries += lines.len() as u64;
        self.written.push(lines.to_vec());
    }

    /// Seals it: the same lines in blocks of `per_block`.
    pub(crate) fn seal(self, per_block: usize) {
        let lines: Vec<Line> = self.written.concat();
        let mut lines: Vec<(u64, Line)> = (0..).zip(lines).collect();
        // Sorted by run in chapters, some of which have a single block.
        for chapter in lines.chunks_mut(3 * per_block) {
            chapter.sort_by_key(|(entry, line)| (line.run(), *entry));
        }
        let mut bytes = Vec::new();
        let number = self.number;
        let header = SegmentHeader { number, created: WallTime(0), sealed: true, replaced: vec![] };
        header.emit(&mut bytes);
        // Not all segments tell of their numbers.
        let mut numbers = (!number.is_multiple_of(3)).then(Numbers::new);
        let mut blocks = Vec::new();
        let mut compressor = zstd::bulk::Compressor::new(1).unwrap();
        let mut end = Position { offset: bytes.len() as u64, entries: 0 };
        for lines in lines.chunks(per_block) {
            let (entries, lines): (Vec<u64>, Vec<Line>) = lines.iter().cloned().unzip();
            if let Some(numbers) = &mut numbers {
                for line in &lines {
                    line.count(numbers);
                }
            }
            let mut column = Vec::new();
            let (frame, mut header) = frame(&lines);
            header.order = emit_order(&entries, end.entries, &mut compressor, &mut column).unwrap();
            header.emit(&mut bytes);
            bytes.extend(column);
            bytes.extend(frame);
            blocks.push(BlockRef::new(end, header));
            end = blocks[blocks.len() - 1].end();
        }
        assert_eq!(end.offset, bytes.len() as u64);
        bytes.extend(Index::new(blocks, end).emit(&Filters::default(), numbers.as_ref()));
        let name = self.dir.join(format!("{number:08}.tmp"));
        std::fs::write(&name, bytes).unwrap();
        std::fs::rename(name, self.dir.join(SegmentName::sealed(number).to_string())).unwrap();
        std::fs::remove_file(self.live_path()).unwrap();
    }
}
