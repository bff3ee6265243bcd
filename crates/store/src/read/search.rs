//! Records by their text, without reading what can't hold it: filters tell which chapters may,
//! blocks are looked through as they are, and only lines that hold a word are taken apart.

mod matches;

use std::collections::{HashMap, HashSet};

use bedside_stream::RunId;
use foldhash::fast::RandomState;

use super::blocks::Kind;
use super::segments::{At, Outline};
use super::view::View;
use super::{BootSummary, Window};
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
    for number in look.segments() {
        look.segment(number)?;
        if look.text.len() > FOUND_MAX {
            return Ok(None);
        }
    }
    Ok(Some(Matches::new(view, boots.to_vec(), search.window, look.hits, look.text)))
}

/// Looks through blocks.
struct Look<'a> {
    view: &'a View,
    search: &'a Search<'a>,
    /// The segments with gaps of runs.
    with_gaps: HashSet<u64>,
    /// Where the boot of each run is among the boots.
    boot_of: HashMap<RunId, usize, RandomState>,
    /// Runs that share their boot: what one of them says may repeat another, whenever that was.
    shared: HashSet<RunId>,
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

impl<'a> Look<'a> {
    fn new(
        view: &'a View,
        boots: &[&BootSummary],
        search: &'a Search<'a>,
    ) -> Result<Look<'a>, Error> {
        let mut boot_of = HashMap::default();
        let mut shared = HashSet::new();
        for (place, boot) in boots.iter().enumerate() {
            boot_of.extend(boot.runs.iter().map(|run| (*run, place)));
            if boot.runs.len() > 1 {
                shared.extend(&boot.runs);
            }
        }
        Ok(Look {
            view,
            search,
            with_gaps: view.runs().segments_with_gaps(),
            boot_of,
            shared,
            unpacker: Unpacker::new()?,
            block: Vec::new(),
            starts: Vec::new(),
            exact: Vec::new(),
            hits: Vec::new(),
            text: Vec::new(),
        })
    }

    /// The segments that may hold something of the boots.
    fn segments(&self) -> Vec<u64> {
        if self.asks_for_few() {
            let runs: Vec<RunId> = self.boot_of.keys().copied().collect();
            return self.view.runs().segments_of(&runs).into_iter().map(|(n, _)| n).collect();
        }
        self.view.segments().numbers().collect()
    }

    /// Whether it is worth finding out where the runs are.
    fn asks_for_few(&self) -> bool {
        self.boot_of.len() < self.view.runs().len() / 2
    }

    fn segment(&mut self, number: u64) -> Result<(), Error> {
        let gaps = self.with_gaps.contains(&number);
        let outline = self.view.segments().outline(number, self.search.needle, gaps)?;
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
        if in_time && !self.asks_for_few() || !in_time && self.shared.is_empty() {
            return Ok(in_time);
        }
        let is_wanted = |span: &RunSpan| {
            if in_time {
                self.boot_of.contains_key(&span.run)
            } else {
                self.shared.contains(&span.run)
            }
        };
        Ok(match file.name().form {
            Form::Live => block.header.runs.iter().any(is_wanted),
            Form::Sealed => file.read_runs(block)?.iter().any(is_wanted),
        })
    }

    fn block(&mut self, file: &SegmentFile, block: &BlockRef) -> Result<(), Error> {
        let (segments, number) = (self.view.segments(), file.name().number);
        self.block.clear();
        if let Err(error) = file.append_block(block, &mut self.unpacker, &mut self.block) {
            return segments.skip(number, block.start.offset, error);
        }
        self.search.needle.candidates(&self.block, &mut self.starts);
        if block.header.notes && self.with_gaps.contains(&number) {
            add_gaps(&self.block, &mut self.starts);
        }
        let mut entries = None;
        let (mut place, mut counted) = (0, 0);
        for start in std::mem::take(&mut self.starts) {
            let Some((mut hit, end)) = self.examine(start) else { continue };
            let entries = match &entries {
                Some(entries) => entries,
                None => entries.insert(segments.entries(file, block)?),
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
        let boot = *self.boot_of.get(&run)?;
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
