//! The relay of a machine whose kernel can't send: a process that the agent starts, looks after,
//! and ends.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use anyhow::Context as _;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Running, or ended by itself; ended when it goes out of scope.
pub(crate) struct Process {
    child: Child,
    doctors: Vec<String>,
}

impl Process {
    /// `bedside-patient relay`, of the machine below `root`, to these doctors.
    pub(crate) fn start(root: &Path, doctors: &[String]) -> anyhow::Result<Self> {
        // This very version, also when another one was put in its place.
        let mut command = Command::new("/proc/self/exe");
        command.arg0("bedside-patient");
        command.args(["relay", "--with-parent", &std::process::id().to_string(), "--root"]);
        command.arg(root).args(doctors);
        let child = command.stdin(Stdio::null()).spawn().context("cannot start the relay")?;
        Ok(Self { child, doctors: doctors.to_vec() })
    }

    /// Whether it was started to send to these doctors.
    pub(crate) fn serves(&self, doctors: &[String]) -> bool {
        self.doctors == doctors
    }

    /// How it ended, if it did so by itself.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }
}

impl Drop for Process {
    /// Told to end, it writes down how far it came.
    fn drop(&mut self) {
        if self.ended().is_none() {
            // A child that was not waited for keeps its number.
            let pid = Pid::from_raw(self.child.id().cast_signed());
            drop(kill(pid, Signal::SIGTERM).map(|()| self.child.wait()));
        }
    }
}
