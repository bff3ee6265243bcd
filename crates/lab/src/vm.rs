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

    /// Its release, as `uname -r` tells it.
    pub fn release(&self) -> Result<String> {
        let version = self.home.join("version");
        let text = fs::read_to_string(&version);
        let text = text.with_context(|| format!("{} not read", version.display()))?;
        Ok(text.trim().to_owned())
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

/// Fetches the kernels into `dir` if they aren't there yet, and makes their initramfs; `more` of
/// them than `vm/fetch.sh` fetches anyway, by the names that it gives. Needs Debian's apt and the
/// network.
pub fn prepare(dir: &Path, more: &[&str]) -> Result<()> {
    let words = std::iter::once(dir.as_os_str()).chain(more.iter().map(OsStr::new));
    run_script("vm/fetch.sh", &words.collect::<Vec<_>>())?;
    initramfs::pack(&dir.join("debian"), &dir.join("debian.cpio"))?;
    KERNELS.iter().chain(more).try_for_each(|name| build_initramfs(dir, name))
}

/// Builds the kernel `checked` into `dir` if it isn't there yet, where [`prepare`] was: a small 7.x
/// that looks at itself (`vm/checked.sh`). A quarter of an hour.
pub fn prepare_checked(dir: &Path) -> Result<()> {
    run_script("vm/checked.sh", &[dir.as_ref()])?;
    build_initramfs(dir, "checked")
}

fn build_initramfs(dir: &Path, kernel: &str) -> Result<()> {
    let home = dir.join(kernel);
    initramfs::build(&home.join("modules"), &dir.join("busybox"), &home.join("initramfs"))
        .with_context(|| format!("no initramfs for kernel {kernel}"))
}

/// A kernel that was prepared in `dir`, by its name there: `6.1`, say.
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

/// The kernels that `vm/fetch.sh` fetches in any case.
const KERNELS: [&str; 5] = ["6.1", "6.1-amd64", "6.12", "7", "7-older"];
