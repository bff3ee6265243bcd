//! Stock kernels with the module of `kmod/` live and die, and the doctor holds every line.
//!
//! `cargo test -p bedside --features vm --test e2e_kmod`. Needs what `e2e_vm` needs; the module is
//! built for each kernel with Debian's headers and compilers, from the objects that are in the
//! repository (`cargo xtask kmod --check` holds them to their source).

#[cfg(feature = "heavy")]
mod checked;
mod cycles;
mod deaths;
#[cfg(feature = "heavy")]
mod fifty;
mod incidents;
mod matrix;
mod signed;
mod targets;
mod ward;
mod ways;

use anyhow::{Result, ensure};
use bedside_lab::vm;

use crate::ward::{HOME, KERNELS, MODULE};

/// objtool looks at the logic as well, which no compiler of the kernel's has made.
#[test]
fn the_kernels_own_judge_has_no_objection() -> Result<()> {
    for kernel in KERNELS {
        let log = vm::kernel(&HOME, kernel)?.build_log(MODULE)?;
        ensure!(log.contains("LD [M]"), "{kernel}: nothing was built:\n{log}");
        let warnings = log.lines().filter(|line| line.contains("warning:"));
        let warnings: Vec<&str> = warnings.collect();
        ensure!(warnings.is_empty(), "{kernel}: {warnings:?}");
    }
    Ok(())
}
