//! What a reader looked at: the segments and the runs of one moment.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use bedside_stream::RunId;

use super::blocks::Blocks;
use super::counts;
use super::holes::Edge;
use super::items::{Names, Raws};
use super::merge::{Direction, Source};
use super::order::{Ordered, Raw, shore};
use super::parts::{Examined, Finder};
use super::plan::{self, Group};
use super::runs::Runs;
use super::segments::{Segments, lock};
use super::totals::Totals;
use super::{BootCounts, BootSummary, Error, Window};
use crate::catalogue::Asked;
use crate::disk::{Directory, Disk};
use crate::entry::StoredRun;

/// The store at one moment.
#[derive(Debug)]
pub(crate) struct View {
    dir: PathBuf,
    segments: Segments,
    runs: Runs,
    blocks: Blocks,
    examined: Examined,
    planned: Planned,
}

/// The runs of the boot that was read last, and where it lies: who reads its records often looks at
/// its end as well.
type Planned = Mutex<Option<(Vec<RunId>, Vec<Group>)>>;

impl View {
    /// The store in `dir`; with all runs, or those that are `asked` for.
    pub(crate) fn open(dir: &Path, asked: Option<Asked<'_>>) -> Result<View, Error> {
        View::with_runs(dir, open_segments(dir)?, asked)
    }

    /// The segments of the store in `dir`, and nothing of what they hold.
    pub(crate) fn of_segments(dir: &Path) -> Result<View, Error> {
        let segments = open_segments(dir)?;
        Ok(View::new(dir, segments, Runs::default()))
    }

    /// The same with segments that were looked at.
    pub(super) fn with_runs(
        dir: &Path,
        segments: Segments,
        asked: Option<Asked<'_>>,
    ) -> Result<View, Error> {
        let runs = match asked {
            Some(asked) => Runs::load_of(dir, &segments, asked),
            None => Runs::load(dir, &segments),
        };
        let runs = runs.map_err(|source| Error::Unreadable { path: dir.to_owned(), source })?;
        Ok(View::new(dir, segments, runs))
    }

    fn new(dir: &Path, segments: Segments, runs: Runs) -> View {
        let (blocks, examined, planned) = Default::default();
        View { dir: dir.to_owned(), segments, runs, blocks, examined, planned }
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn segments(&self) -> &Segments {
        &self.segments
    }

    pub(crate) fn runs(&self) -> &Runs {
        &self.runs
    }

    pub(crate) fn take_strangers_in(
        &mut self,
        are_wanted: impl Fn(&StoredRun) -> bool,
    ) -> Result<(), crate::Error> {
        *lock(&self.planned) = None;
        self.runs.take_strangers_in(&self.segments, are_wanted)
    }

    /// What the boot that consists of `runs` holds.
    pub(super) fn raws(
        &self,
        runs: &[RunId],
        window: Window,
        direction: Direction,
    ) -> Result<Raws<'_>, crate::Error> {
        let mut planned = lock(&self.planned);
        let groups = match &*planned {
            Some((of, groups)) if of == runs => groups.clone(),
            _ => planned.insert((runs.to_vec(), self.groups(runs)?)).1.clone(),
        };
        Ok(Raws::new(self.source(), groups, window, direction))
    }

    /// What each of `boots` holds, in numbers; their `formats` may be left out.
    pub(super) fn counts(
        &self,
        boots: &[BootSummary],
        formats: bool,
    ) -> Result<Vec<BootCounts>, crate::Error> {
        // A block that can't be read is counted there all the same.
        let totals = if self.segments.damage().is_empty() {
            Totals::of(boots, &self.runs, &self.segments)?
        } else {
            Totals::default()
        };
        let mut counts: Vec<Option<BootCounts>> =
            boots.iter().map(|boot| totals.boot(boot, formats)).collect();
        let mut left = counts.iter_mut().zip(boots).filter(|(count, _)| count.is_none());
        loop {
            let (mut places, mut together, mut pieces) = (Vec::new(), Vec::new(), 0);
            for (place, boot) in left.by_ref() {
                let groups = self.groups(&boot.runs)?;
                pieces += groups.iter().map(|group| group.pieces.len()).sum::<usize>();
                places.push(place);
                together.push(groups);
                if pieces >= PIECES_TOGETHER {
                    break;
                }
            }
            if places.is_empty() {
                break;
            }
            let source = Source { together: places.len() > 1, ..self.source() };
            for (place, count) in places.into_iter().zip(counts::count(source, together)?) {
                *place = Some(count);
            }
        }
        Ok(counts.into_iter().map(Option::unwrap_or_default).collect())
    }

    /// What the entries of a boot don't say themselves.
    pub(super) fn names(&self, boot: &BootSummary) -> Names {
        let key = |run: &RunId| Some((*run, self.runs.get(*run)?.run().key));
        let keys = boot.runs.iter().filter_map(key).collect();
        Names { host: Arc::clone(&boot.host), boot: boot.number, keys }
    }

    fn source(&self) -> Source<'_> {
        Source { segments: &self.segments, blocks: &self.blocks, together: false }
    }

    pub(super) fn groups(&self, runs: &[RunId]) -> Result<Vec<Group>, crate::Error> {
        let (source, examined) = (self.source(), &self.examined);
        let finder = Finder { source, examined, runs: &self.runs };
        Ok(plan::groups(&self.runs, &finder.parts(runs)?))
    }

    /// The highest number that `port` has heard of the boot that consists of `runs`. What can't
    /// be read shows no hole.
    pub(crate) fn last_numbered(&self, runs: &[RunId], port: u16) -> Option<Edge> {
        let groups = self.groups(runs).ok()?;
        let group = groups.into_iter().find(|group| group.numbered && group.port == port)?;
        let everything = Window::default();
        let ordered = Ordered::new(self.source(), group, everything, Direction::Backward);
        let mut ordered = ordered.ok()?;
        while let Some(raw) = ordered.next().ok()? {
            if let Raw::Record(line) = raw {
                return shore(&line).map(|shore| shore.edge);
            }
        }
        None
    }
}

/// Looks at the segments of the store in `dir`.
pub(super) fn open_segments(dir: &Path) -> Result<Segments, Error> {
    let directory = dir.join("segments");
    if std::fs::metadata(&directory).is_err_and(|e| e.kind() == ErrorKind::NotFound) {
        return Err(Error::NoStore { path: dir.to_owned() });
    }
    let disk: Arc<dyn Disk> = Arc::new(Directory::new(&directory));
    let unreadable = |source| Error::Unreadable { path: dir.to_owned(), source };
    Segments::open(disk, &directory).map_err(unreadable)
}

/// Boots are counted together as long as they don't lie in more blocks than this: what is kept
/// of each is about 128 bytes.
const PIECES_TOGETHER: usize = 1 << 18;
