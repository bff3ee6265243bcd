//! File systems of a test's own, that fill up, hang and fail. Needs root.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

/// From now on what this thread mounts is seen by it alone, and by processes that it starts; it
/// is gone when all of these have ended.
pub fn private() -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNS).context("mounts of one's own need root")?;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, private, None::<&str>).context("mounts not private")
}

/// A file system in memory, with room for so many KiB.
pub fn tmpfs(at: &Path, kib: u64) -> Result<()> {
    let size = format!("size={kib}k");
    mount(Some("tmpfs"), at, Some("tmpfs"), MsFlags::empty(), Some(size.as_str()))
        .with_context(|| format!("no tmpfs at {}", at.display()))
}

/// Gives a tmpfs another size.
pub fn resize(at: &Path, kib: u64) -> Result<()> {
    let size = format!("size={kib}k");
    mount(None::<&str>, at, None::<&str>, MsFlags::MS_REMOUNT, Some(size.as_str()))
        .with_context(|| format!("the tmpfs at {} stays as it is", at.display()))
}

/// An ext4 of so many MiB in the file `image`, which is made.
pub fn ext4(image: &Path, at: &Path, mib: u64) -> Result<()> {
    std::fs::File::create_new(image)?.set_len(mib << 20)?;
    run(Command::new("mkfs.ext4").arg("-q").arg(image))?;
    attach(image, at)
}

/// Mounts what is in the file `image`.
pub fn attach(image: &Path, at: &Path) -> Result<()> {
    run(Command::new("mount").args(["-o", "loop"]).args([image, at]))
}

/// Runs a command of the system to its end, which must be a good one.
pub fn run(command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("{command:?} did not start"))?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
