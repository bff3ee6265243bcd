//! Records by their text, without reading what can't hold it: filters tell which chapters may,
//! blocks are looked through as they are, and only lines that hold a word are taken apart.

mod matches;

use std::collections::{BTreeSet, HashMap, HashSet};

use bedside_stream::RunId;
use foldhash::fast::RandomState;

use super::blocks::Kind;
use super::runs::Runs;
use super::segments::{At, Outline, Segments};
use super::view::View;
use super::{BootSummary, Window};
use crate::catalogue::Asked;
use crate::entry::{Entry, Head, StoredRecord, decode_head, unescape_into};
use crate::error::Error;
use crate::needle::Needle;
use crate::segment::{BlockRef, Form, RunSpan, SegmentFile, Unpacker};

pub use self::matches::{Found, Matches};

/// What a record must be like to be found.
pub struct Search<'a> {
    /// What its text must hold for `wants` to be asked.
    pub needle: &'a Needle,
    /// Whether it is wanted; it gets the exact bytes of the text too.
    pub wants: &'a dyn Fn(&StoredRecord<'_>, &[u8]) -> bool,
    /// When it must have been received.
    pub window: Window,
}

impl std::fmt::Debug for Search<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Search").field("needle", &self.needle).finish_non_exhaustive()
    }
}

/// Searches `boots`. `None`: what is found is too much to be held.
pub(super) fn search<'a>(
    view: &'a View,
    boots: &[&'a BootSummary],
    search: &Search<'_>,
) -> Result<Option<Matches<'a>>, Error> {
    let mut look = Look::new(view, boots, search)?;
    for number in look.segments(view.runs()) {
        look.segment(number)?;
        if look.text.len() > FOUND_MAX {
            return Ok(None);
        }
    }
    Ok(Some(Matches::new(view, boots.to_vec(), search.window, look.hits, look.text)))
}

/// Searches all that `segments` hold, within any window. `None`: what is found is too much to be
/// held.
pub(super) fn find(segments: &Segments, search: &Search<'_>) -> Result<Option<Finds>, Error> {
    let mut look = Look::at_all(segments, search)?;
    let count = segments.numbers().count();
    for (done, number) in (1..).zip(segments.numbers()) {
        let section = segments.section(number, None)?;
        if section.is_none_or(|section| section.gaps) {
            look.with_gaps.insert(number);
        }
        look.segment(number)?;
        // So much more is to be expected.
        if look.text.len() / done > FOUND_MAX / count {
            return Ok(None);
        }
    }
    Ok(Some(Finds { hits: look.hits, text: look.text }))
}

/// What was found before it was known whose it is.
#[derive(Debug)]
pub struct Finds {
    hits: Vec<Hit>,
    text: Vec<u8>,
}

impl Finds {
    /// The runs whose boots must be known; `None`: all may be as well.
    pub(super) fn asked(&self) -> Option<Asked<'static>> {
        let runs: BTreeSet<RunId> = self.hits.iter().map(|hit| hit.run).collect();
        (runs.len() <= FEW_RUNS).then(|| Asked::runs(runs))
    }

    pub(super) fn matches<'a>(
        mut self,
        view: &'a View,
        boots: &[&'a BootSummary],
        window: Window,
    ) -> Matches<'a> {
        let boot_of = Boots::new(boots).boot_of;
        self.hits.retain_mut(|hit| match boot_of.get(&hit.run) {
            Some(boot) => {
                hit.boot = *boot;
                true
            }
            None => false,
        });
        Matches::new(view, boots.to_vec(), window, self.hits, self.text)
    }
}

/// Looks through blocks.
struct Look<'a> {
    segments: &'a Segments,
    search: &'a Search<'a>,
    /// The segments with gaps of runs.
    with_gaps: HashSet<u64>,
    /// Whose records are looked for; `None`: anybody's.
    boots: Option<Boots>,
    /// It is worth finding out where their runs are.
    are_few: bool,
    unpacker: Unpacker,
    block: Vec<u8>,
    starts: Vec<usize>,
    exact: Vec<u8>,
    /// What was found, and its text.
    hits: Vec<Hit>,
    text: Vec<u8>,
}

