//! A doctor on duty: from the sockets to whom a datagram concerns.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use bedside_stream::{Cause, Monotonic, StreamKey, Voice, WallTime};
use bedside_udp::{Heard, Receiver};
use netconsole_wire::question::{About, Question};

use super::{Again, Orders, told};
use crate::answers::{self, Answers};
use crate::attention::Attention;
use crate::config::Config;
use crate::doctor::Doctor;
use crate::health::{HealthFile, Seen};
use crate::keys::{Keys, may_be_an_agents};
use crate::listen::Allow;
use crate::notify::{self, State};
use crate::patience::Patience;
use crate::pstore::Dumps;
use crate::pulse::{Felt, Pulses};
use crate::{exit, heap, time};

/// Everything that a datagram may concern.
pub(super) struct Ward {
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
    /// Everything that is kept beside the lines, opened.
    pub(super) fn open(
        data: &Path,
        config: Config,
        mut keys: Keys,
        doctor: Doctor,
        attention: Attention,
        receiver: &Receiver,
    ) -> Self {
        let health = HealthFile::make(data, doctor.writer(), receiver.sockets());
        keys.remember(data, config.limits.nonces);
        let began = Instant::now();
        Self {
            keys,
            dumps: Dumps::open(data, config.store.pstore.0),
            pulses: Pulses::open(data, config.limits.heartbeats, time::now()),
            doctor,
            attention,
            answers: Answers::new(config.answer),
            allow: Allow::new(config.allow.iter().map(|network| network.0)),
            ports: receiver.sockets().map(|socket| socket.local().port()).collect(),
            began,
            look_began: None,
            patience: Patience::with(receiver.sockets()),
            config,
            health: health.inspect_err(not_told).ok(),
            checked: began,
            heap: heap::Heap::default(),
        }
    }

    /// Syncs what was heard, and ends the threads.
    pub(super) fn close(mut self) -> anyhow::Result<()> {
        self.sum_up();
        self.keep();
        self.doctor.close()?;
        self.attention.end();
        Ok(())
    }

    /// Hears until `orders` say stop.
    pub(super) fn hear(
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
                sight: self.attention.sight(),
                silenced: self.attention.is_silenced(),
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
        let port = self.ports.get(at).copied().unwrap_or_default();
        match heard {
            Heard::Batch(batch) => {
                self.doctor.expect(batch.sources().map(|source| StreamKey::new(source, port)));
            }
            Heard::Dropped { count, noticed_us } => {
                self.doctor.miss(WallTime(noticed_us), Cause::Socket, count);
            }
            Heard::Datagram(datagram) if self.allow.admits(datagram.source.ip()) => {
                let key = StreamKey::new(datagram.source, port);
                self.admit(at, key, WallTime(datagram.received_us), datagram.payload);
            }
            Heard::Datagram(_) => {}
        }
    }

    /// Gives a datagram to whom it concerns: a question, what an agent says, or a kernel's words.
    fn admit(&mut self, at: usize, mut key: StreamKey, received: WallTime, payload: &[u8]) {
        let now = *self.look_began.get_or_insert_with(|| since(self.began));
        let (core, dumps) = (self.doctor.core(), &self.dumps);
        let known = |of: &Question, from: &StreamKey| match of.about {
            About::Port(port) => answers::last(core, from, port, received),
            _ => dumps.reply(of.nonce, from.ip()),
        };
        if self.answers.take(now, at, &key, payload, known)
            || may_be_an_agents(payload) && self.take_agents(&key, received, payload)
        {
            return;
        }
        // Where all are plain the key is not touched: read in larger pieces than it was just
        // written in, the processor would wait.
        let voice = self.keys.voice(&key, payload);
        if voice != Voice::Plain {
            key = key.with_voice(voice);
        }
        self.doctor.hear(now, &key, received, payload);
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

/// `bedside check` sees less then.
fn not_told(error: &io::Error) {
    tracing::warn!(%error, "cannot write the file `health` of the store");
}

fn since(began: Instant) -> Monotonic {
    Monotonic(began.elapsed().as_micros() as u64)
}

/// How often the sockets are looked at after the order to stop, while there is something.
const LAST_LOOKS: usize = 1000;
const HOUSEKEEPING: Duration = Duration::from_secs(1);
