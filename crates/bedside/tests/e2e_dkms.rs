//! The kernel module as people get it: a package that DKMS builds on their machine.
//!
//! `cargo test -p bedside --features vm --test e2e_dkms`. Needs what `e2e_kmod` needs.

use std::path::Path;

use anyhow::{Result, ensure};
use bedside_lab::{programs, vm};

const KERNELS: [&str; 3] = ["6.1", "6.12", "7"];

/// Debian's dpkg and dkms install it for each kernel that is there, signed with the machine's own
/// key and where modprobe finds it; a newer one takes its place; and when it is removed nothing of
/// it is left. A kernel without return thunks gets the logic that has none.
#[test]
fn a_package_brings_the_module_to_every_kernel_and_takes_it_away_again() -> Result<()> {
    let home = Path::new(concat!(env!("CARGO_TARGET_TMPDIR"), "/vm"));
    vm::prepare(home, &[])?;
    let said = vm::install_package(home, &programs::package()?, "bedside_netconsole")?;
    let version = env!("CARGO_PKG_VERSION");
    let place = "DKMSmodulesigningkey updates/dkms/bedside_netconsole.ko";
    for kernel in KERNELS {
        for begins in [
            format!("installed {kernel} {version} {place}"),
            format!("upgraded {kernel} {version}.1 {place}"),
        ] {
            let found = said.lines().filter(|line| line.starts_with(&begins)).count();
            ensure!(found == 1, "{begins:?} is not in:\n{said}");
        }
    }
    ensure!(said.lines().any(|line| line == "plain logic-plain.bin"), "{said}");
    ensure!(said.lines().count() == 2 * KERNELS.len() + 1, "something is left:\n{said}");
    Ok(())
}
