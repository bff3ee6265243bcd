//! Heartbeats of machines: which of them live, which said goodbye, which fell silent without a
//! word.
//!
//! They are no lines: what counts is the last one of each boot. The file `pulse` in the store's
//! directory holds one JSON object for each, in slots of one length that are written over in
//! place, and in front of them when its doctor began and was last there: without a doctor nobody
//! can say that a machine fell silent.

mod boot_id;
mod file;

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::net::IpAddr;
use std::path::Path;

use bedside_store::read::BootSummary;
use bedside_stream::WallTime;
use netconsole_wire::heartbeat::Heartbeat;
use serde::{Deserialize, Serialize};

use crate::keys::Said;
use crate::render::Stamp;
use crate::scribe::Scribe;
use crate::time;
use boot_id::BootId;
use file::{News, Slot};

/// The last heartbeat of a boot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pulse {
    pub(crate) boot_id: BootId,
    pub(crate) host: Option<Box<str>>,
    pub(crate) address: IpAddr,
    /// When the first and the last one were received, microseconds since 1970.
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) uptime_s: u64,
    pub(crate) every_s: u32,
    pub(crate) armed: bool,
    pub(crate) errors: u64,
    pub(crate) goodbye: bool,
    /// The number of the last one that was sealed.
    #[serde(default)]
    counter: u64,
}

/// What came of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Felt {
    /// It was a heartbeat.
    Beat,
    /// It was one that was sealed, and heard before.
    Again,
    /// It was none.
    Nothing,
}

/// When a doctor was there to hear.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Watch {
    v: u8,
    /// Since when, and until when, microseconds since 1970.
    since: u64,
    until: u64,
}

/// What a machine's last heartbeat means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Life {
    /// The next one is not overdue.
    Alive,
    /// It said goodbye.
    Left,
    /// The next ones never came.
    Flatline,
}

/// The pulses that a doctor feels, of [`StreamLimits::heartbeats`] boots at most: about 300 bytes
/// each. When there are more, the one that beat last the longest ago makes room, unless it still
/// beats: made-up boots push out no living one.
///
/// [`StreamLimits::heartbeats`]: crate::config::StreamLimits::heartbeats
#[derive(Debug, Default)]
pub(crate) struct Pulses {
    slots: Vec<Pulse>,
    by_boot: HashMap<BootId, u32>,
    /// In the order in which they make room: those that left, then by the last beat.
    by_last: BTreeSet<(bool, u64, u32)>,
    most: usize,
    changed: BTreeSet<usize>,
    watch: Watch,
    file: Option<Scribe<News>>,
    counters: Counters,
}

/// What came of too many boots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    /// Boots that beat no more and made room for others.
    pub(crate) made_room: u64,
    /// Heartbeats that were taken for lines, because all that are known still beat.
    pub(crate) no_room: u64,
}

/// The pulses that a reader finds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Found {
    /// By the time of the last beat.
    pulses: Vec<Pulse>,
    by_boot: HashMap<BootId, usize>,
    by_host: HashMap<Box<str>, usize>,
    by_address: HashMap<IpAddr, Vec<usize>>,
    watch: Watch,
}

impl Pulses {
    /// Takes up what the last doctor felt, of `most` boots at most. Without a file it is not kept.
    pub(crate) fn open(data: &Path, most: usize, now: WallTime) -> Self {
        let mut found = Found::read(data).unwrap_or_default().pulses;
        let made_room = found.len().saturating_sub(most) as u64;
        found.drain(..made_room as usize);
        for pulse in &mut found {
            (pulse.first, pulse.last) = (pulse.first.min(now.0), pulse.last.min(now.0));
        }
        let file = file::open(data, found.len() + 1).inspect_err(|error| {
            tracing::warn!(%error, "cannot write the file `pulse` of the store");
        });
        let at = |(at, pulse): (usize, &Pulse)| (pulse.boot_id, at as u32);
        let last = |(at, pulse): (usize, &Pulse)| pulse.place(at as u32);
        Self {
            by_boot: found.iter().enumerate().map(at).collect(),
            by_last: found.iter().enumerate().map(last).collect(),
            changed: (0..found.len()).collect(),
            slots: found,
            most,
            watch: Watch { v: 1, since: now.0, until: now.0 },
            file: file.ok(),
            counters: Counters { made_room, no_room: 0 },
        }
    }

