//! What the figures were measured on.

use std::fmt;
use std::fs;

use anyhow::Result;
use nix::sys::utsname::uname;
use serde::Serialize;

/// The machine.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Machine {
    processor: String,
    cores: usize,
    memory: u64,
    kernel: String,
}

impl Machine {
    /// This one.
    pub(super) fn here() -> Result<Self> {
        let processors = fs::read_to_string("/proc/cpuinfo")?;
        let model =
            processors.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        let memory = fs::read_to_string("/proc/meminfo")?;
        let total = memory.lines().find_map(|line| line.strip_prefix("MemTotal:"));
        let kilobytes = total.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        Ok(Self {
            processor: model.map_or("an unnamed processor", |(_, name)| name).to_owned(),
            cores: std::thread::available_parallelism()?.get(),
            memory: kilobytes.unwrap_or_default() * 1024,
            kernel: uname()?.release().to_string_lossy().into_owned(),
        })
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { processor, cores, memory, kernel } = self;
        let memory = *memory as f64 / f64::from(1 << 30);
        writeln!(out, "Measured on {cores} cores of {processor}, {memory:.0} GiB, Linux {kernel}.")
    }
}
