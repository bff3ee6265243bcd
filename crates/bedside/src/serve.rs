//! `bedside serve`: sockets, signals, and the loop between them and the doctor.

mod orders;

use std::io::{self, IsTerminal as _, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use bedside_stream::{Cause, Monotonic, StreamKey, Voice, WallTime};
use bedside_udp::{Heard, Receiver, ReceiverOptions, Socket, Waker};
use netconsole_wire::question::{About, Question};

use crate::Exit;
use crate::answers::{self, Answers};
use crate::attention::Attention;
use crate::cli::ServeArgs;
use crate::config::{Config, Listen, Live, Network};
use crate::confine::confine;
use crate::doctor::{Doctor, Found};
use crate::health::{HealthFile, Seen};
use crate::keys::{Keys, may_be_an_agents};
use crate::listen::{self, Allow};
use crate::notify::{self, State};
use crate::patience::Patience;
use crate::pstore::Dumps;
use crate::pulse::{Felt, Pulses};
use crate::render::{self, Look, Screen};
use crate::{exit, heap, hint, incidents, time};

pub(crate) use orders::Orders;

/// Hears until a signal says stop.
pub fn run(args: &ServeArgs) -> anyhow::Result<Exit> {
    let with_keys = |config: Config| Ok((Keys::read(config.key_file.as_deref())?, config));
    let (keys, config) = match configuration(args).and_then(with_keys) {
        Ok(found) => found,
        Err(error) => return Ok(exit::tell(Exit::Usage, &exit::words(&error))),
    };
    let orders = Orders::from_signals()?;
    let again = Again { read: &|| configuration(args), file: args.config.as_deref() };
    serve(config, keys, &orders, &again, |_, waker| Orders::wake_on_signals(&waker))?;
    Ok(Exit::Well)
}

/// How the configuration is read again.
pub(crate) struct Again<'a> {
    pub(crate) read: &'a dyn Fn() -> anyhow::Result<Config>,
    /// The file that it is read from.
    pub(crate) file: Option<&'a Path>,
}

/// Hears until `orders` say stop. `ready` is told the addresses, once they hear, and what ends a
/// wait.
pub(crate) fn serve(
    config: Config,
    mut keys: Keys,
    orders: &Orders,
    again: &Again<'_>,
    ready: impl FnOnce(Vec<SocketAddr>, Waker) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let data = config.data()?;
    let listening = listen::open(&config)?;
    let courier = Attention::courier(&config)?;
    // It knows the time zone, which lies in a file elsewhere.
    let look = shows(&config).then(Look::live);
    confine(&data, again.file);
    let screen = look.map(|look| Screen::start(look, io::stdout()));
    let screen = screen.transpose().context("cannot show lines")?;
    let tap = screen.as_ref().map(Screen::tap);
    let (doctor, found) = Doctor::open(&data, &config, tap, false)?;
    // Hearing does not end where nobody can be told of it.
    drop(listen::announce(&listening, config.receive_buffer.0, &mut render::stderr()));
    report(&found, &data);
    let mut receiver = Receiver::new(listening.sockets, ReceiverOptions::default())?;
    let addresses: Vec<SocketAddr> = receiver.sockets().map(Socket::local).collect();
    if let Some(hint) = hint::first_steps(&addresses).filter(|_| screen.is_some() && found.is_new) {
        drop(writeln!(render::stderr(), "{hint}"));
    }
    let ports = addresses.iter().map(SocketAddr::port).collect();
    let allow = Allow::new(config.allow.iter().map(|network| network.0));
    let health =
        HealthFile::make(&data, doctor.writer(), receiver.sockets()).inspect_err(not_told).ok();
    let began = Instant::now();
    let answers = Answers::new(config.answer);
    incidents::set_aside_foreign(&data, found.next_segment);
    let attention = Attention::begin(&data, &config, courier, doctor.writer().nudge())?;
    keys.remember(&data, config.limits.nonces);
    let dumps = Dumps::open(&data, config.store.pstore.0);
    let pulses = Pulses::open(&data, config.limits.heartbeats, time::now());
    let mut ward = Ward {
        keys,
        dumps,
        pulses,
        doctor,
        attention,
        answers,
        allow,
        ports,
        began,
        look_began: None,
        patience: Patience::with(receiver.sockets()),
        config,
        health,
        checked: began,
        heap: heap::Heap::default(),
    };
    ready(addresses, receiver.waker())?;
    told(notify::tell(State::Ready));
    let ended = ward.hear(&mut receiver, orders, again);
    told(notify::tell(State::Stopping));
    ward.sum_up();
    ward.keep();
    ward.doctor.close()?;
    ward.attention.end();
    if let Some(screen) = screen {
        screen.finish(SCREEN_PATIENCE);
    }
    ended
}

