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
use clap::ValueEnum as _;
use serde::Serialize;

use crate::generate::Format;
use crate::measure::death::{Death, DeathArgs};
use crate::measure::drain::{Drain, DrainArgs};
use crate::measure::flood::{Flood, FloodArgs};
use crate::measure::full::{Full, FullArgs};
use crate::measure::latency::{Latency, LatencyArgs};
use crate::measure::memory::{Memory, MemoryArgs};
use crate::measure::paced::{Paced, PacedArgs};
use crate::measure::patient::Patient;
use crate::measure::store::{Store, StoreArgs};
use crate::site::Site;
use machine::Machine;

/// How much to measure.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct AllArgs {
    /// Small loads and few rounds: what is lost shows, what it costs hardly
    #[arg(long)]
    pub(crate) quick: bool,
    /// Write the tables into DIR/performance.md, between its marks, and plots into
    /// DIR/pictures
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Measure these parts only
    #[arg(long, value_enum, value_delimiter = ',', value_name = "PART")]
    pub(crate) only: Vec<Section>,
    /// Ask a store of 10 GiB as well; takes as much room on the disk, and minutes
    #[arg(long)]
    pub(crate) large: bool,
}

/// A part of the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Section {
    /// CPU per datagram, drain
    Drain,
    /// CPU per datagram, paced
    Paced,
    /// From a datagram to its line
    Latency,
    /// From a death to who is told of it
    Death,
    /// Full speed and a power cut
    Loss,
    /// Resident memory by the number of sources
    Memory,
    /// Real sources among made-up ones
    Flood,
    /// Size of the store, and questions to it
    Store,
    /// Size of the patient, and memory of its agent
    Patient,
}

/// All figures of a run.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    machine: Machine,
    drains: Vec<Drain>,
    paced: Vec<Paced>,
    latency: Vec<Latency>,
    death: Vec<Death>,
    full: Vec<Full>,
    memory: Vec<Memory>,
    flood: Vec<Flood>,
    store: Vec<Store>,
    patient: Vec<Patient>,
}

impl AllArgs {
    /// Measures everything, or the parts that are asked for.
    pub(crate) fn run(&self, site: &Site) -> Result<Report> {
        let mut report = Report::new()?;
        for section in Section::value_variants() {
            if self.only.is_empty() || self.only.contains(section) {
                self.measure(*section, site, &mut report)?;
                if let Some(dir) = &self.out {
                    report.write(*section, dir)?;
                }
            }
        }
        Ok(report)
    }

    fn measure(&self, section: Section, site: &Site, report: &mut Report) -> Result<()> {
        match section {
            Section::Drain => {
                report.drains = collect(self.drains().iter().map(|args| args.run(site)))?;
            }
            Section::Paced => {
                report.paced = collect(self.paced().iter().map(|args| args.run(site)))?;
            }
            Section::Latency => {
                report.latency = collect(self.latency().iter().map(|args| args.run(site)))?;
            }
            Section::Death => report.death = vec![told(self.death().run(site))?],
            Section::Loss => {
                report.full = collect(self.full().iter().map(|args| args.run(site)))?;
            }
            Section::Memory => report.memory = vec![told(self.memory().run(site))?],
            Section::Flood => report.flood = vec![told(self.flood().run(site))?],
            Section::Store => report.store = vec![told(self.store().run(site))?],
            Section::Patient => report.patient = vec![told(Patient::measure(site))?],
        }
        Ok(())
    }

    fn drains(&self) -> Vec<DrainArgs> {
        let loads = [
            (Format::Basic, 100, true),
            (Format::Extended, 100, false),
            (Format::Basic, 10_000, false),
            (Format::Extended, 10_000, true),
            (Format::Basic, 1, false),
        ];
        let (datagrams, rounds) = if self.quick { (50_000, 1) } else { (200_000, 5) };
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
        let (seconds, rounds) = if self.quick { (1, 1) } else { (4, 3) };
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
        let seconds = if self.quick { 1 } else { 5 };
        let args = |rate| LatencyArgs { rate, seconds, sources: 100, seed: 1 };
        vec![args(5_000), args(50_000)]
    }

    fn death(&self) -> DeathArgs {
        if self.quick {
            DeathArgs { rounds: 3, storm: 200 }
        } else {
            DeathArgs { rounds: 30, storm: 5_000 }
        }
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
        let (lines, rounds) = if self.quick { (300_000, 1) } else { (10_000_000, 5) };
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
    fn new() -> Result<Self> {
        Ok(Self {
            machine: Machine::here()?,
            drains: Vec::new(),
            paced: Vec::new(),
            latency: Vec::new(),
            death: Vec::new(),
            full: Vec::new(),
            memory: Vec::new(),
            flood: Vec::new(),
            store: Vec::new(),
            patient: Vec::new(),
        })
    }

    /// Writes a part's tables and plot into the documents.
    fn write(&self, section: Section, dir: &Path) -> Result<()> {
        let path = dir.join("performance.md");
        let page = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let page = page::replace(&page, "machine", &self.machine.to_string())?;
        let name = format!("{section:?}").to_lowercase();
        fs::write(&path, page::replace(&page, &name, &self.tables(section))?)?;
        let pictures = dir.join("pictures");
        match section {
            Section::Drain => fs::write(pictures.join("drain.svg"), plot::drains(&self.drains))?,
            Section::Paced => fs::write(pictures.join("paced.svg"), plot::paced(&self.paced))?,
            _ => {}
        }
        Ok(())
    }

    fn tables(&self, section: Section) -> String {
        match section {
            Section::Drain => page::tables(&self.drains),
            Section::Paced => page::tables(&self.paced),
            Section::Latency => page::tables(&self.latency),
            Section::Death => page::tables(&self.death),
            Section::Loss => page::tables(&self.full),
            Section::Memory => page::tables(&self.memory),
            Section::Flood => page::tables(&self.flood),
            Section::Store => page::tables(&self.store),
            Section::Patient => page::tables(&self.patient),
        }
    }

    /// Fails where something was lost that was not told. Never because of a time.
    pub(crate) fn check(&self) -> Result<()> {
        for full in &self.full {
            ensure!(full.is_honest(), "not all that was lost was told:\n{full}");
        }
        for Latency { unseen, rate, .. } in &self.latency {
            ensure!(*unseen == 0, "{unseen} lines at {rate}/s were never shown");
        }
        for flood in &self.flood {
            ensure!(flood.is_whole(), "real sources lost lines:\n{flood}");
        }
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "{}", self.machine)?;
        let tables = Section::value_variants().iter().map(|section| self.tables(*section));
        tables.filter(|tables| !tables.is_empty()).try_for_each(|tables| writeln!(out, "{tables}"))
    }
}
