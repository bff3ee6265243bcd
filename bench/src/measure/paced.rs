//! *Paced*: datagrams come one by one at an even rate, as they do on a busy day. A receiver that
//! blocks for each is woken for each; that is what most of its CPU goes into.

use std::fmt;
use std::net::SocketAddrV4;

use anyhow::Result;
use serde::Serialize;

use super::figures::{Table, median, thousands};
use crate::generate::{Format, Load, Profile};
use crate::receivers::{Kind, Receiver};
use crate::send::{Pace, Sender};
use crate::site::Site;

/// At which pace.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct PacedArgs {
    /// Datagrams a second
    #[arg(long, default_value_t = 50_000)]
    pub(crate) rate: u64,
    /// Length of a round
    #[arg(long, default_value_t = 4)]
    pub(crate) seconds: u64,
    /// Rounds
    #[arg(long, default_value_t = 5)]
    pub(crate) rounds: usize,
    /// The format that the sources speak
    #[arg(long, value_enum, default_value = "basic")]
    pub(crate) format: Format,
    /// How many sources there are
    #[arg(long, default_value_t = 100)]
    pub(crate) sources: u32,
    /// Seed of all that is left to chance
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
}

/// What came out, in nanoseconds of CPU per datagram.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Paced {
    pub(crate) rate: u64,
    pub(crate) format: Format,
    pub(crate) sources: u32,
    pub(crate) datagrams: u64,
    pub(crate) receivers: Vec<Row>,
}

/// One receiver.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) receiver: &'static str,
    pub(crate) rounds: Vec<f64>,
    pub(crate) median: f64,
    /// Median of the ratios to the blocking floor's figure of the same round.
    pub(crate) ratio: f64,
    /// Datagrams dropped at the socket, over all rounds.
    pub(crate) dropped: u64,
}

impl PacedArgs {
    /// Floor and doctor in turns.
    pub(crate) fn run(&self, site: &Site) -> Result<Paced> {
        let kinds = [Kind::Floor, Kind::FloorTime, Kind::FloorPatient, Kind::Bedside];
        let mut loads = Vec::new();
        for kind in kinds {
            let (receiver, address) = kind.start(site)?;
            receiver.ear.widen(BUFFER)?;
            let sender = Sender::new(site.network, address)?;
            loads.push((kind, receiver, sender, self.load(site, address), Vec::new()));
        }
        for _ in 0..self.rounds {
            for (_, receiver, sender, load, figures) in &mut loads {
                figures.push(self.round(receiver, sender, load)?);
                load.next_lap();
            }
        }
        let floor = loads[0].4.clone();
        let datagrams = loads[0].3.len() as u64;
        let rows = loads.into_iter().map(|(kind, receiver, _, _, rounds)| {
            let ratios = rounds.iter().zip(&floor).map(|(ours, floor)| ours / floor).collect();
            Ok(Row {
                receiver: kind.as_str(),
                median: median(rounds.clone()),
                ratio: median(ratios),
                rounds,
                dropped: receiver.ear.drops()?,
            })
        });
        let receivers = rows.collect::<Result<_>>()?;
        let Self { rate, format, sources, .. } = *self;
        Ok(Paced { rate, format, sources, datagrams, receivers })
    }

    fn round(&self, receiver: &Receiver, sender: &mut Sender, load: &Load) -> Result<f64> {
        let before = receiver.quiet_cpu()?;
        let mut pace = Pace::new(self.rate);
        for slot in load.slots() {
            pace.wait_for(1);
            sender.send(load, std::slice::from_ref(slot))?;
        }
        receiver.emptied()?;
        let after = receiver.quiet_cpu()?;
        Ok(after.saturating_sub(before).as_nanos() as f64 / load.len() as f64)
    }

    fn load(&self, site: &Site, target: SocketAddrV4) -> Load {
        Profile {
            format: self.format,
            sources: self.sources,
            datagrams: (self.rate * self.seconds) as usize,
            rate: self.rate,
            seed: self.seed,
            ..Profile::new(site.network, target)
        }
        .make()
    }
}

impl fmt::Display for Paced {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rate, format, sources, datagrams, receivers } = self;
        let (rate, datagrams) = (thousands(*rate), thousands(*datagrams));
        writeln!(
            out,
            "Paced, {rate} datagrams/s, {format}, {sources} sources: {datagrams} datagrams a \
             round; ns of CPU per datagram\n"
        )?;
        let mut table = Table::new("receiver | median | × blocking floor | dropped");
        for Row { receiver, median, ratio, dropped, .. } in receivers {
            table.row(&format!("{receiver} | {median:.0} | {ratio:.3} | {dropped}"));
        }
        write!(out, "{table}")
    }
}

/// The same for all: what a receiver must have to get over a moment without a processor.
const BUFFER: u64 = 32 << 20;
