//! The threads, and how they hand things to each other.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use bedside_stream::{Monotonic, RunId, WallTime};

use crate::batch::Batch;
use crate::error::Error;

use super::engine::{Engine, Now, Outcome, Ticket};
use super::health::Shared;
use super::keeper::Keeper;
use super::lock::Lock;
use super::options::Options;

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

#[derive(Debug, Default)]
struct Inbox {
    batches: VecDeque<Batch>,
    bytes: usize,
    spares: Vec<Batch>,
    runs: Vec<(RunId, Box<[u8]>)>,
    sync: Option<(Ticket, std::io::Result<()>)>,
    /// Since when the store thread, and the sync thread, are at work with the disk.
    writing: Option<Instant>,
    syncing: Option<Instant>,
    closing: bool,
    /// The store thread knows that it is closing.
    told: bool,
    dead: bool,
}

impl StoreInbox {
    fn new(options: &Options) -> StoreInbox {
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
        let inbox = lock(&self.state);
        inbox.bytes < self.max_bytes && !inbox.dead
    }

    /// Waits until another batch would be taken, `most` at the longest; whether it would.
    pub(crate) fn wait_for_room(&self, most: Duration) -> bool {
        let inbox = lock(&self.state);
        if inbox.bytes < self.max_bytes || inbox.dead {
            return !inbox.dead;
        }
        let inbox = wait(&self.taken, inbox, most);
        inbox.bytes < self.max_bytes && !inbox.dead
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

    fn close(&self) {
        lock(&self.state).closing = true;
        self.news.notify_one();
    }

    fn synced(&self, ticket: Ticket, result: std::io::Result<()>) {
        let mut inbox = lock(&self.state);
        inbox.sync = Some((ticket, result));
        inbox.syncing = None;
        drop(inbox);
        self.news.notify_one();
    }

    /// Waits for something to do, until `due` at most. Batches stay while there is no `room`.
    fn wait(&self, due: Option<Monotonic>, room: bool) -> Inbox {
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
            if left.is_zero() {
                break;
            }
            inbox = wait(&self.news, inbox, left);
        }
        let batches = if room { take_some(&mut inbox) } else { VecDeque::new() };
        self.taken.notify_all();
        let closing = inbox.closing && inbox.batches.is_empty();
        inbox.told |= closing;
        let (runs, sync) = (std::mem::take(&mut inbox.runs), inbox.sync.take());
        inbox.writing = Some(Instant::now());
        Inbox { batches, runs, sync, closing, ..Inbox::default() }
    }

    fn give_back(&self, batches: VecDeque<Batch>) {
        let mut inbox = lock(&self.state);
        let room = SPARES_MAX.saturating_sub(inbox.spares.len());
        inbox.spares.extend(batches.into_iter().take(room));
    }
}

/// Takes batches for about one block, so that a sync never waits for more than that.
fn take_some(inbox: &mut Inbox) -> VecDeque<Batch> {
    let mut taken = VecDeque::new();
    let mut text = 0;
    while text < super::engine::BLOCK_TEXT {
        let Some(batch) = inbox.batches.pop_front() else { break };
        inbox.bytes -= batch.weight();
        text += batch.text.len();
        taken.push_back(batch);
    }
    taken
}

const SPARES_MAX: usize = 8;
/// A wait without a due time; ends early with any news.
const IDLE: Duration = Duration::from_hours(1);

/// What waits for the keeper.
#[derive(Debug, Default)]
struct KeeperInbox {
    state: Mutex<(Vec<Outcome>, bool)>,
    news: Condvar,
    /// Ends a seal that is under way.
    stop: AtomicBool,
}

/// The three threads.
#[derive(Debug)]
pub(crate) struct Threads {
    store: Option<Worker<Result<(), Error>>>,
    keeper: Option<Worker<()>>,
    keeper_inbox: Arc<KeeperInbox>,
    close_within: Duration,
}

