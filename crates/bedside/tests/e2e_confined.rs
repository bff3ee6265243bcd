//! A running doctor has no privilege that it does not use, and still reads its configuration again.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use bedside_lab::doctor::{Bedside, Doctor};
use bedside_lab::patient::{Patient, drained};
use bedside_lab::wait;
use nix::sys::signal::Signal;

const ANYWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

fn serve(bedside: &Bedside, config: &Path) -> Result<Doctor> {
    bedside.serve(&[ANYWHERE], &["--config".as_ref(), config.as_os_str()])
}

/// Tells it to read its configuration again, and waits until it has said these words.
fn reload(doctor: &Doctor, words: &str) -> Result<()> {
    let count = |said: Vec<String>| said.iter().filter(|line| line.contains(words)).count();
    let before = count(doctor.said());
    doctor.signal(Signal::SIGHUP)?;
    wait::until(words, || Ok((count(doctor.said()) > before).then_some(())))
}

/// Of all threads of a process.
fn assert_privileges(pid: u32, capabilities: u64) -> Result<()> {
    let mut threads = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let status = fs::read_to_string(task?.path().join("status"))?;
        let value = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name));
            line.and_then(|line| line.split_whitespace().nth(1)).unwrap_or_default()
        };
        for (set, held) in [("CapInh:", 0), ("CapPrm:", capabilities), ("CapEff:", capabilities)] {
            let found = u64::from_str_radix(value(set), 16)?;
            ensure!(found == held, "{set} {found:x} of {}", value("Name:"));
        }
        ensure!(value("CapAmb:") == "0000000000000000" && value("NoNewPrivs:") == "1", "{status}");
        threads += 1;
    }
    ensure!(threads > 3, "{threads} threads");
    Ok(())
}

#[test]
fn no_thread_of_it_has_a_capability_or_can_get_one() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let bedside = Bedside::new(env!("CARGO_BIN_EXE_bedside"), dir.path().join("store"));
    let doctor = bedside.serve::<&str>(&[ANYWHERE], &[])?;
    assert_privileges(doctor.pid(), 0)?;
    doctor.terminate()
}

/// As after `sudo bedside serve --data ~/store`.
#[cfg(feature = "root")]
#[test]
fn root_keeps_a_store_below_somebody_elses_directory() -> Result<()> {
    use std::os::unix::fs::{PermissionsExt as _, chown};
    const DAC_OVERRIDE: u64 = 1 << 1;
    let dir = tempfile::tempdir()?;
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700))?;
    chown(dir.path(), Some(65_534), Some(65_534))?;
    let bedside = Bedside::new(env!("CARGO_BIN_EXE_bedside"), dir.path().join("store"));
    let doctor = bedside.serve::<&str>(&[ANYWHERE], &[])?;
    assert_privileges(doctor.pid(), DAC_OVERRIDE)?;
    let target = doctor.addresses()[0];
    Patient::new([]).send_from(ANYWHERE, target, b"6,1,1000,-;line 1\n")?;
    drained(target.port(), 0)?;
    doctor.terminate()?;
    ensure!(bedside.run("log", &["-o", "raw"])?.stdout == b"line 1\n");
    Ok(())
}

#[test]
fn a_configuration_that_was_replaced_is_read_and_one_from_elsewhere_is_not() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let (etc, elsewhere) = (dir.path().join("etc"), dir.path().join("elsewhere.toml"));
    fs::create_dir(&etc)?;
    let config = etc.join("bedside.toml");
    fs::write(&config, "allow = [\"192.0.2.0/24\"]")?;
    let bedside = Bedside::new(env!("CARGO_BIN_EXE_bedside"), dir.path().join("store"));
    let doctor = serve(&bedside, &config)?;
    let target = doctor.addresses()[0];
    let mut patient = Patient::new([]);
    let mut say = |seq: u32| -> Result<()> {
        let line = format!("6,{seq},{seq}000,-;line {seq}\n");
        patient.send_from(ANYWHERE, target, line.as_bytes())?;
        drained(target.port(), 0)
    };
    say(1)?;
    let new = etc.join("new.toml");
    fs::write(&new, "allow = [\"127.0.0.0/8\"]")?;
    fs::rename(&new, &config)?;
    reload(&doctor, "the configuration was read again")?;
    say(2)?;
    // Somebody lays a trail out of its directory.
    fs::write(&elsewhere, "allow = [\"192.0.2.0/24\"]")?;
    fs::remove_file(&config)?;
    std::os::unix::fs::symlink(&elsewhere, &config)?;
    reload(&doctor, "Permission denied")?;
    say(3)?;
    doctor.terminate()?;
    let raw = bedside.run("log", &["-o", "raw"])?.stdout;
    let raw = String::from_utf8(raw).context("text")?;
    ensure!(raw == "line 2\nline 3\n", "{raw}");
    Ok(())
}
