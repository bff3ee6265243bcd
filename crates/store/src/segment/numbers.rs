//! What a sealed segment holds of each run, in numbers: so that counting a machine's records, and
//! what is missing among them, needs none of its blocks.

use bedside_stream::{RunId, WallTime};
use memchr::memmem::Finder;

use super::SegmentName;
use super::header::{Bytes, checked, emit_checked, push_varint};
use crate::disk::DiskFile;
use crate::entry::Head;
use crate::error::Error;

const MAGIC: u32 = 0x184D_2A5F;
/// The length of the section and a CRC, which are its last bytes.
const END: usize = 8;
/// Flags of a run.
const HAS_GAPS: u64 = 1;
const HAS_RANGES: u64 = 2;
const HAS_PLAIN: u64 = 4;
const HAS_MSGID: u64 = 8;
const FLAGS: u32 = 4;

/// What a segment, or several, hold of one run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RunNumbers {
    /// Its records.
    pub(crate) records: u64,
    /// When the last of them was received.
    pub(crate) last: WallTime,
    /// Whether there are gaps of it.
    pub(crate) gaps: bool,
    /// Whether there is a `msgid` in one: then that says how a hole came about.
    pub(crate) msgid: bool,
    /// The numbers that its records have.
    pub(crate) held: Held,
}

/// Which sequence numbers some records have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Held {
    /// There are no records.
    #[default]
    Nothing,
    /// None.
    Plain,
    /// All numbers of these ranges, both ends included, each once. They rise, and don't touch.
    Ranges(Vec<(u64, u64)>),
    /// Only the records themselves tell.
    Unsure,
}

/// What a segment holds of all its runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Section {
    /// When the first and the last of its records were received; none of no records.
    pub(crate) received: Option<(WallTime, WallTime)>,
    /// Whether there are gaps of any.
    pub(crate) gaps: bool,
    bytes: Vec<u8>,
}

/// The runs of a segment, counted line by line. Lines come rising by run, chapter after chapter:
/// so they are found by going along.
#[derive(Debug)]
pub struct Numbers {
    /// Those met in chapters before, rising.
    runs: Vec<(RunId, RunNumbers)>,
    /// Those met in this one for the first time, rising.
    fresh: Vec<(RunId, RunNumbers)>,
    /// That of the last line: most come in trains.
    last: Option<RunId>,
    /// How many of `runs` are lower.
    lower: usize,
    received: Option<(WallTime, WallTime)>,
    msgid: Finder<'static>,
    /// There are too many of them.
    too_many: bool,
}

impl RunNumbers {
    /// Counts a record.
    pub(crate) fn count(&mut self, received: WallTime, seq: Option<u64>, msgid: bool) {
        self.records += 1;
        self.last = self.last.max(received);
        self.msgid |= msgid;
        match seq {
            Some(seq) => self.held.add_range((seq, seq)),
            None => self.held.add_plain(),
        }
    }

    /// Counts what another part of the store holds of the same run.
    pub(crate) fn add(&mut self, other: &RunNumbers) {
        self.records += other.records;
        self.last = self.last.max(other.last);
        self.gaps |= other.gaps;
        self.msgid |= other.msgid;
        match &other.held {
            Held::Nothing => {}
            Held::Plain => self.held.add_plain(),
            Held::Ranges(ranges) => ranges.iter().for_each(|range| self.held.add_range(*range)),
            Held::Unsure => self.held = Held::Unsure,
        }
    }

    fn emit(&self, out: &mut Vec<u8>) {
        let flag = |is: bool, flag: u64| if is { flag } else { 0 };
        let ranges = match &self.held {
            Held::Ranges(ranges) if ranges.len() <= WRITTEN_MAX => ranges.as_slice(),
            _ => &[],
        };
        let flags = flag(self.gaps, HAS_GAPS)
            | flag(!ranges.is_empty(), HAS_RANGES)
            | flag(self.held == Held::Plain, HAS_PLAIN)
            | flag(self.msgid, HAS_MSGID);
        push_varint(out, self.records << FLAGS | flags);
        push_varint(out, self.last.0);
        if ranges.is_empty() {
            return;
        }
        push_varint(out, ranges.len() as u64);
        let mut before = 0;
        for (low, high) in ranges {
            push_varint(out, low.wrapping_sub(before));
            push_varint(out, high.wrapping_sub(*low));
            before = *high;
        }
    }

