//! *Memory*: what a source costs that has spoken and is silent.

use std::fmt;
use std::net::SocketAddrV4;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde::Serialize;

use super::figures::{Table, thousands};
use crate::generate::{Format, Profile};
use crate::receivers::{Doctor, Receiver};
use crate::send::Sender;
use crate::site::{self, Site};
use crate::stored::Stored;

/// How many sources.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct MemoryArgs {
    /// Numbers of sources
    #[arg(long, value_delimiter = ',', default_value = "100,10000,1000000")]
    pub(crate) sources: Vec<u32>,
    /// The format that the sources speak
    #[arg(long, value_enum, default_value = "extended")]
    pub(crate) format: Format,
}

/// What came out.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Memory {
    pub(crate) format: Format,
    pub(crate) rows: Vec<Row>,
}

/// One doctor.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) sources: u32,
    /// Resident bytes once all is quiet.
    pub(crate) resident: u64,
    pub(crate) peak: u64,
    /// Bytes for each source more than in the row above.
    pub(crate) per_source: Option<f64>,
    /// Sources with records in the store.
    pub(crate) held: usize,
    pub(crate) dropped: u64,
    /// From SIGTERM to the end, with all kept.
    pub(crate) stopped_in: Duration,
    /// From the next start until it hears, with all streams known again.
    pub(crate) back_in: Duration,
}

impl MemoryArgs {
    /// A doctor for each number.
    pub(crate) fn run(&self, site: &Site) -> Result<Memory> {
        let mut rows: Vec<Row> = Vec::new();
        for &sources in &self.sources {
            let mut row = self.measure(site, sources)?;
            row.per_source = rows.last().map(|fewer| {
                let bytes = row.resident as f64 - fewer.resident as f64;
                bytes / f64::from(sources - fewer.sources)
            });
            rows.push(row);
        }
        Ok(Memory { format: self.format, rows })
    }

    fn measure(&self, site: &Site, sources: u32) -> Result<Row> {
        let doctor = Doctor::new(site, &site.folder("memory")?);
        let address = site::free_address()?;
        let proven = sources.max(100_000);
        let limits = format!("[limits]\nproven_streams = {proven}\nsleep_after = \"10s\"");
        let receiver = doctor.serve(address, &limits)?;
        self.speak(site, &receiver, address, sources)?;
        receiver.settled()?;
        // Until those that are at hand sleep, and what they took up is given back.
        sleep(SILENCE);
        let resident = receiver.memory("VmRSS")?;
        let peak = receiver.memory("VmHWM")?;
        let dropped = receiver.ear.drops()?;
        let stopping = Instant::now();
        receiver.terminate()?;
        let stopped_in = stopping.elapsed();
        let back_in = doctor.start_again(&limits)?;
        let stored = Stored::read(&doctor.data(), site.network)?;
        let held = stored.records.iter().filter(|&&records| records > 0).count();
        Ok(Row { sources, resident, peak, per_source: None, held, dropped, stopped_in, back_in })
    }

    /// Enough of each source to be taken for a real one; no faster than it is heard, for
    /// memory is asked for here and not speed.
    fn speak(
        &self,
        site: &Site,
        receiver: &Receiver,
        target: SocketAddrV4,
        sources: u32,
    ) -> Result<()> {
        let mut sender = Sender::new(site.network, target)?;
        for first in (0..sources).step_by(AT_ONCE as usize) {
            let some = AT_ONCE.min(sources - first);
            let profile = Profile {
                format: self.format,
                sources: some,
                first,
                datagrams: some as usize * LINES,
                seed: first.into(),
                in_turn: true,
                ..Profile::new(site.network, target)
            };
            let load = profile.make();
            sender.send_gently(&load, &receiver.ear)?;
        }
        receiver.emptied()
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "Memory, {}, {LINES} lines of each source, then silence\n", self.format)?;
        let mut table = Table::new(
            "sources | resident | peak | bytes per source | in the store | dropped | stops in | hears again in",
        );
        for row in &self.rows {
            let per_source = row.per_source.map_or(String::new(), |bytes| format!("{bytes:.0}"));
            table.row(&format!(
                "{} | {:.1} MB | {:.1} MB | {per_source} | {} | {} | {:.2} s | {:.2} s",
                thousands(row.sources.into()),
                row.resident as f64 / 1e6,
                row.peak as f64 / 1e6,
                thousands(row.held as u64),
                row.dropped,
                row.stopped_in.as_secs_f64(),
                row.back_in.as_secs_f64()
            ));
        }
        write!(out, "{table}")
    }
}

/// Lines of a source: more than it takes to be remembered.
const LINES: usize = 12;
/// Longer than a source must be silent to be put to sleep, and than that takes.
const SILENCE: Duration = Duration::from_secs(20);
/// Sources whose lines lie in memory here at once.
const AT_ONCE: u32 = 50_000;
