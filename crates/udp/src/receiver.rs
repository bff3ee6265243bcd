//! Waits for several sockets and hands on what they hear.

use std::fmt;
use std::os::fd::AsFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::time::TimeSpec;

use crate::batch::clock_us;
use crate::drops::DropCounter;
use crate::waker::{Sleeper, waker};
use crate::{Batch, Datagram, Error, Socket, Waker};

/// How to listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceiverOptions {
    /// The most datagrams that one system call receives.
    pub batch_slots: usize,
    /// How long to leave the sockets alone once they are empty: waking
    /// up costs ten times what a datagram does, so a little patience lets more of them gather.
    /// The first datagram after a silence never waits.
    pub patience: Duration,
}

impl Default for ReceiverOptions {
    /// 64 datagrams, so that what lies beside them all fits into a core's first cache; 3 ms.
    fn default() -> Self {
        Self { batch_slots: 64, patience: Duration::from_millis(3) }
    }
}

/// What a socket has heard.
#[derive(Clone, Copy, Debug)]
pub enum Heard<'a> {
    /// Datagrams that will be handed on, one after the other: for whoever wants to have at hand
    /// what belongs to them.
    Batch(&'a Batch),
    /// A datagram.
    Datagram(Datagram<'a>),
    /// Datagrams that the kernel dropped at this socket since it was last asked, some batches
    /// before. They came behind what was waiting then; what waits still came before them or after
    /// them.
    Dropped {
        /// How many.
        count: u64,
        /// Microseconds since 1970-01-01 UTC: when the counter was read.
        noticed_us: u64,
    },
}

/// What a call of [`Receiver::receive`] came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Round {
    /// How many datagrams were handed on.
    pub datagrams: usize,
    /// Whether a [`Waker`] ended the wait.
    pub woken: bool,
    /// Whether there may be more to hear at once.
    pub more: bool,
}

/// Listens on sockets, a few batches at a time.
pub struct Receiver {
    ears: Vec<Ear>,
    batch: Batch,
    patience: Duration,
    /// The last batches left nothing behind: be patient before the next.
    emptied: bool,
    epoll: Epoll,
    events: Vec<EpollEvent>,
    waker: Waker,
    sleeper: Sleeper,
}

/// A socket and what is known of it.
struct Ear {
    socket: Socket,
    drops: DropCounter,
    /// The last batch was full: there may be more behind it.
    behind: bool,
    /// Something waits in the queue.
    ready: bool,
    /// Each datagram comes with its time, which costs a tenth of the call.
    timed_each: bool,
    /// When the last datagram was received.
    last_us: u64,
}

impl Receiver {
    /// Listens on `sockets`, which are known by their places in the list from now on.
    pub fn new(sockets: Vec<Socket>, options: ReceiverOptions) -> Result<Self, Error> {
        let epoll =
            Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map_err(waiting("epoll_create1"))?;
        for (at, socket) in sockets.iter().enumerate() {
            watch(&epoll, socket, at as u64)?;
        }
        let (waker, sleeper) = waker()?;
        watch(&epoll, &sleeper, WAKE)?;
        Ok(Self {
            events: vec![EpollEvent::empty(); sockets.len() + 1],
            ears: sockets.into_iter().map(Ear::new).collect(),
            batch: Batch::new(options.batch_slots),
            patience: options.patience,
            emptied: false,
            epoll,
            waker,
            sleeper,
        })
    }

