//! *Flood*: millions of made-up sources, one line each, while real ones say something now and
//! then. No real one may be pushed out, none of their lines lost to a limit.

use std::fmt;
use std::net::SocketAddrV4;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde::Serialize;

use super::figures::{Table, thousands};
use crate::generate::{Format, Load, Profile};
use crate::receivers::{Doctor, Receiver};
use crate::send::{BATCH, Sender};
use crate::site::{self, Site};
use crate::stored::Stored;

/// What to send.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct FloodArgs {
    /// Made-up sources
    #[arg(long, default_value_t = 10_000_000)]
    pub(crate) spoofed: u32,
    /// Real sources
    #[arg(long, default_value_t = 100)]
    pub(crate) real: u32,
    /// How often each real source says something, in seconds
    #[arg(long, default_value_t = 1.0)]
    pub(crate) every: f64,
    /// Go on for at least so many seconds, from the same made-up sources again
    #[arg(long, default_value_t = 0)]
    pub(crate) seconds: u64,
    /// The doctor's receive buffer, as in its configuration; without it, its default
    #[arg(long, value_name = "SIZE")]
    pub(crate) buffer: Option<String>,
}

/// What came of it.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Flood {
    pub(crate) spoofed: u32,
    pub(crate) real: u32,
    pub(crate) every: f64,
    pub(crate) seconds: f64,
    /// Made-up datagrams that were sent.
    pub(crate) datagrams: u64,
    pub(crate) dropped: u64,
    pub(crate) peak: u64,
    /// Lines of made-up sources in the store.
    pub(crate) strangers_stored: u64,
    /// Lines that the real sources sent.
    pub(crate) real_sent: u64,
    /// Lines of theirs that are not in the store.
    pub(crate) real_missing: u64,
    /// Lines lost to a limit of the doctor's, as it says itself.
    pub(crate) limited: u64,
    /// The most boots that a real source is said to have had.
    pub(crate) real_boots: u64,
    /// The doctor's own last words on what it counted.
    pub(crate) counted: String,
}

impl FloodArgs {
    /// Sends, and counts.
    pub(crate) fn run(&self, site: &Site) -> Result<Flood> {
        let dir = site.folder("flood")?;
        let doctor = Doctor::new(site, &dir);
        let address = site::free_address()?;
        let buffer = self.buffer.as_ref();
        let settings =
            buffer.map(|size| format!("receive_buffer = \"{size}\"")).unwrap_or_default();
        let receiver = doctor.serve(address, &settings)?;
        let mut sender = Sender::new(site.network, address)?;
        let mut voices = Voices::new(self, site, address);
        for _ in 0..PROVEN {
            voices.speak(&mut sender)?;
        }
        receiver.emptied()?;
        let (datagrams, seconds) = self.send(site, address, &mut sender, &mut voices)?;
        voices.speak(&mut sender)?;
        receiver.emptied()?;
        receiver.quiet_cpu()?;
        let mut flood = self.heard(&receiver, datagrams, seconds)?;
        receiver.terminate()?;
        flood.check(&doctor, site, &voices.sent)?;
        Ok(flood)
    }

    fn heard(&self, receiver: &Receiver, datagrams: u64, seconds: f64) -> Result<Flood> {
        Ok(Flood {
            spoofed: self.spoofed,
            real: self.real,
            every: self.every,
            seconds,
            datagrams,
            dropped: receiver.ear.drops()?,
            peak: receiver.memory("VmHWM")?,
            ..Flood::default()
        })
    }

    fn send(
        &self,
        site: &Site,
        target: SocketAddrV4,
        sender: &mut Sender,
        voices: &mut Voices,
    ) -> Result<(u64, f64)> {
        let lap = LAP.min(self.spoofed);
        let mut load = profile(site, target, Format::Basic, lap, 1000).make();
        let began = Instant::now();
        let mut due = Duration::ZERO;
        let mut datagrams = 0;
        let laps = self.spoofed / lap;
        for lap in 0_u32.. {
            if lap >= laps && began.elapsed().as_secs() >= self.seconds {
                break;
            }
            for part in load.parts(BATCH) {
                if began.elapsed() >= due {
                    due += Duration::from_secs_f64(self.every);
                    voices.speak(sender)?;
                }
                datagrams += part.len() as u64;
                sender.send(&load, &load.slots()[part.clone()])?;
                if (lap + 1) % laps != 0 {
                    load.shift(part, site.network, LAP);
                }
            }
        }
        Ok((datagrams, began.elapsed().as_secs_f64()))
    }
}

