//! *Drain*: a receiver is stopped, its socket filled, the receiver let go. What it costs until
//! all is received and it is quiet is its own cost, with no wake-ups in it, and repeatable.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddrV4};

use anyhow::{Context as _, Result, ensure};
use serde::Serialize;

use super::figures::{Table, median};
use crate::generate::{Format, Load, Profile};
use crate::receivers::{Doctor, Kind, Receiver};
use crate::send::Sender;
use crate::site::{Site, on_one_core};

/// What to drain.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct DrainArgs {
    /// The format that the sources speak
    #[arg(long, value_enum, default_value = "basic")]
    pub(crate) format: Format,
    /// How many sources there are
    #[arg(long, default_value_t = 100)]
    pub(crate) sources: u32,
    /// Datagrams of a round
    #[arg(long, default_value_t = 200_000)]
    pub(crate) datagrams: usize,
    /// Rounds that count; one goes before them, in which everything is seen for the first time
    #[arg(long, default_value_t = 5)]
    pub(crate) rounds: usize,
    /// Seed of all that is left to chance
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Measure the doctor's peers as well, where they are installed
    #[arg(long)]
    pub(crate) peers: bool,
}

/// What came out, in nanoseconds of CPU per datagram.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Drain {
    pub(crate) format: Format,
    pub(crate) sources: u32,
    pub(crate) datagrams: usize,
    pub(crate) bytes_per_datagram: f64,
    pub(crate) receivers: Vec<Row>,
    /// Receivers that are not installed here.
    pub(crate) absent: Vec<&'static str>,
}

/// One receiver.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) receiver: &'static str,
    /// Each round that counts.
    pub(crate) rounds: Vec<f64>,
    /// The first round, in which every source is new.
    pub(crate) first: f64,
    pub(crate) median: f64,
    /// Median of the ratios to the floor's figure of the same round.
    pub(crate) ratio: f64,
    /// What was done later; the doctor only.
    pub(crate) settling: Option<f64>,
    /// Resident memory at the end, bytes.
    pub(crate) resident: u64,
}

impl DrainArgs {
    /// Drains all receivers in turns.
    pub(crate) fn run(&self, site: &Site) -> Result<Drain> {
        on_one_core(|| self.drain(site))
    }

    fn drain(&self, site: &Site) -> Result<Drain> {
        let peers = if self.peers { &Kind::PEERS[..] } else { &[] };
        let (kinds, absent): (Vec<Kind>, Vec<Kind>) =
            Kind::OURS.iter().chain(peers).partition(|kind| kind.is_installed());
        let contenders = kinds.into_iter().map(|kind| Contender::start(kind, site));
        let mut contenders = contenders.collect::<Result<Vec<Contender>>>()?;
        let mut load = self.load(site);
        for _ in 0..=self.rounds {
            for contender in &mut contenders {
                load.retarget(contender.address.port());
                contender.round(&load)?;
            }
            load.next_lap();
        }
        let heard = load.laps() * load.len() as u64;
        let floor = contenders[0].rounds.clone();
        let rows = contenders.into_iter().map(|contender| contender.row(site, &floor, heard));
        Ok(Drain {
            format: self.format,
            sources: self.sources,
            datagrams: load.len(),
            bytes_per_datagram: load.bytes() as f64 / load.len() as f64,
            receivers: rows.collect::<Result<_>>()?,
            absent: absent.into_iter().map(Kind::as_str).collect(),
        })
    }

    fn load(&self, site: &Site) -> Load {
        let nobody = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0);
        Profile {
            format: self.format,
            sources: self.sources,
            datagrams: self.datagrams,
            seed: self.seed,
            ..Profile::new(site.network, nobody)
        }
        .make()
    }
}

/// A receiver that is drained again and again.
struct Contender {
    kind: Kind,
    address: SocketAddrV4,
    receiver: Receiver,
    sender: Sender,
    /// Nanoseconds per datagram.
    rounds: Vec<f64>,
}

impl Contender {
    fn start(kind: Kind, site: &Site) -> Result<Self> {
        let (receiver, address) = kind.start(site)?;
        receiver.ear.widen(BUFFER)?;
        let sender = Sender::new(site.network, address)?;
        Ok(Self { kind, address, receiver, sender, rounds: Vec::new() })
    }

    /// One drain.
    fn round(&mut self, load: &Load) -> Result<()> {
        let drops = self.receiver.ear.drops()?;
        self.receiver.stop()?;
        let before = self.receiver.own_cpu()?;
        self.sender.send(load, load.slots())?;
        let lost = self.receiver.ear.drops()? - drops;
        ensure!(lost == 0, "the buffer of {} has no room for {lost}", self.kind.as_str());
        self.receiver.go_on()?;
        self.receiver.emptied()?;
        let after = self.receiver.quiet_cpu()?;
        self.rounds.push(after.saturating_sub(before).as_nanos() as f64 / load.len() as f64);
        Ok(())
    }

    fn row(self, site: &Site, floor: &[f64], heard: u64) -> Result<Row> {
        let ratios = self.rounds.iter().zip(floor).map(|(ours, floor)| ours / floor);
        let ratio = median(ratios.skip(1).collect());
        let resident = self.receiver.memory("VmRSS")?;
        let (first, rounds) = self.rounds.split_first().context("no rounds")?;
        let (first, rounds) = (*first, rounds.to_vec());
        let settling = match self.kind {
            Kind::Bedside => Some(settle(self.receiver, site)? / heard as f64),
            _ => None,
        };
        let receiver = self.kind.as_str();
        let median = median(rounds.clone());
        Ok(Row { receiver, rounds, first, median, ratio, settling, resident })
    }
}

/// Nanoseconds of what the doctor did beside receiving and had still to do: its store is sealed
/// to the end by a second doctor.
fn settle(receiver: Receiver, site: &Site) -> Result<f64> {
    let meanwhile = receiver.settling()?;
    receiver.terminate()?;
    let later = Doctor::new(site, &site.dir.join(format!("{:?}", Kind::Bedside))).seal()?;
    Ok((meanwhile + later).as_nanos() as f64)
}

impl fmt::Display for Drain {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Drain { format, sources, datagrams, bytes_per_datagram, .. } = self;
        writeln!(
            out,
            "Drain, {format}, {sources} sources: {datagrams} datagrams of \
             {bytes_per_datagram:.0} bytes; ns of CPU per datagram\n"
        )?;
        let mut table = Table::new(
            "receiver | median | × floor | first round | settling | × floor | sum | × floor | resident",
        );
        let floor = self.receivers.first().map_or(1.0, |row| row.median);
        for row in &self.receivers {
            let Row { receiver, first, median, ratio, settling, resident, .. } = row;
            let later = settling.map_or_else(
                || " | | | ".to_owned(),
                |later| {
                    let sum = median + later;
                    format!("{later:.0} | {:.2} | {sum:.0} | {:.2}", later / floor, sum / floor)
                },
            );
            let resident = *resident as f64 / 1e6;
            table.row(&format!(
                "{receiver} | {median:.0} | {ratio:.2} | {first:.0} | {later} | {resident:.1} MB"
            ));
        }
        write!(out, "{table}")?;
        if !self.absent.is_empty() {
            writeln!(out, "\nNot installed here: {}.", self.absent.join("; "))?;
        }
        Ok(())
    }
}

/// Room for 200,000 datagrams of a kilobyte and what the kernel keeps beside each.
const BUFFER: u64 = 1 << 30;
