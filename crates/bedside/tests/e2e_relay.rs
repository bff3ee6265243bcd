//! `bedside-patient relay` sends this machine's own log to a doctor. Needs root, to read it and to
//! have the kernel say lines: `cargo test -p bedside --features root --test e2e_relay`.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Read as _};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::unix::fs::{OpenOptionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bedside_lab::answer::Item;
use bedside_lab::doctor::Bedside;
use bedside_lab::{mounts, networks, programs, wait};
use nix::libc::O_NONBLOCK;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A running relay, or an agent that has one; killed when it goes out of scope.
struct Relay(Child);

impl Relay {
    fn start(program: &Path, root: &Path, doctors: &[&str]) -> Result<Self> {
        Self::run(Command::new(program).arg("relay").arg("--root").arg(root).args(doctors))
    }

    /// What `up --relay` leaves, where it is wished already.
    fn agent(program: &Path, root: &Path) -> Result<Self> {
        Self::run(Command::new(program).arg("agent").arg("--root").arg(root))
    }

    fn run(command: &mut Command) -> Result<Self> {
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

/// As when a VPN comes up, or a laptop is carried elsewhere.
#[test]
fn what_is_sent_has_the_address_that_the_way_has_now() -> Result<()> {
    let program = programs::patient()?;
    let data = tempfile::tempdir()?;
    let root = root_in(data.path())?;
    networks::private()?;
    for address in ["10.0.0.1", "10.0.0.2", "10.0.0.3"] {
        networks::ip(&format!("address add {address}/32 dev lo"))?;
    }
    let way =
        |from| networks::ip(&format!("route change local 10.0.0.1 dev lo table local {from}"));
    let doctor = UdpSocket::bind("10.0.0.1:0")?;
    doctor.set_read_timeout(Some(Duration::from_millis(200)))?;
    let mut datagram = [0; 2048];
    // Of the ring buffer, which comes at once, it may not hold all: then it is said again.
    let mut from = |text: &str| {
        wait::until(text, || match doctor.recv_from(&mut datagram) {
            Ok((got, from)) => {
                let is_it = String::from_utf8_lossy(&datagram[..got]).contains(text);
                Ok(is_it.then(|| from.ip().to_string()))
            }
            Err(_) => say(text).map(|()| None).context("nothing can be said"),
        })
    };
    let mark = |way| format!("bedside test {}: way {way}", std::process::id());
    way("src 10.0.0.2")?;
    let relay = Relay::start(&program, &root, &[&doctor.local_addr()?.to_string()])?;
    ensure!(from(&mark("one"))? == "10.0.0.2");
    way("src 10.0.0.3")?;
    ensure!(from(&mark("two"))? == "10.0.0.3");
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

/// The agent's relay ends with it, also where it is killed, and sends to whoever is wished now, also
/// when the program has gone, as a newer version makes it go.
#[test]
fn an_agent_relays_as_is_wished() -> Result<()> {
    let program = programs::patient()?;
    let data = tempfile::tempdir()?;
    let root = root_in(data.path())?;
    let wish = |doctor: &str| wish(&root, doctor);
    let doctors = ["one", "two"].map(|name| {
        let bedside = Bedside::new(env!("CARGO_BIN_EXE_bedside"), data.path().join(name));
        let doctor = bedside.serve::<&str>(&[SocketAddr::from((Ipv4Addr::LOCALHOST, 0))], &[])?;
        anyhow::Ok((bedside, doctor))
    });
    let [(one, first), (two, second)] = doctors.map(Result::unwrap);
    let mark = |number: u32| format!("bedside test {}: agent {number}", std::process::id());

    wish(&first.addresses()[0].to_string())?;
    let replaced = data.path().join("bedside-patient");
    // By a process of its own: a child of another test's may hold what is written here, and a
    // program that somebody writes can't be run.
    mounts::run(Command::new("cp").args([&program, &replaced]))?;
    let agent = Relay::agent(&replaced, &root)?;
    say(&mark(1))?;
    heard(&one, &mark(1))?;
    fs::remove_file(&replaced)?;
    wish(&second.addresses()[0].to_string())?;
    say(&mark(2))?;
    heard(&two, &mark(2))?;
    let relays = || relays_below(&root);
    ensure!(relays()?.len() == 1, "{:?} are running", relays()?);
    drop(agent);
    wait::until("the end of the relay", || Ok(relays()?.is_empty().then_some(())))?;
    let agent = Relay::agent(&program, &root)?;
    say(&mark(3))?;
    let told = heard(&two, &mark(3))?;
    for text in [2, 3].map(mark) {
        let times = told.iter().filter(|(_, told)| *told == text).count();
        ensure!(times == 1, "{text:?} is told {times} times");
    }
    agent.terminate()?;
    ensure!(relays()?.is_empty(), "{:?} are left", relays()?);
    Ok(())
}

/// Nobody ends this agent: it sees that nothing is wished any more.
#[test]
fn down_leaves_nothing_of_a_relay() -> Result<()> {
    let program = programs::patient()?;
    let data = tempfile::tempdir()?;
    let root = root_in(data.path())?;
    for dir in ["etc", "run", "var/lib"] {
        fs::create_dir_all(root.join(dir))?;
    }
    let bedside = Bedside::new(env!("CARGO_BIN_EXE_bedside"), data.path().join("store"));
    let doctor = bedside.serve::<&str>(&[SocketAddr::from((Ipv4Addr::LOCALHOST, 0))], &[])?;
    let address = doctor.addresses()[0].to_string();
    let patient = |words: &[&str]| -> Result<()> {
        let status = Command::new(&program).arg("--root").arg(&root).args(words).status()?;
        ensure!(status.success(), "{words:?} ended with {status}");
        Ok(())
    };
    patient(&["up", "--relay", "--no-test", &address])?;
    let mut agent = Relay::agent(&program, &root)?;
    let mark = format!("bedside test {}: down", std::process::id());
    say(&mark)?;
    heard(&bedside, &mark)?;
    patient(&["down"])?;
    ensure!(agent.0.wait()?.success());
    for dir in ["etc", "run", "var/lib"] {
        let left = fs::read_dir(root.join(dir))?.map(|entry| Ok(entry?.path()));
        let left: Vec<PathBuf> = left.collect::<io::Result<_>>()?;
        ensure!(left.is_empty(), "{left:?} are left");
    }
    Ok(())
}

/// The first relay had netconsole's port, which the doctor remembers.
#[test]
fn status_tells_of_what_comes_from_another_port_than_wished() -> Result<()> {
    let program = programs::patient()?;
    let data = tempfile::tempdir()?;
    let root = root_in(data.path())?;
    networks::private()?;
    let bedside = Bedside::new(env!("CARGO_BIN_EXE_bedside"), data.path().join("store"));
    let doctor = bedside.serve::<&str>(&[SocketAddr::from((Ipv4Addr::LOCALHOST, 0))], &[])?;
    let address = doctor.addresses()[0].to_string();
    wish(&root, &address)?;
    let port = || -> Result<Option<u64>> {
        let status = ["status", "--json", "--root"];
        let output = Command::new(&program).args(status).arg(&root).output()?;
        let told: serde_json::Value = serde_json::from_slice(&output.stdout)?;
        Ok(told["doctors"][0]["source_port"].as_u64())
    };
    let relay = Relay::start(&program, &root, &[&address])?;
    wait::until("its port", || Ok(port()?.filter(|port| *port == 6665)))?;
    relay.terminate()?;
    let _taken = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 6665))?;
    let relay = Relay::start(&program, &root, &[&address])?;
    say(&format!("bedside test {}: another port", std::process::id()))?;
    wait::until("another port", || Ok(port()?.filter(|port| *port != 6665)))?;
    relay.terminate()
}

/// Killed before it could ask to be told of that.
#[test]
fn a_relay_whose_agent_is_gone_already_ends() -> Result<()> {
    let program = programs::patient()?;
    let data = tempfile::tempdir()?;
    let root = root_in(data.path())?;
    let gone = ["127.0.0.1:9", "--with-parent", "1"];
    ensure!(Relay::start(&program, &root, &gone)?.0.wait()?.success());
    Ok(())
}

/// Here it can't read the kernel's log.
#[test]
fn a_doctor_is_told_that_a_relay_does_not_run() -> Result<()> {
    let program = programs::patient()?;
    let data = tempfile::tempdir()?;
    let root = root_in(data.path())?;
    fs::remove_file(root.join("dev/kmsg"))?;
    let doctor = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    doctor.set_read_timeout(Some(wait::PATIENCE))?;
    wish(&root, &doctor.local_addr()?.to_string())?;
    let agent = Relay::agent(&program, &root)?;
    let mut datagram = [0; 2048];
    wait::until("a heartbeat that says so", || {
        let got = doctor.recv(&mut datagram)?;
        Ok(String::from_utf8_lossy(&datagram[..got]).contains(" armed=no ").then_some(()))
    })?;
    agent.terminate()
}

/// Wishes that user space sends to this doctor.
fn wish(root: &Path, doctor: &str) -> Result<()> {
    let wish = format!("relay = true\ndoctor = {doctor}\nheartbeat = 1s\n");
    fs::create_dir_all(root.join("etc/bedside"))?;
    Ok(fs::write(root.join("etc/bedside/patient.conf"), wish)?)
}

/// The processes that relay for the machine below `root`.
fn relays_below(root: &Path) -> Result<Vec<String>> {
    let of = |dir: io::Result<fs::DirEntry>| {
        let words = fs::read_to_string(dir.ok()?.path().join("cmdline")).ok()?;
        let relays = words.split('\0').any(|word| word == "relay");
        (relays && words.split('\0').any(|word| Path::new(word) == root)).then_some(words)
    };
    Ok(fs::read_dir("/proc")?.filter_map(of).collect())
}
