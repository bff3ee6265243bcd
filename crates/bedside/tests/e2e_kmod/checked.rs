//! A kernel that looks at itself while the module lives and dies in it: whether locks are taken in
//! an order and a context that can't hang (PROVE_LOCKING), whether anybody sleeps who must not
//! (DEBUG_ATOMIC_SLEEP), whether memory is used that is not theirs (KASAN) or lost
//! (DEBUG_KMEMLEAK).
//!
//! ```text
//! cargo test -p bedside --features vm,heavy --test e2e_kmod checked -- --nocapture
//! ```

use std::sync::LazyLock;

use anyhow::{Context, Result, ensure};
use bedside_lab::vm::{self, Death};

use crate::matrix::{Dying, Sender};
use crate::ward::{HOME, Ward, build_modules};
use crate::ways::chosen;

/// That kernel, once it is there.
static CHECKED: LazyLock<&str> = LazyLock::new(|| {
    vm::prepare_checked(&HOME).expect("Debian has the source");
    build_modules(&HOME).expect("the modules build");
    "checked"
});

/// Targets come, change and go, as does their card, and the module at last.
const LIFE: &str = r#"
round() {
  insmod /bedside_netconsole.ko netconsole=+@/eth0,DOCTOR || echo "load $?"
  echo '+@/eth0,DOCTOR;@/eth0,SECOND;@/eth7,SECOND;@/eth0,THIRD' > $parameters/netconsole
  echo off > $parameters/live; echo auto > $parameters/live
  i=0
  while [ $i -lt 300 ]; do say "line $i of a flood"; i=$((i + 1)); done
  ip link set eth0 down; say "down"; ip link set eth0 up
  wait_for carrier
  echo '+@/eth0,DOCTOR52:55:0a:00:02:02' > $parameters/netconsole
  virtio=$(basename $(readlink /sys/class/net/eth0/device))
  echo $virtio > /sys/bus/virtio/drivers/virtio_net/unbind
  echo $virtio > /sys/bus/virtio/drivers/virtio_net/bind
  ip addr add 10.0.2.15/24 dev eth0; ip link set eth0 up; wait_for carrier
  cat $parameters/netconsole > $parameters/netconsole
  show alive
  rmmod bedside_netconsole; echo "unload $?"
}
mount -t debugfs debugfs /sys/kernel/debug
round; round; round
for look in 1 2; do sleep 6; echo scan > /sys/kernel/debug/kmemleak; done
echo "lost:"
cat /sys/kernel/debug/kmemleak
echo "taint $(cat /proc/sys/kernel/tainted)"
"#;

#[test]
fn it_has_no_objection_to_how_the_module_lives() -> Result<()> {
    let ward = Ward::admit(&CHECKED, Death::PowerOff, LIFE, |_| {})?;
    let said = ward.said()?;
    ensure!(said.matches("alive:\nenabled ").count() == 3, "{said}");
    ensure!(said.matches("unload 0\n").count() == 3 && !said.contains("load 1"), "{said}");
    let lost = said.split("lost:\n").nth(1).context("no look at what was lost")?;
    ensure!(!lost.contains("bedside_netconsole") && !lost.contains("insmod"), "{lost}");
    // A module that is not the kernel's own.
    ensure!(lost.contains(&format!("taint {}\n", 1 << 12)), "something went wrong: {lost}");
    ensure_no_objection(&ward)
}

#[test]
#[expect(clippy::print_stdout, reason = "what is under way, as it takes a quarter of an hour")]
fn nor_to_how_its_kernel_dies() -> Result<()> {
    let mut failed = Vec::new();
    for way in chosen() {
        let mut dying = Dying::admit(way, &CHECKED, Sender::Module)?;
        let outcome = dying.end().and_then(|it| ensure_no_objection(&dying.ward).map(|()| it));
        match outcome {
            Ok(outcome) => println!("{}: {outcome:?}", way.name),
            Err(error) => failed.push(format!("{}: {error:#}", way.name)),
        }
    }
    ensure!(failed.is_empty(), "{}", failed.join("\n"));
    Ok(())
}

/// No trace goes through the module: the kernel prints one with each objection.
fn ensure_no_objection(ward: &Ward) -> Result<()> {
    let console = String::from_utf8_lossy(&ward.machine.console()?).into_owned();
    ensure!(console.contains("Lock dependency validator"), "this kernel does not look at locks");
    ensure!(console.contains("KernelAddressSanitizer initialized"), "nor at memory");
    let through_it = |line: &&str| line.contains("[bedside_netconsole]");
    ensure!(console.lines().find(through_it).is_none(), "an objection:\n{console}");
    let (before, _) = console.split_once("it dies now").unwrap_or((&console, ""));
    for words in ["WARNING: ", "BUG: ", "INFO: ", "turning off"] {
        ensure!(!before.contains(words), "{words}:\n{console}");
    }
    Ok(())
}
