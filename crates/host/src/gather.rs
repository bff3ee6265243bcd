//! The facts that a plan is made from.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;

use bedside_plan::facts::{AgentKey, Facts, Identity, Loaded, Module, Target};
use bedside_plan::{Doctor, Undo, Wish, path};
use netconsole_wire::parameter::{self, Device};

use crate::dumper::id_of;
use crate::journal::Journal;
use crate::{Error, Machine, kernel, network};

impl Machine {
    /// Everything about this machine, and the way from it to each of these doctors.
    pub fn facts(&self, doctors: &[Doctor]) -> Result<Facts, Error> {
        let mut facts = self.own_facts()?;
        facts.links = self.links()?;
        facts.addresses = network::addresses()?;
        facts.ways = doctors
            .iter()
            .map(|doctor| network::way(doctor, self.look_up(&doctor.host), &facts.links))
            .collect::<Result<_, _>>()?;
        if facts.loaded.is_none() && facts.module == Module::Loaded {
            facts.loaded = loaded_at_start(&facts).filter(|_| !self.is_parameter_new());
            facts.from_start = facts.loaded.is_some();
        }
        Ok(facts)
    }

    /// Everything but the network.
    pub fn own_facts(&self) -> Result<Facts, Error> {
        let identity = self.identity();
        let module = self.module("netconsole", &identity.release);
        let files = self.files()?;
        Ok(Facts {
            dumper: self.dumper(&identity.release, &files)?,
            crash_kernel: self.crash_kernel(),
            configfs: self.configfs(&module),
            loaded: self.loaded(&module)?,
            targets: self.targets(),
            uptime_s: self.uptime_s(),
            console_level: self.console_level(),
            command_line: self.word("/proc/cmdline").unwrap_or_default(),
            consoles: self.consoles(),
            panic: self.panic_settings(),
            oops_only: self.word("/sys/module/netconsole/parameters/oops_only").as_deref()
                == Some("Y"),
            blacklisted: self.modprobe_line(&kernel::blacklists),
            rival: self.rival(),
            limits: self.limits(),
            init: self.init(),
            initramfs: self.initramfs(),
            files,
            program: program(),
            key: match self.key() {
                Ok(key) => key.and_then(|key| id_of(&key)).map(AgentKey::Usable),
                Err(Error::Read { cause, .. }) if cause.kind() == ErrorKind::PermissionDenied => {
                    Some(AgentKey::Hidden)
                }
                Err(error) => Some(AgentKey::Unusable(error.to_string())),
            },
            distribution: self.distribution(),
            identity,
            module,
            ..Facts::default()
        })
    }

    /// Who the machine is.
    pub fn identity(&self) -> Identity {
        // It becomes a line of a dictionary, and of syslog.
        let unfit = |character: char| character.is_control() || character.is_whitespace();
        let host = self.word("/proc/sys/kernel/hostname").unwrap_or_default();
        Identity {
            host: host.replace(unfit, "?"),
            boot_id: self.word("/proc/sys/kernel/random/boot_id").unwrap_or_default(),
            release: self.word("/proc/sys/kernel/osrelease").unwrap_or_default(),
        }
    }

    /// What is wanted of this machine, and whether anything is.
    pub fn wish(&self) -> Result<Option<Wish>, Error> {
        for file in [path::WISH, path::WISH_UNTIL_REBOOT] {
            if let Some(text) = self.text(file)? {
                let source = |bad| std::io::Error::new(std::io::ErrorKind::InvalidData, bad);
                let wish = Wish::parse(&text).map_err(source);
                return wish.map(Some).map_err(Error::read(self.at(file)));
            }
        }
        Ok(None)
    }

