//! The thread that looks for incidents in what is stored, while it is stored.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Builder};
use std::time::Duration;

use bedside_store::follow::Nudge;

use super::alarm::Alarm;
use super::round::Round;

/// The watch, as the doctor has it.
#[derive(Debug)]
pub(crate) struct Watch {
    stop: Arc<AtomicBool>,
    nudge: Nudge,
    /// Its other end goes with the thread.
    ended: Receiver<()>,
    sight: Arc<Mutex<Sight>>,
}

/// How the search goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sight {
    /// Why nothing can be found at present, if that is so.
    pub(crate) trouble: Option<String>,
    /// Lines and runs that were not looked at, or not to the end, because there were too many.
    pub(crate) left_out: u64,
}

impl Watch {
    /// Looks for incidents in the store in `data`, from where the last doctor stopped; the book
    /// takes up `most` bytes at most. `nudge` is the writer's.
    pub(crate) fn start(
        data: &Path,
        most: u64,
        alarm: Option<Alarm>,
        nudge: Nudge,
    ) -> io::Result<Watch> {
        let stop = Arc::new(AtomicBool::new(false));
        let (ends, ended) = sync_channel(1);
        let (data, stops, alarm) = (data.to_owned(), Arc::clone(&stop), alarm.map(Arc::new));
        let (wakes, sight) = (nudge.clone(), Arc::default());
        let says = Arc::clone(&sight);
        Builder::new().name("bedside-triage".to_owned()).spawn(move || {
            step_back();
            watch(&data, most, alarm.as_ref(), (&stops, &wakes), &says);
            drop(ends);
        })?;
        Ok(Watch { stop, nudge, ended, sight })
    }

    /// How the search goes.
    pub(crate) fn sight(&self) -> Sight {
        lock(&self.sight).clone()
    }

    /// Reads what is stored by now, unless that takes too long: the next doctor does it then.
    pub(crate) fn finish(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.nudge.give();
        let _ended_or_late = self.ended.recv_timeout(LAST_PATIENCE);
    }
}

/// Hearing comes first.
fn step_back() {
    if let Err(error) = rustix::process::setpriority_process(None, NICE) {
        tracing::debug!(%error, "the search for incidents is as urgent as hearing");
    }
}

/// Goes on until it is to stop and has read everything. What fails is said once, and tried again.
fn watch(
    data: &Path,
    most: u64,
    alarm: Option<&Arc<Alarm>>,
    (stop, nudge): (&AtomicBool, &Nudge),
    sight: &Mutex<Sight>,
) {
    while !stop.load(Ordering::Relaxed) || lock(sight).trouble.is_none() {
        let went = Round::begin(data, most).and_then(|round| {
            let mut round = round.with(alarm.cloned());
            loop {
                let stopping = stop.load(Ordering::Relaxed);
                let more = round.turn()?;
                let mut sight = lock(sight);
                sight.trouble = None;
                sight.left_out += round.left_out();
                drop(sight);
                match (more, stopping) {
                    (true, _) => {}
                    (false, true) => break,
                    (false, false) => round.wait(nudge),
                }
            }
            round.sum_up();
            Ok(())
        });
        let Err(error) = went else { return };
        let why = crate::exit::words(&error);
        if lock(sight).trouble.replace(why.clone()).is_none() {
            tracing::warn!("cannot look for incidents: {why}");
        }
        thread::sleep(RETRY);
    }
}

fn lock(sight: &Mutex<Sight>) -> MutexGuard<'_, Sight> {
    sight.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Finds all incidents of a store again, that nobody writes; and how many cases there are. Nobody
/// is told of them.
pub(crate) fn rebuild(data: &Path) -> anyhow::Result<usize> {
    Round::anew(data)?.finish()
}

/// Finds the incidents of what was added to a store that nobody writes. Nobody is told of them.
pub(crate) fn catch_up(data: &Path) -> anyhow::Result<usize> {
    Round::quietly(data)?.finish()
}

/// Behind all threads that hear and keep.
const NICE: i32 = 10;
const RETRY: Duration = Duration::from_secs(1);
/// How long it may read on at the end.
const LAST_PATIENCE: Duration = Duration::from_secs(2);
