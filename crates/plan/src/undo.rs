//! What takes a step back, as a line of a journal.
//!
//! A line is written before its step is done, so after a crash the last line may be of a step
//! that never happened: each can be carried out for nothing.

use std::fmt;

use crate::arm::dumper::MODULE;
use crate::facts::Loaded;

/// What takes a step back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undo {
    /// Unload the module, which was loaded with this.
    Unload(Loaded),
    /// Unload the module that delivers a death.
    UnloadDumper,
    /// Unmount configfs.
    UnmountConfigfs,
    /// Unload configfs, which came with netconsole.
    UnloadConfigfs,
    /// Remove a target, with its userdata.
    RemoveTarget(String),
    /// Write a setting's old value, unless somebody has changed it meanwhile.
    SetKernel {
        /// The file.
        path: String,
        /// What was there.
        old: String,
        /// What was written.
        new: String,
    },
    /// Remove a file that was not there.
    RemoveFile(String),
    /// Remove a directory that was not there, if nothing is in it.
    RemoveDir(String),
    /// Write a file's old content.
    RestoreFile {
        /// The file.
        path: String,
        /// What it held.
        content: String,
    },
    /// Run a program.
    Run(Vec<String>),
}

impl Undo {
    /// Whether it concerns only what a start of the machine takes back anyway.
    pub fn is_passing(&self) -> bool {
        match self {
            Undo::Unload(_)
            | Undo::UnloadDumper
            | Undo::UnmountConfigfs
            | Undo::UnloadConfigfs
            | Undo::RemoveTarget(_)
            | Undo::SetKernel { .. } => true,
            Undo::RemoveFile(path) | Undo::RemoveDir(path) | Undo::RestoreFile { path, .. } => {
                path.starts_with("/run/")
            }
            Undo::Run(_) => false,
        }
    }

    /// Reads a line of a journal; nothing, where it is cut or makes no sense.
    pub fn parse(line: &str) -> Option<Undo> {
        let mut fields = line.split('\t').map(unescape);
        let kind = fields.next()??;
        let mut rest = fields.collect::<Option<Vec<String>>>()?;
        if rest.pop()? != END {
            return None;
        }
        let mut rest = rest.into_iter();
        let undo = match kind.as_str() {
            "unload" => {
                let parameter = rest.next()?;
                let devices = rest.by_ref().map(|index| index.parse().ok());
                Undo::Unload(Loaded { parameter, devices: devices.collect::<Option<_>>()? })
            }
            "unload-dumper" => Undo::UnloadDumper,
            "unmount-configfs" => Undo::UnmountConfigfs,
            "unload-configfs" => Undo::UnloadConfigfs,
            "remove-target" => Undo::RemoveTarget(rest.next()?),
            "set" => Undo::SetKernel { path: rest.next()?, old: rest.next()?, new: rest.next()? },
            "remove-file" => Undo::RemoveFile(rest.next()?),
            "remove-dir" => Undo::RemoveDir(rest.next()?),
            "restore" => Undo::RestoreFile { path: rest.next()?, content: rest.next()? },
            "run" => Undo::Run(rest.by_ref().collect()),
            _ => return None,
        };
        rest.next().is_none().then_some(undo)
    }

    fn fields(&self) -> Vec<String> {
        let words = |kind: &str, fields: &[&String]| {
            std::iter::once(kind.to_owned()).chain(fields.iter().map(|f| (*f).clone())).collect()
        };
        match self {
            Undo::Unload(loaded) => {
                let mut fields = vec!["unload".to_owned(), loaded.parameter.clone()];
                fields.extend(loaded.devices.iter().map(ToString::to_string));
                fields
            }
            Undo::UnloadDumper => words("unload-dumper", &[]),
            Undo::UnmountConfigfs => words("unmount-configfs", &[]),
            Undo::UnloadConfigfs => words("unload-configfs", &[]),
            Undo::RemoveTarget(name) => words("remove-target", &[name]),
            Undo::SetKernel { path, old, new } => words("set", &[path, old, new]),
            Undo::RemoveFile(path) => words("remove-file", &[path]),
            Undo::RemoveDir(path) => words("remove-dir", &[path]),
            Undo::RestoreFile { path, content } => words("restore", &[path, content]),
            Undo::Run(run) => words("run", &run.iter().collect::<Vec<_>>()),
        }
    }