impl Flood {
    /// Fills in what the store holds, and what the doctor says of it.
    fn check(&mut self, doctor: &Doctor, site: &Site, sent: &[u64]) -> Result<()> {
        self.counted = doctor.last_words()?;
        let stored = Stored::read(&doctor.data(), site.network)?;
        let real = self.real as usize;
        let held = |source: usize| stored.records.get(source).copied().unwrap_or(0);
        let missing = |(source, sent): (usize, &u64)| sent.saturating_sub(held(source));
        self.strangers_stored = stored.records.iter().skip(real).sum();
        self.real_sent = sent.iter().sum();
        self.real_missing = sent.iter().enumerate().map(missing).sum();
        self.limited = stored.gaps.get("limit").copied().unwrap_or(0);
        let names = (0..self.real).map(|number| site.network.address(number).to_string());
        let hosts = doctor.hosts(&names.collect::<Vec<String>>())?;
        self.real_boots = hosts.iter().filter_map(|host| host["boots"].as_u64()).max().unwrap_or(0);
        Ok(())
    }

    /// What the socket let through of the real sources is in the store, each in one boot.
    pub(crate) fn is_whole(&self) -> bool {
        let missing = self.real_missing <= self.dropped && self.limited == 0;
        missing && self.real_boots == 1
    }
}

/// The real sources.
struct Voices {
    load: Load,
    /// Records of each so far.
    sent: Vec<u64>,
    begun: bool,
}

impl Voices {
    fn new(args: &FloodArgs, site: &Site, target: SocketAddrV4) -> Self {
        let load = profile(site, target, Format::Extended, args.real, 0).make();
        Self { load, sent: Vec::new(), begun: false }
    }

    /// Each says a line.
    fn speak(&mut self, sender: &mut Sender) -> Result<()> {
        if std::mem::replace(&mut self.begun, true) {
            self.load.next_lap();
        }
        self.load.count(0..self.load.len(), &mut self.sent);
        sender.send(&self.load, self.load.slots())
    }
}

fn profile(site: &Site, target: SocketAddrV4, format: Format, sources: u32, first: u32) -> Profile {
    let datagrams = sources as usize;
    let others = Profile::new(site.network, target);
    Profile { format, sources, first, datagrams, in_turn: true, ..others }
}

impl fmt::Display for Flood {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (spoofed, real) = (thousands(self.spoofed.into()), self.real);
        writeln!(out, "Flood, {spoofed} made-up sources, {real} real ones\n")?;
        let mut table = Table::new("what | figure");
        let rate = (self.datagrams as f64 / self.seconds) as u64;
        let sent = thousands(self.datagrams);
        table.row(&format!("flood sent in {:.1} s | {sent} datagrams", self.seconds));
        table.row(&format!("offered rate | {} datagrams/s", thousands(rate)));
        table.row(&format!("a real source speaks every | {} s", self.every));
        table.row(&format!("dropped at the socket | {}", thousands(self.dropped)));
        table.row(&format!("flood's lines in the store | {}", thousands(self.strangers_stored)));
        table.row(&format!("real lines sent | {}", thousands(self.real_sent)));
        table.row(&format!("real lines missing | {}", thousands(self.real_missing)));
        table.row(&format!("lost to a limit, as bedside tells | {}", thousands(self.limited)));
        table.row(&format!("most boots of a real source | {}", self.real_boots));
        table.row(&format!("peak of resident memory | {:.1} MB", self.peak as f64 / 1e6));
        writeln!(out, "{table}\nbedside's last words: `{}`", self.counted)
    }
}

/// Lines after which a source counts as real, and one more for those that chance leaves out.
const PROVEN: usize = 6;
/// Made-up datagrams that lie in memory.
const LAP: u32 = 100_000;