/// A thread whose end can be waited for, but not for ever.
#[derive(Debug)]
struct Worker<T> {
    thread: JoinHandle<T>,
    /// Nothing is ever sent: the other end goes with the thread.
    ended: mpsc::Receiver<()>,
}

impl Threads {
    pub(crate) fn start(
        engine: Engine,
        keeper: Keeper,
        shared: &Arc<Shared>,
        lock: Lock,
        options: &Options,
    ) -> Result<(Arc<StoreInbox>, Threads), Error> {
        let inbox = Arc::new(StoreInbox::new(options));
        let to_keeper = Arc::new(KeeperInbox::default());
        let (tickets, due) = mpsc::channel();
        let alarm = || Alarm::new(shared, &inbox);
        let keeper_inbox = Arc::clone(&to_keeper);
        let keeper = spawn("bedside-keeper", alarm(), move || keep(keeper, lock, &keeper_inbox))?;
        let sync_inbox = Arc::clone(&inbox);
        // It ends when the store thread lets go of the other end.
        drop(spawn("bedside-sync", alarm(), move || sync(&due, &sync_inbox))?);
        let (store_inbox, keeper_inbox) = (Arc::clone(&inbox), Arc::clone(&to_keeper));
        let shared = Arc::clone(shared);
        let store = spawn("bedside-store", alarm(), move || {
            store(engine, &store_inbox, &tickets, &keeper_inbox, &shared)
        })?;
        let threads = Threads {
            store: Some(store),
            keeper: Some(keeper),
            keeper_inbox: to_keeper,
            close_within: options.close_within,
        };
        Ok((inbox, threads))
    }

    /// Ends them, everything written, but waits no longer than is allowed: a disk may never
    /// answer. Does nothing the second time.
    pub(crate) fn end(&mut self, inbox: &StoreInbox) -> Result<(), Error> {
        inbox.close();
        let deadline = Instant::now() + self.close_within;
        let stored = self.store.take().map_or(Ok(()), |store| store.join_by(deadline).flatten());
        self.keeper_inbox.stop.store(true, Ordering::Relaxed);
        lock(&self.keeper_inbox.state).1 = true;
        self.keeper_inbox.news.notify_one();
        let kept = self.keeper.take().map_or(Ok(()), |keeper| keeper.join_by(deadline));
        stored.and(kept)
    }
}

impl<T> Worker<T> {
    /// Waits for its end, until `deadline` at most: then it is left to itself.
    fn join_by(self, deadline: Instant) -> Result<T, Error> {
        let ended = |why| Error::io("end", "a thread of the store", why);
        let left = deadline.saturating_duration_since(Instant::now());
        if self.ended.recv_timeout(left) == Err(mpsc::RecvTimeoutError::Timeout) {
            let why = "the disk does not answer; what it has not taken is lost";
            return Err(ended(std::io::Error::new(std::io::ErrorKind::TimedOut, why)));
        }
        self.thread.join().map_err(|_| ended(std::io::Error::other("it panicked")))
    }
}

/// The sync thread.
fn sync(due: &mpsc::Receiver<Ticket>, inbox: &StoreInbox) {
    for ticket in due {
        let result = ticket.run();
        inbox.synced(ticket, result);
    }
}

/// The store thread.
fn store(
    mut engine: Engine,
    inbox: &StoreInbox,
    tickets: &mpsc::Sender<Ticket>,
    keeper: &KeeperInbox,
    shared: &Shared,
) -> Result<(), Error> {
    loop {
        let work = inbox.wait(engine.poll_timeout(), engine.has_room());
        let closing = work.closing;
        inbox.give_back(work.carry_out(&mut engine));
        let last = closing && !engine.is_settled();
        let ticket = if last { engine.begin_sync() } else { engine.next_sync(now().mono) };
        if ticket.is_some() {
            lock(&inbox.state).syncing = Some(Instant::now());
        }
        if let Some(ticket) = ticket
            && let Err(mpsc::SendError(ticket)) = tickets.send(ticket)
        {
            let gone = std::io::Error::other("the sync thread is gone");
            engine.sync_done(now(), &ticket, Err(gone));
        }
        keeper.post(engine.take_outcome());
        if closing && (engine.is_settled() || engine.is_failing()) {
            return ended(&engine, shared);
        }
    }
}