    /// Takes a datagram if it is a heartbeat. One for which there is no room is a line like all
    /// others.
    pub(crate) fn take(&mut self, from: IpAddr, received: WallTime, said: &Said<'_>) -> Felt {
        let Some(heartbeat) = Heartbeat::parse(said.payload) else { return Felt::Nothing };
        let Some(boot_id) = BootId::parse(heartbeat.boot_id) else { return Felt::Nothing };
        let known = self.by_boot.get(&boot_id).copied();
        let Some(at) = known.or_else(|| self.make_room(boot_id, received)) else {
            self.counters.no_room += 1;
            return Felt::Nothing;
        };
        let Some(pulse) = self.slots.get_mut(at as usize) else { return Felt::Nothing };
        if said.counter.is_some_and(|counter| counter <= pulse.counter) {
            return Felt::Again;
        }
        pulse.counter = said.counter.unwrap_or(pulse.counter);
        self.by_last.remove(&pulse.place(at));
        pulse.feel(&heartbeat, from, received);
        self.by_last.insert(pulse.place(at));
        self.changed.insert(at as usize);
        Felt::Beat
    }

    /// What was counted.
    pub(crate) fn counters(&self) -> Counters {
        self.counters
    }

    /// A slot for a new boot; none if all are of boots that beat.
    fn make_room(&mut self, boot_id: BootId, received: WallTime) -> Option<u32> {
        let fresh = Pulse::new(boot_id, received);
        let at = if self.slots.len() < self.most {
            self.slots.push(fresh);
            (self.slots.len() - 1) as u32
        } else {
            let (_, _, oldest) = *self.by_last.first()?;
            let pulse = self.slots.get_mut(oldest as usize)?;
            if !pulse.is_over(received.0) {
                return None;
            }
            let gone = std::mem::replace(pulse, fresh);
            self.by_boot.remove(&gone.boot_id);
            self.by_last.remove(&gone.place(oldest));
            self.counters.made_room += 1;
            oldest
        };
        self.by_boot.insert(boot_id, at);
        Some(at)
    }

    /// Writes down what has changed, and that a doctor is there. What can't be written now is
    /// the next time.
    pub(crate) fn keep(&mut self, now: WallTime) {
        self.watch.until = now.0;
        // Where nobody beats a disk may sleep.
        let Some(file) = self.file.as_ref().filter(|_| !self.slots.is_empty()) else { return };
        let slots =
            self.changed.iter().filter_map(|at| Some((at + 1, Slot::of(self.slots.get(*at)?)?)));
        let news = Slot::of(&self.watch).map(|watch| (0, watch)).into_iter().chain(slots).collect();
        if file.tell(news).is_ok() {
            self.changed.clear();
        }
    }
}

impl Pulse {
    /// Whether a death that was heard from there, signed or not, may be its machine's: of one whose
    /// heartbeats are sealed not everybody can say that it died.
    pub(crate) fn may_have_died(&self, source: Option<IpAddr>, signed: bool) -> bool {
        signed || self.counter == 0 || source.is_some_and(|it| it == self.address)
    }

    fn new(boot_id: BootId, received: WallTime) -> Self {
        Pulse {
            boot_id,
            host: None,
            address: IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED),
            first: received.0,
            last: received.0,
            uptime_s: 0,
            every_s: 0,
            armed: false,
            errors: 0,
            goodbye: false,
            counter: 0,
        }
    }

    /// Its place among those that may have to make room.
    fn place(&self, slot: u32) -> (bool, u64, u32) {
        (!self.goodbye, self.last, slot)
    }

    /// Whether no beat is to be expected any more: it said goodbye, or three are missing.
    fn is_over(&self, now: u64) -> bool {
        let patience = u64::from(self.every_s) * BEATS * 1_000_000 + SLACK_US / 2;
        self.goodbye || now.saturating_sub(self.last) > patience
    }

    fn feel(&mut self, heartbeat: &Heartbeat<'_>, from: IpAddr, received: WallTime) {
        if self.host.as_deref() != heartbeat.host {
            self.host = heartbeat.host.map(Box::from);
        }
        self.address = from;
        // A clock that was ahead once is not believed any longer than it was.
        self.last = received.0;
        self.uptime_s = heartbeat.uptime_s;
        // Whatever it says, nobody keeps a place for longer.
        self.every_s = heartbeat.every_s.min(LONGEST_EVERY_S);
        self.armed = heartbeat.armed;
        self.errors = heartbeat.errors;
        self.goodbye = heartbeat.goodbye;
    }
}

/// The agent's own limit.
const LONGEST_EVERY_S: u32 = 3600;

/// One pulse, for JSON.
#[derive(Serialize)]
pub(crate) struct Told {
    life: Life,
    last_received: Stamp,
    uptime_s: u64,
    armed: bool,
    transmit_errors: u64,
}

impl Found {
    /// What a store knows; nothing, if no heartbeat was ever heard.
    pub(crate) fn read(data: &Path) -> io::Result<Self> {
        let mut slots = file::read(data)?.into_iter();
        let watch = slots.next().and_then(|slot| serde_json::from_slice(&slot).ok());
        // One that was being written is felt again soon.
        let pulses = slots.filter_map(|slot| serde_json::from_slice(&slot).ok()).collect();
        Ok(Self::of(pulses, watch.unwrap_or_default()))
    }

