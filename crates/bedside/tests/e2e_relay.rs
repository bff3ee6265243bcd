//! `bedside-patient relay` sends this machine's own log to a doctor. Needs root, to read it and to
//! have the kernel say lines: `cargo test -p bedside --features root --test e2e_relay`.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Read as _};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::unix::fs::{OpenOptionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use bedside_lab::answer::Item;
use bedside_lab::doctor::Bedside;
use bedside_lab::{mounts, networks, programs, wait};
use nix::libc::O_NONBLOCK;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A running relay; killed when it goes out of scope.
struct Relay(Child);

impl Relay {
    fn start(program: &Path, root: &Path, doctors: &[&str]) -> Result<Self> {
        let mut command = Command::new(program);
        command.arg("relay").arg("--root").arg(root).args(doctors);
        Ok(Self(command.stdin(Stdio::null()).spawn().context("no relay")?))
    }

    fn terminate(mut self) -> Result<()> {
        kill(Pid::from_raw(i32::try_from(self.0.id())?), Signal::SIGTERM)?;
        let status = self.0.wait()?;
        ensure!(status.success(), "SIGTERM ended the relay with {status}");
        Ok(())
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        // It may have ended already.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// Numbers of the records that the kernel holds.
fn held() -> Result<Vec<u64>> {
    let mut kmsg = OpenOptions::new().read(true).custom_flags(O_NONBLOCK).open("/dev/kmsg")?;
    let (mut numbers, mut room) = (Vec::new(), [0; 8192]);
    loop {
        match kmsg.read(&mut room) {
            Ok(length) => {
                let record = String::from_utf8_lossy(&room[..length]);
                let number = record.split(',').nth(1).context("no number")?;
                numbers.push(number.parse()?);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(numbers),
            // What was overwritten while it was read; the next one is there.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn say(text: &str) -> io::Result<()> {
    fs::write("/dev/kmsg", format!("<6>{text}\n"))
}

/// Waits until the doctor tells this text, and gives all that it tells.
fn heard(bedside: &Bedside, text: &str) -> Result<Vec<(u64, String)>> {
    wait::until(text, || {
        let items = bedside.log(&[])?;
        let records = items.into_iter().filter_map(|item| match item {
            Item::Record(record) => Some((record.seq.unwrap_or_default(), record.text)),
            _ => None,
        });
        let records: Vec<_> = records.collect();
        Ok(records.iter().any(|(_, told)| told == text).then_some(records))
    })
}

/// A machine whose log is this one's, and whose notes are its own.
fn root_in(dir: &Path) -> Result<PathBuf> {
    let root = dir.join("root");
    fs::create_dir_all(root.join("dev"))?;
    symlink("/dev/kmsg", root.join("dev/kmsg"))?;
    symlink("/proc", root.join("proc"))?;
    Ok(root)
}

/// Of two doctors the name of one is asked for and asked for: the other hears, and the relay ends
/// when it is told to.
#[test]
fn a_name_that_nobody_answers_for_keeps_nobody_waiting() -> Result<()> {
    let program = programs::patient()?;
    let data = tempfile::tempdir()?;
    let root = root_in(data.path())?;
    networks::private()?;
    mounts::private()?;
    let _silent = UdpSocket::bind((Ipv4Addr::LOCALHOST, 53))?;
    let names = data.path().join("resolv.conf");
    fs::write(&names, "nameserver 127.0.0.1\noptions timeout:30 attempts:5\n")?;
    let of_system = fs::canonicalize("/etc/resolv.conf")?;
    mounts::run(Command::new("mount").arg("--bind").args([&names, &of_system]))?;
    let bedside = Bedside::new(env!("CARGO_BIN_EXE_bedside"), data.path().join("store"));
    let doctor = bedside.serve::<&str>(&[SocketAddr::from((Ipv4Addr::LOCALHOST, 0))], &[])?;
    let address = doctor.addresses()[0].to_string();
    let mark = format!("bedside test {}: no name", std::process::id());
    say(&mark)?;
    let relay = Relay::start(&program, &root, &["doctor.example", &address])?;
    heard(&bedside, &mark)?;
    relay.terminate()
}

/// It is told to end, killed, and goes on both times.
#[test]
fn the_machines_own_log_is_sent_once_whatever_befalls_the_relay() -> Result<()> {
    let program = programs::patient()?;
    let data = tempfile::tempdir()?;
    let root = root_in(data.path())?;
    let bedside = Bedside::new(env!("CARGO_BIN_EXE_bedside"), data.path().join("store"));
    let doctor = bedside.serve::<&str>(&[SocketAddr::from((Ipv4Addr::LOCALHOST, 0))], &[])?;
    let address = doctor.addresses()[0].to_string();
    let mark = |number: u32| format!("bedside test {}: line {number}", std::process::id());

    say(&mark(1))?;
    let before = held().context("this machine's log can't be read (/dev/kmsg)")?;
    let relay = Relay::start(&program, &root, &[&address])?;
    heard(&bedside, &mark(1))?;
    relay.terminate()?;
    say(&mark(2))?;
    let relay = Relay::start(&program, &root, &[&address])?;
    heard(&bedside, &mark(2))?;
    drop(relay);
    say(&mark(3))?;
    let relay = Relay::start(&program, &root, &[&address])?;
    let told = heard(&bedside, &mark(3))?;
    relay.terminate()?;

    for number in before {
        let times = told.iter().filter(|(told, _)| *told == number).count();
        ensure!(times == 1, "record {number} is told {times} times");
    }
    for text in [1, 2, 3].map(mark) {
        let times = told.iter().filter(|(_, told)| *told == text).count();
        ensure!(times == 1, "{text:?} is told {times} times");
    }
    Ok(())
}
