//! *Drain*: a receiver is stopped, its socket filled, the receiver let go. What it costs until
//! all is received and it is quiet is its own cost, with no wake-ups in it, and repeatable.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::Path;
use std::{fmt, fs};

use anyhow::{Context as _, Result, ensure};
use bedside_lab::wait;
use serde::Serialize;

use super::figures::median;
use crate::generate::address::Network;
use crate::generate::{Format, Load, Profile};
use crate::net;
use crate::receivers::{Doctor, Receiver, floor};
use crate::send::Sender;

/// What to drain.
#[derive(clap::Args, Clone, Copy, Debug)]
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
}

/// What came out, in nanoseconds of CPU per datagram.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Drain {
    pub(crate) format: Format,
    pub(crate) sources: u32,
    pub(crate) datagrams: usize,
    pub(crate) bytes_per_datagram: f64,
    pub(crate) receivers: Vec<Row>,
}

/// One receiver.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) receiver: String,
    /// Each round that counts.
    pub(crate) rounds: Vec<f64>,
    /// The first round, in which every source is new.
    pub(crate) first: f64,
    pub(crate) median: f64,
    /// Median of the ratios to the floor's figure of the same round.
    pub(crate) ratio: f64,
    /// What was done later, per datagram; the doctor only.
    pub(crate) settling: Option<f64>,
    /// Resident memory at the end, bytes.
    pub(crate) resident: u64,
}

/// Drains floor and doctor in turns.
pub(crate) fn run(args: &DrainArgs, network: Network, program: &Path, dir: &Path) -> Result<Drain> {
    let mut contenders = Vec::new();
    let floors: [(&str, &[&str]); 3] = [
        ("floor", &[]),
        ("floor, with source", &["--source"]),
        ("floor, with source and time", &["--source", "--time"]),
    ];
    for (name, asks) in floors {
        contenders.push(Contender::start(name, network, dir, |address, dir| {
            floor::start(address, asks, dir)
        })?);
    }
    let doctor = Doctor::new(program, &dir.join("bedside"))?;
    contenders
        .push(Contender::start("bedside", network, dir, |address, _| doctor.serve(address, ""))?);
    let mut load = args.load(network);
    for _ in 0..=args.rounds {
        for contender in &mut contenders {
            load.retarget(contender.address.port());
            contender.round(&load)?;
        }
        load.next_lap();
    }
    let heard = (load.laps() * load.len() as u64) as f64;
    let floor = contenders[0].rounds.clone();
    let meanwhile = contenders[3].receiver.settling()?;
    let rows = contenders.into_iter().map(|contender| contender.row(&floor));
    let mut receivers = rows.collect::<Result<Vec<Row>>>()?;
    let later = doctor.seal(net::free_address()?)?;
    receivers[3].settling = Some((meanwhile + later).as_nanos() as f64 / heard);
    Ok(Drain {
        format: args.format,
        sources: args.sources,
        datagrams: load.len(),
        bytes_per_datagram: load.bytes() as f64 / load.len() as f64,
        receivers,
    })
}

impl fmt::Display for Drain {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Drain { format, sources, datagrams, bytes_per_datagram, .. } = self;
        writeln!(
            out,
            "drain, {format:?}, {sources} sources: {datagrams} datagrams of {bytes_per_datagram:.0} bytes\n"
        )?;
        writeln!(
            out,
            "| ns of CPU per datagram | median | × floor | first round | settling | × floor | sum | × floor | resident |"
        )?;
        writeln!(out, "|---|--:|--:|--:|--:|--:|--:|--:|--:|")?;
        let floor = self.receivers[0].median;
        for Row { receiver, first, median, ratio, settling, resident, .. } in &self.receivers {
            write!(out, "| {receiver} | {median:.0} | {ratio:.2} | {first:.0} |")?;
            match settling {
                Some(later) => {
                    let sum = median + later;
                    write!(
                        out,
                        " {later:.0} | {:.2} | {sum:.0} | {:.2} |",
                        later / floor,
                        sum / floor
                    )?;
                }
                None => write!(out, "||||")?,
            }
            writeln!(out, " {:.1} MB |", *resident as f64 / 1e6)?;
        }
        Ok(())
    }
}

impl DrainArgs {
    fn load(&self, network: Network) -> Load {
        Profile {
            format: self.format,
            sources: self.sources,
            first: 0,
            datagrams: self.datagrams,
            rate: 100_000,
            seed: self.seed,
            network,
            target: SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0),
        }
        .make()
    }
}

/// A receiver that is drained again and again.
struct Contender {
    name: String,
    address: SocketAddrV4,
    receiver: Receiver,
    sender: Sender,
    /// Nanoseconds per datagram.
    rounds: Vec<f64>,
}

impl Contender {
    fn start(
        name: &str,
        network: Network,
        dir: &Path,
        start: impl FnOnce(SocketAddrV4, &Path) -> Result<Receiver>,
    ) -> Result<Self> {
        let dir = dir.join(name);
        fs::create_dir_all(&dir)?;
        let address = net::free_address()?;
        let receiver = start(address, &dir)?;
        receiver.ear.widen(BUFFER)?;
        let sender = Sender::new(network, address)?;
        Ok(Self { name: name.to_owned(), address, receiver, sender, rounds: Vec::new() })
    }

    /// One drain.
    fn round(&mut self, load: &Load) -> Result<()> {
        let ear = &self.receiver.ear;
        let drops = ear.drops()?;
        self.receiver.stop()?;
        let before = self.receiver.own_cpu()?;
        self.sender.send(load, load.slots())?;
        let lost = ear.drops()? - drops;
        ensure!(lost == 0, "{lost} datagrams did not fit into the buffer of {}", self.name);
        self.receiver.go_on()?;
        wait::until(&format!("{} to take all", self.name), || {
            Ok((ear.queued()? == 0).then_some(()))
        })?;
        let after = self.receiver.quiet_cpu()?;
        self.rounds.push(after.saturating_sub(before).as_nanos() as f64 / load.len() as f64);
        Ok(())
    }

    fn row(self, floor: &[f64]) -> Result<Row> {
        let ratios = self.rounds.iter().zip(floor).map(|(ours, floor)| ours / floor);
        let resident = self.receiver.process.memory("VmRSS")?;
        let (first, rounds) = self.rounds.split_first().context("no rounds")?;
        Ok(Row {
            receiver: self.name,
            first: *first,
            median: median(rounds.to_vec()),
            ratio: median(ratios.skip(1).collect()),
            rounds: rounds.to_vec(),
            settling: None,
            resident,
        })
    }
}

/// Room for 200,000 datagrams of a kilobyte and what the kernel keeps beside each.
const BUFFER: u64 = 1 << 30;
