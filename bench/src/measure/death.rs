//! *A death*: from its first line's being sent until whoever is to be told of it has it on standard
//! input, and until `bedside incidents` lists it.

use std::fmt;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::Path;
use std::sync::mpsc::{Receiver as Letters, channel};
use std::thread;
use std::time::Instant;

use anyhow::{Context as _, Result};
use bedside_lab::capture::{Capture, Datagram};
use bedside_lab::patient::Patient;
use bedside_lab::wait;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use serde::Serialize;

use super::figures::{Table, part};
use super::storm::{Storm, storm};
use crate::receivers::Doctor;
use crate::site::{self, Site};

/// How often.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct DeathArgs {
    /// How many machines die for each of the two figures, one after the other
    #[arg(long, default_value_t = 30)]
    pub(crate) rounds: u16,
    /// How many machines die at once
    #[arg(long, default_value_t = 5_000)]
    pub(crate) storm: u16,
}

/// What came out.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Death {
    /// Datagrams of each, sent as fast as they can be.
    pub(crate) datagrams: usize,
    /// Until a program that is run has it on its standard input.
    pub(crate) told: Spread,
    /// Until a listing that was asked for again and again has it.
    pub(crate) listed: Spread,
    pub(crate) storm: Storm,
}

/// Milliseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Spread {
    pub(crate) count: usize,
    pub(crate) p50: f64,
    pub(crate) p90: f64,
    pub(crate) most: f64,
}

/// A doctor who alerts, and a death to send.
struct Ward {
    doctor: Doctor,
    address: SocketAddrV4,
    /// A machine's life before, its death, and where it sent both to.
    life: Vec<Datagram>,
    death: Vec<Datagram>,
    target: SocketAddr,
    letters: Letters<(Instant, String)>,
}

impl DeathArgs {
    /// Has machines die.
    pub(crate) fn run(&self, site: &Site) -> Result<Death> {
        let dir = site.folder("death")?;
        let fifo = dir.join("letters");
        mkfifo(&fifo, Mode::S_IRWXU).with_context(|| fifo.display().to_string())?;
        let (doctor, address) = (Doctor::new(site, &dir), site::free_address()?);
        let receiver = doctor.serve(address, &rule(&fifo))?;
        let capture = Capture::load(CAPTURE)?;
        let target = capture.targets()[0];
        let (life, death) = cut(capture)?;
        let ward = Ward { doctor, address, life, death, target, letters: hear(&fifo)? };
        let (mut told, mut listed) = (Vec::new(), Vec::new());
        for round in 0..self.rounds {
            told.push(ward.until_told(machine(2 * round))?);
            listed.push(ward.until_listed(machine(2 * round + 1))?);
        }
        receiver.terminate()?;
        Ok(Death {
            datagrams: ward.death.len(),
            told: Spread::of(&told),
            listed: Spread::of(&listed),
            storm: storm(site, self.storm, &ward.death)?,
        })
    }
}

impl Ward {
    fn until_told(&self, machine: Ipv4Addr) -> Result<f64> {
        let began = self.die(machine)?;
        let mut letters = self.letters.iter();
        let is_its = |(_, letter): &(Instant, String)| letter.contains(&format!("\"{machine}\""));
        let (at, _) = letters.find(is_its).context("nobody tells letters any more")?;
        Ok(milliseconds(began, at))
    }

    fn until_listed(&self, machine: Ipv4Addr) -> Result<f64> {
        let began = self.die(machine)?;
        let listed = || {
            let mut command = self.doctor.command();
            command.args(["incidents", "--json", &machine.to_string(), "--data"]);
            let output = command.arg(self.doctor.data()).output()?;
            let there = String::from_utf8_lossy(&output.stdout).contains("\"id\"");
            Ok(there.then(Instant::now))
        };
        Ok(milliseconds(began, wait::until("the incident to be listed", listed)?))
    }

    /// Lives until that is stored, and dies; when the death began.
    fn die(&self, machine: Ipv4Addr) -> Result<Instant> {
        let targets = [(self.target, SocketAddr::from(self.address))];
        let mut patient = Patient::new(targets).from_address(IpAddr::V4(machine));
        patient.send(&self.life)?;
        wait::until("the machine to be heard", || {
            let hosts = self.doctor.hosts(&[machine.to_string()]).unwrap_or_default();
            Ok((!hosts.is_empty()).then_some(()))
        })?;
        let began = Instant::now();
        patient.send(&self.death)?;
        Ok(began)
    }
}

impl Spread {
    fn of(figures: &[f64]) -> Self {
        let [p50, p90, most] = [0.5, 0.9, 1.0].map(|of_all| part(figures.to_vec(), of_all));
        Self { count: figures.len(), p50, p90, most }
    }
}

/// Tells of each death, by a program that passes on what it is given.
fn rule(fifo: &Path) -> String {
    format!(
        "[[alert]]\nname = \"page\"\nseverity = \"critical\"\nevery = \"0s\"\nstorm = 1000000\n\
         command = [\"/bin/sh\", \"-c\", \"exec cat > $0\", \"{}\"]\n",
        fifo.display()
    )
}

/// The letters, each with the time at which it came.
fn hear(fifo: &Path) -> Result<Letters<(Instant, String)>> {
    // Who may write to it as well never sees its end.
    let fifo = File::options().read(true).write(true).open(fifo)?;
    let (send, letters) = channel();
    thread::spawn(move || {
        for line in BufReader::new(fifo).lines().map_while(Result::ok) {
            if send.send((Instant::now(), line)).is_err() {
                return;
            }
        }
    });
    Ok(letters)
}

/// The datagrams before the death, and those of it.
fn cut(capture: Capture) -> Result<(Vec<Datagram>, Vec<Datagram>)> {
    let begins = |datagram: &Datagram| {
        let first = &datagram.payload;
        first.windows(FIRST.len()).any(|words| words == FIRST)
    };
    let mut life = capture.datagrams;
    let at = life.iter().position(begins).context("nobody dies in the capture")?;
    let death = life.split_off(at);
    Ok((life, death))
}

/// The address of machine number `number`.
fn machine(number: u16) -> Ipv4Addr {
    let [high, low] = number.to_be_bytes();
    Ipv4Addr::new(127, 8, high, low)
}

fn milliseconds(from: Instant, to: Instant) -> f64 {
    to.saturating_duration_since(from).as_secs_f64() * 1e3
}

impl fmt::Display for Death {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { datagrams, told, listed, storm } = self;
        writeln!(out, "From a death's first line, of {datagrams} datagrams sent at once\n")?;
        let mut table = Table::new("until | deaths | p50 | p90 | most");
        for (until, spread) in
            [("an alert's program has it", told), ("`bedside incidents` lists it", listed)]
        {
            let Spread { count, p50, p90, most } = spread;
            table.row(&format!("{until} | {count} | {p50:.0} ms | {p90:.0} ms | {most:.0} ms"));
        }
        write!(out, "{table}\n{storm}")
    }
}

/// An oops that ends in a panic.
const CAPTURE: &str = "6.1.0/ext_null_panic_on_oops_p1";
const FIRST: &[u8] = b"BUG: kernel NULL pointer dereference";
