//! What brings a stream back: after it was silent for a while, after it was forgotten, after a
//! restart.
//!
//! Numbers are LEB128; those that rise are told as the difference to the one before. Marks of one
//! run lie close together: about 9 bytes each instead of 24.

use core::net::{IpAddr, SocketAddr};

use integer_encoding::VarInt;

use crate::history::{Holes, Mark, Marks, Row};
use crate::mind::Mind;
use crate::track::Track;
use crate::{LastWord, Run, RunId, StreamKey, Verdict, Voice, WallTime};

/// What other versions wrote is not read: such a stream begins anew.
const VERSION: u8 = 1;

/// All that the core knows of one stream but its unfinished messages, in few bytes: about 300,
/// at most about 500 unless its names are long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Memory {
    pub(crate) key: StreamKey,
    pub(crate) run: RunId,
    pub(crate) last_received: WallTime,
    pub(crate) since: WallTime,
    pub(crate) heard: u32,
    pub(crate) proven: bool,
    pub(crate) bytes: Box<[u8]>,
}

impl Memory {
    /// Takes bytes that [`Memory::bytes`] gave. `None`: another version did, or they are damaged.
    pub fn from_bytes(bytes: Box<[u8]>) -> Option<Memory> {
        let mut from = Reader(&bytes);
        let head = Head::read(&mut from)?;
        let Head { key, run, last_received, since, heard, proven } = head;
        Some(Memory { key, run, last_received, since, heard, proven, bytes })
    }

    /// What is to be stored.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The stream.
    pub fn key(&self) -> StreamKey {
        self.key
    }

    /// Its latest run.
    pub fn run(&self) -> RunId {
        self.run
    }

    /// When it was last heard.
    pub fn last_received(&self) -> WallTime {
        self.last_received
    }

    /// Whether it has sent more than a few datagrams.
    pub fn proven(&self) -> bool {
        self.proven
    }
}

impl Mind {
    /// The same in few bytes, of a stream that has sent so many datagrams.
    pub(crate) fn pack(&self, heard: u32, proven: bool) -> Memory {
        let (key, run, last_received) = (self.current.run.key, self.run(), self.last_received);
        let since = self.since;
        let mut to = Vec::with_capacity(512);
        Head { key, run, last_received, since, heard, proven }.write(&mut to);
        write_track(&mut to, &self.current);
        to.push(u8::from(self.linked) | u8::from(self.held.is_some()) << 1);
        if let Some(held) = &self.held {
            write_track(&mut to, held);
        }
        number(&mut to, self.undecided.len() as u64);
        self.undecided.iter().for_each(|run| write_run(&mut to, run));
        to.push(u8::from(self.continues.is_some()));
        if let Some(key) = &self.continues {
            write_key(&mut to, key);
        }
        // Not shrunk in place: what is cut off would be holes between millions of these.
        let bytes = Box::from(to.as_slice());
        Memory { key, run, last_received, since, heard, proven, bytes }
    }
}

/// What was packed. `None`: the bytes are damaged.
pub(crate) fn unpack(bytes: &[u8]) -> Option<Mind> {
    const UNDECIDED: u64 = 64;
    let from = &mut Reader(bytes);
    let Head { key, last_received, since, .. } = Head::read(from)?;
    let current = read_track(from, key)?;
    let flags = from.byte()?;
    let held = if flags & 2 == 0 { None } else { Some(Box::new(read_track(from, key)?)) };
    let count = from.number().filter(|count| *count <= UNDECIDED)?;
    let undecided = (0..count).map(|_| read_run(from, key)).collect::<Option<_>>()?;
    let continues = if from.byte()? == 0 { None } else { Some(Box::new(read_key(from)?)) };
    let linked = flags & 1 != 0;
    Some(Mind { last_received, held, linked, current, since, undecided, continues })
}

/// What stands in front.
struct Head {
    key: StreamKey,
    run: RunId,
    last_received: WallTime,
    since: WallTime,
    heard: u32,
    proven: bool,
}

