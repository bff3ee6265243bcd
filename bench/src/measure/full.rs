//! *Full speed*: the generator sends as fast as it can, or at a rate that is far beyond an
//! ordinary day; what is lost, at the socket and in the store?

use std::fmt;
use std::net::SocketAddrV4;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde::Serialize;
use serde_json::Value;

use super::figures::{Table, thousands};
use crate::generate::{Format, Life, Load, Profile};
use crate::receivers::{Doctor, Receiver};
use crate::send::{BATCH, Pace, Sender};
use crate::site::{self, Site};
use crate::stored::Stored;

/// What to send.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct FullArgs {
    /// The format that the sources speak
    #[arg(long, value_enum, default_value = "extended")]
    pub(crate) format: Format,
    /// How many sources there are
    #[arg(long, default_value_t = 10_000)]
    pub(crate) sources: u32,
    /// For how long
    #[arg(long, default_value_t = 30)]
    pub(crate) seconds: u64,
    /// Datagrams a second; without it, as many as the generator can send
    #[arg(long)]
    pub(crate) rate: Option<u64>,
    /// The doctor's receive buffer, as in its configuration; without it, its default
    #[arg(long, value_name = "SIZE")]
    pub(crate) buffer: Option<String>,
    /// The machines come back from a power cut: all boot at once
    #[arg(long)]
    pub(crate) booting: bool,
    /// Seed of all that is left to chance
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
}

impl FullArgs {
    /// Machines with 400 lines each within 10 s, 10,000 of them or, for a glance, fewer.
    pub(crate) fn power_cut(seconds: u64) -> Self {
        Self {
            format: Format::Extended,
            sources: 1_000 * seconds as u32,
            seconds,
            rate: Some(400_000),
            buffer: None,
            booting: true,
            seed: 1,
        }
    }
}

/// What came of it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Full {
    pub(crate) format: Format,
    pub(crate) sources: u32,
    pub(crate) booting: bool,
    /// Seconds that the sending took.
    pub(crate) seconds: f64,
    /// Datagrams that were sent.
    pub(crate) datagrams: u64,
    /// The socket's buffer in bytes as the kernel counts them.
    pub(crate) buffer: u64,
    /// Datagrams that the kernel dropped at the socket.
    pub(crate) dropped: u64,
    /// Records that arrived if nothing was dropped.
    pub(crate) records: u64,
    /// Records that are not in the store, counted source by source without the doctor's help.
    pub(crate) missing: u64,
    /// Records in the store that nobody sent.
    pub(crate) surplus: u64,
    /// Records that `bedside hosts` tells of.
    pub(crate) told_records: u64,
    /// Datagrams that the doctor says were lost on our side: `socket` and `limit`.
    pub(crate) told_lost: u64,
    /// The most boots that one machine is said to have had, and the fewest.
    pub(crate) told_boots: (u64, u64),
    /// Nanoseconds of CPU per datagram, but for settling; wake-ups are in it.
    pub(crate) cpu: f64,
    /// Peak of resident memory in bytes.
    pub(crate) peak: u64,
}

impl FullArgs {
    /// Sends, and counts.
    pub(crate) fn run(&self, site: &Site) -> Result<Full> {
        let dir = site.folder("full")?;
        let doctor = Doctor::new(site, &dir);
        let address = site::free_address()?;
        let buffer = self.buffer.as_ref();
        let settings =
            buffer.map(|size| format!("receive_buffer = \"{size}\"")).unwrap_or_default();
        let receiver = doctor.serve(address, &settings)?;
        let mut sender = Sender::new(site.network, address)?;
        let mut records = Vec::new();
        let mut before = 0;
        if self.booting {
            before = self.earlier(site, address, &mut sender, &mut records)?;
            receiver.emptied()?;
        }
        let cpu = receiver.quiet_cpu()?;
        let mut load = self.profile(site, address, self.datagrams()).make();
        let sent = self.send(&mut sender, &mut load, &mut records)?;
        receiver.emptied()?;
        let cpu = receiver.quiet_cpu()?.saturating_sub(cpu);
        let mut full = self.heard(&receiver, &sent)?;
        full.cpu = cpu.as_nanos() as f64 / sent.datagrams as f64;
        full.datagrams += before;
        receiver.terminate()?;
        full.check(&doctor, site, &records)?;
        Ok(full)
    }

    /// What the machines said before the power was cut: some four lines each.
    fn earlier(
        &self,
        site: &Site,
        address: SocketAddrV4,
        sender: &mut Sender,
        records: &mut Vec<u64>,
    ) -> Result<u64> {
        let mut profile = self.profile(site, address, 4 * self.sources as usize);
        (profile.life, profile.in_turn) = (Life::Going, true);
        let load = profile.make();
        let mut pace = Pace::new(100_000);
        for part in load.parts(BATCH) {
            pace.wait_for(part.len());
            load.count(part.clone(), records);
            sender.send(&load, &load.slots()[part])?;
        }
        Ok(load.len() as u64)
    }