/// A line that was found.
#[derive(Clone, Copy, Debug)]
struct Hit {
    boot: usize,
    run: RunId,
    kind: Kind,
    /// A whole copy of it would count in its place.
    incomplete: bool,
    at: At,
    /// Where it is among the lines that were found.
    start: u32,
    end: u32,
}

/// The runs of some boots.
#[derive(Debug, Default)]
struct Boots {
    /// Where the boot of each run is among the boots.
    boot_of: HashMap<RunId, usize, RandomState>,
    runs: BTreeSet<RunId>,
    /// Runs that share their boot: what one of them says may repeat another, whenever that was.
    shared: HashSet<RunId>,
}

impl Boots {
    fn new(all: &[&BootSummary]) -> Boots {
        let mut boots = Boots::default();
        for (place, boot) in all.iter().enumerate() {
            boots.boot_of.extend(boot.runs.iter().map(|run| (*run, place)));
            if boot.runs.len() > 1 {
                boots.shared.extend(&boot.runs);
            }
        }
        boots.runs = boots.boot_of.keys().copied().collect();
        boots
    }

    /// How many of the runs lie between the lowest and the highest of a block; at most so many as
    /// leave no doubt that it holds one.
    fn within_reach(&self, block: &BlockRef) -> usize {
        let reach = block.reach.filter(|(lowest, highest)| lowest <= highest);
        let within = reach.map(|(lowest, highest)| self.runs.range(lowest..=highest));
        within.map_or(0, |within| within.take(NO_DOUBT).count())
    }
}

impl<'a> Look<'a> {
    fn at_all(segments: &'a Segments, search: &'a Search<'a>) -> Result<Look<'a>, Error> {
        Ok(Look {
            segments,
            search,
            with_gaps: HashSet::new(),
            boots: None,
            are_few: false,
            unpacker: Unpacker::new()?,
            block: Vec::new(),
            starts: Vec::new(),
            exact: Vec::new(),
            hits: Vec::new(),
            text: Vec::new(),
        })
    }

    fn new(
        view: &'a View,
        boots: &[&BootSummary],
        search: &'a Search<'a>,
    ) -> Result<Look<'a>, Error> {
        let boots = Boots::new(boots);
        Ok(Look {
            with_gaps: view.runs().segments_with_gaps(),
            are_few: view.runs().are_few(boots.boot_of.len()),
            boots: Some(boots),
            ..Look::at_all(view.segments(), search)?
        })
    }

    /// The segments that may hold something of the boots.
    fn segments(&self, runs: &Runs) -> Vec<u64> {
        match self.boots.as_ref().filter(|_| self.are_few) {
            Some(boots) => {
                let wanted: Vec<RunId> = boots.boot_of.keys().copied().collect();
                runs.segments_of(&wanted).into_iter().map(|(n, _)| n).collect()
            }
            None => self.segments.numbers().collect(),
        }
    }

    fn segment(&mut self, number: u64) -> Result<(), Error> {
        let gaps = self.with_gaps.contains(&number);
        let outline = self.segments.outline(number, self.search.needle, gaps)?;
        let Some(Outline { file, blocks }) = outline else { return Ok(()) };
        for block in &blocks {
            if self.may_hold(&file, block)? {
                self.block(&file, block)?;
            }
            if self.text.len() > FOUND_MAX {
                break;
            }
        }
        Ok(())
    }

    /// Whether a block may hold something of these boots from that time.
    fn may_hold(&self, file: &SegmentFile, block: &BlockRef) -> Result<bool, Error> {
        let (first, last) = (block.header.first, block.header.last);
        let Window { since, until } = self.search.window;
        let in_time =
            since.is_none_or(|since| last >= since) && until.is_none_or(|until| first <= until);
        let Some(boots) = &self.boots else { return Ok(true) };
        if in_time && !self.are_few || !in_time && boots.shared.is_empty() {
            return Ok(in_time);
        }
        match boots.within_reach(block) {
            0 => return Ok(false),
            NO_DOUBT if in_time => return Ok(true),
            _ => {}
        }
        let is_wanted = |span: &RunSpan| {
            if in_time {
                boots.boot_of.contains_key(&span.run)
            } else {
                boots.shared.contains(&span.run)
            }
        };
        Ok(match file.name().form {
            Form::Live => block.header.runs.iter().any(is_wanted),
            Form::Sealed => file.read_runs(block)?.iter().any(is_wanted),
        })
    }

