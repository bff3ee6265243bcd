//! Carries out steps. What takes each back is in the journal before it is begun.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use bedside_plan::facts::Loaded;
use bedside_plan::{Action, Undo, path};

use crate::error::hint_of;
use crate::gather::PARAMETER_WRITTEN;
use crate::journal::Journal;
use crate::{Error, Kmsg, Machine};

impl Machine {
    /// Does it. The caller holds the machine's lock.
    pub fn apply(&self, action: &Action) -> Result<(), Error> {
        match action {
            Action::Load { parameter, devices, again } => self.load(parameter, devices, *again),
            Action::Adopt(loaded) => {
                self.note(&Undo::Unload(loaded.clone()))?;
                self.show_targets(&loaded.parameter)
            }
            Action::LoadDumper { parameter, live } => self.load_dumper(parameter, live),
            Action::SetDumper { parameter, live } => self.set_dumper(parameter, live),
            Action::SignDumper { with_key } => self.sign_dumper(*with_key),
            Action::MountConfigfs => self.mount_configfs(),
            Action::MakeTarget(name) => {
                self.note(&Undo::RemoveTarget(name.clone()))?;
                self.make_dir(&format!("{}/{name}", path::TARGETS))
            }
            Action::MakeUserdata { target, key } => {
                let userdata = format!("{}/{target}/userdata", path::TARGETS);
                if !self.is_dir(&userdata) {
                    return Ok(());
                }
                self.make_dir(&format!("{userdata}/{key}"))
            }
            Action::SetTarget { target, attribute, value, where_present } => {
                let path = format!("{}/{target}/{attribute}", path::TARGETS);
                if *where_present && !self.is_there(&path) {
                    return Ok(());
                }
                self.set(&path, value)
            }
            Action::RemoveTarget(name) => self.remove_target(name),
            Action::SetKernel { path, value } => {
                let old = self.word(path).unwrap_or_default();
                let old = old.split_whitespace().next().unwrap_or_default().to_owned();
                let (path, new) = (path.clone(), value.clone());
                self.note(&Undo::SetKernel { path: path.clone(), old, new })?;
                self.set(&path, value)
            }
            Action::WriteFile { path, content, executable } => {
                self.write_file(path, content, *executable)
            }
            Action::TakeBackFile(path) => self.take_back_file(path),
            Action::Run { words, undo } => {
                if !undo.is_empty() {
                    self.note(&Undo::Run(undo.clone()))?;
                }
                self.run(words)
            }
        }
    }

    fn note(&self, undo: &Undo) -> Result<(), Error> {
        Journal::of(self).note(undo)
    }

    /// A kernel that does not know `r` refuses the whole parameter: then without it.
    fn load(&self, parameter: &str, devices: &[u32], again: bool) -> Result<(), Error> {
        if again {
            self.unload()?;
        }
        // One that is refused leaves what it needs behind.
        let known = self.word("/proc/filesystems").unwrap_or_default();
        if !known.lines().any(|line| line.ends_with("\tconfigfs")) {
            self.note(&Undo::UnloadConfigfs)?;
        }
        let mut loaded = parameter.to_owned();
        let result = self.load_with(&loaded, devices);
        if result.is_err() && parameter.contains("+r") {
            loaded = parameter.replace("+r", "+");
            self.load_with(&loaded, devices)?;
        } else {
            result?;
        }
        self.show_targets(&loaded)
    }

    fn load_with(&self, parameter: &str, devices: &[u32]) -> Result<(), Error> {
        let loaded = Loaded { parameter: parameter.to_owned(), devices: devices.to_vec() };
        self.note(&Undo::Unload(loaded))?;
        let mut command = words("modprobe netconsole");
        if !parameter.is_empty() {
            command.push(format!("netconsole={parameter}"));
        }
        self.run(&command)
    }

    /// Unloads the module and what it alone needed. Some programs call it a failure that what it
    /// needed is still in use.
    pub(crate) fn unload(&self) -> Result<(), Error> {
        let result = self.run(&words("modprobe -r netconsole"));
        if self.is_there("/sys/module/netconsole/initstate") { result } else { Ok(()) }
    }

    /// A directory of the right name shows a parameter's target, where the kernel can do that
    /// (`make_netconsole_target` in drivers/net/netconsole.c); else it is a new, empty one.
    fn show_targets(&self, parameter: &str) -> Result<(), Error> {
        if !self.is_dir(path::CONFIGFS) || parameter.is_empty() {
            return Ok(());
        }
        if !self.has_configfs() {
            self.mount_configfs()?;
        }
        if !self.is_dir(path::TARGETS) {
            return Ok(());
        }
        for number in 0..parameter.split(';').count() {
            let name = format!("cmdline{number}");
            self.note(&Undo::RemoveTarget(name.clone()))?;
            self.make_dir(&format!("{}/{name}", path::TARGETS))?;
            if !Self::is_from_parameter(&self.target(&name)) {
                return self.remove_target(&name);
            }
        }
        let (parameter, devices) = (parameter.to_owned(), Vec::new());
        self.note(&Undo::Unload(Loaded { parameter, devices }))
    }

