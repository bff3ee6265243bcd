//! The crate needs neither std nor an allocator, proved by linking.
//!
//! `#![no_std]` alone proves little: a dependency, or `extern crate std`, brings std back without
//! a word. Here rustc builds the crate, and on top of it a static library that brings its own
//! panic handler and no allocator. With std below, the handler would be there twice; with alloc
//! below, the global allocator would be missing; either is an error. Works on every host, and is
//! repeated for `x86_64-unknown-none` where that target is installed.

use std::path::{Path, PathBuf};
use std::process::Command;

const BARE_TARGET: &str = "x86_64-unknown-none";

#[test]
fn a_program_without_std_and_allocator_links() {
    link(&[], "host");
    if installed(BARE_TARGET) {
        link(&["--target", BARE_TARGET], BARE_TARGET);
    }
}

fn link(target: &[&str], name: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("bare-{name}"));
    std::fs::create_dir_all(&out).expect("a directory for what is linked");
    let library = out.join("libnetconsole_wire.rlib");
    compile(
        target,
        "lib",
        &root.join("src/lib.rs"),
        &["--crate-name", "netconsole_wire"],
        &library,
    );
    let uses = format!("netconsole_wire={}", library.display());
    let program = out.join("libbare.a");
    compile(
        target,
        "staticlib",
        &root.join("tests/bare/program.rs"),
        &["--extern", &uses],
        &program,
    );
    assert!(program.is_file());
}

fn compile(target: &[&str], kind: &str, source: &Path, more: &[&str], out: &PathBuf) {
    let output = rustc()
        .args(["--edition", "2024", "-C", "panic=abort", "-C", "opt-level=1", "--crate-type", kind])
        .args(target)
        .args(more)
        .arg("-o")
        .arg(out)
        .arg(source)
        .output()
        .expect("rustc, which compiled this test, can be run");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "rustc failed on {}:\n{said}", source.display());
}

fn installed(target: &str) -> bool {
    let output = rustc().args(["--print", "sysroot"]).output().expect("rustc can be run");
    let sysroot = String::from_utf8_lossy(&output.stdout);
    Path::new(sysroot.trim()).join("lib/rustlib").join(target).join("lib").is_dir()
}

fn rustc() -> Command {
    Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
}
