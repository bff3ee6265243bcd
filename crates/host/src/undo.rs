//! Takes back what the journal says.

use std::fs;
use std::io;

use bedside_plan::{Undo, path};

use crate::apply::words;
use crate::journal::Journal;
use crate::{Error, Machine};

/// What came of taking one thing back.
#[derive(Debug)]
pub enum Undone {
    /// It is as it was.
    Done,
    /// It was so already.
    Nothing,
    /// Somebody has changed it meanwhile, or uses it: it was left.
    Left(&'static str),
    /// It did not work, and is tried again the next time.
    Failed(Error),
}

impl Machine {
    /// How many things there are to take back.
    pub fn undoable(&self) -> Result<usize, Error> {
        Ok(Journal::of(self).entries()?.len())
    }

    /// Takes back all but the oldest `keep` things, the last one first; `tell` hears of each.
    /// The caller holds the machine's lock.
    pub fn undo(&self, keep: usize, tell: &mut dyn FnMut(&Undo, &Undone)) -> Result<(), Error> {
        let journal = Journal::of(self);
        let mut entries = journal.entries()?;
        let mut failed = Vec::new();
        while entries.len() > keep {
            let Some(entry) = entries.pop() else { break };
            let undone = if is_load(&entry) && entries.iter().any(is_load) {
                // Loaded more than once: unloaded with the first one, when nothing uses it.
                Undone::Nothing
            } else {
                self.take_back(&entry).unwrap_or_else(Undone::Failed)
            };
            tell(&entry, &undone);
            if matches!(undone, Undone::Failed(_)) {
                failed.push(entry);
            }
            let left: Vec<Undo> = entries.iter().chain(failed.iter().rev()).cloned().collect();
            journal.keep(&left)?;
        }
        Ok(())
    }

    /// Has a file be what it was before it was written first.
    pub(crate) fn take_back_file(&self, path: &str) -> Result<(), Error> {
        let journal = Journal::of(self);
        let mut entries = journal.entries()?;
        let is_it = |undo: &Undo| match undo {
            Undo::RemoveFile(file) | Undo::RestoreFile { path: file, .. } => file == path,
            _ => false,
        };
        let at = entries.iter().position(is_it);
        let entry = at.map_or_else(|| Undo::RemoveFile(path.to_owned()), |at| entries.remove(at));
        self.take_back(&entry)?;
        journal.keep(&entries)
    }

    fn take_back(&self, entry: &Undo) -> Result<Undone, Error> {
        match entry {
            Undo::Unload(_) => self.unload_unless_needed(),
            Undo::UnloadDumper if self.has_dumper() => {
                self.unload_dumper()?;
                Ok(Undone::Done)
            }
            Undo::UnmountConfigfs if self.has_configfs() => {
                self.run(&words(&format!("umount {}", path::CONFIGFS)))?;
                Ok(Undone::Done)
            }
            Undo::UnloadConfigfs if self.word(CONFIGFS_USERS).as_deref() == Some("0") => {
                self.run(&words("modprobe -r configfs"))?;
                Ok(Undone::Done)
            }
            Undo::RemoveTarget(name) if self.is_dir(&format!("{}/{name}", path::TARGETS)) => {
                self.remove_target(name)?;
                Ok(Undone::Done)
            }
            Undo::SetKernel { path, old, new } => self.set_back(path, old, new),
            Undo::RemoveFile(path) => {
                Ok(if self.remove(path)? { Undone::Done } else { Undone::Nothing })
            }
            Undo::RemoveDir(path) if self.is_dir(path) => match fs::remove_dir(self.at(path)) {
                Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {
                    Ok(Undone::Left("something else is in it"))
                }
                Err(error) => Err(Error::change("remove", self.at(path))(error)),
                Ok(()) => Ok(Undone::Done),
            },
            Undo::RestoreFile { path, content } => {
                self.put(path, content, false)?;
                Ok(Undone::Done)
            }
            Undo::Run(words) => {
                self.run(words)?;
                Ok(Undone::Done)
            }
            _ => Ok(Undone::Nothing),
        }
    }

    /// A module that somebody else's targets need is left.
    fn unload_unless_needed(&self) -> Result<Undone, Error> {
        if !self.is_there("/sys/module/netconsole/initstate") {
            return Ok(Undone::Nothing);
        }
        if self.targets().iter().any(|target| target.enabled) {
            return Ok(Undone::Left("targets of others need it"));
        }
        self.unload()?;
        Ok(Undone::Done)
    }

    fn set_back(&self, path: &str, old: &str, new: &str) -> Result<Undone, Error> {
        let now = self.word(path).unwrap_or_default();
        match now.split_whitespace().next() {
            Some(now) if now == old => Ok(Undone::Nothing),
            Some(now) if now == new => {
                self.set(path, old)?;
                Ok(Undone::Done)
            }
            _ => Ok(Undone::Left("somebody has changed it meanwhile")),
        }
    }
}

/// How many use the module; it is not there where configfs is part of the kernel.
const CONFIGFS_USERS: &str = "/sys/module/configfs/refcnt";

fn is_load(entry: &Undo) -> bool {
    matches!(entry, Undo::Unload(_))
}