    /// Waits until a socket hears something, `wait` is over (`None`: no limit) or a [`Waker`]
    /// ends it; then takes a few batches at most from each socket that has something, giving each
    /// datagram and each loss with the socket's place to `sink`, in the kernel's order.
    ///
    /// A call may end early with nothing heard. After one that emptied the sockets it begins with
    /// [`ReceiverOptions::patience`], so hand on what this call brought before calling again.
    pub fn receive(
        &mut self,
        wait: Option<Duration>,
        sink: &mut impl FnMut(usize, Heard<'_>),
    ) -> Result<Round, Error> {
        if self.emptied {
            self.emptied = false;
            let patience = wait.map_or(self.patience, |wait| wait.min(self.patience));
            self.rest(patience)?;
        }
        let unsure = self.ears.iter().any(|ear| ear.behind);
        let woken = self.wait(if unsure { Some(Duration::ZERO) } else { wait })?;
        let mut round = Round { woken, ..Round::default() };
        for (at, ear) in self.ears.iter_mut().enumerate() {
            let received = ear.hear(&mut self.batch, &mut |heard| sink(at, heard))?;
            round.datagrams += received;
        }
        round.more = self.ears.iter().any(|ear| ear.behind);
        self.emptied = round.datagrams > 0 && !round.more;
        Ok(round)
    }

    /// Changes the patience from the next batch on.
    pub fn set_patience(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// What ends a wait from elsewhere.
    pub fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// The sockets in their order.
    pub fn sockets(&self) -> impl ExactSizeIterator<Item = &Socket> {
        self.ears.iter().map(|ear| &ear.socket)
    }

    /// Leaves the sockets alone for a while; a [`Waker`] ends it, a datagram does not.
    fn rest(&self, patience: Duration) -> Result<(), Error> {
        if patience.is_zero() {
            return Ok(());
        }
        let mut sleeper = [PollFd::new(self.sleeper.as_fd(), PollFlags::POLLIN)];
        match nix::poll::ppoll(&mut sleeper, Some(TimeSpec::from(patience)), None) {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(error) => Err(waiting("ppoll")(error)),
        }
    }

    /// Waits for sockets, marks those that have something, and says whether a waker came.
    fn wait(&mut self, wait: Option<Duration>) -> Result<bool, Error> {
        let ready = match self.epoll.wait(&mut self.events, timeout(wait)) {
            Ok(ready) => ready,
            Err(Errno::EINTR) => 0,
            Err(error) => return Err(waiting("epoll_wait")(error)),
        };
        let mut woken = false;
        for event in &self.events[..ready] {
            match self.ears.get_mut(event.data() as usize) {
                Some(ear) => ear.ready = true,
                None => woken = true,
            }
        }
        if woken {
            self.sleeper.clear();
        }
        Ok(woken)
    }
}

impl Ear {
    fn new(socket: Socket) -> Self {
        let drops = DropCounter::starting_at(socket.dropped_before());
        Self { socket, drops, behind: false, ready: false, timed_each: true, last_us: 0 }
    }

    /// Takes what is there, a few batches at most, and asks for drops.
    fn hear(
        &mut self,
        batch: &mut Batch,
        sink: &mut impl FnMut(Heard<'_>),
    ) -> Result<usize, Error> {
        if !self.ready && !self.behind {
            return Ok(0);
        }
        let batches = if self.ready { BATCHES } else { 0 };
        (self.ready, self.behind) = (false, false);
        let mut received = 0;
        for _ in 0..batches {
            received += self.take(batch, sink)?;
            if !self.behind {
                break;
            }
        }
        let count = self.drops.news(self.socket.drops()?);
        if count > 0 {
            sink(Heard::Dropped { count, noticed_us: clock_us() });
        }
        Ok(received)
    }

    /// Takes one batch.
    fn take(
        &mut self,
        batch: &mut Batch,
        sink: &mut impl FnMut(Heard<'_>),
    ) -> Result<usize, Error> {
        let received = self.socket.receive(batch)?;
        if received > 0 {
            if let (false, Ok(Some(last_us))) = (self.timed_each, self.socket.last_received_us()) {
                batch.set_clock(last_us);
            }
            sink(Heard::Batch(batch));
            batch.datagrams().for_each(|datagram| sink(Heard::Datagram(datagram)));
        }
        self.behind = received == batch.slots();
        self.choose_times(batch)?;
        Ok(received)
    }

    /// Where full batches follow each other within a millisecond, the time of the last datagram of
    /// each will do; elsewhere each has its own.
    fn choose_times(&mut self, batch: &Batch) -> Result<(), Error> {
        const DENSE_US: u64 = 1_000;
        let Some(last_us) = batch.last_received_us() else {
            return Ok(());
        };
        let dense = last_us.saturating_sub(self.last_us) <= DENSE_US;
        self.last_us = last_us;
        let each = !(self.behind && dense);
        if each != self.timed_each && self.socket.last_received_us().is_ok() {
            self.socket.time_each(each)?;
            self.timed_each = each;
        }
        Ok(())
    }
}

impl fmt::Debug for Receiver {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Receiver")
            .field("sockets", &self.ears.len())
            .field("batch", &self.batch)
            .field("patience", &self.patience)
            .finish_non_exhaustive()
    }
}

fn watch(epoll: &Epoll, fd: &impl AsFd, token: u64) -> Result<(), Error> {
    epoll.add(fd, EpollEvent::new(EpollFlags::EPOLLIN, token)).map_err(waiting("epoll_ctl"))
}

/// Whole milliseconds, rounded up, so that a wait is never over before its time.
fn timeout(wait: Option<Duration>) -> EpollTimeout {
    let Some(wait) = wait else { return EpollTimeout::NONE };
    let millis = wait.as_nanos().div_ceil(1_000_000);
    EpollTimeout::try_from(millis).unwrap_or(EpollTimeout::MAX)
}

fn waiting(operation: &'static str) -> impl Fn(Errno) -> Error {
    move |error| Error::Wait { operation, source: error.into() }
}

/// So many batches are taken from a socket before others are looked at, and before drops are asked
/// for: half a millisecond's work.
const BATCHES: usize = 8;

/// The waker's place, which no socket has.
const WAKE: u64 = u64::MAX;
