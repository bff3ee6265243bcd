//! What the system allows is less than usual: descriptors, ports, odd datagrams.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::process::{Command, Output};

use anyhow::{Context, Result, ensure};
use bedside_lab::answer::Item;
use bedside_lab::doctor::{Bedside, Doctor};
use bedside_lab::patient::{Patient, drained};
use bedside_lab::{mounts, wait};

const HERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
/// Small segments, so that many files are made.
const CONFIG: &str = "[store]\nsegment_size = \"4KiB\"\n";

struct Ward {
    _dir: tempfile::TempDir,
    bedside: Bedside,
    doctor: Doctor,
    patient: Patient,
    sent: u64,
}

impl Ward {
    fn open() -> Result<Ward> {
        let dir = tempfile::tempdir()?;
        let config = dir.path().join("bedside.toml");
        fs::write(&config, CONFIG)?;
        let bedside = Bedside::new(env!("CARGO_BIN_EXE_bedside"), dir.path().join("store"));
        let doctor = bedside.serve(&[HERE], &["--config".as_ref(), config.as_os_str()])?;
        Ok(Ward { _dir: dir, bedside, doctor, patient: Patient::new([]), sent: 0 })
    }

    fn say(&mut self, count: u64) -> Result<()> {
        let target = self.doctor.addresses()[0];
        for _ in 0..count {
            let seq = self.sent;
            // Hardly any two words alike.
            let noise = seq.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let line = format!("6,{seq},{},-;{noise:x} {:x}\n", 1000 + seq, noise.rotate_left(31));
            self.patient.send_from(HERE, target, line.as_bytes())?;
            self.sent += 1;
        }
        drained(target.port(), 0)
    }

    fn segments(&self) -> Result<usize> {
        Ok(fs::read_dir(self.bedside.data().join("segments"))?.count())
    }

    /// Grows until there are so many segments more.
    fn grow(&mut self, segments: usize) -> Result<()> {
        let goal = self.segments()? + segments;
        while self.segments()? < goal {
            self.say(50)?;
            ensure!(self.sent < 100_000, "no segment is begun");
        }
        Ok(())
    }
}

/// A limit on the open descriptors of a running process.
fn limit_files(pid: u32, count: &str) -> Result<()> {
    mounts::run(Command::new("prlimit").args([format!("--pid={pid}"), format!("--nofile={count}")]))
}

/// A command with so few descriptors.
fn with_files(count: u32, command: &Command) -> Result<Output> {
    let mut limited = Command::new("prlimit");
    limited.arg(format!("--nofile={count}")).arg(command.get_program()).args(command.get_args());
    limited.output().with_context(|| format!("{limited:?} did not start"))
}

#[test]
fn a_doctor_out_of_descriptors_hears_on_and_goes_on_when_it_has_some() -> Result<()> {
    let mut ward = Ward::open()?;
    ward.grow(3)?;
    let pid = ward.doctor.pid();
    // What is open stays open; nothing can be opened.
    limit_files(pid, "3:4096")?;
    while !ward.doctor.said().join("\n").contains("Too many open files") {
        ward.say(50)?;
        ensure!(ward.sent < 100_000, "it never says so");
    }
    ward.say(500)?;
    limit_files(pid, "4096:4096")?;
    // It tries again within a second.
    ward.grow(2)?;
    let sent = ward.sent;
    ward.doctor.terminate()?;
    let items = ward.bedside.log(&[])?;
    let held: Vec<u64> =
        items.into_iter().filter_map(Item::into_record).filter_map(|r| r.seq).collect();
    ensure!(held == (0..sent).collect::<Vec<_>>(), "{} of {sent} held", held.len());
    Ok(())
}

#[test]
fn a_doctor_that_cannot_start_for_want_of_descriptors_says_so() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let bedside = Bedside::new(env!("CARGO_BIN_EXE_bedside"), dir.path().join("store"));
    for count in 4..8 {
        let mut serve = bedside.command();
        serve.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(bedside.data());
        let output = with_files(count, &serve)?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.code() == Some(3), "{count}: {}: {said}", output.status);
        ensure!(said.contains("Too many open files"), "{count}: {said}");
        ensure!(!said.contains("panicked"), "{count}: {said}");
    }
    Ok(())
}

#[test]
fn readers_need_few_descriptors_for_many_segments() -> Result<()> {
    let mut ward = Ward::open()?;
    ward.grow(120)?;
    let sent = ward.sent;
    wait::until("segments to be sealed", || {
        let names = fs::read_dir(ward.bedside.data().join("segments"))?;
        let live = names.flatten().filter(|n| n.file_name().to_string_lossy().contains("live"));
        Ok((live.count() <= 2).then_some(()))
    })?;
    ward.doctor.terminate()?;
    for (command, args) in [("log", &["-o", "raw"][..]), ("hosts", &[]), ("boots", &["127.0.0.1"])]
    {
        let mut reader = ward.bedside.command();
        reader.arg(command).args(args).arg("--data").arg(ward.bedside.data());
        let output = with_files(100, &reader)?;
        ensure!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
        let lines = output.stdout.split(|byte| *byte == b'\n').skip(1).count() as u64;
        ensure!(command != "log" || lines == sent, "{lines} lines of {sent}");
    }
    Ok(())
}

#[test]
fn a_taken_port_is_told_with_its_owner_and_a_cure() -> Result<()> {
    let taken = UdpSocket::bind(HERE)?;
    let dir = tempfile::tempdir()?;
    let bedside = Bedside::new(env!("CARGO_BIN_EXE_bedside"), dir.path().join("store"));
    let mut serve = bedside.command();
    serve.args(["serve", "--listen", &taken.local_addr()?.to_string(), "--data"]);
    let output = serve.arg(bedside.data()).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.code() == Some(3), "{}: {said}", output.status);
    ensure!(said.contains("the port is taken by e2e_limits"), "{said}");
    ensure!(said.contains("try: "), "{said}");
    Ok(())
}

/// Both are datagrams like any other: an empty one is an empty line.
#[test]
fn an_empty_and_the_longest_datagram_harm_nobody() -> Result<()> {
    let mut ward = Ward::open()?;
    let target = ward.doctor.addresses()[0];
    ward.say(1)?;
    let longest = format!("6,1,1001,-;{}\n", "x".repeat(65_507 - 12));
    ward.patient.send_from(HERE, target, b"")?;
    ward.patient.send_from(HERE, target, longest.as_bytes())?;
    ward.patient.send_from(HERE, target, b"")?;
    ward.sent = 2;
    ward.say(1)?;
    ward.doctor.terminate()?;
    let texts: Vec<usize> = ward
        .bedside
        .log(&[])?
        .into_iter()
        .filter_map(Item::into_record)
        .map(|r| r.text.len())
        .collect();
    ensure!(texts.len() == 5 && texts.contains(&(65_507 - 12)), "{texts:?}");
    ensure!(texts.iter().filter(|length| **length == 0).count() == 2, "{texts:?}");
    Ok(())
}