impl Head {
    fn write(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(&[VERSION, u8::from(self.proven)]);
        write_key(to, &self.key);
        number(to, self.run.0);
        number(to, self.last_received.0);
        number(to, self.since.0);
        number(to, u64::from(self.heard));
    }

    fn read(from: &mut Reader<'_>) -> Option<Head> {
        (from.byte()? == VERSION).then_some(())?;
        let proven = from.byte()? != 0;
        let key = read_key(from)?;
        let run = RunId(from.number()?);
        let (last_received, since) = (WallTime(from.number()?), WallTime(from.number()?));
        let heard = u32::try_from(from.number::<u64>()?).ok()?;
        Some(Head { key, run, last_received, since, heard, proven })
    }
}

fn write_key(to: &mut Vec<u8>, key: &StreamKey) {
    let voice = (key.voice() as u8) << 4;
    match key.ip() {
        IpAddr::V4(address) => {
            to.push(4 | voice);
            to.extend_from_slice(&address.octets());
        }
        IpAddr::V6(address) => {
            to.push(6 | voice);
            to.extend_from_slice(&address.octets());
            // Flow label and scope, which a key had once.
            number(to, 0);
            number(to, 0);
        }
    }
    to.extend_from_slice(&key.source().port().to_le_bytes());
    to.extend_from_slice(&key.port().to_le_bytes());
}

fn read_key(from: &mut Reader<'_>) -> Option<StreamKey> {
    let kind = from.byte()?;
    let voice = *Voice::ALL.get(usize::from(kind >> 4))?;
    let address = match kind & 15 {
        4 => IpAddr::from(from.array::<4>()?),
        6 => {
            let address = from.array::<16>()?;
            from.number::<u64>()?;
            from.number::<u64>()?;
            IpAddr::from(address)
        }
        _ => return None,
    };
    let source = SocketAddr::new(address, u16::from_le_bytes(from.array()?));
    Some(StreamKey::new(source, u16::from_le_bytes(from.array()?)).with_voice(voice))
}

fn write_run(to: &mut Vec<u8>, run: &Run) {
    number(to, run.id.0);
    number(to, run.first_received.0);
    let word = match run.last_word {
        None => 0,
        Some(LastWord::Clean) => 1,
        Some(LastWord::Panic) => 2,
    };
    let (verdict, root) = match run.verdict {
        Verdict::Provisional => (0, None),
        Verdict::Boot => (1, None),
        Verdict::SameAs(root) => (2, Some(root)),
    };
    to.push(word | verdict << 2 | u8::from(run.stranger) << 4);
    if let Some(root) = root {
        number(to, root.0);
    }
    for name in [&run.host, &run.boot_id, &run.release] {
        // No name is empty.
        let name = name.as_deref().unwrap_or_default();
        number(to, name.len() as u64);
        to.extend_from_slice(name);
    }
}

fn read_run(from: &mut Reader<'_>, key: StreamKey) -> Option<Run> {
    let (id, first_received) = (RunId(from.number()?), WallTime(from.number()?));
    let flags = from.byte()?;
    let last_word = match flags & 3 {
        0 => None,
        1 => Some(LastWord::Clean),
        _ => Some(LastWord::Panic),
    };
    let verdict = match flags >> 2 & 3 {
        0 => Verdict::Provisional,
        1 => Verdict::Boot,
        _ => Verdict::SameAs(RunId(from.number()?)),
    };
    let mut name = || {
        let len = usize::try_from(from.number::<u64>()?).ok()?;
        let name = from.take(len)?;
        Some((len > 0).then(|| name.to_vec()))
    };
    let (host, boot_id, release) = (name()?, name()?, name()?);
    let stranger = flags >> 4 & 1 != 0;
    Some(Run { id, key, first_received, verdict, host, boot_id, release, last_word, stranger })
}

