//! What a test of another package has no other way to, built now: the patient as a program, and
//! the package with the kernel module.

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

/// The kernel module's package for DKMS, as `cargo xtask deb` makes it.
pub fn package() -> Result<PathBuf> {
    let output = cargo().args(["xtask", "deb"]).output().context("cargo did not start")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "`cargo xtask deb` ended with {}: {said}", output.status);
    Ok(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()))
}

/// Gives the directory of what is built, apart from that of whoever waits for the test.
fn build(more: &[&str]) -> Result<PathBuf> {
    let target = root().join("target/patient");
    let mut build = cargo();
    build.args(["build", "--quiet", "--package", "bedside-patient"]).args(more);
    build.arg("--target-dir").arg(&target);
    let status = build.status().with_context(|| format!("{build:?} did not start"))?;
    ensure!(status.success(), "{build:?} ended with {status}");
    Ok(target)
}

fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root());
    cargo
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

const STATIC: &str = "x86_64-unknown-linux-musl";
