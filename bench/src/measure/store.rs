//! *Store*: how small it is, and how long it takes to find something in it; each question asked
//! as a user asks it, by a process of its own.

use std::fmt;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use bedside_lab::capture::{self, Capture, Datagram};
use bedside_lab::{oracle, wait};
use serde::Serialize;

use super::figures::{Table, median, thousands};
use super::large;
use crate::generate::{Load, Profile, RARE, SELDOM};
use crate::receivers::{Doctor, Receiver};
use crate::send::Sender;
use crate::site::{self, Site, on_one_core};
use crate::stored::Stored;

/// What to ask.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct StoreArgs {
    /// Lines in the store
    #[arg(long, default_value_t = 10_000_000)]
    pub(crate) lines: usize,
    /// Machines that they are of
    #[arg(long, default_value_t = 10_000)]
    pub(crate) sources: u32,
    /// How often each question is asked
    #[arg(long, default_value_t = 7)]
    pub(crate) rounds: usize,
    /// Ask a store of 10 GiB as well; takes as much room on the disk, and minutes
    #[arg(long)]
    pub(crate) large: bool,
}

/// What came out.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Store {
    pub(crate) captures: Captures,
    pub(crate) lines: u64,
    pub(crate) sources: u32,
    /// Bytes of the sealed store with those lines.
    pub(crate) bytes: u64,
    pub(crate) questions: Vec<Question>,
}

/// All captures of real kernels in one store, sealed.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Captures {
    pub(crate) count: usize,
    /// Records that they hold.
    pub(crate) records: u64,
    /// Bytes of their texts, and one for each newline.
    pub(crate) text: u64,
    /// Bytes of their datagrams.
    pub(crate) datagrams: u64,
    /// Bytes of the lines that zstdcat prints.
    pub(crate) lines: u64,
    /// Bytes of the segments, all in them counted.
    pub(crate) bytes: u64,
}

/// A question and the time until it was answered.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Question {
    pub(crate) what: String,
    /// Milliseconds; median of the rounds.
    pub(crate) millis: f64,
    /// Lines of the answer.
    pub(crate) lines: u64,
}

impl StoreArgs {
    /// Fills stores and asks them.
    pub(crate) fn run(&self, site: &Site) -> Result<Store> {
        let captures = captures(site)?;
        let doctor = Doctor::new(site, &site.folder("store")?);
        let lines = self.fill(site, &doctor)?;
        doctor.seal()?;
        let bytes = size(&doctor.data())?;
        let mut questions = self.ask(site, &doctor)?;
        if self.large {
            large::grow(&doctor.data(), LARGE)?;
            questions.extend(self.ask_large(site, &doctor)?);
        }
        Ok(Store { captures, lines, sources: self.sources, bytes, questions })
    }

    /// Speaks no faster than it is heard; says how many lines there are.
    fn fill(&self, site: &Site, doctor: &Doctor) -> Result<u64> {
        let target = site::free_address()?;
        let receiver = doctor.serve(target, "")?;
        let mut sender = Sender::new(site.network, target)?;
        let mut load = Profile {
            sources: self.sources,
            datagrams: self.lines.min(LAP),
            ..Profile::new(site.network, target)
        }
        .make();
        let mut records = Vec::new();
        while (records.iter().sum::<u64>() as usize) < self.lines {
            load.count(0..load.len(), &mut records);
            sender.send_gently(&load, &receiver.ear)?;
            load.next_lap();
        }
        receiver.emptied()?;
        let dropped = receiver.ear.drops()?;
        receiver.terminate()?;
        let held = Stored::read(&doctor.data(), site.network)?;
        let (missing, surplus) = held.differences(&records);
        ensure!(
            dropped + missing + surplus == 0,
            "filling a store: {dropped} dropped, {missing} missing, {surplus} never sent"
        );
        Ok(records.iter().sum())
    }