    /// A lap, or all of it where there can be no second lap.
    fn datagrams(&self) -> usize {
        match (self.booting, self.rate) {
            (true, Some(rate)) => (rate * self.seconds) as usize,
            _ => LAP,
        }
    }

    fn profile(&self, site: &Site, target: SocketAddrV4, datagrams: usize) -> Profile {
        Profile {
            format: self.format,
            sources: self.sources,
            datagrams,
            rate: self.rate.unwrap_or(500_000),
            seed: self.seed,
            life: if self.booting { Life::Booting } else { Life::Going },
            ..Profile::new(site.network, target)
        }
    }

    fn send(&self, sender: &mut Sender, load: &mut Load, records: &mut Vec<u64>) -> Result<Sent> {
        let began = Instant::now();
        let end = began + Duration::from_secs(self.seconds);
        let mut pace = self.rate.map(Pace::new);
        let mut datagrams = 0;
        'laps: for lap in 0.. {
            for part in load.parts(BATCH) {
                if Instant::now() >= end && !self.booting {
                    break 'laps;
                }
                if lap > 0 {
                    load.advance(part.clone());
                }
                if let Some(pace) = &mut pace {
                    pace.wait_for(part.len());
                }
                load.count(part.clone(), records);
                datagrams += part.len() as u64;
                sender.send(load, &load.slots()[part])?;
            }
            if self.booting {
                break;
            }
        }
        Ok(Sent { datagrams, seconds: began.elapsed().as_secs_f64() })
    }

    fn heard(&self, receiver: &Receiver, sent: &Sent) -> Result<Full> {
        Ok(Full {
            format: self.format,
            sources: self.sources,
            booting: self.booting,
            seconds: sent.seconds,
            datagrams: sent.datagrams,
            buffer: receiver.ear.buffer()?,
            dropped: receiver.ear.drops()?,
            records: 0,
            missing: 0,
            surplus: 0,
            told_records: 0,
            told_lost: 0,
            told_boots: (0, 0),
            cpu: 0.0,
            peak: receiver.memory("VmHWM")?,
        })
    }
}

struct Sent {
    datagrams: u64,
    seconds: f64,
}

impl Full {
    /// Fills in what the store holds, and what the doctor says of it.
    fn check(&mut self, doctor: &Doctor, site: &Site, sent: &[u64]) -> Result<()> {
        let stored = Stored::read(&doctor.data(), site.network)?;
        self.records = sent.iter().sum();
        (self.missing, self.surplus) = stored.differences(sent);
        let noted = |cause: &str| stored.gaps.get(cause).copied().unwrap_or(0);
        self.told_lost = noted("socket") + noted("limit");
        let hosts = doctor.hosts(&[])?;
        let number = |host: &Value, key: &str| host[key].as_u64().unwrap_or(0);
        self.told_records = hosts.iter().map(|host| number(host, "records")).sum();
        let boots = || hosts.iter().map(|host| number(host, "boots"));
        self.told_boots = (boots().max().unwrap_or(0), boots().min().unwrap_or(0));
        Ok(())
    }

    /// What the kernel dropped at the socket is told as lost; all else is in the store.
    pub(crate) fn is_honest(&self) -> bool {
        let nothing_else = self.missing <= self.dropped && self.surplus == 0;
        let told = self.told_lost == self.dropped;
        nothing_else && told && self.told_records == self.records - self.missing
    }
}

impl fmt::Display for Full {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = if self.booting { "Power back" } else { "Full speed" };
        writeln!(out, "{words}, {}, {} sources\n", self.format, self.sources)?;
        let mut table = Table::new("what | figure");
        let rate = (self.datagrams as f64 / self.seconds) as u64;
        table.row(&format!(
            "sent in {:.1} s | {} datagrams",
            self.seconds,
            thousands(self.datagrams)
        ));
        table.row(&format!("offered rate | {} datagrams/s", thousands(rate)));
        table.row(&format!("receive buffer | {:.1} MiB", self.buffer as f64 / 1_048_576.0));
        table.row(&format!("dropped at the socket | {}", thousands(self.dropped)));
        table.row(&format!("records sent | {}", thousands(self.records)));
        table.row(&format!("missing from the store | {}", thousands(self.missing)));
        table.row(&format!("in the store, but never sent | {}", thousands(self.surplus)));
        table.row(&format!("records that bedside tells of | {}", thousands(self.told_records)));
        table.row(&format!("lost on this side, as it tells | {}", thousands(self.told_lost)));
        let (most, fewest) = self.told_boots;
        table.row(&format!("boots of a machine, as it tells | {fewest} to {most}"));
        table.row(&format!("CPU per datagram | {:.0} ns", self.cpu));
        table.row(&format!("peak of resident memory | {:.1} MB", self.peak as f64 / 1e6));
        write!(out, "{table}")
    }
}

/// Datagrams that lie in memory.
const LAP: usize = 1_000_000;
