//! What the kernel knows of another process: its CPU time, its memory, its socket.

use std::collections::BTreeMap;
use std::fs;
use std::os::fd::OwnedFd;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use nix::sys::socket::{setsockopt, sockopt};
use nix::time::{clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;

use crate::sys;

/// A process that is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    pid: Pid,
}

impl Process {
    pub(crate) fn new(pid: Pid) -> Self {
        Self { pid }
    }

    /// CPU time of all threads so far, those too that have ended: the scheduler's own sum, to
    /// the nanosecond (`thread_group_cputime` in kernel/sched/cputime.c).
    pub(crate) fn cpu(self) -> Result<Duration> {
        let clock = clock_getcpuclockid(self.pid)
            .with_context(|| format!("process {} has no CPU clock", self.pid))?;
        Ok(clock_gettime(clock)?.into())
    }

    /// CPU time of the threads that live, by their names, from `schedstat`.
    pub(crate) fn threads(self) -> Result<BTreeMap<String, Duration>> {
        let mut threads = BTreeMap::new();
        for entry in fs::read_dir(format!("/proc/{}/task", self.pid))? {
            let dir = entry?.path();
            // A thread may end while it is looked at.
            let name = fs::read_to_string(dir.join("comm")).unwrap_or_default();
            let stat = fs::read_to_string(dir.join("schedstat")).unwrap_or_default();
            let nanos = stat.split(' ').next().and_then(|word| word.parse().ok()).unwrap_or(0);
            *threads.entry(name.trim_end().to_owned()).or_default() += Duration::from_nanos(nanos);
        }
        Ok(threads)
    }

    /// Every thread is stopped.
    pub(crate) fn is_stopped(self) -> Result<bool> {
        for entry in fs::read_dir(format!("/proc/{}/task", self.pid))? {
            let stat = fs::read_to_string(entry?.path().join("stat"))?;
            let state = stat.rsplit_once(") ").map(|(_, rest)| rest.as_bytes()[0]);
            if state != Some(b'T') {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// A value of `status` in bytes: `VmRSS`, `VmHWM`.
    pub(crate) fn memory(self, key: &str) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid))?;
        let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
        let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        Ok(kilobytes.with_context(|| format!("no {key} in status"))? * 1024)
    }

    /// Its UDP socket on this port, if it has one.
    pub(crate) fn ear(self, port: u16) -> Result<Option<Ear>> {
        let table = fs::read_to_string(format!("/proc/{}/net/udp", self.pid))?;
        let suffix = format!(":{port:04X}");
        let inodes = table.lines().skip(1).filter_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            words.get(1)?.ends_with(&suffix).then_some(())?;
            Some(format!("socket:[{}]", words.get(9)?))
        });
        let inodes: Vec<String> = inodes.collect();
        for entry in fs::read_dir(format!("/proc/{}/fd", self.pid))? {
            let entry = entry?;
            let link = fs::read_link(entry.path()).unwrap_or_default();
            if inodes.iter().any(|inode| link.as_os_str() == inode.as_str()) {
                let number = entry.file_name().to_string_lossy().parse()?;
                let fd = sys::borrow_file(self.pid.as_raw(), number);
                return Ok(Some(Ear { fd: fd.context("its socket can't be looked at")? }));
            }
        }
        Ok(None)
    }
}

/// A receiver's socket, which we share.
#[derive(Debug)]
pub(crate) struct Ear {
    fd: OwnedFd,
}

impl Ear {
    /// Bytes that wait, bookkeeping included.
    pub(crate) fn queued(&self) -> Result<u64> {
        Ok(sys::memory(&self.fd)?.0)
    }

    /// The size of the buffer, as the kernel counts it.
    pub(crate) fn buffer(&self) -> Result<u64> {
        Ok(sys::memory(&self.fd)?.1)
    }

    /// Datagrams dropped for want of room so far.
    pub(crate) fn drops(&self) -> Result<u64> {
        Ok(sys::memory(&self.fd)?.2)
    }

    /// Gives it a buffer of so many bytes, as the kernel counts them: the same for every
    /// receiver, whatever it asked for itself.
    pub(crate) fn widen(&self, bytes: u64) -> Result<()> {
        // The kernel doubles what it is given.
        let asked = usize::try_from(bytes / 2)?;
        if setsockopt(&self.fd, sockopt::RcvBufForce, &asked).is_err() {
            setsockopt(&self.fd, sockopt::RcvBuf, &asked).context("SO_RCVBUF")?;
        }
        let got = self.buffer()?;
        if got < bytes {
            bail!(
                "the buffer is {got} bytes instead of {bytes}: be root, or raise net.core.rmem_max"
            );
        }
        Ok(())
    }
}
