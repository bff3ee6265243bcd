//! The power goes under load: a doctor is stopped, and what its disk holds at that moment is copied.
//! What its file system had only in memory is not in the copy. Needs root:
//! `BEDSIDE_CUTS=100 cargo test -p bedside --features root --test e2e_power -- --nocapture`.

mod load;

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bedside_lab::answer::Item;
use bedside_lab::chance::Chance;
use bedside_lab::doctor::Bedside;
use bedside_lab::{mounts, wait};
use load::Load;
use nix::sys::signal::Signal;

/// How many, where `BEDSIDE_CUTS` does not say.
const CUTS: u64 = 10;
const HERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
/// `serve` promises to have synced what is older; a machine that has other things to do may add to
/// it. How long it took is told; that it is far more than this has another reason.
const WINDOW: Duration = Duration::from_millis(200);
const FAR_MORE: Duration = Duration::from_secs(1);
const LIFE_MS: std::ops::Range<u64> = 220..450;

#[test]
fn what_is_older_than_the_window_survives_a_power_loss_at_any_moment() -> Result<()> {
    mounts::private()?;
    let dir = tempfile::tempdir()?;
    // A disk that is as fast as memory: what is measured is the doctor.
    mounts::tmpfs(dir.path(), 512 << 10)?;
    let [image, copied, disk, other] =
        ["image", "copied", "disk", "other"].map(|name| dir.path().join(name));
    fs::create_dir(&disk)?;
    fs::create_dir(&other)?;
    mounts::ext4(&image, &disk, 128)?;
    let config = dir.path().join("bedside.toml");
    fs::write(&config, "[store]\nsegment_size = \"256KiB\"\n")?;
    let bedside = Bedside::new(env!("CARGO_BIN_EXE_bedside"), disk.join("store"));
    let doctor = bedside.serve(&[HERE], &["--config".as_ref(), config.as_os_str()])?;
    let load = Load::new(doctor.addresses()[0]);
    let sender = load.begin();
    let cuts = std::env::var("BEDSIDE_CUTS").map_or(Ok(CUTS), |count| count.parse())?;
    let mut chance = Chance::new(7);
    let mut ages = Vec::new();
    for cut in 0..cuts {
        std::thread::sleep(Duration::from_millis(chance.within(LIFE_MS)));
        doctor.signal(Signal::SIGSTOP)?;
        wait::until("it to be stopped", || Ok(is_stopped(doctor.pid())?.then_some(())))?;
        let gone = Instant::now();
        fs::copy(&image, &copied)?;
        doctor.signal(Signal::SIGCONT)?;
        ages.push(lost(&copied, &other, &load, gone).with_context(|| format!("cut {cut}"))?);
    }
    load.end(sender)?;
    doctor.terminate()?;
    let sent = load.lock().sent.len();
    ages.sort_unstable();
    let within = ages.partition_point(|age| *age <= WINDOW);
    let (median, most) = (ages[ages.len() / 2], ages[ages.len() - 1]);
    eprintln!(
        "{cuts} power losses, {sent} records sent; lost were those of the last {median:?}, at most \
         of the last {most:?}; within {WINDOW:?} {within} times"
    );
    Ok(())
}

/// `State: T (stopped)` of all its threads.
fn is_stopped(pid: u32) -> Result<bool> {
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        if !fs::read_to_string(task?.path().join("status"))?.contains("State:\tT") {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What a doctor that starts on the copy still knows; the age of the oldest record that it does
/// not.
fn lost(copied: &Path, at: &Path, load: &Load, gone: Instant) -> Result<Duration> {
    mounts::attach(copied, at)?;
    let bedside = Bedside::new(env!("CARGO_BIN_EXE_bedside"), at.join("store"));
    bedside.serve::<&str>(&[HERE], &[])?.terminate()?;
    let items = bedside.log(&[])?;
    mounts::run(Command::new("umount").arg(at))?;
    let held: Vec<u64> =
        items.into_iter().filter_map(Item::into_record).filter_map(|record| record.seq).collect();
    ensure!(held.is_sorted_by(|a, b| a < b), "twice or out of order");
    ensure!(held.iter().enumerate().all(|(at, seq)| at as u64 == *seq), "a hole");
    let said = load.lock();
    let first_lost = said.sent.get(held.len()).filter(|sent| **sent < gone);
    let age = first_lost.map_or(Duration::ZERO, |sent| gone.duration_since(*sent));
    ensure!(age <= FAR_MORE, "a record of {age:?} before the end is lost");
    Ok(age)
}