    fn block(&mut self, file: &SegmentFile, block: &BlockRef) -> Result<(), Error> {
        let (segments, number) = (self.segments, file.name().number);
        self.block.clear();
        let needle = self.search.needle;
        let find = |said: &[u8]| {
            let mut starts = Vec::new();
            needle.candidates(said, &mut starts);
            Some(starts)
        };
        let read = file.append_some(block, &mut self.unpacker, &mut self.block, find);
        if let Err(error) = read {
            return segments.skip(number, block.start.offset, error);
        }
        needle.candidates(&self.block, &mut self.starts);
        if block.header.notes && self.with_gaps.contains(&number) {
            add_gaps(&self.block, &mut self.starts);
        }
        let mut entries = None;
        let (mut place, mut counted) = (0, 0);
        for start in std::mem::take(&mut self.starts) {
            let Some((mut hit, end)) = self.examine(start) else { continue };
            let entries = if let Some(entries) = &entries {
                entries
            } else {
                let decompressor = &mut self.unpacker.decompressor;
                entries.insert(segments.entries(file, block, decompressor)?)
            };
            place += memchr::memchr_iter(b'\n', &self.block[counted..start]).count() as u32;
            counted = start;
            hit.at = At { segment: number, entry: entries.of_line(place) };
            hit.start = self.text.len() as u32;
            self.text.extend_from_slice(&self.block[start..end]);
            hit.end = self.text.len() as u32;
            self.hits.push(hit);
        }
        Ok(())
    }

    /// The line at `start` of the block, if it is wanted, and where it ends.
    fn examine(&mut self, start: usize) -> Option<(Hit, usize)> {
        let rest = self.block.get(start..)?;
        let line = &rest[..memchr::memchr(b'\n', rest).unwrap_or(rest.len())];
        let (run, kind, incomplete) = match line.first()? {
            b'G' => match decode_head(line)? {
                Head::Gap(gap) => (gap.run?, Kind::Gap, false),
                _ => return None,
            },
            b'0'..=b'9' => match Entry::decode(line)? {
                Entry::Record(record) if is_wanted(&record, self.search, &mut self.exact) => {
                    let kind = record.seq.map_or(Kind::Plain, |seq| Kind::Numbered(seq.0));
                    (record.run, kind, record.incomplete)
                }
                _ => return None,
            },
            _ => return None,
        };
        let boot = match &self.boots {
            Some(boots) => *boots.boot_of.get(&run)?,
            None => 0,
        };
        let hit = Hit { boot, run, kind, incomplete, at: At::default(), start: 0, end: 0 };
        Some((hit, start + line.len()))
    }
}

/// Adds the beginnings of the lines of gaps.
fn add_gaps(text: &[u8], starts: &mut Vec<usize>) {
    starts.extend(text.starts_with(b"G ").then_some(0));
    starts.extend(memchr::memmem::find_iter(text, b"\nG ").map(|at| at + 1));
    starts.sort_unstable();
    starts.dedup();
}

fn is_wanted(record: &StoredRecord<'_>, search: &Search<'_>, exact: &mut Vec<u8>) -> bool {
    if memchr::memchr(b'\\', record.text).is_none() {
        return (search.wants)(record, record.text);
    }
    exact.clear();
    unescape_into(record.text, exact);
    (search.wants)(record, exact)
}

/// Text of lines that were found and are held: more than a person reads.
const FOUND_MAX: usize = 64 << 20;
/// Of so many runs in the reach of a block it is not asked which of them it holds.
const NO_DOUBT: usize = 4;
/// So many runs are looked up one by one; of more, the catalogue is read as a whole.
const FEW_RUNS: usize = 256;
