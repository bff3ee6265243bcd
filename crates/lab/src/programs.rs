//! The patient as a program, built now: a test of another package has no other way to it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// For the machine that the test runs on.
pub fn patient() -> Result<PathBuf> {
    build(&[]).map(|target| target.join("debug/bedside-patient"))
}

/// As it is released, one static file; needs the target of that name
/// (`rustup target add x86_64-unknown-linux-musl`).
pub fn static_patient() -> Result<PathBuf> {
    let target = build(&["--profile", "patient", "--target", STATIC])?;
    Ok(target.join(STATIC).join("patient/bedside-patient"))
}

/// Gives the directory of what is built, apart from that of whoever waits for the test.
fn build(more: &[&str]) -> Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let target = root.join("target/patient");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.args(["build", "--quiet", "--package", "bedside-patient"]).args(more);
    build.arg("--target-dir").arg(&target).current_dir(&root);
    let status = build.status().with_context(|| format!("{build:?} did not start"))?;
    ensure!(status.success(), "{build:?} ended with {status}");
    Ok(target)
}

const STATIC: &str = "x86_64-unknown-linux-musl";
