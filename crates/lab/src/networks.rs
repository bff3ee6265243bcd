//! A network of a test's own, whose interfaces come and go. Needs root.

use std::process::Command;

use anyhow::{Context, Result};
use nix::sched::{CloneFlags, unshare};

use crate::mounts::run;

/// From now on this thread, and processes that it starts, have a network of their own, with a
/// loopback interface and nothing else.
pub fn private() -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNET).context("a network of one's own needs root")?;
    ip("link set lo up")
}

/// Runs `ip` with these words.
pub fn ip(words: &str) -> Result<()> {
    run(Command::new("ip").args(words.split_whitespace()))
}
