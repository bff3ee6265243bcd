//! The module that delivers a death, by what it shows below `/sys/module`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use bedside_plan::facts::{Dumper, DumperTarget, Module};
use bedside_plan::{Undo, path};
use hmac::{Hmac, KeyInit as _, Mac as _};
use netconsole_wire::tag::{Key, KeyId};
use sha2::Sha256;

use crate::apply::words;
use crate::journal::Journal;
use crate::machine::NOTES;
use crate::{Error, Machine};

impl Machine {
    /// The module, where it is installed or loaded; `files` are those that a plan may write.
    pub(crate) fn dumper(
        &self,
        release: &str,
        files: &BTreeMap<String, String>,
    ) -> Result<Option<Dumper>, Error> {
        let module = self.module(NAME, release);
        if matches!(module, Module::Absent | Module::BuiltIn) {
            return Ok(None);
        }
        let noted = Journal::of(self).entries()?.contains(&Undo::UnloadDumper);
        let loads = |text: &String| text.contains(&format!("\noptions {NAME} "));
        let from_start =
            !noted && !self.is_parameter_new() && files.get(path::MODPROBE).is_some_and(loads);
        let loaded = module == Module::Loaded;
        let word = |name: &str| self.word(&parameter(name)).unwrap_or_default();
        Ok(Some(Dumper {
            module,
            ours: loaded && noted,
            from_start: loaded && from_start,
            refused: self.noted(REFUSED).filter(|_| !loaded),
            parameter: word("netconsole"),
            live: word("live"),
            targets: self.dumper_targets(),
        }))
    }

    fn dumper_targets(&self) -> Vec<DumperTarget> {
        let text = self.word(&parameter("targets")).unwrap_or_default();
        text.lines().filter_map(DumperTarget::parse).collect()
    }

    /// Beside netconsole it is no condition of anything: that the kernel refuses it is noted, and
    /// the machine armed without it.
    pub(crate) fn load_dumper(&self, parameter: &str, live: &str) -> Result<(), Error> {
        Journal::of(self).note(&Undo::UnloadDumper)?;
        let mut command = words(&format!("modprobe {NAME}"));
        command.extend([format!("netconsole={parameter}"), format!("live={live}")]);
        match self.run(&command) {
            Ok(()) => self.dumper_sends(),
            Err(Error::Program { said, .. }) if live == "off" => self.note_down(REFUSED, &said),
            Err(error) => Err(error),
        }
    }

    /// Has it tried again, although the kernel has refused it.
    pub fn retry_dumper(&self) -> Result<(), Error> {
        self.remove(&format!("{NOTES}/{REFUSED}")).map(drop)
    }

    pub(crate) fn set_dumper(&self, targets: &str, live: &str) -> Result<(), Error> {
        Journal::of(self).note(&Undo::UnloadDumper)?;
        self.set(&parameter("live"), live)?;
        self.set(&parameter("netconsole"), targets)?;
        self.dumper_sends()
    }

    /// The key goes into an attribute that nobody can read, and into nothing else.
    pub(crate) fn sign_dumper(&self, with_key: bool) -> Result<(), Error> {
        Journal::of(self).note(&Undo::UnloadDumper)?;
        let made = self.key()?.filter(|_| with_key).and_then(|key| made_of(&key));
        let mut digits = String::new();
        for byte in made.into_iter().flatten() {
            // A string takes all.
            write!(digits, "{byte:02x}").ok();
        }
        self.set(&parameter("key"), &digits)
    }

    /// A target that it can't send to it keeps, disabled, and says why.
    fn dumper_sends(&self) -> Result<(), Error> {
        let targets = self.dumper_targets();
        match targets.into_iter().find(|target| !target.enabled) {
            Some(DumperTarget { parameter, reason, .. }) => {
                let reason = reason.unwrap_or_else(|| "unknown reason".into());
                Err(Error::Dumper { parameter, reason })
            }
            None => Ok(()),
        }
    }

    pub(crate) fn has_dumper(&self) -> bool {
        self.is_there(&format!("/sys/module/{NAME}/initstate"))
    }

    pub(crate) fn unload_dumper(&self) -> Result<(), Error> {
        self.run(&words(&format!("modprobe -r {NAME}")))
    }
}

/// Which key the module gets where this one is the machine's.
pub(crate) fn id_of(key: &[u8]) -> Option<KeyId> {
    made_of(key).map(|made| Key::new(made).id())
}

/// The first half of HMAC-SHA256 over the module's name: whoever takes it from a kernel can't
/// seal what agents say.
fn made_of(key: &[u8]) -> Option<[u8; 16]> {
    let mut made = Hmac::<Sha256>::new_from_slice(key).ok()?;
    made.update(NAME.as_bytes());
    made.finalize().into_bytes().first_chunk().copied()
}

fn parameter(name: &str) -> String {
    format!("/sys/module/{NAME}/parameters/{name}")
}

const NAME: &str = "bedside_netconsole";
/// The note of what modprobe said; gone with the next start.
const REFUSED: &str = "dumper-refused";
