//! What waits for the store thread: batches on their way, and how a sync went.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bedside_stream::{Monotonic, RunId};

use crate::batch::Batch;

use super::engine::{BLOCK_TEXT, Engine, Ticket};
use super::options::Options;
use super::threads::now;

/// What waits for the store thread.
#[derive(Debug)]
pub(crate) struct StoreInbox {
    state: Mutex<Inbox>,
    news: Condvar,
    /// Some of what waited was taken.
    taken: Condvar,
    max_bytes: usize,
    stalled_after: Duration,
}

/// Some of it.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    batches: VecDeque<Batch>,
    bytes: usize,
    spares: Vec<Batch>,
    /// When much was taken last, and nothing of what that left warm was given back since.
    busy: Option<Instant>,
    runs: Vec<(RunId, Box<[u8]>)>,
    sync: Option<(Ticket, std::io::Result<()>)>,
    /// Since when the store thread, and the sync thread, are at work with the disk.
    writing: Option<Instant>,
    syncing: Option<Instant>,
    /// No batch comes any more.
    pub(super) closing: bool,
    /// The store thread knows that it is closing.
    told: bool,
    dead: bool,
}

impl StoreInbox {
    pub(super) fn new(options: &Options) -> StoreInbox {
        let (news, taken) = (Condvar::new(), Condvar::new());
        let (max_bytes, stalled_after) = (options.queue_bytes, options.stalled_after);
        StoreInbox { state: Mutex::default(), news, taken, max_bytes, stalled_after }
    }

    /// How long the disk has not answered, if that is too long.
    pub(crate) fn stalled(&self) -> Option<Duration> {
        let inbox = lock(&self.state);
        let since = [inbox.writing, inbox.syncing].into_iter().flatten().min()?;
        Some(since.elapsed()).filter(|stalled| *stalled >= self.stalled_after)
    }

    /// Whether another batch is taken.
    pub(crate) fn has_room(&self) -> bool {
        lock(&self.state).has_room(self.max_bytes)
    }

    /// Waits until another batch would be taken, `most` at the longest; whether it would.
    pub(crate) fn wait_for_room(&self, most: Duration) -> bool {
        let inbox = lock(&self.state);
        if inbox.has_room(self.max_bytes) || inbox.dead {
            return !inbox.dead;
        }
        wait(&self.taken, inbox, most).has_room(self.max_bytes)
    }

    pub(crate) fn push(&self, batch: Batch) {
        let mut inbox = lock(&self.state);
        inbox.bytes += batch.weight();
        inbox.batches.push_back(batch);
        drop(inbox);
        self.news.notify_one();
    }

    /// An empty batch that is warm already.
    pub(crate) fn spare(&self) -> Option<Batch> {
        lock(&self.state).spares.pop()
    }

    /// Tells the line of a run that came back.
    pub(crate) fn tell_run(&self, run: RunId, line: Box<[u8]>) {
        lock(&self.state).runs.push((run, line));
    }

    /// No batch comes any more.
    pub(super) fn close(&self) {
        lock(&self.state).closing = true;
        self.news.notify_one();
    }

    /// A sync is handed to its thread.
    pub(super) fn syncing(&self) {
        lock(&self.state).syncing = Some(Instant::now());
    }

    /// What a sync came to.
    pub(super) fn synced(&self, ticket: Ticket, result: std::io::Result<()>) {
        let mut inbox = lock(&self.state);
        inbox.sync = Some((ticket, result));
        inbox.syncing = None;
        drop(inbox);
        self.news.notify_one();
    }

    /// Waits for something to do, until `due` at most. Batches stay while there is no `room`. Also
    /// whether little has come for a while, so that what is only for speed goes back.
    pub(super) fn wait(&self, due: Option<Monotonic>, room: bool) -> (Inbox, bool) {
        let mut inbox = lock(&self.state);
        inbox.writing = None;
        loop {
            let batches = room && !inbox.batches.is_empty();
            // Told once; after that only what is under way is waited for.
            let closing = inbox.closing && inbox.batches.is_empty() && !inbox.told;
            if batches || inbox.sync.is_some() || closing {
                break;
            }
            let left =
                due.map_or(IDLE, |due| Duration::from_micros(due.0.saturating_sub(now().mono.0)));
            let warm = inbox.busy.map(|busy| AT_REST.saturating_sub(busy.elapsed()));
            let left = warm.map_or(left, |warm| warm.min(left));
            if left.is_zero() {
                break;
            }
            inbox = wait(&self.news, inbox, left);
        }
        let was_full = inbox.bytes >= self.max_bytes;
        let batches = if room { take_some(&mut inbox) } else { VecDeque::new() };
        let calm = inbox.cools();
        if was_full {
            self.taken.notify_all();
        }
        let closing = inbox.closing && inbox.batches.is_empty();
        inbox.told |= closing;
        let (runs, sync) = (std::mem::take(&mut inbox.runs), inbox.sync.take());
        inbox.writing = Some(Instant::now());
        (Inbox { batches, runs, sync, closing, ..Inbox::default() }, calm)
    }

    /// A thread of the store has ended that should not have: nothing is taken any more.
    pub(super) fn die(&self) {
        lock(&self.state).dead = true;
    }

    /// Takes batches back that are empty again.
    pub(super) fn give_back(&self, batches: VecDeque<Batch>) {
        let mut inbox = lock(&self.state);
        let room = SPARES_MAX.saturating_sub(inbox.spares.len());
        inbox.spares.extend(batches.into_iter().take(room));
    }
}

/// Takes batches for about one block, so that a sync never waits for more than that.
fn take_some(inbox: &mut Inbox) -> VecDeque<Batch> {
    let mut taken = VecDeque::new();
    let mut text = 0;
    while text < BLOCK_TEXT {
        let Some(batch) = inbox.batches.pop_front() else { break };
        inbox.bytes -= batch.weight();
        text += batch.text.len();
        taken.push_back(batch);
    }
    if text >= MUCH {
        inbox.busy = Some(Instant::now());
    }
    taken
}

/// Bytes of text at once that leave something warm behind them.
const MUCH: usize = 4 << 10;
/// So much has not come for so long.
const AT_REST: Duration = Duration::from_secs(5);
/// Batches that are kept warm while many are on their way.
const SPARES_MAX: usize = 8;
/// A wait without a due time; ends early with any news.
const IDLE: Duration = Duration::from_hours(1);

impl Inbox {
    /// One batch is always taken, however little may wait.
    fn has_room(&self, max_bytes: usize) -> bool {
        (self.bytes < max_bytes || self.batches.is_empty()) && !self.dead
    }

    /// Gives back what is warm, if little has come for a while; whether it has.
    fn cools(&mut self) -> bool {
        let calm = self.busy.is_some_and(|busy| busy.elapsed() >= AT_REST);
        if calm {
            self.busy = None;
            self.spares.clear();
        }
        calm
    }

    /// Does what came in; the batches are empty afterwards.
    pub(super) fn carry_out(mut self, engine: &mut Engine) -> VecDeque<Batch> {
        for (run, line) in self.runs {
            engine.know(run, line);
        }
        if let Some((ticket, result)) = self.sync {
            engine.sync_done(now(), &ticket, result);
        }
        engine.write(now(), &mut self.batches);
        self.batches
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn wait<'a, T>(
    news: &Condvar,
    guard: MutexGuard<'a, T>,
    left: Duration,
) -> MutexGuard<'a, T> {
    news.wait_timeout(guard, left).unwrap_or_else(PoisonError::into_inner).0
}
