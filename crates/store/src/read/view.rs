//! What a reader looked at: the segments and the runs of one moment.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bedside_stream::RunId;

use super::holes::Edge;
use super::items::Raws;
use super::merge::Direction;
use super::order::{Ordered, Raw, edge};
use super::parts::{Examined, Finder};
use super::plan::{self, Group};
use super::runs::Runs;
use super::segments::Segments;
use super::{Error, Window};
use crate::disk::{Directory, Disk};

/// The store at one moment.
#[derive(Debug)]
pub(crate) struct View {
    dir: PathBuf,
    segments: Segments,
    runs: Runs,
    examined: Examined,
}

impl View {
    pub(crate) fn open(dir: &Path) -> Result<View, Error> {
        let directory = dir.join("segments");
        if !directory.is_dir() {
            return Err(Error::NoStore { path: dir.to_owned() });
        }
        let disk: Arc<dyn Disk> = Arc::new(Directory::new(&directory));
        let unreadable = |source| Error::Unreadable { path: dir.to_owned(), source };
        let segments = Segments::open(disk, &directory).map_err(unreadable)?;
        let runs = Runs::load(dir, &segments).map_err(unreadable)?;
        Ok(View { dir: dir.to_owned(), segments, runs, examined: Examined::default() })
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

    /// What the boot that consists of `runs` holds.
    pub(super) fn raws(
        &self,
        runs: &[RunId],
        window: Window,
        direction: Direction,
    ) -> Result<Raws<'_>, crate::Error> {
        Ok(Raws::new(&self.segments, self.groups(runs)?, window, direction))
    }

    fn groups(&self, runs: &[RunId]) -> Result<Vec<Group>, crate::Error> {
        let finder =
            Finder { segments: &self.segments, examined: &self.examined, runs: &self.runs };
        Ok(plan::groups(&self.runs, &finder.parts(runs)?))
    }

    /// The highest number that `port` has heard of the boot that consists of `runs`. What can't
    /// be read shows no hole.
    pub(crate) fn last_numbered(&self, runs: &[RunId], port: u16) -> Option<Edge> {
        let groups = self.groups(runs).ok()?;
        let group = groups.into_iter().find(|group| group.numbered && group.port == port)?;
        let everything = Window::default();
        let ordered = Ordered::new(&self.segments, group, everything, Direction::Backward);
        let mut ordered = ordered.ok()?;
        while let Some(raw) = ordered.next(&self.segments).ok()? {
            if let Raw::Record(line) = raw {
                return edge(&line);
            }
        }
        None
    }
}