/// What the options say wins over what the file says.
fn configuration(args: &ServeArgs) -> anyhow::Result<Config> {
    let mut config = match &args.config {
        Some(path) => Config::load(path)?,
        None => Config::default(),
    };
    if !args.listen.is_empty() {
        config.listen = args.listen.iter().copied().map(Listen).collect();
    }
    if !args.allow.is_empty() {
        config.allow = args.allow.iter().copied().map(Network).collect();
    }
    config.data = args.data.data.clone().or(config.data);
    Ok(config)
}

fn shows(config: &Config) -> bool {
    match config.live {
        Live::Auto => io::stdout().is_terminal(),
        Live::Always => true,
        Live::Never => false,
    }
}

fn report(found: &Found, data: &Path) {
    tracing::info!(data = %data.display(), streams = found.streams, "keeping what is heard");
    for torn in &found.torn {
        tracing::warn!("the last doctor was cut off, or its disk took no more: {torn}");
    }
}

/// Nobody who follows our state is a reason to stop hearing.
fn told(result: io::Result<()>) {
    if let Err(error) = result {
        tracing::debug!(%error, "the service manager was not told");
    }
}

/// `bedside check` sees less then.
fn not_told(error: &io::Error) {
    tracing::warn!(%error, "cannot write the file `health` of the store");
}

/// A doctor on duty.
struct Ward {
    doctor: Doctor,
    attention: Attention,
    answers: Answers,
    keys: Keys,
    pulses: Pulses,
    dumps: Dumps,
    allow: Allow,
    /// Our port of each socket.
    ports: Vec<u16>,
    began: Instant,
    /// When the first datagram of this look at the sockets was taken: one time for all of them.
    look_began: Option<Monotonic>,
    patience: Patience,
    config: Config,
    health: Option<HealthFile>,
    /// When house was kept last.
    checked: Instant,
    heap: heap::Heap,
}

impl Ward {
    fn hear(
        &mut self,
        receiver: &mut Receiver,
        orders: &Orders,
        again: &Again<'_>,
    ) -> anyhow::Result<()> {
        while !orders.stop() {
            self.look(receiver, self.wait(HOUSEKEEPING))?;
            if orders.reload() {
                self.reload(again);
            }
        }
        // What lies in the sockets was sent before the order to stop.
        for _ in 0..LAST_LOOKS {
            if self.look(receiver, Duration::ZERO)? == 0 {
                break;
            }
        }
        Ok(())
    }

    /// One look at the sockets; says how many datagrams there were.
    fn look(&mut self, receiver: &mut Receiver, wait: Duration) -> anyhow::Result<usize> {
        self.look_began = None;
        let round = receiver.receive(Some(wait), &mut |at, heard| self.take(at, heard));
        let round = round.context("cannot hear any more")?;
        self.answers.send(receiver.sockets());
        self.doctor.settle(self.now(), round.more);
        if !round.more {
            receiver.set_patience(self.patience.at(self.now(), &self.config, &self.doctor));
        }
        if self.checked.elapsed() >= HOUSEKEEPING {
            self.checked = Instant::now();
            self.keep_house()?;
        }
        Ok(round.datagrams)
    }

    /// What is to be done now and then.
    fn keep_house(&mut self) -> anyhow::Result<()> {
        if let Some(health) = &self.health {
            let seen = Seen {
                strangers: self.doctor.core().counters().strangers,
                refused: self.allow.refused(),
                pulses: self.pulses.counters(),
                keys: self.keys.counters(),
                search: self.attention.trouble(),
            };
            health.tell(self.doctor.writer(), seen);
        }
        self.keep();
        self.heap.look(self.doctor.rest(time::now()) > 0);
        let core = self.doctor.core();
        let (streams, records) = (core.streams(), core.counters().records);
        let health = self.doctor.writer().health();
        told(notify::status(&match &health.disk {
            None => format!("hears {streams} streams, {records} records so far"),
            Some(trouble) => format!("hears, but cannot keep what it hears: {}", trouble.what),
        }));
        anyhow::ensure!(!health.dead, "a thread of the store has ended: nothing is kept any more");
        Ok(())
    }

    /// Writes down what is kept beside the lines.
    fn keep(&mut self) {
        self.pulses.keep(time::now());
        self.dumps.keep(time::now());
        self.keys.keep();
    }

