//! What is to be done, one small thing after the other.

use std::fmt;

use crate::arm::dumper::MODULE;
use crate::facts::Loaded;

/// Steps in their order, and what is worth knowing beside them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// What to do; nothing, where all is as it should be.
    pub steps: Vec<Step>,
    /// What was decided without a step of its own.
    pub notes: Vec<String>,
}

/// One thing to do, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What.
    pub action: Action,
    /// Why; empty where the step before says it.
    pub why: String,
}

/// What can be done to a machine. Each can be undone, and does no harm when done twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Loads netconsole with this parameter (none where it is empty), and has it show its targets
    /// in configfs where the kernel can.
    Load {
        /// The parameter's value.
        parameter: String,
        /// The numbers of the devices that it names.
        devices: Vec<u32>,
        /// Whether the module is unloaded first.
        again: bool,
    },
    /// Takes a module over that was loaded at the machine's start, as our files have it: has it
    /// show its targets in configfs where the kernel can.
    Adopt(Loaded),
    /// Loads the module that delivers a death.
    LoadDumper {
        /// Whom it sends to.
        parameter: String,
        /// Whether it sends the lines of a living machine too: `on`, `off`.
        live: String,
    },
    /// Changes whom the module that delivers a death sends to, or takes it over as it is.
    SetDumper {
        /// Whom it sends to.
        parameter: String,
        /// Whether it sends the lines of a living machine too: `on`, `off`.
        live: String,
    },
    /// Has the module that delivers a death sign what it sends with the machine's key, which is not
    /// part of any plan, or no more.
    SignDumper {
        /// With the key.
        with_key: bool,
    },
    /// Mounts configfs.
    MountConfigfs,
    /// Makes a target of this name in configfs.
    MakeTarget(String),
    /// Makes a key of a target's userdata, where the kernel has userdata.
    MakeUserdata {
        /// The target's name.
        target: String,
        /// The key.
        key: String,
    },
    /// Writes a target's attribute.
    SetTarget {
        /// The target's name.
        target: String,
        /// The attribute's file, below the target's directory.
        attribute: String,
        /// What to write.
        value: String,
        /// Whether a kernel that has no such attribute is left alone.
        where_present: bool,
    },
    /// Takes a target away.
    RemoveTarget(String),
    /// Writes a setting of the kernel's below `/proc/sys`.
    SetKernel {
        /// The file.
        path: String,
        /// What to write.
        value: String,
    },
    /// Writes a regular file, whole.
    WriteFile {
        /// The file.
        path: String,
        /// What it is to hold.
        content: String,
        /// Whether it may be run.
        executable: bool,
    },
    /// Has a file that `up` wrote be what it was before.
    TakeBackFile(String),
    /// Runs a program.
    Run {
        /// The program and its arguments.
        words: Vec<String>,
        /// What takes it back.
        undo: Vec<String>,
    },
}

impl Plan {
    /// Nothing to do.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    pub(crate) fn push(&mut self, action: Action, why: impl Into<String>) {
        self.steps.push(Step { action, why: why.into() });
    }
}

/// What is done, as one would type it.
impl fmt::Display for Action {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Action::Load { parameter, again, .. } => {
                let unload = if *again { "modprobe -r netconsole && " } else { "" };
                let space = if parameter.is_empty() { "" } else { " netconsole=" };
                write!(out, "{unload}modprobe netconsole{space}{parameter}")
            }
            Action::Adopt(loaded) => write!(out, "take over netconsole={}", loaded.parameter),
            Action::LoadDumper { parameter, live } => {
                write!(out, "modprobe {MODULE} netconsole={parameter} live={live}")
            }
            Action::SetDumper { parameter, live } => {
                write!(out, "{MODULE}: netconsole = {parameter}, live = {live}")
            }
            Action::SignDumper { with_key: true } => {
                write!(out, "{MODULE}: sign with {}", crate::path::KEY)
            }
            Action::SignDumper { with_key: false } => write!(out, "{MODULE}: sign no more"),
            Action::MountConfigfs => {
                write!(out, "mount -t configfs configfs {}", crate::path::CONFIGFS)
            }
            Action::MakeTarget(name) => write!(out, "make the target {name}"),
            Action::MakeUserdata { target, key } => {
                write!(out, "{target}: make the userdata {key}")
            }
            Action::SetTarget { target, attribute, value, where_present } => {
                let where_present = if *where_present { " (where the kernel has it)" } else { "" };
                write!(out, "{target}: {attribute} = {value}{where_present}")
            }
            Action::RemoveTarget(name) => write!(out, "remove the target {name}"),
            Action::SetKernel { path, value } => {
                let name = path.trim_start_matches("/proc/sys/").replace('/', ".");
                write!(out, "sysctl {name} = {value}")
            }
            Action::WriteFile { path, .. } => write!(out, "write {path}"),
            Action::TakeBackFile(path) => write!(out, "take back {path}"),
            Action::Run { words, undo } if words.is_empty() => {
                write!(out, "when undone: {}", undo.join(" "))
            }
            Action::Run { words, .. } => out.write_str(&words.join(" ")),
        }
    }
}