fn write_track(to: &mut Vec<u8>, track: &Track) {
    write_run(to, &track.run);
    to.push(u8::from(track.numbers.is_some()) | u8::from(track.times.is_some()) << 1);
    for (low, high) in track.numbers.iter().chain(&track.times) {
        number(to, *low);
        number(to, high.wrapping_sub(*low));
    }
    number(to, track.strange);
    number(to, track.last_word_time);
    write_holes(to, &track.holes);
    write_marks(to, &track.marks);
}

fn read_track(from: &mut Reader<'_>, key: StreamKey) -> Option<Track> {
    let run = read_run(from, key)?;
    let flags = from.byte()?;
    let mut pair = |bit| {
        if flags & bit == 0 {
            return Some(None);
        }
        let low: u64 = from.number()?;
        Some(Some((low, low.wrapping_add(from.number()?))))
    };
    let (numbers, times) = (pair(1)?, pair(2)?);
    let (strange, last_word_time) = (from.number()?, from.number()?);
    let (holes, marks) = (read_holes(from)?, read_marks(from)?);
    Some(Track { numbers, times, run, marks, holes, strange, last_word_time })
}

fn write_holes(to: &mut Vec<u8>, holes: &Holes) {
    number(to, holes.unsure_below);
    to.push(holes.spans.len() as u8);
    let mut before = 0;
    for (start, end) in &holes.spans {
        number(to, start.wrapping_sub(before));
        number(to, end.wrapping_sub(*start));
        before = *end;
    }
}

fn read_holes(from: &mut Reader<'_>) -> Option<Holes> {
    let mut holes = Holes { unsure_below: from.number()?, ..Holes::default() };
    let mut before = 0u64;
    let count = from.byte().filter(|count| usize::from(*count) <= Holes::MOST)?;
    holes.spans.reserve_exact(usize::from(count));
    for _ in 0..count {
        let start = before.wrapping_add(from.number()?);
        before = start.wrapping_add(from.number()?);
        holes.spans.push((start, before));
    }
    Some(holes)
}

fn write_marks(to: &mut Vec<u8>, marks: &Marks) {
    number(to, marks.passed);
    number(to, marks.seen);
    to.extend_from_slice(&[u8::from(marks.precise_again), marks.oldest, marks.stride_log2]);
    let mut before = Mark::default();
    for row in Row::ALL.map(|row| marks.row(row)) {
        to.push(row.len() as u8);
        for mark in row {
            number(to, mark.seq.wrapping_sub(before.seq).cast_signed());
            number(to, mark.time.wrapping_sub(before.time).cast_signed());
            to.extend_from_slice(&mark.hash.to_le_bytes());
            before = *mark;
        }
    }
}

fn read_marks(from: &mut Reader<'_>) -> Option<Marks> {
    let (passed, seen) = (from.number()?, from.number()?);
    let [again, oldest, stride_log2] = from.array()?;
    let mut marks = Marks::default();
    (marks.seen, marks.passed, marks.oldest) = (seen, passed, oldest);
    (marks.precise_again, marks.stride_log2) = (again != 0, stride_log2.min(62));
    let mut before = Mark::default();
    for row in Row::ALL {
        for _ in 0..from.byte()? {
            let seq = before.seq.wrapping_add_signed(from.number()?);
            let time = before.time.wrapping_add_signed(from.number()?);
            before = Mark { seq, time, hash: u32::from_le_bytes(from.array()?) };
            marks.add(row, before);
        }
    }
    Some(marks)
}

/// Appends a number in as many bytes as it needs.
fn number(to: &mut Vec<u8>, value: impl VarInt) {
    const LONGEST: usize = 10;
    let mut bytes = [0; LONGEST];
    let length = value.encode_var(&mut bytes);
    to.extend_from_slice(bytes.get(..length).unwrap_or_default());
}

/// What is left to read.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn byte(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    fn number<T: VarInt>(&mut self) -> Option<T> {
        let (value, length) = T::decode_var(self.0)?;
        self.0 = self.0.get(length..)?;
        Some(value)
    }
}
