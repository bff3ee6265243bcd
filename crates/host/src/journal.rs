//! What takes back what was done, written down before it is done.
//!
//! There are two: of what a start of the machine takes back anyway, in `/run`, and of what stays,
//! in `/var/lib`. Each line is on the disk before its step is begun.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};

use bedside_plan::Undo;

use crate::{Error, Machine};

/// The journal of a machine.
pub(crate) struct Journal<'m> {
    machine: &'m Machine,
}

impl<'m> Journal<'m> {
    pub(crate) fn of(machine: &'m Machine) -> Self {
        Self { machine }
    }

    /// All that has not been taken back, oldest first: what stays, then what passes.
    pub(crate) fn entries(&self) -> Result<Vec<Undo>, Error> {
        let mut entries = self.lines(LASTING)?;
        entries.extend(self.lines(&self.passing())?);
        Ok(entries)
    }

    /// Writes one down, unless it is there already.
    ///
    /// With what the module was loaded last is the last word about that; the first one says when
    /// it is to be unloaded.
    pub(crate) fn note(&self, undo: &Undo) -> Result<(), Error> {
        let mut entries = self.entries()?;
        if matches!(undo, Undo::Unload(_)) {
            let mut loads = (0..entries.len()).filter(|at| matches!(entries[*at], Undo::Unload(_)));
            let (first, last) = (loads.next(), loads.next_back());
            if last.or(first).is_some_and(|at| entries[at] == *undo) {
                return Ok(());
            }
            if let Some(at) = last {
                entries.remove(at);
                self.keep(&entries)?;
            }
        } else if entries.iter().any(|known| covers(known, undo)) {
            return Ok(());
        }
        let path = if undo.is_passing() { self.passing() } else { LASTING.to_owned() };
        self.append(&path, &undo.to_line())
    }

    /// Keeps these only.
    pub(crate) fn keep(&self, entries: &[Undo]) -> Result<(), Error> {
        for (path, passing) in [(LASTING.to_owned(), false), (self.passing(), true)] {
            let lines: Vec<String> = entries
                .iter()
                .filter(|undo| undo.is_passing() == passing)
                .map(|undo| undo.to_line() + "\n")
                .collect();
            if lines.is_empty() {
                self.remove(&path)?;
            } else {
                self.machine.put(&path, &lines.concat(), false)?;
            }
        }
        Ok(())
    }

    /// Its name tells the boot: what an earlier one did has passed.
    fn passing(&self) -> String {
        let boot = self.machine.word("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        format!("/run/bedside-patient/journal-{boot}")
    }

    fn lines(&self, path: &str) -> Result<Vec<Undo>, Error> {
        let text = self.machine.text(path)?.unwrap_or_default();
        Ok(text.lines().filter_map(Undo::parse).collect())
    }

    fn append(&self, path: &str, line: &str) -> Result<(), Error> {
        let path = self.machine.at(path);
        let dir = path.parent().unwrap_or(&path).to_owned();
        fs::create_dir_all(&dir).map_err(Error::change("make", dir.clone()))?;
        let write = || -> io::Result<()> {
            let mut file = OpenOptions::new().create(true).append(true).open(&path)?;
            // A newline in front ends what a crash may have cut.
            file.write_all(format!("\n{line}\n").as_bytes())?;
            file.sync_all()?;
            File::open(&dir)?.sync_all()
        };
        write().map_err(Error::change("write", path.clone()))
    }

    fn remove(&self, path: &str) -> Result<(), Error> {
        self.machine.remove(path)?;
        // With others in it, it stays.
        drop(self.machine.at(path).parent().map(fs::remove_dir));
        Ok(())
    }
}

/// Whether `known` takes back what `undo` would: of a file or setting the first entry holds what
/// was there before us.
fn covers(known: &Undo, undo: &Undo) -> bool {
    let file = |undo: &Undo| match undo {
        Undo::RemoveFile(path) | Undo::RestoreFile { path, .. } => Some(path.clone()),
        _ => None,
    };
    match (known, undo) {
        (Undo::SetKernel { path: one, new: was, .. }, Undo::SetKernel { path: other, new, .. }) => {
            one == other && was == new
        }
        _ => known == undo || file(known).is_some_and(|path| file(undo) == Some(path)),
    }
}

const LASTING: &str = "/var/lib/bedside-patient/journal";

#[cfg(test)]
mod tests {
    use bedside_plan::facts::Loaded;

    use super::*;

    #[test]
    fn the_last_load_is_told_and_the_first_one_kept() {
        let root = tempfile::tempdir().unwrap();
        let machine = Machine::new(root.path());
        let journal = Journal::of(&machine);
        let unload = |parameter: &str| {
            Undo::Unload(Loaded { parameter: parameter.into(), devices: vec![2] })
        };
        let target = Undo::RemoveTarget("bedside0".into());
        for parameter in ["a", "a", "b", "a", "c", "a"] {
            journal.note(&unload(parameter)).unwrap();
            journal.note(&target).unwrap();
        }
        assert_eq!(journal.entries().unwrap(), [unload("a"), target, unload("a")]);
    }
}
