//! Receivers as processes: the floor, the doctor, its peers.

mod doctor;
pub(crate) mod floor;
mod kind;
mod peers;

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
pub(crate) use kind::Kind;

/// A process that hears on a port, and perhaps another that it hands things on to.
#[derive(Debug)]
pub(crate) struct Receiver {
    children: Vec<Child>,
    pub(crate) ear: Ear,
}

impl Receiver {
    /// Starts a command that hears on `address`, and waits until it does. What it says goes to a
    /// file in `dir`.
    pub(crate) fn start(mut command: Command, address: SocketAddrV4, dir: &Path) -> Result<Self> {
        command.stdout(Stdio::null());
        Self::start_with(command, None, address, dir)
    }

    /// The same; `behind` belongs to it.
    fn start_with(
        mut command: Command,
        behind: Option<Child>,
        address: SocketAddrV4,
        dir: &Path,
    ) -> Result<Self> {
        let said = dir.join("said");
        command.stdin(Stdio::null()).stderr(File::create(&said)?);
        let child = command.spawn().with_context(|| format!("{command:?} did not start"))?;
        let process = Process::new(pid_of(&child)?);
        let mut children: Vec<Child> = [child].into_iter().chain(behind).collect();
        let ear = wait::until(&format!("{command:?} to listen"), || {
            if let Some(status) = children[0].try_wait()? {
                let words = std::fs::read_to_string(&said)?;
                bail!("{command:?} ended with {status}: {words}");
            }
            process.ear(address.port())
        });
        match ear {
            Ok(ear) => Ok(Self { children, ear }),
            Err(error) => {
                children.iter_mut().for_each(end);
                Err(error)
            }
        }
    }

    /// SIGSTOP, and waits until no thread runs.
    pub(crate) fn stop(&self) -> Result<()> {
        self.signal(Signal::SIGSTOP)?;
        for process in self.processes()? {
            wait::until("it to stop", || Ok(process.is_stopped()?.then_some(())))?;
        }
        Ok(())
    }

    /// SIGCONT.
    pub(crate) fn go_on(&self) -> Result<()> {
        self.signal(Signal::SIGCONT)
    }

    /// SIGTERM, and waits for the end, which must be a good one.
    pub(crate) fn terminate(mut self) -> Result<()> {
        self.signal(Signal::SIGTERM)?;
        let child = &mut self.children[0];
        let status = wait::until_within(PATIENCE, "it to end", || Ok(child.try_wait()?))?;
        ensure!(status.success(), "SIGTERM ended it with {status}");
        Ok(())
    }

    /// CPU time of what can't be put off: of all threads but those that settle.
    pub(crate) fn own_cpu(&self) -> Result<Duration> {
        let all = self.processes()?.into_iter().map(Process::cpu).sum::<Result<Duration>>()?;
        Ok(all.saturating_sub(self.settling()?))
    }

    /// CPU time of the doctor's threads that do what may be done later.
    pub(crate) fn settling(&self) -> Result<Duration> {
        let threads = self.process()?.threads()?;
        Ok(SETTLING.iter().filter_map(|name| threads.get(*name)).sum())
    }

    /// Waits until it does nothing any more that can't be put off, and says how long it has
    /// worked by then.
    pub(crate) fn quiet_cpu(&self) -> Result<Duration> {
        let mut last = self.own_cpu()?;
        wait::until("it to be quiet", || {
            sleep(QUIET);
            let now = self.own_cpu()?;
            // A hundredth: some look around now and then.
            let quiet = now.saturating_sub(last) < QUIET / 100;
            last = now;
            Ok(quiet.then_some(now))
        })
    }

    /// Waits until it does nothing at all any more, what was put off included.
    pub(crate) fn settled(&self) -> Result<()> {
        let process = self.process()?;
        let mut last = Duration::MAX;
        wait::until_within(PATIENCE, "it to have settled", || {
            let now = process.cpu()?;
            let quiet = now.saturating_sub(last) < SETTLED / 100 && last != Duration::MAX;
            last = now;
            if !quiet {
                sleep(SETTLED);
            }
            Ok(quiet.then_some(()))
        })
    }

    /// Waits until its socket is empty.
    pub(crate) fn emptied(&self) -> Result<()> {
        wait::until_within(PATIENCE, "it to take all", || {
            Ok((self.ear.queued()? == 0).then_some(()))
        })
    }

    /// Resident memory in bytes, or its peak: `VmRSS`, `VmHWM`.
    pub(crate) fn memory(&self, key: &str) -> Result<u64> {
        self.processes()?.into_iter().map(|process| process.memory(key)).sum()
    }

    /// The process that hears.
    pub(crate) fn process(&self) -> Result<Process> {
        Ok(Process::new(pid_of(&self.children[0])?))
    }

    fn processes(&self) -> Result<Vec<Process>> {
        self.children.iter().map(|child| Ok(Process::new(pid_of(child)?))).collect()
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        for child in &self.children {
            let pid = pid_of(child)?;
            kill(pid, signal).with_context(|| format!("{signal} to {pid} failed"))?;
        }
        Ok(())
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.children.iter_mut().for_each(end);
    }
}

fn end(child: &mut Child) {
    // It may have ended already.
    child.kill().ok();
    child.wait().ok();
}

/// The keeper seals segments (better compression, filters) and keeps the catalogue.
const SETTLING: &[&str] = &["bedside-keeper"];

/// Longer than the doctor waits before it syncs; a thousandth of it may go into its looking
/// after itself once a second.
const QUIET: Duration = Duration::from_millis(300);

/// Longer than the doctor's keeper waits before it brings the catalogue up to date.
const SETTLED: Duration = Duration::from_secs(6);

/// Long enough for any step of millions of datagrams on a loaded machine.
pub(crate) const PATIENCE: Duration = Duration::from_mins(5);

fn pid_of(child: &Child) -> Result<Pid> {
    Ok(Pid::from_raw(i32::try_from(child.id())?))
}
