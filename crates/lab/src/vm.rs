//! Patients in a virtual machine: Debian's stock kernels with their own netconsole, in QEMU's
//! software emulation, dying on request.

mod initramfs;
mod machine;
mod wire;

pub use machine::{Arms, Death, Machine, Order};
pub use wire::Wire;

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// A kernel and the initramfs made for it.
#[derive(Clone, Debug)]
pub struct Kernel {
    /// The compressed kernel image.
    pub image: PathBuf,
    /// Its initramfs.
    pub initramfs: PathBuf,
    /// What makes a machine with it a Debian rather than a busybox, as a second archive.
    pub debian: PathBuf,
    home: PathBuf,
}

impl Kernel {
    /// Where a module that was built for it is ([`build_module`]).
    pub fn module(&self, name: &str) -> PathBuf {
        self.home.join(name).with_extension("ko")
    }

    /// What the build of a module said, warnings of objtool among it.
    pub fn build_log(&self, name: &str) -> Result<String> {
        let log = self.home.join(name).with_extension("log");
        fs::read_to_string(&log).with_context(|| format!("{} not read", log.display()))
    }
}

/// The parameter that makes a machine send to `port` of the host, which it sees as 10.0.2.2.
pub fn netconsole(extended: bool, port: u16) -> String {
    let extended = if extended { "+" } else { "" };
    format!("{extended}@/eth0,{port}@10.0.2.2/")
}

/// Fetches the kernels into `dir` if they aren't there yet, and makes their initramfs; needs
/// Debian's apt and the network.
pub fn prepare(dir: &Path) -> Result<()> {
    run_script("vm/fetch.sh", &[dir.as_ref()])?;
    initramfs::pack(&dir.join("debian"), &dir.join("debian.cpio"))?;
    for name in KERNELS {
        let home = dir.join(name);
        initramfs::build(&home.join("modules"), &dir.join("busybox"), &home.join("initramfs"))
            .with_context(|| format!("no initramfs for kernel {name}"))?;
    }
    Ok(())
}

/// A kernel that was prepared in `dir`: `6.1`, `6.12`, `7`, or `6.1-wifi`, which has a radio.
pub fn kernel(dir: &Path, name: &str) -> Result<Kernel> {
    let home = dir.join(name);
    let (image, initramfs) = (home.join("vmlinuz"), home.join("initramfs"));
    let kernel = Kernel { image, initramfs, debian: dir.join("debian.cpio"), home };
    for file in [&kernel.image, &kernel.initramfs, &kernel.debian] {
        ensure!(file.is_file(), "no {}: is kernel {name} prepared?", file.display());
    }
    Ok(kernel)
}

/// Builds the kernel module `name` from the folder `source` for each kernel that was prepared in
/// `dir`; [`Kernel::module`] says where it is then. Needs Debian's apt and the network the first
/// time, and a kernel that lets the user be root in a namespace.
pub fn build_module(dir: &Path, source: &Path, name: &str) -> Result<()> {
    run_script("vm/kbuild.sh", &[dir.as_ref(), source.as_ref(), name.as_ref()]).map(drop)
}

/// The source of a module that kills its kernel: `insmod lethal.ko how=NAME`.
pub fn lethal() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("vm/lethal")
}

/// What becomes of a package for DKMS, of the kernel module `name`, where it is installed,
/// replaced and removed: the lines that `vm/dkms.sh` says. Needs what [`build_module`] needs.
pub fn install_package(dir: &Path, package: &Path, name: &str) -> Result<String> {
    run_script("vm/dkms.sh", &[dir.as_ref(), package.as_ref(), name.as_ref()])
}

fn run_script(name: &str, args: &[&OsStr]) -> Result<String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    let output = Command::new(&script).args(args).output();
    let output = output.with_context(|| format!("{} did not start", script.display()))?;
    ensure!(
        output.status.success(),
        "{} ended with {}: {}",
        script.display(),
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The names under which the newest of their kind are kept.
const KERNELS: [&str; 4] = ["6.1", "6.1-wifi", "6.12", "7"];
