//! Receivers as processes: the floor, the doctor, its peers.

mod doctor;
pub(crate) mod floor;

use std::fs::File;
use std::net::SocketAddrV4;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use bedside_lab::wait;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::process::{Ear, Process};

pub(crate) use doctor::Doctor;

/// A process that hears on a port.
#[derive(Debug)]
pub(crate) struct Receiver {
    child: Child,
    pub(crate) process: Process,
    pub(crate) ear: Ear,
}

impl Receiver {
    /// Starts a command that hears on `address`, and waits until it does. What it says goes to a
    /// file in `dir`.
    pub(crate) fn start(mut command: Command, address: SocketAddrV4, dir: &Path) -> Result<Self> {
        let said = dir.join("said");
        let file = File::create(&said)?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file);
        let mut child = command.spawn().with_context(|| format!("{command:?} did not start"))?;
        let process = Process::new(pid_of(&child)?);
        let ear = wait::until(&format!("{command:?} to listen"), || {
            if let Some(status) = child.try_wait()? {
                let words = std::fs::read_to_string(&said)?;
                bail!("{command:?} ended with {status}: {words}");
            }
            process.ear(address.port())
        });
        match ear {
            Ok(ear) => Ok(Self { child, process, ear }),
            Err(error) => {
                child.kill().ok();
                child.wait().ok();
                Err(error)
            }
        }
    }

    /// SIGSTOP, and waits until no thread runs.
    pub(crate) fn stop(&self) -> Result<()> {
        self.signal(Signal::SIGSTOP)?;
        wait::until("it to stop", || Ok(self.process.is_stopped()?.then_some(())))
    }

    /// SIGCONT.
    pub(crate) fn go_on(&self) -> Result<()> {
        self.signal(Signal::SIGCONT)
    }

    /// SIGTERM, and waits for the end, which must be a good one.
    pub(crate) fn terminate(mut self) -> Result<()> {
        self.signal(Signal::SIGTERM)?;
        let status = wait::until("it to end", || Ok(self.child.try_wait()?))?;
        ensure!(status.success(), "SIGTERM ended it with {status}");
        Ok(())
    }

    /// CPU time of what can't be put off: of all threads but those that settle.
    pub(crate) fn own_cpu(&self) -> Result<Duration> {
        Ok(self.process.cpu()?.saturating_sub(self.settling()?))
    }

    /// CPU time of the doctor's threads that do what may be done later.
    pub(crate) fn settling(&self) -> Result<Duration> {
        let threads = self.process.threads()?;
        Ok(SETTLING.iter().filter_map(|name| threads.get(*name)).sum())
    }

    /// Waits until it does nothing any more that can't be put off, and says how long it has
    /// worked by then.
    pub(crate) fn quiet_cpu(&self) -> Result<Duration> {
        let mut last = self.own_cpu()?;
        wait::until("it to be quiet", || {
            sleep(QUIET);
            let now = self.own_cpu()?;
            let quiet = now.saturating_sub(last) < QUIET / 1000;
            last = now;
            Ok(quiet.then_some(now))
        })
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let pid = pid_of(&self.child)?;
        kill(pid, signal).with_context(|| format!("{signal} to {pid} failed"))
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        // It may have ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The keeper seals segments (better compression, filters) and keeps the catalogue.
const SETTLING: &[&str] = &["bedside-keeper"];

/// Longer than the doctor waits before it syncs; a thousandth of it may go into its looking
/// after itself once a second.
const QUIET: Duration = Duration::from_millis(300);

fn pid_of(child: &Child) -> Result<Pid> {
    Ok(Pid::from_raw(i32::try_from(child.id())?))
}