    pub(crate) fn mount_configfs(&self) -> Result<(), Error> {
        self.note(&Undo::UnmountConfigfs)?;
        self.run(&words(&format!("mount -t configfs configfs {}", path::CONFIGFS)))
    }

    /// Takes a target away, with what was made in it.
    pub(crate) fn remove_target(&self, name: &str) -> Result<(), Error> {
        let dir = format!("{}/{name}", path::TARGETS);
        let userdata = format!("{dir}/userdata");
        for key in self.names(&userdata) {
            let key = format!("{userdata}/{key}");
            if self.is_dir(&key) {
                self.remove_dir(&key)?;
            }
        }
        self.remove_dir(&dir)
    }

    /// One that is there already is as good.
    fn make_dir(&self, path: &str) -> Result<(), Error> {
        match fs::create_dir(self.at(path)) {
            Err(cause) if cause.kind() != io::ErrorKind::AlreadyExists => Err(Error::Change {
                what: "make",
                hint: self.hint(path, &cause),
                path: self.at(path),
                cause,
            }),
            _ => Ok(()),
        }
    }

    /// One that is not there is as good.
    pub(crate) fn remove_dir(&self, path: &str) -> Result<(), Error> {
        let path = self.at(path);
        match fs::remove_dir(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Error::change("remove", path)(error))
            }
            _ => Ok(()),
        }
    }

    /// Writes one of the kernel's own files: in one piece, without making it.
    pub(crate) fn set(&self, path: &str, value: &str) -> Result<(), Error> {
        let at = self.at(path);
        let write = || {
            fs::OpenOptions::new().write(true).truncate(true).open(&at)?.write_all(value.as_bytes())
        };
        // Of what it is asked to enable the kernel says itself what is wrong.
        let log = path.ends_with("/enabled").then(|| self.kmsg_from_now().ok()).flatten();
        write().map_err(|cause| Error::Write {
            hint: log.and_then(last_words).unwrap_or_else(|| self.hint(path, &cause)),
            path: at.clone(),
            value: value.to_owned(),
            cause,
        })
    }

    /// What a refusal mostly means.
    fn hint(&self, path: &str, error: &io::Error) -> String {
        let lockdown = self.limits().lockdown;
        match (error.kind(), lockdown) {
            (io::ErrorKind::PermissionDenied, Some(mode)) => {
                format!("\nthe kernel is locked down ({mode}), which may forbid this")
            }
            (io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem, _)
                if path.starts_with("/proc/") || path.starts_with("/sys/") =>
            {
                "\ntry: as root, on the host rather than in a container".into()
            }
            _ => hint_of(error).into(),
        }
    }

    fn write_file(&self, path: &str, content: &str, executable: bool) -> Result<(), Error> {
        for dir in self.missing_dirs(path) {
            self.note(&Undo::RemoveDir(dir.clone()))?;
            self.make_dir(&dir)?;
        }
        self.note(&match self.text(path)? {
            Some(content) => Undo::RestoreFile { path: path.to_owned(), content },
            None => Undo::RemoveFile(path.to_owned()),
        })?;
        if path == path::MODPROBE {
            self.note_down(PARAMETER_WRITTEN, &self.identity().boot_id)?;
        }
        self.put(path, content, executable)
    }

    /// Writes a regular file: the old one is there until the new one is whole. Who is killed
    /// meanwhile leaves a [`half_written`] one beside it.
    pub(crate) fn put(&self, path: &str, content: &str, executable: bool) -> Result<(), Error> {
        let (at, new) = (self.at(path), self.at(&half_written(path)));
        let write = || -> io::Result<()> {
            let mut file = fs::File::create(&new)?;
            let mode = if executable { 0o755 } else { 0o644 };
            file.set_permissions(PermissionsExt::from_mode(mode))?;
            file.write_all(content.as_bytes())?;
            file.sync_all()?;
            fs::rename(&new, &at)
        };
        write().map_err(Error::change("write", PathBuf::from(&at)))
    }

    /// Removes a regular file, and what is left of one that was being written; says whether it was
    /// there.
    pub(crate) fn remove(&self, path: &str) -> Result<bool, Error> {
        let unlink = |path: PathBuf| match fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(Error::change("remove", path)(error)),
            Ok(()) => Ok(true),
        };
        let was_there = unlink(self.at(path))?;
        unlink(self.at(&half_written(path)))?;
        Ok(was_there)
    }
}

/// What netconsole said last.
fn last_words(log: Kmsg) -> Option<String> {
    let is_ours = |line: &String| line.contains("netpoll: ") || line.contains("netconsole: ");
    log.texts().into_iter().rfind(is_ours).map(|line| format!("\nthe kernel says: {line}"))
}

pub(crate) fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

fn half_written(path: &str) -> String {
    format!("{path}.new")
}