    fn of(mut pulses: Vec<Pulse>, watch: Watch) -> Self {
        pulses.sort_by_key(|pulse| pulse.last);
        let mut found = Self { watch, ..Self::default() };
        for (at, pulse) in pulses.iter().enumerate() {
            found.by_boot.insert(pulse.boot_id, at);
            found.by_address.entry(pulse.address).or_default().push(at);
            if let Some(host) = &pulse.host {
                found.by_host.insert(host.clone(), at);
            }
        }
        found.pulses = pulses;
        found
    }

    /// The latest pulse of a machine of this name, or of one of these addresses.
    pub(crate) fn of_host(&self, host: &str, addresses: &[IpAddr]) -> Option<&Pulse> {
        let named = self.by_host.get(host).copied();
        let at = named.or_else(|| self.at(addresses).max())?;
        self.pulses.get(at)
    }

    /// Each machine that an agent told of: its name, if it told that, and its address.
    pub(crate) fn machines(&self) -> impl Iterator<Item = (Option<&str>, IpAddr)> {
        let named = self.by_host.values().copied();
        let nameless = self.by_address.values().filter_map(|all| all.last().copied());
        let latest = named.chain(nameless).filter_map(|at| self.pulses.get(at));
        let told = latest.map(|pulse| (pulse.host.as_deref(), pulse.address));
        told.collect::<BTreeSet<_>>().into_iter()
    }

    /// The pulse of a boot, by its number, or, for a kernel that can't tell it, by an address
    /// from which it first beat between this boot's first line and the next boot's.
    pub(crate) fn of_boot(&self, boot: &BootSummary, next: Option<WallTime>) -> Option<&Pulse> {
        if let Some(boot_id) = &boot.boot_id {
            let at = self.by_boot.get(&BootId::parse(std::str::from_utf8(boot_id).ok()?)?)?;
            return self.pulses.get(*at);
        }
        let began = boot.first_received.0.saturating_sub(SLACK_US);
        let ended = next.map_or(u64::MAX, |next| next.0.saturating_sub(SLACK_US));
        let addresses = boot.addresses();
        let its = self.at(&addresses).filter_map(|at| self.pulses.get(at));
        its.filter(|pulse| (began..ended).contains(&pulse.first)).max_by_key(|pulse| pulse.last)
    }

    fn at(&self, addresses: &[IpAddr]) -> impl Iterator<Item = usize> {
        addresses.iter().filter_map(|address| self.by_address.get(address)).flatten().copied()
    }

    /// What it means that `pulse` was the last one. A later boot of the machine says that this
    /// one is over; else three beats must have failed to come while a doctor was there.
    pub(crate) fn life(&self, pulse: &Pulse) -> Life {
        if pulse.goodbye {
            return Life::Left;
        }
        let latest = match &pulse.host {
            Some(host) => self.by_host.get(host),
            None => self.by_address.get(&pulse.address).and_then(|all| all.last()),
        };
        let latest = latest.and_then(|at| self.pulses.get(*at));
        if latest.is_some_and(|latest| latest.boot_id != pulse.boot_id && latest.first > pulse.last)
        {
            return Life::Flatline;
        }
        // For as long as a doctor was there.
        let heard = Pulse { last: pulse.last.max(self.watch.since), ..pulse.clone() };
        if heard.is_over(self.watch.until) { Life::Flatline } else { Life::Alive }
    }

    /// Those of hearts that stopped.
    pub(crate) fn flatlines(&self) -> impl Iterator<Item = &Pulse> {
        self.pulses.iter().filter(|pulse| self.life(pulse) == Life::Flatline)
    }

    /// For JSON.
    pub(crate) fn tell(&self, pulse: &Pulse) -> Told {
        Told {
            life: self.life(pulse),
            last_received: Stamp(WallTime(pulse.last)),
            uptime_s: pulse.uptime_s,
            armed: pulse.armed,
            transmit_errors: pulse.errors,
        }
    }

    /// For people: of a machine that should live, for how long it has not.
    pub(crate) fn words(&self, pulse: &Pulse, now: WallTime) -> String {
        let ago = time::ago(WallTime(pulse.last), now);
        match self.life(pulse) {
            Life::Alive if pulse.armed => "alive".to_owned(),
            Life::Alive => "alive, not armed".to_owned(),
            Life::Left => format!("left {ago}"),
            Life::Flatline => format!("FLATLINE {ago}"),
        }
    }
}

/// Heartbeats that must be missing.
const BEATS: u64 = 3;
/// What a kernel's first line and its agent's first beat may be out of step.
const SLACK_US: u64 = 2_000_000;

#[cfg(test)]
mod tests;
