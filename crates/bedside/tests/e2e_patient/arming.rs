//! `up`, and what is left of it at the next start.

use anyhow::{Context, Result, ensure};
use bedside_lab::vm::Death;

use crate::ward::{KERNELS, Ward, ensure_said, said, texts};

const UP_AND_AGAIN: &str = r#"
bedside-patient up DOCTOR; echo "up: $?"
bedside-patient up --no-test DOCTOR; echo "again: $?"
bedside-patient status; echo "status: $?"
bedside-patient test; echo "test: $?"
"#;

#[test]
fn one_command_arms_a_machine_and_its_death_is_heard() -> Result<()> {
    for kernel in KERNELS {
        let ward = Ward::open()?;
        let machine = ward.admit(kernel, Death::Panic, UP_AND_AGAIN)?;
        let said = said(&machine)?;
        let words = ["up: 0", "again: 0", "nothing to do", "status: 0", "test: 0"];
        ensure_said(kernel, &said, &words)?;
        let time = said.lines().find(|line| line.starts_with("armed and proven in"));
        eprintln!("kernel {kernel}: {}", time.context("no word of how long it took")?);
        let items = ward.heard("end Kernel panic")?;
        let texts = texts(&items);
        ensure!(texts[0].starts_with("Linux version"), "the boot log begins {:?}", texts[0]);
    }
    Ok(())
}

/// What would be on a disk after the machine was switched off.
const LASTING: &str = r#"
bedside-patient up --heartbeat off DOCTOR; echo "up: $?"
echo '<6>lab: the first start' > /dev/kmsg
echo begin; tar -C / -cf - etc var/lib | gzip | base64; echo end
"#;

/// The start of a machine with that disk, as an init system makes it.
const STARTED: &str = r#"
echo @DISK@ | base64 -d | gunzip | tar -C / -xf -
for module in $(grep -hv '^#' /etc/modules-load.d/*.conf); do modprobe $module; done
sysctl -q -p /etc/sysctl.d/60-bedside-patient.conf
echo '<6>lab: the second start' > /dev/kmsg
bedside-patient agent > /tmp/agent 2>&1 & agent=$!
wait_for 10 bedside-patient status
bedside-patient status
bedside-patient test; echo "test: $?"
kill $agent; wait $agent
bedside-patient down > /tmp/down; echo "down: $?"
cat /tmp/agent
find /etc -name '*bedside*'; lsmod | grep netconsole
"#;

#[test]
fn a_machine_that_starts_again_is_armed_from_its_start() -> Result<()> {
    for kernel in KERNELS {
        let ward = Ward::open()?;
        let machine = ward.admit(kernel, Death::PowerOff, LASTING)?;
        let first = said(&machine)?;
        ward.heard("lab: the first start")?;
        drop(machine);
        let disk = first.split("begin\n").nth(1).and_then(|rest| rest.split("\nend").next());
        let disk = disk.context("no disk")?.replace('\n', "");
        let machine = ward.admit(kernel, Death::PowerOff, &STARTED.replace("@DISK@", &disk))?;
        let said = said(&machine)?;
        ensure_said(kernel, &said, &["as wished", "test: 0", "down: 0", "take over netconsole="])?;
        let after = said.split("down: 0").nth(1).unwrap_or_default();
        ensure!(!after.contains("/etc/"), "{kernel}: something is left:\n{said}");
        let items = ward.heard("lab: the second start")?;
        let texts = texts(&items);
        let starts = texts.iter().filter(|text| text.starts_with("Linux version")).count();
        ensure!(starts == 2, "{kernel}: {starts} starts are told");
    }
    Ok(())
}
