//! The module that delivers a death, where it is installed.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use anyhow::{Context, Result, ensure};
use bedside_lab::vm::{self, Arms, Death, Order};
use bedside_lab::wait;

use crate::ward::{HOME, LIFETIME, Ward, ensure_said, said, texts};

const MODULE: &str = "bedside_netconsole";
/// Where a machine has it.
pub(crate) const PLACE: &str = "modules/kernel/bedside_netconsole.ko";

static BUILT: LazyLock<()> = LazyLock::new(|| {
    let shim = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../kmod/shim"));
    vm::build_module(&HOME, shim, MODULE).expect("the module builds");
});

/// The module for a kernel, built once.
pub(crate) fn module(kernel: &str) -> Result<PathBuf> {
    LazyLock::force(&BUILT);
    Ok(vm::kernel(&HOME, kernel)?.module(MODULE))
}

/// A machine that gets these files as well.
pub(crate) fn with(files: Vec<(String, PathBuf)>) -> impl FnOnce(&mut Order<'_>) {
    move |order| {
        if let Arms::Script { files: all, .. } = &mut order.arms {
            all.extend(files);
        }
    }
}

pub(crate) const INSTALLED: &str = r"
dep=/lib/modules/$(uname -r)/modules.dep
install_module() { echo kernel/bedside_netconsole.ko: >> $dep; }
";

/// Not installed, then installed, undone, and as it is to die.
const BESIDE: &str = r#"
look > /tmp/before
bedside-patient up --no-permanent DOCTOR; echo "without: $?"
bedside-patient down > /tmp/down
install_module
bedside-patient up --no-permanent DOCTOR; echo "with: $?"
bedside-patient up --no-permanent --no-test DOCTOR; echo "again: $?"
bedside-patient status; echo "status: $?"
bedside-patient check > /tmp/check; echo "check: $?"; grep death /tmp/check
bedside-patient down; echo "down: $?"
look > /tmp/after; diff /tmp/before /tmp/after && echo "as it was"

modprobe bedside_netconsole netconsole=@/eth0,@10.0.2.9/
left_alone bedside-patient up --no-permanent DOCTOR
modprobe -r bedside_netconsole

bedside-patient up --no-permanent --no-test DOCTOR > /tmp/up
bedside-patient agent > /tmp/agent 2>&1 & agent=$!
modprobe -r bedside_netconsole; mv /newer.ko /modules/kernel/bedside_netconsole.ko
newer() { grep 0.1.9 /sys/module/bedside_netconsole/version && bedside-patient status; }
wait_for 60 newer && echo "upgraded"
gone() { ip link set eth0 down; ip link set eth0 name lan0; ip link set lan0 up; }
gone; ip route add default via 10.0.2.2
follows() { grep lan0 /sys/module/bedside_netconsole/parameters/targets && bedside-patient status; }
wait_for 60 follows && echo "followed"
kill $agent; wait $agent; cat /tmp/agent
dmesg -n 1; echo '<7>lab: no console shows this' > /dev/kmsg; dmesg -n 8
"#;

/// Of a stock 7.x that restarts itself, netconsole sends nothing of a panic.
#[test]
fn a_7_that_would_die_in_silence_delivers_its_death_with_the_module() -> Result<()> {
    let ward = Ward::open()?;
    let built = module("7")?;
    let old = fs::read(&built).with_context(|| format!("{} not read", built.display()))?;
    let newer = ward.keep("newer.ko", replaced(&old, b"version=0.1.0", b"version=0.1.9"))?;
    let files = vec![(PLACE.into(), built), ("newer.ko".into(), newer)];
    let script = format!("{INSTALLED}{BESIDE}");
    let mut machine = ward.admit_with("7", Death::PanicThenRestart, &script, with(files))?;
    let words = [
        "note: kernel.panic = 1, and this kernel's netconsole sends from a thread",
        "try: install bedside_netconsole",
        "without: 0",
        "this kernel's own netconsole sends nothing of a panic before the restart; this module",
        "with: 0",
        "nothing to do: all is as wished",
        "again: 0",
        "bedside_netconsole would send the kernel's death to +r",
        "status: 0",
        "check: 0",
        "bedside_netconsole sends the death before it restarts",
        "down: 0\nas it was",
        "was loaded by somebody else, with netconsole=",
        "exit 1\nnothing done",
        "upgraded",
        "followed",
    ];
    ensure_said("7", &said(&machine)?, &words)?;
    machine.wait_for_end()?;
    its_death_is_whole(&ward, "7")
}

const ALONE: &str = r#"
grep -v '/netconsole.ko' $dep > /tmp/dep; cp /tmp/dep $dep
bedside-patient up --no-permanent DOCTOR; echo "without: $?"
install_module
look > /tmp/before
bedside-patient up --no-permanent DOCTOR; echo "with: $?"
bedside-patient status; echo "status: $?"
bedside-patient check > /tmp/check; echo "check: $?"
bedside-patient down > /tmp/down
look > /tmp/after; diff /tmp/before /tmp/after && echo "as it was"
bedside-patient up --no-permanent DOCTOR; echo "again: $?"
dmesg -n 1; echo '<7>lab: no console shows this' > /dev/kmsg; dmesg -n 8
"#;

#[test]
fn a_kernel_without_netconsole_sends_all_with_the_module() -> Result<()> {
    let ward = Ward::open()?;
    let files = vec![(PLACE.into(), module("6.1")?)];
    let script = format!("{INSTALLED}{ALONE}");
    let mut machine = ward.admit_with("6.1", Death::PanicThenRestart, &script, with(files))?;
    let words = [
        "has no netconsole, built in or as a module",
        "without: 1",
        "live=on",
        "with: 0",
        "the kernel writes to the console bedside_ext",
        "status: 0",
        "check: 0",
        "as it was",
        "again: 0",
    ];
    ensure_said("6.1", &said(&machine)?, &words)?;
    machine.wait_for_end()?;
    its_death_is_whole(&ward, "6.1")?;
    let items = ward.heard("lab: no console shows this")?;
    ensure!(texts(&items)[0].starts_with("Linux version"), "not the boot log");
    Ok(())
}

/// To the last line before the restart, in one boot.
fn its_death_is_whole(ward: &Ward, kernel: &str) -> Result<()> {
    ward.heard("Rebooting in 1 seconds..")?;
    ward.heard("lab: no console shows this")?;
    let boots = wait::until_within(LIFETIME, "the death to be told", || {
        let boots = String::from_utf8(ward.bedside.run("boots", &[])?.stdout)?;
        Ok(boots.contains("its death is here").then_some(boots))
    })?;
    ensure!(boots.contains("panic; its death is here whole, "), "{kernel}: {boots}");
    ensure!(boots.matches("its death").count() == 1, "{kernel}: more than one boot: {boots}");
    Ok(())
}

/// The bytes with each `from` made `to`, which is as long.
fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let found = bytes.windows(from.len()).enumerate().filter(|(_, window)| *window == from);
    let places: Vec<usize> = found.map(|(at, _)| at).collect();
    for at in places {
        bytes[at..at + to.len()].copy_from_slice(to);
    }
    bytes
}
