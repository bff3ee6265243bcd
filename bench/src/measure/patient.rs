//! *The patient*: how large its program is, and how much memory its agent holds.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use nix::unistd::Pid;
use serde::Serialize;

use super::figures::Table;
use crate::process::Process;
use crate::site::Site;

/// What came out.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Patient {
    /// Whether it needs no libraries.
    pub(crate) is_static: bool,
    /// Bytes of the program.
    pub(crate) program: u64,
    /// Resident bytes of an agent that watches, and the most that it ever had.
    pub(crate) resident: u64,
    pub(crate) peak: u64,
}

/// An agent; killed when it goes out of scope.
struct Agent(Child);

impl Patient {
    /// Builds it as it is shipped, and has its agent look after a machine that is a tree of files.
    pub(crate) fn measure(site: &Site) -> Result<Self> {
        let (program, is_static) = build()?;
        let root = site.folder("patient")?;
        machine(&root)?;
        let agent = Command::new(&program)
            .arg("--root")
            .arg(&root)
            .arg("agent")
            .stdout(Stdio::null())
            .spawn();
        let agent = Agent(agent.context("the agent did not start")?);
        // Its first look, and the wait for what comes next.
        std::thread::sleep(Duration::from_secs(2));
        let process = Process::new(Pid::from_raw(i32::try_from(agent.0.id())?));
        Ok(Self {
            is_static,
            program: fs::metadata(&program)?.len(),
            resident: process.memory("VmRSS")?,
            peak: process.memory("VmHWM")?,
        })
    }
}

/// Static, where Rust has a target for that here.
fn build() -> Result<(PathBuf, bool)> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let target = root.join("target/patient");
    for triple in [Some(STATIC), None] {
        let mut build = Command::new(&cargo);
        build.args(["build", "--quiet", "--package", "bedside-patient", "--profile", "patient"]);
        build.arg("--target-dir").arg(&target).current_dir(&root);
        if let Some(triple) = triple {
            build.args(["--target", triple]).stderr(Stdio::null());
        }
        if build.status().context("cargo did not start")?.success() {
            let dir = triple.map_or(target.clone(), |triple| target.join(triple));
            return Ok((dir.join("patient/bedside-patient"), triple.is_some()));
        }
    }
    anyhow::bail!("bedside-patient can't be built")
}

/// As much of a machine as the agent looks at.
fn machine(root: &Path) -> Result<()> {
    for (path, text) in MACHINE {
        let path = root.join(path);
        let dir = path.parent().context("a file in a directory")?;
        fs::create_dir_all(dir)?;
        fs::write(&path, text)?;
    }
    ensure!(root.join("etc/bedside").is_dir());
    Ok(())
}

impl Drop for Agent {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

impl fmt::Display for Patient {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = if self.is_static { "static" } else { "linked with the C library" };
        let mut table = Table::new("what | figure");
        table.row(&format!(
            "the program, {how} | {} bytes",
            super::figures::thousands(self.program)
        ));
        table.row(&format!("an agent, resident | {:.2} MB", self.resident as f64 / 1e6));
        table.row(&format!("at most so far | {:.2} MB", self.peak as f64 / 1e6));
        write!(out, "{table}")
    }
}

const STATIC: &str = "x86_64-unknown-linux-musl";

const MACHINE: [(&str, &str); 6] = [
    ("etc/bedside/patient.conf", "doctor = 192.0.2.1\n"),
    ("proc/sys/kernel/hostname", "web1\n"),
    ("proc/sys/kernel/osrelease", "6.1.0-1-amd64\n"),
    ("proc/sys/kernel/printk", "4\t4\t1\t7\n"),
    ("proc/self/status", "CapEff:\t000001ffffffffff\n"),
    ("lib/modules/6.1.0-1-amd64/modules.dep", "kernel/drivers/net/netconsole.ko:\n"),
];