    /// The key that this machine shares with its doctors, if it has one. Nobody else may read it.
    pub fn key(&self) -> Result<Option<Vec<u8>>, Error> {
        let path = self.at(path::KEY);
        let found = match path.metadata() {
            Ok(found) => found,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::read(path)(error)),
        };
        let bad = |why| Error::Key { path: path.clone(), why };
        let us = nix::unistd::Uid::effective().as_raw();
        if found.mode() & 0o077 != 0 || ![0, us].contains(&found.uid()) {
            return Err(bad(
                "it has to be root's, and nobody else's to read: `chmod 0600`, `chown root`",
            ));
        }
        let key = fs::read_to_string(&path).map_err(Error::read(path.clone()))?;
        let key = key.trim().to_owned();
        if key.len() < SHORTEST_KEY {
            return Err(bad("a key has 32 characters at least: `openssl rand -hex 32`"));
        }
        Ok(Some(key.into_bytes()))
    }

    /// With what the module was loaded in this boot, if it was loaded by us.
    fn loaded(&self, module: &Module) -> Result<Option<Loaded>, Error> {
        let entries = Journal::of(self).entries()?;
        let loaded = entries.into_iter().rev().find_map(|undo| match undo {
            Undo::Unload(loaded) => Some(loaded),
            _ => None,
        });
        Ok(loaded.filter(|_| *module == Module::Loaded))
    }

    /// The files that a plan may write, as they are.
    fn files(&self) -> Result<BTreeMap<String, String>, Error> {
        let mut files = BTreeMap::new();
        for file in path::WRITTEN {
            match self.text(file)? {
                Some(text) => drop(files.insert(file.to_owned(), text)),
                // A link that leads nowhere.
                None if self.is_there(file) => drop(files.insert(file.to_owned(), String::new())),
                None => {}
            }
        }
        Ok(files)
    }

    /// Whether our file of modprobe's was written since the machine started: then it says nothing
    /// of who loaded the module.
    pub(crate) fn is_parameter_new(&self) -> bool {
        let boot_id = self.identity().boot_id;
        self.noted(PARAMETER_WRITTEN).is_some_and(|written| written == boot_id)
    }

    fn uptime_s(&self) -> u64 {
        let text = self.word("/proc/uptime").unwrap_or_default();
        text.split('.').next().and_then(|seconds| seconds.parse().ok()).unwrap_or_default()
    }

    fn distribution(&self) -> String {
        let text = self.word("/etc/os-release").unwrap_or_default();
        let id = text.lines().find_map(|line| line.strip_prefix("ID="));
        id.unwrap_or_default().trim_matches('"').to_owned()
    }

    /// Whether a target that configfs shows is one of the parameter's, rather than a new one.
    pub(crate) fn is_from_parameter(target: &Target) -> bool {
        target.remote_ip.is_some()
    }
}

/// With what it was loaded at the machine's start, if that was our doing: what stands in our
/// file. A device that it names counts as the one that has the name now.
fn loaded_at_start(facts: &Facts) -> Option<Loaded> {
    if facts.rival.as_ref().is_some_and(|rival| rival.wins) {
        return None;
    }
    let text = facts.files.get(path::MODPROBE)?;
    let (_, parameter) = text.split_once("\noptions netconsole netconsole=")?;
    let parameter = parameter.lines().next().unwrap_or_default().trim().to_owned();
    let index = |device: Device<'_>| match device {
        Device::Name(name) => facts.links.iter().find(|link| link.name == name),
        Device::Mac(_) => None,
    };
    let targets = parameter::parse(&parameter).ok();
    let devices = targets.into_iter().flat_map(|parameter| {
        parameter.targets().filter_map(|t| index(t.device)).collect::<Vec<_>>()
    });
    let devices = devices.map(|link| link.index).collect();
    Some(Loaded { parameter, devices })
}

/// In which boot the module's parameter was written last.
pub(crate) const PARAMETER_WRITTEN: &str = "parameter-written";
/// Characters of a key: 128 bits in hex.
const SHORTEST_KEY: usize = 32;

/// Where this program is, for the service that is to start it.
fn program() -> String {
    let path =
        std::env::current_exe().ok().and_then(|path| path.into_os_string().into_string().ok());
    path.map_or_else(|| "/usr/bin/bedside-patient".into(), |path| its_place(&path).to_owned())
}

/// Where a newer version was put, if the one that runs is gone: the kernel says so behind the path
/// (proc_pid_exe(5)).
fn its_place(path: &str) -> &str {
    path.strip_suffix(" (deleted)").unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_was_replaced_while_it_runs_is_where_it_was() {
        for path in ["/usr/sbin/bedside-patient", "/usr/sbin/bedside-patient (deleted)"] {
            assert_eq!(its_place(path), "/usr/sbin/bedside-patient");
        }
    }
}
