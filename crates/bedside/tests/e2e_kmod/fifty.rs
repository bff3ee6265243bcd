//! What once hung a machine or lost lines now and then is whole each time, and it restarts.
//!
//! A machine is saved when it is armed, and goes on from there 50 times, each time after a moment of
//! another length: so a run takes seconds. `BEDSIDE_ROUNDS` may give another number.

use std::path::Path;

use anyhow::{Result, ensure};

use crate::matrix::{Dying, Sender, named, script};
use crate::ward::{CHOSEN, Desk, rounds_or};
use crate::ways::Way;

/// Until a word comes, and the machine has told its network that it is here, which its host has asked
/// for; and then up to 33 ms.
const WAIT: &str = "echo armed\nread -r word < /dev/ttyS1\nsleep 1\nusleep $RANDOM";

const RUNS: usize = 50;

#[test]
fn a_slow_card_and_a_flood() -> Result<()> {
    each_time("slow card, 3,000 lines before")
}

#[test]
fn a_flood() -> Result<()> {
    each_time("3,000 lines before")
}

#[test]
fn a_transmit_lock_held_elsewhere() -> Result<()> {
    each_time("transmit lock held elsewhere")
}

#[test]
fn a_bond() -> Result<()> {
    each_time("bond")
}

#[test]
fn a_vlan() -> Result<()> {
    each_time("VLAN")
}

#[test]
fn out_of_memory() -> Result<()> {
    each_time("out of memory")
}

#[test]
fn an_nmi() -> Result<()> {
    each_time("NMI")
}

#[expect(clippy::print_stdout, reason = "what is under way, as it takes minutes")]
fn each_time(name: &str) -> Result<()> {
    let way = named(name)?;
    let script = script(way, Sender::Module, WAIT);
    for kernel in CHOSEN.iter() {
        let place = tempfile::tempdir()?;
        let state = place.path().join("state");
        let ports = arm(way, kernel, &script, &state)?;
        for run in 1..=rounds_or(RUNS)? {
            let desk = Desk { ports, ..Desk::new()? };
            let mut dying = Dying::admit_to(desk, way, kernel, &script, Some(&state))?;
            dying.ward.machine.tell("go")?;
            let outcome = dying.end()?;
            let console = dying.ward.machine.console()?;
            let console = String::from_utf8_lossy(&console);
            let boots = String::from_utf8(dying.ward.bedside.run("boots", &[])?.stdout)?;
            let whole = outcome.is_whole();
            ensure!(whole, "{kernel}, {name}, run {run}: {outcome:?}\n{boots}\n{console}");
            println!("{kernel}, {name}, run {run}: {}/{} whole", outcome.heard, outcome.lines);
        }
    }
    Ok(())
}

/// Saves a machine that is armed; where it sends to.
fn arm(way: &'static Way, kernel: &str, script: &str, state: &Path) -> Result<[u16; 3]> {
    let Dying { ward, .. } = Dying::admit_to(Desk::new()?, way, kernel, script, None)?;
    ward.has_said("armed")?;
    ward.machine.save(state)?;
    Ok(ward.ports)
}