impl Inbox {
    /// Does what came in; the batches are empty afterwards.
    fn carry_out(mut self, engine: &mut Engine) -> VecDeque<Batch> {
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

/// The end: all is durable, or the last attempt at it has failed.
fn ended(engine: &Engine, shared: &Shared) -> Result<(), Error> {
    if engine.is_settled() {
        return Ok(());
    }
    let what = shared.health().disk.map_or_else(String::new, |trouble| trouble.what);
    Err(Error::io("write", "the last records", std::io::Error::other(what)))
}

/// The keeper's thread. The store is locked as long as it lives.
fn keep(mut keeper: Keeper, mut store_lock: Lock, inbox: &KeeperInbox) {
    loop {
        let mut state = lock(&inbox.state);
        loop {
            let left = keeper.poll_timeout().0.saturating_sub(now().mono.0);
            if !state.0.is_empty() || state.1 || left == 0 {
                break;
            }
            state = wait(&inbox.news, state, Duration::from_micros(left));
        }
        let (outcomes, closing) = (std::mem::take(&mut state.0), state.1);
        drop(state);
        for outcome in outcomes {
            keeper.take(now(), outcome);
        }
        if closing {
            return last_commits(&mut keeper);
        }
        store_lock.renew();
        keeper.work(now(), &inbox.stop);
    }
}

/// What is left when time is up is caught up with at the next start.
fn last_commits(keeper: &mut Keeper) {
    const MOST: Duration = Duration::from_secs(1);
    let began = Instant::now();
    while keeper.commit(now()) && began.elapsed() < MOST {}
}

impl KeeperInbox {
    fn post(&self, outcome: Outcome) {
        if !outcome.is_empty() {
            lock(&self.state).0.push(outcome);
            self.news.notify_one();
        }
    }
}

/// Tells that a thread ended in a panic: nobody would notice otherwise.
struct Alarm {
    shared: Arc<Shared>,
    inbox: Arc<StoreInbox>,
    armed: bool,
}

impl Alarm {
    fn new(shared: &Arc<Shared>, inbox: &Arc<StoreInbox>) -> Alarm {
        Alarm { shared: Arc::clone(shared), inbox: Arc::clone(inbox), armed: true }
    }

    fn disarm(mut self) {
        self.armed = false;
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if self.armed {
            self.shared.died();
            lock(&self.inbox.state).dead = true;
        }
    }
}

fn spawn<T: Send + 'static>(
    name: &str,
    alarm: Alarm,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<Worker<T>, Error> {
    let (end, ended) = mpsc::channel();
    let work = move || {
        let _end = end;
        let answer = work();
        alarm.disarm();
        answer
    };
    let thread = Builder::new().name(name.to_owned()).spawn(work);
    let thread = thread.map_err(|e| Error::io("start", name, e))?;
    Ok(Worker { thread, ended })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn wait<'a, T>(news: &Condvar, guard: MutexGuard<'a, T>, left: Duration) -> MutexGuard<'a, T> {
    news.wait_timeout(guard, left).unwrap_or_else(PoisonError::into_inner).0
}

/// The time by both clocks.
pub(crate) fn now() -> Now {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    let mono = START.get_or_init(Instant::now).elapsed().as_micros() as u64;
    Now { mono: Monotonic(mono), wall: wall_now() }
}

/// The time of day.
pub(crate) fn wall_now() -> WallTime {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    WallTime(since.as_micros() as u64)
}
