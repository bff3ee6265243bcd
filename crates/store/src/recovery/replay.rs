//! What the store holds that the stream core's memories do not know yet.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::Arc;

use bedside_stream::{Run, RunId, StreamKey};
use foldhash::fast;
use foldhash::quality::RandomState;

use crate::catalogue::Place;
use crate::disk::Disk;
use crate::entry::{Entry, StoredRecord, StoredRun};
use crate::error::Error;
use crate::segment::{BlockRef, Listed, SegmentFile, Unpacker, stretch};

use super::{Resume, recent};

/// The entries that came after the memories were taken, to be told to the stream core again.
#[derive(Debug)]
pub struct Replay {
    disk: Arc<dyn Disk>,
    listed: Vec<Listed>,
    start: Place,
    /// Up to where each remembered stream is known.
    known: HashMap<u64, Place, fast::RandomState>,
    /// Makes numbers of streams: a wrong one costs a record that is not told again.
    hasher: RandomState,
    /// Where the segment that is written on ended.
    end: Option<Place>,
}

/// One entry that is told again, in the order of the store.
#[derive(Debug)]
pub enum Replayed<'a> {
    /// The state of a run; always before its records.
    Run(&'a StoredRun),
    /// A record of a run.
    Record(&'a StoredRecord<'a>, &'a Run),
}

impl Replay {
    pub(super) fn new(
        disk: &Arc<dyn Disk>,
        listed: Vec<Listed>,
        checkpoint: Option<Place>,
        resume: Option<&Resume>,
    ) -> Replay {
        let start = checkpoint.unwrap_or_else(|| recent(&listed));
        let end =
            resume.map(|resume| Place { segment: resume.number, entries: resume.end.entries });
        let (known, hasher) = (HashMap::default(), RandomState::default());
        Replay { disk: Arc::clone(disk), listed, start, known, hasher, end }
    }

    /// A stream's memory reaches up to `place`.
    pub(super) fn knows(&mut self, key: StreamKey, place: Place) {
        self.known.insert(self.hasher.hash_one(key), place);
    }

    /// Where it begins.
    pub(crate) fn start(&self) -> Place {
        self.start
    }

    /// Tells each entry. What can't be read is passed over: that is no reason not to start. May be
    /// called at any time: what is written by this life is not told.
    pub fn each(&self, mut visit: impl FnMut(Replayed<'_>)) {
        let mut runs = HashMap::new();
        for listed in self.listed.iter().filter(|l| l.name.number >= self.start.segment) {
            match self.segment(*listed, &mut runs, &mut visit) {
                // There was nothing in it, so that sealing has removed it meanwhile; or somebody
                // else has.
                Err(error) if error.is_not_found() => {}
                Err(error) => tracing::warn!(%error, "what was said last may be taken for new"),
                Ok(()) => {}
            }
        }
    }

    fn segment(
        &self,
        listed: Listed,
        runs: &mut HashMap<RunId, Run>,
        visit: &mut impl FnMut(Replayed<'_>),
    ) -> Result<(), Error> {
        let segment = SegmentFile::open(self.disk.as_ref(), listed)?;
        let number = segment.name().number;
        let scan = match segment.scan() {
            // Without its index a sealed segment can still be walked.
            Err(Error::Damaged { .. }) => segment.scan_from(segment.start()),
            scanned => scanned,
        };
        let (mut blocks, mut unpacker) = (scan?.blocks, Unpacker::new()?);
        while !blocks.is_empty() {
            let rest = blocks.split_off(stretch(&blocks));
            blocks.retain(|block| self.wants(number, block));
            let passed_over = |_: &BlockRef, _| Ok(());
            segment.by_arrival(&blocks, &mut unpacker, passed_over, |entries, line| {
                self.line(Place { segment: number, entries }, line, runs, visit);
            })?;
            blocks = rest;
        }
        Ok(())
    }

    /// In front of the start only the runs are of interest.
    fn wants(&self, number: u64, block: &BlockRef) -> bool {
        let last = Place { segment: number, entries: block.last_entry() };
        block.header.notes || last >= self.start
    }

    fn line(
        &self,
        place: Place,
        line: &[u8],
        runs: &mut HashMap<RunId, Run>,
        visit: &mut impl FnMut(Replayed<'_>),
    ) {
        if self.end.is_some_and(|end| place >= end) {
            return;
        }
        match Entry::decode(line) {
            Some(Entry::Run(stored)) => {
                if self.is_news(&stored.run.key, place) {
                    visit(Replayed::Run(&stored));
                }
                runs.insert(stored.run.id, stored.run);
            }
            Some(Entry::Record(record)) => {
                let run = runs.get(&record.run).filter(|run| self.is_news(&run.key, place));
                if let Some(run) = run.filter(|_| place >= self.start) {
                    visit(Replayed::Record(&record, run));
                }
            }
            Some(Entry::Gap(_)) | None => {}
        }
    }

    /// Whether a stream's memory does not reach to `place`.
    fn is_news(&self, key: &StreamKey, place: Place) -> bool {
        self.known.get(&self.hasher.hash_one(key)).is_none_or(|known| place >= *known)
    }
}
