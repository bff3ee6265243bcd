//! The threads, and how they hand things to each other.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use bedside_stream::{Monotonic, WallTime};

use crate::error::Error;

use super::engine::{Engine, Now, Outcome, Ticket};
use super::health::Shared;
use super::inbox::{StoreInbox, lock, wait};
use super::keeper::Keeper;
use super::lock::Lock;
use super::options::Options;

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
        let (work, calm) = inbox.wait(engine.poll_timeout(), engine.has_room());
        let closing = work.closing;
        inbox.give_back(work.carry_out(&mut engine));
        if calm {
            engine.rest();
        }
        let last = closing && !engine.is_settled();
        let ticket = if last { engine.begin_sync() } else { engine.next_sync(now().mono) };
        if ticket.is_some() {
            inbox.syncing();
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

/// The end: all is durable, or the last attempt at it has failed.
fn ended(engine: &Engine, shared: &Shared) -> Result<(), Error> {
    let unkept = engine.unkept();
    if unkept == 0 {
        return Ok(());
    }
    let what = shared.health().disk.map_or_else(String::new, |trouble| trouble.what);
    Err(Error::io("write", format!("the last {unkept} records"), std::io::Error::other(what)))
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
            self.inbox.die();
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
