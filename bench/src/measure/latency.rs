//! *Latency*: from a datagram's being sent to its line's coming out of `bedside log -f`.

use std::fmt;
use std::io::Read as _;
use std::net::SocketAddrV4;
use std::process::{Child, ChildStdout, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use bedside_lab::wait;
use serde::Serialize;

use super::figures::{Table, part, thousands};
use crate::generate::{Load, Profile};
use crate::receivers::Doctor;
use crate::send::{Pace, Sender};
use crate::site::{self, Site};

/// At which pace.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct LatencyArgs {
    /// Datagrams a second
    #[arg(long, default_value_t = 5_000)]
    pub(crate) rate: u64,
    /// For how long
    #[arg(long, default_value_t = 5)]
    pub(crate) seconds: u64,
    /// How many sources there are
    #[arg(long, default_value_t = 100)]
    pub(crate) sources: u32,
    /// Seed of all that is left to chance
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
}

/// What came out, in milliseconds.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Latency {
    pub(crate) rate: u64,
    pub(crate) records: u64,
    /// Records that were never shown.
    pub(crate) unseen: u64,
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) most: f64,
}

impl LatencyArgs {
    /// Sends, and looks on.
    pub(crate) fn run(&self, site: &Site) -> Result<Latency> {
        let doctor = Doctor::new(site, &site.folder("latency")?);
        let address = site::free_address()?;
        let receiver = doctor.serve(address, "")?;
        let mut sender = Sender::new(site.network, address)?;
        let load = self.load(site, address);
        let records = load.slots().iter().map(|slot| slot.record as usize + 1).max().unwrap_or(0);
        let follower = Follower::start(&doctor, records)?;
        // The first lines bring everything into being: streams, segment, the follower's view.
        let (first, rest) = load.slots().split_at(load.len() / 10);
        let mut sent = vec![None; records];
        self.send(&mut sender, &load, first, &mut sent)?;
        let warm = sent.iter().flatten().count();
        follower.wait_for(warm)?;
        let mut sent = vec![None; records];
        self.send(&mut sender, &load, rest, &mut sent)?;
        follower.wait_for(warm + sent.iter().flatten().count())?;
        receiver.terminate()?;
        let (latencies, unseen) = latencies(&sent, &follower.end()?);
        let records = latencies.len() as u64 + unseen;
        let parts = [0.5, 0.99, 1.0].map(|of_all| part(latencies.clone(), of_all));
        Ok(Latency {
            rate: self.rate,
            records,
            unseen,
            p50: parts[0],
            p99: parts[1],
            most: parts[2],
        })
    }

    fn load(&self, site: &Site, target: SocketAddrV4) -> Load {
        Profile {
            sources: self.sources,
            datagrams: (self.rate * self.seconds) as usize,
            rate: self.rate,
            seed: self.seed,
            tagged: true,
            ..Profile::new(site.network, target)
        }
        .make()
    }

    fn send(
        &self,
        sender: &mut Sender,
        load: &Load,
        slots: &[crate::generate::Slot],
        sent: &mut [Option<Instant>],
    ) -> Result<()> {
        let mut pace = Pace::new(self.rate);
        for slot in slots {
            pace.wait_for(1);
            sent[slot.record as usize] = Some(Instant::now());
            sender.send(load, std::slice::from_ref(slot))?;
        }
        Ok(())
    }
}

/// Milliseconds from sending to seeing, and how many were not seen.
fn latencies(sent: &[Option<Instant>], seen: &[Option<Instant>]) -> (Vec<f64>, u64) {
    let pairs = sent.iter().zip(seen).filter_map(|(sent, seen)| Some(((*sent)?, *seen)));
    let (mut latencies, mut unseen) = (Vec::new(), 0);
    for (sent, seen) in pairs {
        match seen {
            Some(seen) => latencies.push(seen.saturating_duration_since(sent).as_secs_f64() * 1e3),
            None => unseen += 1,
        }
    }
    (latencies, unseen)
}

/// A `bedside log -f`, and who reads what it says.
struct Follower {
    child: Child,
    seen: Arc<Mutex<Seen>>,
    reader: JoinHandle<Result<()>>,
}

#[derive(Default)]
struct Seen {
    /// When each record was shown.
    at: Vec<Option<Instant>>,
    count: usize,
}

impl Follower {
    fn start(doctor: &Doctor, records: usize) -> Result<Self> {
        let mut command = doctor.command();
        command.args(["log", "-f", "-n", "0", "--data"]).arg(doctor.data());
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let out = child.stdout.take().context("its output is not ours")?;
        let seen = Arc::new(Mutex::new(Seen { at: vec![None; records], count: 0 }));
        let shared = Arc::clone(&seen);
        let reader = std::thread::spawn(move || read(out, &shared));
        Ok(Self { child, seen, reader })
    }

    /// Waits until it has shown so many records; that some are missing is a figure, not an error.
    fn wait_for(&self, count: usize) -> Result<()> {
        let patience = Duration::from_secs(10);
        let shown = || self.seen.lock().unwrap_or_else(PoisonError::into_inner).count >= count;
        let waited = wait::until_within(patience, "lines", || Ok(shown().then_some(())));
        waited.or_else(|_| Ok(()))
    }

    fn end(mut self) -> Result<Vec<Option<Instant>>> {
        self.child.kill()?;
        self.child.wait()?;
        self.reader.join().ok().context("the reader panicked")??;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(std::mem::take(&mut seen.at))
    }
}

/// Notes when each line came.
fn read(mut out: ChildStdout, seen: &Mutex<Seen>) -> Result<()> {
    let mut bytes = vec![0; 1 << 20];
    let mut held = 0;
    loop {
        let length = out.read(&mut bytes[held..])?;
        let now = Instant::now();
        if length == 0 {
            return Ok(());
        }
        let filled = held + length;
        let whole = bytes[..filled].iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        for line in bytes[..whole].split(|&byte| byte == b'\n') {
            if let Some(record) = record_of(line).filter(|&record| record < seen.at.len()) {
                seen.count += usize::from(seen.at[record].is_none());
                seen.at[record].get_or_insert(now);
            }
        }
        bytes.copy_within(whole..filled, 0);
        held = filled - whole;
    }
}

/// The number in `… #00000012 …`.
fn record_of(line: &[u8]) -> Option<usize> {
    let at = line.iter().position(|&byte| byte == b'#')?;
    std::str::from_utf8(line.get(at + 1..at + 9)?).ok()?.parse().ok()
}

impl fmt::Display for Latency {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rate, records, unseen, p50, p99, most } = self;
        let (rate, records) = (thousands(*rate), thousands(*records));
        writeln!(out, "Latency of `log -f`, {rate} datagrams/s\n")?;
        let mut table = Table::new("records | p50 | p99 | most | never shown");
        table.row(&format!("{records} | {p50:.2} ms | {p99:.2} ms | {most:.2} ms | {unseen}"));
        write!(out, "{table}")
    }
}
