//! The recipe of `kmod/shim/logic.bin` and `logic-plain.bin`: core, netconsole-wire and the
//! module's logic as one object that a kernel can load, the same to the byte wherever it is made.
//!
//! It takes the compiler named in [`TOOLCHAIN`] and its `rust-src`; core is compiled anew, as the
//! one that comes with a toolchain is for programs: it uses SSE registers and plain returns.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

/// The compiler that makes the objects. Another one makes other bytes.
const TOOLCHAIN: &str = "1.95.0";

/// What every kernel asks of code (`arch/x86/Makefile`, and for Rust `scripts/generate_rust_target.rs`):
/// no red zone, addresses in the upper 2 GiB, calls that need no GOT, no jump tables; marks where
/// an indirect call may land (IBT), and room in front of functions for a kernel to patch.
const KERNEL: [&str; 13] = [
    "--target=x86_64-unknown-none",
    "--edition=2024",
    "-Copt-level=s",
    "-Cpanic=abort",
    "-Crelocation-model=static",
    "-Ccode-model=kernel",
    "-Cno-redzone=y",
    "-Cjump-tables=n",
    "-Zplt=yes",
    "-Zdirect-access-external-data=yes",
    "-Zcf-protection=branch",
    "-Zpatchable-function-entry=16,16",
    "-Zfunction-sections=no",
];

/// Kernels that guard against Spectre and Retbleed have their own returns and indirect calls.
const THUNKS: [&str; 3] = [
    "-Zfunction-return=thunk-extern",
    "-Zretpoline-external-thunk",
    "-Zindirect-branch-cs-prefix=y",
];

/// One object out of all crates.
const WHOLE: [&str; 3] = ["-Ccodegen-units=1", "-Clto=fat", "-Cembed-bitcode=yes"];

/// Each object, and whether it is for kernels with thunks.
const OBJECTS: [(&str, bool); 2] = [("logic.bin", true), ("logic-plain.bin", false)];

/// Makes the objects and puts them beside the shim.
pub(crate) fn make() -> Result<()> {
    for (name, thunks) in OBJECTS {
        let object = build(name, thunks)?;
        let home = home().join(name);
        fs::write(&home, &object).with_context(|| format!("{} not written", home.display()))?;
        println_object(name, &object);
    }
    Ok(())
}

/// Makes the objects again and compares them with those beside the shim.
pub(crate) fn check() -> Result<()> {
    for (name, thunks) in OBJECTS {
        let object = build(name, thunks)?;
        let home = home().join(name);
        let there = fs::read(&home).with_context(|| format!("{} not read", home.display()))?;
        ensure!(
            object == there,
            "{name} is not what its source makes ({} and {} bytes): run `cargo xtask kmod`",
            there.len(),
            object.len()
        );
        println_object(name, &object);
    }
    Ok(())
}

fn build(name: &str, thunks: bool) -> Result<Vec<u8>> {
    let out = root().join("target/kmod").join(name);
    fs::create_dir_all(&out).with_context(|| format!("{} not made", out.display()))?;
    let compiler = Compiler::new(out.clone(), thunks)?;
    compiler.core()?;
    compiler.library("netconsole_wire", &root().join("crates/wire/src/lib.rs"))?;
    let archive = compiler.archive("bedside_kmod", &root().join("kmod/src/lib.rs"))?;
    member(&archive, "bedside_kmod")
}

struct Compiler {
    out: PathBuf,
    sources: PathBuf,
    thunks: bool,
}

impl Compiler {
    fn new(out: PathBuf, thunks: bool) -> Result<Compiler> {
        let sysroot = run(rustc().args(["--print", "sysroot"]))
            .with_context(|| format!("no compiler: `rustup toolchain install {TOOLCHAIN}`"))?;
        let sources = PathBuf::from(sysroot.trim()).join("lib/rustlib/src/rust/library");
        ensure!(
            sources.join("core/src/lib.rs").is_file(),
            "no source of core: `rustup component add rust-src --toolchain {TOOLCHAIN}`"
        );
        Ok(Compiler { out, sources, thunks })
    }

