//! `bedside-patient down`: everything as it was.

use bedside_host::{Machine, Undone};

use crate::tell::{indented, say};
use crate::{Exit, harvest};

pub(crate) fn run(machine: &Machine) -> anyhow::Result<Exit> {
    if machine.undoable()? == 0 {
        say!("nothing to take back: `up` has done nothing here, or `down` has been here");
        return Ok(Exit::Well);
    }
    let lock = machine.lock()?;
    let failed = take_back(machine, 0)?;
    machine.forget(harvest::NOTE)?;
    if failed == 0 {
        machine.leave(lock)?;
        say!("all is as it was before `up`");
        return Ok(Exit::Well);
    }
    say!("{failed} could not be taken back; `bedside-patient down` tries again");
    Ok(Exit::CouldNot)
}

/// Takes back all but the oldest `keep` things; says how many could not be.
pub(crate) fn take_back(machine: &Machine, keep: usize) -> anyhow::Result<usize> {
    let mut failed = 0;
    machine.undo(keep, &mut |undo, undone| match undone {
        Undone::Nothing => {}
        Undone::Done => say!("{undo}"),
        Undone::Left(why) => say!("{undo}: left, {why}"),
        Undone::Failed(error) => {
            failed += 1;
            say!("{undo}: failed\n{}", indented(&error.to_string()));
        }
    })?;
    Ok(failed)
}
