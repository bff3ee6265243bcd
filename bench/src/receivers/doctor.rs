//! The doctor as its users run it: `bedside serve` on a store on a disk.

use std::fs;
use std::net::SocketAddrV4;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use bedside_lab::wait;
use serde_json::Value;

use super::{PATIENCE, Receiver};
use crate::site::{Site, free_address};

/// The program and the folder in which it works.
#[derive(Clone, Debug)]
pub(crate) struct Doctor {
    program: PathBuf,
    dir: PathBuf,
}

impl Doctor {
    /// The site's program with its store in `dir`.
    pub(crate) fn new(site: &Site, dir: &Path) -> Self {
        Self { program: site.program.clone(), dir: dir.to_owned() }
    }

    /// The store's folder.
    pub(crate) fn data(&self) -> PathBuf {
        self.dir.join("store")
    }

    /// What it said on standard error since it was started last.
    pub(crate) fn said(&self) -> Result<String> {
        Ok(fs::read_to_string(self.dir.join("said"))?)
    }

    /// The program with a clean environment.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.env_clear().env("TZ", "UTC").env("HOME", "/nonexistent");
        command
    }

    /// `serve`; `settings` are lines of the configuration that differ from the default.
    pub(crate) fn serve(&self, address: SocketAddrV4, settings: &str) -> Result<Receiver> {
        let config = self.dir.join("bedside.toml");
        fs::write(&config, format!("live = \"never\"\nlisten = [\"{address}\"]\n{settings}\n"))?;
        let mut command = self.command();
        command.arg("serve").arg("--data").arg(self.data()).arg("--config").arg(config);
        Receiver::start(command, address, &self.dir)
    }

    /// Starts a doctor on what the last one kept, and ends it; how long it took to hear.
    pub(crate) fn start_again(&self, settings: &str) -> Result<Duration> {
        let began = Instant::now();
        let receiver = self.serve(free_address()?, settings)?;
        let hears = || Ok(self.said()?.contains("receive buffer on").then_some(()));
        wait::until_within(PATIENCE, "it to hear", hears)?;
        let took = began.elapsed();
        receiver.terminate()?;
        Ok(took)
    }

    /// Runs a doctor until it has sealed all that was heard; the CPU time of the threads that
    /// settle, over that life.
    pub(crate) fn seal(&self) -> Result<Duration> {
        let receiver = self.serve(free_address()?, "[store]\nsegment_age = \"1s\"")?;
        wait::until_within(PATIENCE, "all to be sealed", || Ok(self.is_sealed()?.then_some(())))?;
        let cpu = receiver.settling()?;
        receiver.terminate()?;
        Ok(cpu)
    }

    /// The objects of `bedside hosts --json`, of these machines or of all.
    pub(crate) fn hosts(&self, names: &[String]) -> Result<Vec<Value>> {
        let mut command = self.command();
        command.args(["hosts", "--json", "--data"]).arg(self.data()).args(names);
        let output = command.output()?;
        let mut answer: Value = serde_json::from_slice(&output.stdout)
            .with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
        Ok(answer["hosts"].as_array_mut().map(std::mem::take).unwrap_or_default())
    }

    /// The last thing that the doctor of the last [`Doctor::serve`] said.
    pub(crate) fn last_words(&self) -> Result<String> {
        let said = fs::read_to_string(self.dir.join("said"))?;
        Ok(said.lines().next_back().unwrap_or_default().to_owned())
    }

    fn is_sealed(&self) -> Result<bool> {
        let segments = self.data().join("segments");
        let (mut sealed, mut live) = (0, 0);
        for entry in fs::read_dir(&segments).context("no segments")? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            ensure!(!name.ends_with(".damaged"), "{name} is damaged");
            // A live segment of this size holds its header only.
            if name.ends_with(".live.zst") {
                live += u32::from(entry.metadata().is_ok_and(|file| file.len() > 200));
            } else {
                sealed += u32::from(name.ends_with(".zst"));
            }
        }
        Ok(sealed > 0 && live == 0)
    }
}