    /// The line of a journal, without its newline: fields between tabs, the last of which says
    /// that it is whole.
    pub fn to_line(&self) -> String {
        let mut line = String::new();
        for field in self.fields() {
            line.extend(field.chars().flat_map(escape));
            line.push('\t');
        }
        line + END
    }
}

/// What is done, in words.
impl fmt::Display for Undo {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Undo::Unload(_) => out.write_str("modprobe -r netconsole"),
            Undo::UnloadDumper => write!(out, "modprobe -r {MODULE}"),
            Undo::UnmountConfigfs => write!(out, "umount {}", crate::path::CONFIGFS),
            Undo::UnloadConfigfs => out.write_str("modprobe -r configfs"),
            Undo::RemoveTarget(name) => write!(out, "remove the target {name}"),
            Undo::SetKernel { path, old, .. } => {
                let name = path.trim_start_matches("/proc/sys/").replace('/', ".");
                write!(out, "sysctl {name} = {old}")
            }
            Undo::RemoveFile(path) | Undo::RemoveDir(path) => write!(out, "remove {path}"),
            Undo::RestoreFile { path, .. } => write!(out, "restore {path}"),
            Undo::Run(words) => out.write_str(&words.join(" ")),
        }
    }
}

fn escape(character: char) -> impl Iterator<Item = char> {
    let (escaped, plain) = match character {
        '\\' => (Some('\\'), '\\'),
        '\t' => (Some('\\'), 't'),
        '\n' => (Some('\\'), 'n'),
        other => (None, other),
    };
    escaped.into_iter().chain([plain])
}

fn unescape(field: &str) -> Option<String> {
    let mut characters = field.chars();
    let mut text = String::new();
    while let Some(character) = characters.next() {
        text.push(match character {
            '\\' => match characters.next()? {
                '\\' => '\\',
                't' => '\t',
                'n' => '\n',
                _ => return None,
            },
            other => other,
        });
    }
    Some(text)
}

const END: &str = ".";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_nothing_of_a_line_that_is_cut() {
        let loaded = Loaded { parameter: "+r@/,@10.0.0.2/".into(), devices: vec![2, 7] };
        for undo in [
            Undo::Unload(loaded),
            Undo::Unload(Loaded::default()),
            Undo::UnloadDumper,
            Undo::UnmountConfigfs,
            Undo::UnloadConfigfs,
            Undo::RemoveTarget("bedside0".into()),
            Undo::SetKernel {
                path: "/proc/sys/kernel/panic".into(),
                old: "1".into(),
                new: "0".into(),
            },
            Undo::RemoveFile("/etc/a\tb\\n".into()),
            Undo::RemoveDir("/etc/bedside".into()),
            Undo::RestoreFile { path: "/etc/x".into(), content: "a\n\tb\\\n\n".into() },
            Undo::RestoreFile { path: "/etc/x".into(), content: String::new() },
            Undo::Run(vec!["systemctl".into(), "disable".into(), "x y".into()]),
        ] {
            let line = undo.to_line();
            assert!(!line.contains('\n'), "{line}");
            assert_eq!(Undo::parse(&line), Some(undo), "{line}");
            for cut in 0..line.len() {
                assert_eq!(Undo::parse(&line[..cut]), None, "{}", &line[..cut]);
            }
        }
    }

    #[test]
    fn what_is_no_line_of_ours_is_none() {
        for line in [
            "",
            ".",
            "unload",
            "remove-target\t.",
            "x\ty\t.",
            "remove-file\ta\tb\t.",
            "set\ta\t.",
            "run\ta\\x\t.",
        ] {
            assert_eq!(Undo::parse(line), None, "{line}");
        }
    }
}
