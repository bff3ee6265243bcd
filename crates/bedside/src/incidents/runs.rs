//! Whose lines are whose: the runs of which lines may come.

use std::path::{Path, PathBuf};

use bedside_store::StoredRun;
use bedside_store::catalogue::{Catalogue, FILE_NAME};
use bedside_stream::{RunId, Verdict};

use super::case::Patient;
use super::packed::Packed;
use super::rates::Rates;
use crate::render::Recent;

/// Runs that were told of lately. Whoever makes up boot after boot pushes out the like of it only.
#[derive(Debug)]
pub(super) struct Runs {
    known: Recent<RunId, Packed>,
    /// Those of streams that begin many.
    of_many: Recent<RunId, Packed>,
    /// How many runs each stream begins.
    begun: Rates,
    /// The catalogue's directory: it knows those too that were pushed out.
    data: PathBuf,
    catalogue: Option<Catalogue>,
}

impl Runs {
    /// Those of the store in `data`.
    pub(super) fn of(data: &Path) -> Runs {
        Runs {
            known: Recent::new(RUNS),
            of_many: Recent::new(RUNS_OF_MANY),
            begun: Rates::new(),
            data: data.to_owned(),
            catalogue: None,
        }
    }

    /// Takes in what a line says of a run; whose it is, if that was thought to be otherwise.
    pub(super) fn learn(&mut self, stored: &StoredRun) -> Option<Patient> {
        let run = &stored.run;
        if run.stranger {
            return None;
        }
        let patient = Patient::new(stored);
        let packed = Packed::of(&patient);
        let known = self.known.get_mut(&run.id).or_else(|| self.of_many.get_mut(&run.id));
        if let Some(known) = known {
            let is_news = *known != packed;
            *known = packed;
            return is_news.then_some(patient);
        }
        // More within a minute than a machine can.
        let many = self.begun.add(run.key, run.first_received) > MANY;
        let runs = if many { &mut self.of_many } else { &mut self.known };
        runs.insert(run.id, packed);
        None
    }

    /// Whose run this is.
    pub(super) fn get(&mut self, run: RunId) -> Option<Patient> {
        let known = self.known.get_mut(&run).or_else(|| self.of_many.get_mut(&run));
        if let Some(known) = known {
            return known.unpack(run);
        }
        let found = self.look_up(run).filter(|stored| !stored.run.stranger)?;
        let patient = Patient::new(&found);
        self.of_many.insert(run, Packed::of(&patient));
        Some(patient)
    }

    fn look_up(&mut self, run: RunId) -> Option<StoredRun> {
        if self.catalogue.is_none() {
            self.catalogue = Catalogue::open_read_only(&self.data.join(FILE_NAME)).ok();
        }
        let found = self.catalogue.as_ref()?.run(run);
        if found.is_err() {
            // It may have been made anew.
            self.catalogue = None;
        }
        found.ok().flatten()
    }
}

impl Patient {
    fn new(stored: &StoredRun) -> Patient {
        let run = &stored.run;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Patient {
            run: run.id,
            root: match run.verdict {
                Verdict::SameAs(root) => root,
                Verdict::Boot | Verdict::Provisional => run.id,
            },
            host: text(&stored.host_label()),
            boot: stored.boot.unwrap_or(0),
            source: run.key.source(),
            release: run.release.as_deref().map(text),
            voice: run.key.voice(),
        }
    }
}

/// Of so many runs at least it is known whose they are: of all, and of streams that begin many.
const RUNS: usize = 1 << 17;
const RUNS_OF_MANY: usize = 1 << 12;
/// Runs that a stream begins in a minute at most, before it is one that begins many.
const MANY: u16 = 16;

#[cfg(test)]
mod tests {
    use bedside_stream::{Run, StreamKey, WallTime};

    use super::*;

    fn stored(run: u64, port: u16) -> StoredRun {
        let run = Run {
            id: RunId(run),
            key: StreamKey::new(([10, 0, 0, 7], port).into(), 6666),
            first_received: WallTime(1),
            verdict: Verdict::Boot,
            host: None,
            boot_id: None,
            release: None,
            last_word: None,
            stranger: false,
        };
        StoredRun { run, boot: Some(1) }
    }

    #[test]
    fn who_begins_boot_after_boot_pushes_out_nobody_else() {
        let mut runs = Runs::of(Path::new("/nonexistent"));
        assert_eq!(runs.learn(&stored(1, 1000)), None);
        for run in 2..5 * RUNS as u64 {
            runs.learn(&stored(run, 2000));
        }
        assert_eq!(runs.get(RunId(1)).map(|patient| patient.boot), Some(1));
        assert_eq!(runs.get(RunId(100)), None);
    }
}