    fn parse(bytes: &mut Bytes<'_>) -> Option<RunNumbers> {
        let flags: u64 = bytes.varint()?;
        let has = |flag| flags & flag != 0;
        let (records, last) = (flags >> FLAGS, WallTime(bytes.varint()?));
        let held = match (records, has(HAS_RANGES), has(HAS_PLAIN)) {
            (_, true, _) => Held::Ranges(parse_ranges(bytes)?),
            (0, ..) => Held::Nothing,
            (_, _, true) => Held::Plain,
            _ => Held::Unsure,
        };
        Some(RunNumbers { records, last, gaps: has(HAS_GAPS), msgid: has(HAS_MSGID), held })
    }
}

fn parse_ranges(bytes: &mut Bytes<'_>) -> Option<Vec<(u64, u64)>> {
    let count: usize = bytes.varint()?;
    (count <= WRITTEN_MAX).then_some(())?;
    let mut ranges = Vec::with_capacity(count);
    let mut before = 0u64;
    for _ in 0..count {
        let low = before.checked_add(bytes.varint()?)?;
        let high = low.checked_add(bytes.varint()?)?;
        ranges.push((low, high));
        before = high;
    }
    Some(ranges)
}

impl Held {
    fn add_plain(&mut self) {
        *self = match self {
            Held::Nothing | Held::Plain => Held::Plain,
            Held::Ranges(_) | Held::Unsure => Held::Unsure,
        };
    }

    /// Adds numbers, none of which may be there already.
    fn add_range(&mut self, range: (u64, u64)) {
        match self {
            Held::Nothing => *self = Held::Ranges(vec![range]),
            Held::Ranges(ranges) => {
                if !insert(ranges, range) {
                    *self = Held::Unsure;
                }
            }
            Held::Plain | Held::Unsure => *self = Held::Unsure,
        }
    }
}

/// Puts a range into its place. `false`: a number of it is there already, or there are too many.
fn insert(ranges: &mut Vec<(u64, u64)>, (low, high): (u64, u64)) -> bool {
    if let Some(last) = ranges.last_mut()
        && last.1.checked_add(1) == Some(low)
    {
        last.1 = high;
        return true;
    }
    // Most come in their order, or a little late.
    let behind = ranges.iter().rev().take_while(|range| range.0 > high).count();
    let at = ranges.len() - behind;
    let before = at.checked_sub(1).map(|before| ranges[before]);
    if before.is_some_and(|before| before.1 >= low) {
        return false;
    }
    let joins_before = before.is_some_and(|before| before.1.checked_add(1) == Some(low));
    let joins_after = ranges.get(at).is_some_and(|after| high.checked_add(1) == Some(after.0));
    match (joins_before, joins_after) {
        (true, true) => ranges[at - 1].1 = ranges.remove(at).1,
        (true, false) => ranges[at - 1].1 = high,
        (false, true) => ranges[at].0 = low,
        (false, false) if ranges.len() < RANGES_MAX => ranges.insert(at, (low, high)),
        (false, false) => return false,
    }
    true
}

impl Default for Numbers {
    fn default() -> Numbers {
        Numbers::new()
    }
}

impl Numbers {
    /// Of no lines yet.
    pub fn new() -> Numbers {
        let (runs, fresh, msgid) = (Vec::new(), Vec::new(), Finder::new(MSGID));
        Numbers { runs, fresh, last: None, lower: 0, received: None, msgid, too_many: false }
    }

    /// Counts a line, of which `head` is known, and if it is a record its `fields`, tabs and all.
    pub fn count(&mut self, fields: &[u8], head: Option<&Head>) {
        match head {
            Some(Head::Record { run, received, seq }) => {
                let (first, last) = self.received.unwrap_or((*received, *received));
                self.received = Some((first.min(*received), last.max(*received)));
                let msgid = !fields.is_empty() && self.msgid.find(fields).is_some();
                if let Some(numbers) = self.numbers_of(*run) {
                    numbers.count(*received, *seq, msgid);
                }
            }
            Some(Head::Gap(gap)) => {
                if let Some(numbers) = gap.run.and_then(|run| self.numbers_of(run)) {
                    numbers.gaps = true;
                }
            }
            _ => {}
        }
    }

    /// A flood's runs are not worth it: without the section the catalogue tells of them.
    fn numbers_of(&mut self, run: RunId) -> Option<&mut RunNumbers> {
        if self.too_many {
            return None;
        }
        if self.last != Some(run) {
            self.turn_to(run);
        }
        if self.runs.len() + self.fresh.len() > RUNS_MAX {
            *self = Numbers { too_many: true, ..Numbers::new() };
            return None;
        }
        let known = self.runs.get_mut(self.lower).filter(|(known, _)| *known == run);
        known.or(self.fresh.last_mut()).map(|(_, numbers)| numbers)
    }

