//! `up`, `status` and `test`.

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
