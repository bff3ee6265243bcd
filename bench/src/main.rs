//! Measures the doctor, the floor below it and its peers under the same load.

mod generate;
mod measure;
mod process;
mod receivers;
mod report;
mod send;
mod site;
mod stored;
mod sys;

use std::fmt::Display;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, ensure};
use clap::{Parser, Subcommand};
use serde::Serialize;

use measure::death::DeathArgs;
use measure::drain::DrainArgs;
use measure::flood::FloodArgs;
use measure::full::FullArgs;
use measure::latency::LatencyArgs;
use measure::memory::MemoryArgs;
use measure::paced::PacedArgs;
use measure::patient::Patient;
use measure::store::StoreArgs;
use receivers::floor::{self, FloorArgs};
use report::AllArgs;
use site::Site;

/// Loads the doctor and its peers with datagrams whose counts are known, and measures them.
#[derive(Debug, Parser)]
#[command(name = "bedside-bench", max_term_width = 100, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Measurement>,
    #[command(flatten)]
    all: AllArgs,
    /// The doctor; without it, `bedside` beside this program, built first if cargo runs it
    #[arg(long, global = true, value_name = "FILE")]
    bedside: Option<PathBuf>,
    /// Keep stores and what receivers say under this folder; without it, in a temporary one
    #[arg(long, global = true, value_name = "DIR")]
    work: Option<PathBuf>,
    /// Print one JSON object instead of tables
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Measurement {
    /// CPU per datagram of a receiver that is stopped, its socket filled, and let go
    Drain(DrainArgs),
    /// Loss when datagrams come as fast as they can be sent
    Full(FullArgs),
    /// Loss when 10,000 machines boot at once
    PowerCut,
    /// CPU per datagram of datagrams that come one by one
    Paced(PacedArgs),
    /// From a datagram to its line in `bedside log -f`
    Latency(LatencyArgs),
    /// From a death's first line until somebody is alerted, and until it is listed
    Death(DeathArgs),
    /// Resident memory by the number of sources
    Memory(MemoryArgs),
    /// Real sources among millions of made-up ones
    Flood(FloodArgs),
    /// Size of the store, and how long it takes to find something in it
    Store(StoreArgs),
    /// Size of the patient's program, and memory of its agent
    Patient,
    /// Receive and count, nothing else
    #[command(hide = true)]
    Floor(FloorArgs),
}

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let told = writeln!(std::io::stderr(), "bedside-bench: {error:#}");
            drop(told);
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> Result<()> {
    if let Some(Measurement::Floor(args)) = &cli.command {
        return floor::run(*args);
    }
    let program = program(cli)?;
    // Beside the program, for a folder for temporary files may lie in memory.
    let temporary = tempfile::tempdir_in(std::env::current_exe()?.with_file_name(""))?;
    let dir = cli.work.clone().unwrap_or_else(|| temporary.path().to_owned());
    let site = Site::enter(program, dir)?;
    let Some(command) = &cli.command else {
        let report = cli.all.run(&site)?;
        tell(cli.json, &report)?;
        return report.check();
    };
    match command {
        Measurement::Drain(args) => tell(cli.json, &args.run(&site)?),
        Measurement::Full(args) => tell(cli.json, &args.run(&site)?),
        Measurement::PowerCut => tell(cli.json, &FullArgs::power_cut(10).run(&site)?),
        Measurement::Paced(args) => tell(cli.json, &args.run(&site)?),
        Measurement::Latency(args) => tell(cli.json, &args.run(&site)?),
        Measurement::Death(args) => tell(cli.json, &args.run(&site)?),
        Measurement::Memory(args) => tell(cli.json, &args.run(&site)?),
        Measurement::Flood(args) => tell(cli.json, &args.run(&site)?),
        Measurement::Store(args) => tell(cli.json, &args.run(&site)?),
        Measurement::Patient => tell(cli.json, &Patient::measure(&site)?),
        Measurement::Floor(_) => Ok(()),
    }
}

fn tell(json: bool, figures: &(impl Serialize + Display)) -> Result<()> {
    let mut out = std::io::stdout();
    if json {
        writeln!(out, "{}", serde_json::to_string_pretty(figures)?)?;
    } else {
        writeln!(out, "{figures}")?;
    }
    Ok(())
}

/// The doctor's program, fresh if cargo is at hand.
fn program(cli: &Cli) -> Result<PathBuf> {
    if let Some(program) = &cli.bedside {
        return Ok(program.clone());
    }
    if let Some(cargo) = std::env::var_os("CARGO") {
        let build = Command::new(cargo).args(["build", "--release", "-p", "bedside"]).status();
        ensure!(build.context("cargo did not start")?.success(), "bedside can't be built");
    }
    let beside = std::env::current_exe()?.with_file_name("bedside");
    ensure!(beside.is_file(), "{} is not there: build it, or say --bedside", beside.display());
    Ok(beside)
}