    /// core, and an empty compiler_builtins, which every crate without std asks for: what it
    /// would hold (memcpy and the like) the kernel has itself.
    fn core(&self) -> Result<()> {
        let mut rustc = self.rustc("core", "rlib");
        rustc.args(["-Zforce-unstable-if-unmarked", "--cap-lints=allow"]);
        run(rustc.arg(self.sources.join("core/src/lib.rs")))?;
        let empty = self.out.join("compiler_builtins.rs");
        fs::write(&empty, EMPTY).with_context(|| format!("{} not written", empty.display()))?;
        run(self.rustc("compiler_builtins", "rlib").arg("--cap-lints=allow").arg(empty))?;
        Ok(())
    }

    fn library(&self, name: &str, source: &Path) -> Result<()> {
        run(self.rustc(name, "rlib").arg("-Dwarnings").arg(source))?;
        Ok(())
    }

    fn archive(&self, name: &str, source: &Path) -> Result<PathBuf> {
        let mut rustc = self.rustc(name, "staticlib");
        run(rustc.args(["-Dwarnings", "--extern", "netconsole_wire"]).arg(source))?;
        Ok(self.out.join(format!("lib{name}.a")))
    }

    /// No path of this machine gets into what is made.
    fn rustc(&self, name: &str, kind: &str) -> Command {
        let mut rustc = rustc();
        rustc.args(KERNEL).args(WHOLE).args(if self.thunks { &THUNKS[..] } else { &[] });
        rustc.args(["--crate-name", name, "--crate-type", kind, "--sysroot=/dev/null"]);
        rustc.arg("-L").arg(&self.out).arg("--out-dir").arg(&self.out);
        rustc.arg(format!("--remap-path-prefix={}=/rust", self.sources.display()));
        rustc.arg(format!("--remap-path-prefix={}=", root().display()));
        rustc
    }
}

/// The flags are unstable ones, the compiler a stable one: that of the objects' bytes.
fn rustc() -> Command {
    let mut rustc = Command::new("rustup");
    rustc.args(["run", TOOLCHAIN, "rustc"]).env("RUSTC_BOOTSTRAP", "1");
    rustc.env_remove("RUSTC").env_remove("RUSTUP_TOOLCHAIN");
    rustc
}

pub(crate) fn run(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("{command:?} did not start"))?;
    if !output.status.success() {
        bail!(
            "{command:?} ended with {}:\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The object of a crate in an archive of ar(5): headers of 60 bytes, long names in a table `//`.
fn member(archive: &Path, name: &str) -> Result<Vec<u8>> {
    let bytes = fs::read(archive).with_context(|| format!("{} not read", archive.display()))?;
    let mut rest = bytes.strip_prefix(b"!<arch>\n").context("no archive")?;
    let (mut names, mut found) = (String::new(), None);
    while let Some((header, after)) = rest.split_at_checked(60) {
        let field = |range: std::ops::Range<usize>| String::from_utf8_lossy(&header[range]);
        let size: usize = field(48..58).trim().parse().context("no size in an archive's header")?;
        let (content, after) = after.split_at_checked(size).context("an archive that is cut")?;
        let id = field(0..16).trim_end().to_owned();
        match id.strip_prefix('/').map(str::parse::<usize>) {
            _ if id == "//" => names = String::from_utf8_lossy(content).into_owned(),
            Some(Ok(at)) if names.get(at..).is_some_and(|n| n.starts_with(&format!("{name}."))) => {
                ensure!(found.is_none(), "two objects of {name} in {}", archive.display());
                found = Some(content.to_vec());
            }
            _ => {}
        }
        rest = after.get(size % 2..).unwrap_or_default();
    }
    found.with_context(|| format!("no object of {name} in {}", archive.display()))
}

#[allow(clippy::print_stdout, reason = "what a recipe has made")]
fn println_object(name: &str, object: &[u8]) {
    println!("{name}: {} bytes", object.len());
}

fn home() -> PathBuf {
    root().join("kmod/shim")
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap_or_default()
}

const EMPTY: &str =
    "#![feature(compiler_builtins)]\n#![compiler_builtins]\n#![no_builtins]\n#![no_std]\n";