    fn ask(&self, site: &Site, doctor: &Doctor) -> Result<Vec<Question>> {
        let one_of_all = site.network.address(self.sources / 3).to_string();
        let ask = |what: &str, args: &[&str]| self.question(doctor, what, args);
        Ok(vec![
            ask("the last 100 lines of one machine", &["log", "-n", "100", &one_of_all])?,
            ask("a literal in one line of 25", &FREQUENT)?,
            self.beginning(doctor, "its first 100 lines", &FREQUENT)?,
            ask(
                "a literal in one line of 10 000",
                &["log", "-g", SELDOM.trim_matches([' ', '(', ')'])],
            )?,
            ask(
                "a literal in one line of a million",
                &["log", "-g", RARE.trim_matches([' ', '(', ')'])],
            )?,
            ask("a literal that is nowhere", &["log", "-g", "wolpertinger"])?,
            ask("all machines", &["hosts"])?,
        ])
    }

    fn ask_large(&self, site: &Site, doctor: &Doctor) -> Result<Vec<Question>> {
        let one_of_all = site.network.address(self.sources / 3).to_string();
        // Once, for minutes: the segments that were put there are news to the catalogue and to the
        // memories of all streams.
        open(doctor)?;
        let millis = (0..self.rounds).map(|_| open(doctor)).collect::<Result<Vec<f64>>>()?;
        let what = "10 GiB: from the start of `serve` until it keeps what it hears".to_owned();
        let ask = |what: &str, args: &[&str]| self.question(doctor, what, args);
        Ok(vec![
            Question { what, millis: median(millis), lines: 0 },
            ask("10 GiB: the last 100 lines of one machine", &["log", "-n", "100", &one_of_all])?,
            ask("10 GiB: a literal that is nowhere", &["log", "-g", "wolpertinger"])?,
        ])
    }

    /// Asks several times on one core.
    fn question(&self, doctor: &Doctor, what: &str, args: &[&str]) -> Result<Question> {
        self.repeat(what, || answer(doctor, args))
    }

    /// The same, as who pipes it to `head` sees it.
    fn beginning(&self, doctor: &Doctor, what: &str, args: &[&str]) -> Result<Question> {
        self.repeat(what, || beginning(doctor, args, 100))
    }

    fn repeat(&self, what: &str, ask: impl Fn() -> Result<(f64, u64)>) -> Result<Question> {
        let answers = on_one_core(|| (0..self.rounds).map(|_| ask()).collect::<Result<Vec<_>>>())?;
        let lines = answers.first().map_or(0, |(_, lines)| *lines);
        let millis = median(answers.into_iter().map(|(millis, _)| millis).collect());
        Ok(Question { what: what.to_owned(), millis, lines })
    }
}

/// Milliseconds until a doctor keeps what it hears; its socket is open long before.
fn open(doctor: &Doctor) -> Result<f64> {
    let began = Instant::now();
    let receiver: Receiver =
        doctor.serve(site::free_address()?, "[retention]\nsize = \"100GiB\"")?;
    wait::until_within(OPENING, "it to open its store", || {
        Ok(doctor.said()?.contains("keeping what is heard").then_some(()))
    })?;
    let millis = began.elapsed().as_secs_f64() * 1e3;
    receiver.terminate()?;
    Ok(millis)
}

