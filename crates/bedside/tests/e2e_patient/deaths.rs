//! Deaths that say nothing, and what is known of them all the same.

use anyhow::{Result, ensure};
use bedside_lab::vm::Death;

use crate::ward::{KERNELS, Ward, ensure_said, said};

const MENDED: &str = r#"
bedside-patient up --no-permanent DOCTOR; echo "up: $?"
bedside-patient check; echo "check: $?"
bedside-patient check --set-panic panic=0; echo "set: $?"
bedside-patient check > /dev/null; echo "again: $?"
"#;

/// A 7.x that restarts itself after a panic sends nothing of it; `check` says so, and how to
/// change that. Should a later kernel send it, the first check is well.
#[test]
fn a_7_that_would_die_in_silence_is_told_and_cured() -> Result<()> {
    let ward = Ward::open()?;
    let machine = ward.admit("7", Death::PanicThenRestart, MENDED)?;
    let words = [
        "up: 0",
        "PROBLEM  panic: kernel.panic = 1, and this kernel's netconsole sends from a thread",
        "check: 1",
        "sysctl kernel.panic = 0",
        "set: 0",
        "again: 0",
    ];
    ensure_said("7", &said(&machine)?, &words)?;
    ward.heard("end Kernel panic")?;
    Ok(())
}

/// Once it catches signals, an agent that is told to end says goodbye.
const LEAVING: &str = r#"
bedside-patient up --no-permanent DOCTOR; echo "up: $?"
bedside-patient agent & agent=$!
wait_for 30 grep -q 'SigBlk:.*[1-9]' /proc/$agent/status
kill $agent; wait $agent; echo "agent: $?"
"#;

#[test]
fn a_machine_whose_agent_ends_has_left() -> Result<()> {
    let ward = Ward::open()?;
    let machine = ward.admit("6.1", Death::PowerOff, LEAVING)?;
    ensure_said("6.1", &said(&machine)?, &["up: 0", "agent: 0"])?;
    ward.lives("left")
}

const BEATING: &str = "
bedside-patient up --no-permanent --heartbeat 1 DOCTOR
bedside-patient agent
";

/// What is cut off, as by a power cut, says no goodbye.
#[test]
fn a_machine_that_is_cut_off_is_a_flatline() -> Result<()> {
    for kernel in KERNELS {
        let ward = Ward::open()?;
        let machine = ward.admit(kernel, Death::PowerOff, BEATING)?;
        ward.lives("alive")?;
        drop(machine);
        ward.lives("flatline")?;
        let boots = String::from_utf8(ward.bedside.run("boots", &[])?.stdout)?;
        ensure!(boots.contains("flatline"), "{kernel}: {boots}");
    }
    Ok(())
}