    /// What was counted, for whoever reads the log of a doctor that ends.
    fn sum_up(&self) {
        let (core, keys) = (self.doctor.core().counters(), self.keys.counters());
        tracing::info!(
            datagrams = core.datagrams,
            records = core.records,
            repeats = core.repeats,
            late = core.late,
            incomplete = core.incomplete,
            odd_fragments = core.odd_fragments,
            pending_evicted = core.pending_evicted,
            streams = self.doctor.core().streams(),
            streams_evicted = core.evicted_proven + core.evicted_unproven,
            strangers = core.strangers,
            strangers_returned = core.returned,
            unproven_for_want_of_room = core.unproven_for_want_of_room,
            refused = self.allow.refused(),
            answers_withheld = self.answers.withheld(),
            unsealed = keys.refused,
            forged = keys.forged,
            copied = keys.copied,
            nonces_made_room = keys.nonces_made_room,
            pstore_without_room = self.dumps.without_room(),
            heartbeats_made_room = self.pulses.counters().made_room,
            heartbeats_without_room = self.pulses.counters().no_room,
            "heard in all"
        );
    }

    fn take(&mut self, at: usize, heard: Heard<'_>) {
        match heard {
            Heard::Batch(batch) => {
                let port = self.ports.get(at).copied().unwrap_or_default();
                self.doctor.expect(batch.sources().map(|source| StreamKey::new(source, port)));
            }
            Heard::Dropped { count, noticed_us } => {
                self.doctor.miss(WallTime(noticed_us), Cause::Socket, count);
            }
            Heard::Datagram(datagram) => {
                if self.allow.admits(datagram.source.ip()) {
                    let port = self.ports.get(at).copied().unwrap_or_default();
                    let mut key = StreamKey::new(datagram.source, port);
                    let received = WallTime(datagram.received_us);
                    let now = *self.look_began.get_or_insert_with(|| since(self.began));
                    let (core, dumps) = (self.doctor.core(), &self.dumps);
                    let known = |of: &Question, from: &StreamKey| match of.about {
                        About::Port(port) => answers::last(core, from, port, received),
                        _ => dumps.reply(of.nonce, from.ip()),
                    };
                    let taken = self.answers.take(now, at, &key, datagram.payload, known)
                        || may_be_an_agents(datagram.payload)
                            && self.take_agents(&key, received, datagram.payload);
                    if !taken {
                        // Where all are plain the key is not touched: read in larger pieces than it
                        // was just written in, the processor would wait.
                        let voice = self.keys.voice(&key, datagram.payload);
                        if voice != Voice::Plain {
                            key = key.with_voice(voice);
                        }
                        self.doctor.hear(now, &key, received, datagram.payload);
                    }
                }
            }
        }
    }

    /// Takes what an agent says itself; also what only pretends to be, where there are keys.
    fn take_agents(&mut self, key: &StreamKey, received: WallTime, payload: &[u8]) -> bool {
        let Some(said) = self.keys.open(key.ip(), payload) else { return true };
        match self.pulses.take(key.ip(), received, &said) {
            Felt::Beat => true,
            Felt::Again => {
                self.keys.refuse();
                true
            }
            Felt::Nothing => self.dumps.take(key, received, said.payload),
        }
    }

    fn now(&self) -> Monotonic {
        since(self.began)
    }

    fn wait(&self, most: Duration) -> Duration {
        let due = self.doctor.due().map(|due| due.0.saturating_sub(self.now().0));
        due.map_or(most, |micros| Duration::from_micros(micros).min(most))
    }

    /// Takes over what can be taken over while hearing: the allow-list, the patience, and whether
    /// questions are answered.
    fn reload(&mut self, again: &Again<'_>) {
        told(notify::tell(State::Reloading));
        match (again.read)() {
            Ok(new) => {
                for key in self.config.needs_restart(&new) {
                    tracing::warn!(key, "changed in the configuration; takes effect at a restart");
                }
                self.config.take_over(new);
                self.allow.replace(self.config.allow.iter().map(|network| network.0));
                self.answers.switch(self.config.answer);
                tracing::info!("the configuration was read again");
                if self.keys.count() > 0 {
                    tracing::info!("keys are read at the start only: changed ones take a restart");
                }
            }
            Err(error) => {
                tracing::error!("the configuration stays as it was: {}", exit::words(&error));
            }
        }
        told(notify::tell(State::Ready));
    }
}

fn since(began: Instant) -> Monotonic {
    Monotonic(began.elapsed().as_micros() as u64)
}

/// How often the sockets are looked at after the order to stop, while there is something.
const LAST_LOOKS: usize = 1000;
const HOUSEKEEPING: Duration = Duration::from_secs(1);
/// How long a stopped terminal is waited for at the end.
const SCREEN_PATIENCE: Duration = Duration::from_secs(1);