/// Milliseconds from start to end of a process, and lines of its answer.
fn answer(doctor: &Doctor, args: &[&str]) -> Result<(f64, u64)> {
    let mut command = doctor.command();
    command.args(args).arg("--data").arg(doctor.data()).stdin(Stdio::null());
    let began = Instant::now();
    let output = command.output()?;
    let millis = began.elapsed().as_secs_f64() * 1e3;
    // 1: nothing was found.
    ensure!(
        matches!(output.status.code(), Some(0 | 1)),
        "{args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok((millis, output.stdout.split(|&byte| byte == b'\n').count() as u64 - 1))
}

/// Milliseconds from the start of a process until so many lines of its answer are there.
fn beginning(doctor: &Doctor, args: &[&str], lines: u64) -> Result<(f64, u64)> {
    let mut command = doctor.command();
    command.args(args).arg("--data").arg(doctor.data());
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let began = Instant::now();
    let mut child = command.spawn()?;
    let out = BufReader::new(child.stdout.take().context("no pipe")?);
    let mut read = 0;
    for line in out.lines().take(lines as usize) {
        line?;
        read += 1;
    }
    let millis = began.elapsed().as_secs_f64() * 1e3;
    // Nobody reads on, which ends it.
    child.wait()?;
    Ok((millis, read))
}

/// All captures of real kernels, each sent as if by a machine of its own.
fn captures(site: &Site) -> Result<Captures> {
    let doctor = Doctor::new(site, &site.folder("captures")?);
    let address = site::free_address()?;
    let receiver = doctor.serve(address, "")?;
    let mut sender = Sender::new(site.network, address)?;
    let mut captures = Captures::default();
    let mut sources = 0;
    for name in capture::names()? {
        let capture = Capture::load(&name)?;
        let payloads = captures.add(&capture, sources);
        sources += capture.targets().len() as u32;
        sender.send_gently(&Load::of(&payloads, site.network, address), &receiver.ear)?;
    }
    receiver.emptied()?;
    receiver.terminate()?;
    doctor.seal()?;
    let stored = Stored::read(&doctor.data(), site.network)?;
    let (held, said) = (stored.records.iter().sum::<u64>(), captures.records);
    ensure!(held >= said, "{held} records of the captures are held, {said} were said");
    captures.lines = stored.bytes;
    captures.bytes = size(&doctor.data())?;
    Ok(captures)
}

impl Captures {
    /// Counts a capture, and says what is to be sent, by whom.
    fn add<'a>(&mut self, capture: &'a Capture, first: u32) -> Vec<(u32, &'a [u8])> {
        let targets = capture.targets();
        let source = |datagram: &Datagram| {
            let target = targets.iter().position(|target| *target == datagram.target);
            first + target.unwrap_or_default() as u32
        };
        self.count += 1;
        for stream in oracle::streams(&capture.datagrams) {
            let said = stream.boots.iter().flat_map(|boot| &boot.records);
            self.text += said.clone().map(|record| record.text.len() as u64 + 1).sum::<u64>();
            self.records += said.count() as u64;
        }
        self.datagrams += capture.datagrams.iter().map(|one| one.payload.len() as u64).sum::<u64>();
        capture.datagrams.iter().map(|one| (source(one), one.payload.as_slice())).collect()
    }
}

/// Bytes of all segments.
fn size(data: &Path) -> Result<u64> {
    let segments = fs::read_dir(data.join("segments"))?;
    segments.map(|segment| Ok(segment?.metadata()?.len())).sum()
}

impl fmt::Display for Store {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Captures { count, text, datagrams, lines, bytes, .. } = &self.captures;
        let size = *bytes as f64;
        let told = size / 1e6;
        writeln!(out, "{count} captures of real kernels, sealed: {told:.2} MB\n")?;
        let mut table = Table::new("against | size | times smaller");
        let wholes = [
            ("their texts and newlines", text),
            ("their datagrams", datagrams),
            ("the lines that zstdcat prints", lines),
        ];
        for (what, &whole) in wholes {
            let (megabytes, ratio) = (whole as f64 / 1e6, whole as f64 / size);
            table.row(&format!("{what} | {megabytes:.2} MB | {ratio:.1}"));
        }
        writeln!(out, "{table}")?;
        let (lines, sources) = (thousands(self.lines), thousands(self.sources.into()));
        let size = self.bytes as f64 / 1e6;
        writeln!(out, "{lines} lines of {sources} machines ({size:.0} MB sealed), on one core:\n")?;
        let mut table = Table::new("question | median | lines");
        for Question { what, millis, lines } in &self.questions {
            table.row(&format!("{what} | {millis:.1} ms | {}", thousands(*lines)));
        }
        write!(out, "{table}")
    }
}

/// Asks for a literal in one line of 25.
const FREQUENT: [&str; 3] = ["log", "-g", "UFW BLOCK"];
/// Datagrams that lie in memory.
const LAP: usize = 1_000_000;
/// What a doctor may take for segments that it never saw.
const OPENING: Duration = Duration::from_mins(15);
/// Size of a large store.
const LARGE: u64 = 10 << 30;
