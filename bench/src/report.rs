//! Everything in one run: measured one after the other, told in tables, drawn, and written into
//! the documents.

mod machine;
mod page;
mod plot;
mod svg;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use serde::Serialize;

use crate::generate::Format;
use crate::measure::drain::{Drain, DrainArgs};
use crate::measure::flood::{Flood, FloodArgs};
use crate::measure::full::{Full, FullArgs};
use crate::measure::latency::{Latency, LatencyArgs};
use crate::measure::memory::{Memory, MemoryArgs};
use crate::measure::paced::{Paced, PacedArgs};
use crate::measure::store::{Store, StoreArgs};
use crate::site::Site;
use machine::Machine;

/// How much to measure.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct AllArgs {
    /// Small loads and few rounds: what is lost shows, what it costs hardly
    #[arg(long)]
    pub(crate) quick: bool,
    /// Write the tables into DIR/performance.md, between its two marks, and plots into
    /// DIR/pictures
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Ask a store of 10 GiB as well; takes as much room on the disk, and minutes
    #[arg(long)]
    pub(crate) large: bool,
}

/// All figures of a run.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    machine: Machine,
    drains: Vec<Drain>,
    paced: Vec<Paced>,
    latency: Vec<Latency>,
    full: Vec<Full>,
    memory: Memory,
    flood: Flood,
    store: Store,
}

impl AllArgs {
    /// Measures everything.
    pub(crate) fn run(&self, site: &Site) -> Result<Report> {
        let report = Report {
            machine: Machine::here()?,
            drains: collect(self.drains().iter().map(|args| args.run(site)))?,
            paced: collect(self.paced().iter().map(|args| args.run(site)))?,
            latency: collect(self.latency().iter().map(|args| args.run(site)))?,
            full: collect(self.full().iter().map(|args| args.run(site)))?,
            memory: told(self.memory().run(site))?,
            flood: told(self.flood().run(site))?,
            store: told(self.store().run(site))?,
        };
        if let Some(dir) = &self.out {
            report.write(dir)?;
        }
        Ok(report)
    }

    fn drains(&self) -> Vec<DrainArgs> {
        let loads = [
            (Format::Basic, 100, true),
            (Format::Extended, 100, false),
            (Format::Basic, 10_000, false),
            (Format::Extended, 10_000, true),
            (Format::Basic, 1, false),
        ];
        let (datagrams, rounds) = if self.quick { (50_000, 1) } else { (200_000, 7) };
        let args = |(format, sources, peers): (Format, u32, bool)| DrainArgs {
            format,
            sources,
            datagrams,
            rounds,
            seed: 1,
            peers: peers && !self.quick,
        };
        loads.map(args).into_iter().take(if self.quick { 1 } else { 5 }).collect()
    }

    fn paced(&self) -> Vec<PacedArgs> {
        let (seconds, rounds) = if self.quick { (1, 1) } else { (4, 5) };
        let args = |rate| PacedArgs {
            rate,
            seconds,
            rounds,
            format: Format::Basic,
            sources: 100,
            seed: 1,
        };
        vec![args(50_000), args(5_000)]
    }

    fn latency(&self) -> Vec<LatencyArgs> {
        let seconds = if self.quick { 1 } else { 10 };
        let args = |rate| LatencyArgs { rate, seconds, sources: 100, seed: 1 };
        vec![args(5_000), args(50_000)]
    }

    fn full(&self) -> Vec<FullArgs> {
        let full = |sources, seconds| FullArgs {
            format: Format::Extended,
            sources,
            seconds,
            rate: None,
            buffer: None,
            booting: false,
            seed: 1,
        };
        let seconds = if self.quick { 3 } else { 30 };
        let machines_booting = FullArgs::power_cut(if self.quick { 2 } else { 10 });
        vec![full(10_000, seconds), full(1, seconds), machines_booting]
    }

    fn memory(&self) -> MemoryArgs {
        let most = if self.quick { 20_000 } else { 1_000_000 };
        MemoryArgs { sources: vec![100, 10_000, most], format: Format::Extended }
    }

    fn flood(&self) -> FloodArgs {
        let spoofed = if self.quick { 500_000 } else { 10_000_000 };
        FloodArgs { spoofed, real: 100, every: 1.0, seconds: 0, buffer: None }
    }

    fn store(&self) -> StoreArgs {
        let (lines, rounds) = if self.quick { (300_000, 1) } else { (10_000_000, 7) };
        StoreArgs { lines, sources: 10_000, rounds, large: self.large }
    }
}

/// Told as soon as it is known: the whole takes many minutes.
fn told<T: fmt::Display>(figures: Result<T>) -> Result<T> {
    let figures = figures?;
    tell(&figures)?;
    Ok(figures)
}

fn collect<T: fmt::Display>(figures: impl Iterator<Item = Result<T>>) -> Result<Vec<T>> {
    figures.map(told).collect()
}

fn tell(figures: &impl fmt::Display) -> Result<()> {
    use std::io::Write as _;
    writeln!(std::io::stderr(), "{figures}")?;
    Ok(())
}

impl Report {
    /// Writes tables and plots into the documents.
    fn write(&self, dir: &Path) -> Result<()> {
        let path = dir.join("performance.md");
        let page = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        fs::write(&path, page::replace(&page, &self.to_string())?)?;
        let pictures = dir.join("pictures");
        fs::write(pictures.join("drain.svg"), plot::drains(&self.drains))?;
        fs::write(pictures.join("paced.svg"), plot::paced(&self.paced))?;
        Ok(())
    }

    /// Fails where something was lost. Never because of a time.
    pub(crate) fn check(&self) -> Result<()> {
        for full in &self.full {
            ensure!(full.is_honest(), "not all that was lost was told:\n{full}");
        }
        for Latency { unseen, rate, .. } in &self.latency {
            ensure!(*unseen == 0, "{unseen} lines at {rate}/s were never shown");
        }
        ensure!(self.flood.is_whole(), "real sources lost lines:\n{}", self.flood);
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "{}", self.machine)?;
        page::section(out, "CPU per datagram, drain", &self.drains)?;
        page::section(out, "CPU per datagram, paced", &self.paced)?;
        page::section(out, "Latency", &self.latency)?;
        page::section(out, "Loss", &self.full)?;
        page::section(out, "Memory", std::slice::from_ref(&self.memory))?;
        page::section(out, "A flood", std::slice::from_ref(&self.flood))?;
        page::section(out, "The store", std::slice::from_ref(&self.store))
    }
}