    fn turn_to(&mut self, run: RunId) {
        if self.last.replace(run).is_some_and(|last| last > run) {
            self.gather();
        }
        let rest = self.runs.get(self.lower..).unwrap_or_default();
        let near = rest.iter().take(NEAR).position(|(known, _)| *known >= run);
        self.lower += near.unwrap_or_else(|| rest.partition_point(|(known, _)| *known < run));
        if self.runs.get(self.lower).is_none_or(|(known, _)| *known != run) {
            self.fresh.push((run, RunNumbers::default()));
        }
    }

    /// The next lines begin with the lowest run again.
    fn gather(&mut self) {
        self.lower = 0;
        if !self.fresh.is_empty() {
            self.runs.append(&mut self.fresh);
            self.runs.sort_by_key(|(run, _)| *run);
        }
    }

    /// Its bytes, which stand in front of the index; none if there are too many runs.
    pub(super) fn emit(&self, out: &mut Vec<u8>) {
        if self.too_many {
            return;
        }
        let mut runs: Vec<_> = self.runs.iter().chain(&self.fresh).collect();
        runs.sort_unstable_by_key(|(run, _)| *run);
        let (mut payload, mut before) = (Vec::with_capacity(16 * runs.len()), 0);
        // None is told as a last one before the first.
        let (first, last) = self.received.unwrap_or((WallTime(1), WallTime(0)));
        push_varint(&mut payload, first.0);
        push_varint(&mut payload, last.0);
        push_varint(&mut payload, u64::from(runs.iter().any(|(_, numbers)| numbers.gaps)));
        for (run, numbers) in runs {
            push_varint(&mut payload, run.0.wrapping_sub(before));
            numbers.emit(&mut payload);
            before = run.0;
        }
        let length = 8 + payload.len() + END;
        payload.extend_from_slice(&(length as u32).to_le_bytes());
        emit_checked(MAGIC, out, |out| out.extend_from_slice(&payload));
    }
}

/// Reads the section that ends at `end`, if there is one.
pub(super) fn read(
    file: &dyn DiskFile,
    name: SegmentName,
    end: u64,
) -> Result<Option<Section>, Error> {
    let io = |e| Error::io("read", name.to_string(), e);
    let mut footer = [0; 4];
    let Some(at) = end.checked_sub(END as u64) else { return Ok(None) };
    file.read_at(&mut footer, at).map_err(io)?;
    let length = u32::from_le_bytes(footer);
    let Some(start) = end.checked_sub(u64::from(length)) else { return Ok(None) };
    let mut bytes = vec![0; length as usize];
    file.read_at(&mut bytes, start).map_err(io)?;
    Ok(Section::parse(&bytes))
}

impl Section {
    fn parse(bytes: &[u8]) -> Option<Section> {
        let length = super::header::skippable(bytes, MAGIC)?;
        let payload = checked(bytes.get(8..).filter(|payload| payload.len() == length))?;
        let (payload, _) = payload.split_last_chunk::<4>()?;
        let mut bytes = Bytes(payload);
        let (first, last) = (WallTime(bytes.varint()?), WallTime(bytes.varint()?));
        let received = Some((first, last)).filter(|(first, last)| first <= last);
        let gaps = bytes.varint::<u64>()? != 0;
        Some(Section { received, gaps, bytes: bytes.0.to_vec() })
    }

    /// Its runs, rising.
    pub(crate) fn runs(&self) -> impl Iterator<Item = (RunId, RunNumbers)> + '_ {
        let (mut bytes, mut run) = (Bytes(&self.bytes), 0u64);
        std::iter::from_fn(move || {
            run = run.wrapping_add(bytes.varint()?);
            Some((RunId(run), RunNumbers::parse(&mut bytes)?))
        })
    }
}

/// How sysdata's count of messages stands in a line.
const MSGID: &[u8] = b"\tmsgid=";
/// Ranges of one run in a section. Of more, only the records themselves tell.
const WRITTEN_MAX: usize = 256;
/// Ranges of one run in memory, likewise.
const RANGES_MAX: usize = 1 << 13;
/// So many runs are looked at one by one; one that is farther off is searched for.
const NEAR: usize = 8;
/// Runs of one segment; it takes some 100 bytes to count each.
const RUNS_MAX: usize = 1 << 16;

#[cfg(test)]
mod tests;
