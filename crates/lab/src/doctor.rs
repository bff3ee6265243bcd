//! The doctor as a user runs it: the program itself, in a process of its own.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::answer::{self, Item};
use crate::wait;

/// The program and the store it works on.
#[derive(Clone, Debug)]
pub struct Bedside {
    program: PathBuf,
    data: PathBuf,
}

/// A running `bedside serve`; killed when it goes out of scope.
#[derive(Debug)]
pub struct Doctor {
    child: Child,
    addresses: Vec<SocketAddr>,
    said: Arc<Mutex<Vec<String>>>,
    reader: Option<JoinHandle<()>>,
}

impl Bedside {
    /// The program at `program`, keeping its store in `data`.
    pub fn new(program: impl Into<PathBuf>, data: impl Into<PathBuf>) -> Self {
        Self { program: program.into(), data: data.into() }
    }

    /// The store's folder.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The program with a clean environment, so that no user's settings change what it does.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.env_clear().env("HOME", "/nonexistent").env("TZ", "UTC");
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.stdin(Stdio::null());
        command
    }

    /// Starts `serve` and returns once it hears on all the addresses asked for (port 0 allowed).
    pub fn serve<S: AsRef<OsStr>>(&self, listen: &[SocketAddr], more: &[S]) -> Result<Doctor> {
        let mut command = self.command();
        command.arg("serve").arg("--data").arg(&self.data).args(more);
        for address in listen {
            command.arg("--listen").arg(address.to_string());
        }
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        Doctor::start(command, listen.len())
    }

    /// Runs a command on the store to its end, which must be a good one.
    pub fn run(&self, command: &str, args: &[&str]) -> Result<Output> {
        self.run_to(&[0], command, args)
    }

    fn run_to(&self, codes: &[i32], command: &str, args: &[&str]) -> Result<Output> {
        let mut asked = self.command();
        asked.arg(command).arg("--data").arg(&self.data).args(args);
        let output = asked.output().with_context(|| format!("{asked:?} did not start"))?;
        ensure!(
            output.status.code().is_some_and(|code| codes.contains(&code)),
            "{asked:?} ended with {}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(output)
    }

    /// `bedside log -o json` with more arguments; that it finds nothing is an answer too.
    pub fn log(&self, args: &[&str]) -> Result<Vec<Item>> {
        let args = [&["-o", "json"], args].concat();
        answer::parse(&self.run_to(&[0, 1], "log", &args)?.stdout)
    }

    /// Waits until `log` tells at least `count` records.
    pub fn log_of(&self, count: usize, args: &[&str]) -> Result<Vec<Item>> {
        wait::until(&format!("{count} records to be readable"), || {
            let items = self.log(args)?;
            let records = items.iter().filter(|item| matches!(item, Item::Record(_))).count();
            Ok((records >= count).then_some(items))
        })
    }
}

impl Doctor {
    /// Starts a command that says `listening on ADDR:PORT` on stderr `sockets` times.
    pub fn start(mut command: Command, sockets: usize) -> Result<Self> {
        let mut child = command.spawn().with_context(|| format!("{command:?} did not start"))?;
        let stderr = child.stderr.take().context("stderr is not ours")?;
        let (heard, listening) = channel();
        let said = Arc::new(Mutex::new(Vec::new()));
        let keep = Arc::clone(&said);
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if let Some(address) = address_in(&line) {
                    // A doctor may say it again later; then nobody waits for it.
                    heard.send(address).ok();
                }
                keep.lock().unwrap_or_else(PoisonError::into_inner).push(line);
            }
        });
        let reader = Some(reader);
        let mut doctor = Self { child, addresses: Vec::new(), said, reader };
        doctor.addresses = doctor.wait_for(sockets, &listening)?;
        Ok(doctor)
    }

    /// Where it listens, in the order asked for.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// What it said on stderr so far.
    pub fn said(&self) -> Vec<String> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// SIGTERM, and waits for a clean end.
    pub fn terminate(mut self) -> Result<()> {
        self.signal(Signal::SIGTERM)?;
        let status = self.wait()?;
        ensure!(status.success(), "SIGTERM ended it with {status}: {:#?}", self.said());
        Ok(())
    }

    /// SIGKILL: no last word, no last write.
    pub fn kill(mut self) -> Result<()> {
        self.child.kill().context("kill -9 failed")?;
        self.wait()?;
        Ok(())
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let pid = Pid::from_raw(i32::try_from(self.child.id())?);
        kill(pid, signal).with_context(|| format!("{signal} to {pid} failed"))
    }

    fn wait(&mut self) -> Result<ExitStatus> {
        let status = wait::until("the doctor to end", || Ok(self.child.try_wait()?))?;
        if let Some(reader) = self.reader.take() {
            reader.join().ok().context("the reader of stderr panicked")?;
        }
        Ok(status)
    }

    fn wait_for(
        &mut self,
        sockets: usize,
        listening: &Receiver<SocketAddr>,
    ) -> Result<Vec<SocketAddr>> {
        let mut addresses = Vec::new();
        while addresses.len() < sockets {
            match listening.recv_timeout(wait::PATIENCE) {
                Ok(address) => addresses.push(address),
                Err(RecvTimeoutError::Timeout) => bail!("it does not listen: {:#?}", self.said()),
                Err(RecvTimeoutError::Disconnected) => {
                    let status = self.wait()?;
                    bail!("it ended with {status} before it listened: {:#?}", self.said())
                }
            }
        }
        Ok(addresses)
    }
}

impl Drop for Doctor {
    fn drop(&mut self) {
        // It may have ended already; a test that fails must not leave it behind.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The address in `… listening on ADDR:PORT …`.
fn address_in(line: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once("listening on ")?;
    rest.split(|c: char| c.is_whitespace() || c == ',').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_stands_behind_the_words() {
        let v6 = address_in("listening on [::1]:6666 (receive buffer 8 MiB)").unwrap();
        assert_eq!(v6, "[::1]:6666".parse().unwrap());
        assert_eq!(address_in("hears nothing"), None);
    }

    #[test]
    fn one_that_ends_at_once_is_an_error_with_its_words() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo no such thing >&2; exit 3"]).stderr(Stdio::piped());
        let error = Doctor::start(command, 1).unwrap_err().to_string();
        assert!(error.contains("exit status: 3") && error.contains("no such thing"), "{error}");
    }
}
