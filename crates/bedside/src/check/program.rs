//! Whether the doctor's user may run the program of an alert, as far as that is seen from here.
//!
//! The courier has no capability, also as root, so permissions hold for it as for anybody.

use std::ffi::OsStr;
use std::fs::{self, File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use nix::unistd::{Gid, Uid, User, getgrouplist};
use rustix::fs::{StatVfsMountFlags, getxattr, statvfs};

use super::{State, Verdict};
use crate::render::escape::Escaped;

/// Who runs programs, and the files that it sees.
#[derive(Clone, Debug)]
pub(super) struct Runner {
    uid: u32,
    groups: Vec<u32>,
    /// Its root directory; none where only ours can be looked into.
    root: Option<PathBuf>,
    /// It may be another than who looks, with a sandbox of its own.
    is_other: bool,
}

impl Runner {
    /// The doctor that runs as `pid`, else who owns the store, else who asks.
    pub(super) fn of(data: &Path, pid: Option<u32>) -> Runner {
        let me = Uid::effective().as_raw();
        if let Some((pid, (uid, groups))) = pid.and_then(|pid| Some((pid, of_process(pid)?))) {
            let root = PathBuf::from(format!("/proc/{pid}/root"));
            let root = Some(root).filter(|root| root.join(".").metadata().is_ok());
            return Runner { uid, groups, root, is_other: uid != me };
        }
        let owner = data.metadata().map_or(me, |found| found.uid());
        let ours = || of_process(std::process::id());
        let known = if owner == me { ours() } else { of_account(owner) };
        let (uid, groups) = known.unwrap_or((owner, Vec::new()));
        Runner { uid, groups, root: None, is_other: uid != me }
    }

    /// Whether it may run this program.
    pub(super) fn verdict(&self, program: &Path) -> Verdict {
        match self.look(program).and_then(|()| self.look_at_interpreter(program)) {
            Ok(()) => {
                let (name, shown) = (self.name(), program.display());
                let evidence = format!("{name} may run {shown}; `bedside alert test` tries it");
                Verdict::ok("alert", evidence)
            }
            Err(Wrong { state, evidence, cure }) => {
                Verdict { state, ..Verdict::problem("alert", evidence, cure) }
            }
        }
    }

    fn look(&self, program: &Path) -> Result<(), Wrong> {
        let shown = program.display();
        let found = match self.seen(program).metadata() {
            Ok(found) => found,
            Err(_) if self.root.is_some() && program.exists() => {
                let evidence = format!("the running doctor does not see {shown}");
                return Err(Wrong::problem(evidence, SANDBOX_CURE));
            }
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                let evidence = format!("{shown} can't be looked at: {error}");
                return Err(Wrong { state: State::Unknown, evidence, cure: AS_ROOT.to_owned() });
            }
            Err(error) => return Err(Wrong::problem(format!("{shown}: {error}"), THERE_CURE)),
        };
        if !found.is_file() {
            return Err(Wrong::problem(
                format!("{shown} is no file that could be run"),
                THERE_CURE,
            ));
        }
        self.may_come_to(program)?;
        self.may(program, &found, EXECUTE, &format!("chmod a+x {shown}"))?;
        self.can_be_run_where_it_is(program)
    }

    /// A script is run by what its first line names, which has to read it.
    fn look_at_interpreter(&self, program: &Path) -> Result<(), Wrong> {
        let Some(interpreter) = interpreter(&self.seen(program)) else { return Ok(()) };
        let shown = program.display();
        if let Ok(found) = self.seen(program).metadata() {
            self.may(program, &found, READ | EXECUTE, &format!("chmod a+rx {shown}"))?;
        }
        self.look(&interpreter).map_err(|wrong| Wrong {
            evidence: format!(
                "{shown} is a script for {}, which can't be run: {}",
                Escaped(interpreter.as_os_str().as_bytes()),
                Escaped(wrong.evidence.as_bytes())
            ),
            ..wrong
        })
    }

    /// Whether it may pass through every directory on the way, also where that is a link.
    fn may_come_to(&self, program: &Path) -> Result<(), Wrong> {
        let meant = program.canonicalize().unwrap_or_else(|_| program.to_owned());
        for dir in meant.ancestors().skip(1).collect::<Vec<&Path>>().into_iter().rev() {
            if let Ok(found) = self.seen(dir).metadata() {
                self.may(dir, &found, EXECUTE, "put it where its directories are open to it")?;
            }
        }
        Ok(())
    }

    fn may(&self, path: &Path, found: &Metadata, bits: u32, cure: &str) -> Result<(), Wrong> {
        let mode = found.permissions().mode();
        let granted = match () {
            () if found.uid() == self.uid => mode >> 6,
            () if self.groups.contains(&found.gid()) => mode >> 3,
            () => mode,
        };
        if granted & bits == bits {
            return Ok(());
        }
        let what = match bits {
            _ if found.is_dir() => "pass through",
            EXECUTE => "run",
            _ => "read",
        };
        let (name, shown) = (self.name(), path.display());
        let evidence = format!("{name} may not {what} {shown}, of mode {:04o}", mode & 0o7777);
        let has_list = getxattr(self.seen(path), "system.posix_acl_access", &mut [0_u8; 0]).is_ok();
        let state = if has_list { State::Unknown } else { State::Problem };
        Err(Wrong { state, evidence, cure: cure.to_owned() })
    }

    fn can_be_run_where_it_is(&self, program: &Path) -> Result<(), Wrong> {
        let shown = program.display();
        let system = statvfs(self.seen(program));
        if system.is_ok_and(|system| system.f_flag.contains(StatVfsMountFlags::NOEXEC)) {
            let evidence = format!("{shown} lies where nothing may be run: mounted noexec");
            return Err(Wrong::problem(evidence, "put it on another file system"));
        }
        if self.root.is_none() && self.is_other && HIDDEN.iter().any(|it| program.starts_with(it)) {
            let evidence =
                format!("{shown} is there, but not for a unit with ProtectHome= or PrivateTmp=");
            return Err(Wrong { state: State::Unknown, evidence, cure: SANDBOX_CURE.to_owned() });
        }
        Ok(())
    }

    /// The path as it leads to what the doctor sees there.
    fn seen(&self, path: &Path) -> PathBuf {
        match &self.root {
            Some(root) => root.join(path.strip_prefix("/").unwrap_or(path)),
            None => path.to_owned(),
        }
    }

    fn name(&self) -> String {
        let user = User::from_uid(Uid::from_raw(self.uid)).ok().flatten();
        user.map_or_else(|| format!("the user {}", self.uid), |user| user.name)
    }
}

/// What is in the way.
struct Wrong {
    state: State,
    evidence: String,
    cure: String,
}

impl Wrong {
    fn problem(evidence: String, cure: &str) -> Wrong {
        Wrong { state: State::Problem, evidence, cure: cure.to_owned() }
    }
}

/// Its effective user and groups, by proc_pid_status(5).
fn of_process(pid: u32) -> Option<(u32, Vec<u32>)> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let numbers = |key: &str| -> Option<Vec<u32>> {
        let line = status.lines().find_map(|line| line.strip_prefix(key))?;
        line.split_whitespace().map(|word| word.parse().ok()).collect()
    };
    let mut groups = numbers("Groups:")?;
    groups.push(*numbers("Gid:")?.get(1)?);
    Some((*numbers("Uid:")?.get(1)?, groups))
}

fn of_account(uid: u32) -> Option<(u32, Vec<u32>)> {
    let user = User::from_uid(Uid::from_raw(uid)).ok()??;
    let name = std::ffi::CString::new(user.name).ok()?;
    let groups = getgrouplist(&name, user.gid).ok()?;
    Some((uid, groups.into_iter().map(Gid::as_raw).collect()))
}

/// What the first line of a script names, as the kernel reads it (fs/binfmt_script.c).
fn interpreter(program: &Path) -> Option<PathBuf> {
    let mut head = Vec::new();
    File::open(program).ok()?.take(256).read_to_end(&mut head).ok()?;
    let line = head.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let blank = |byte: &u8| matches!(*byte, b' ' | b'\t' | 0);
    let word = line.split(blank).find(|word| !word.is_empty())?;
    Some(PathBuf::from(OsStr::from_bytes(word)))
}

/// Bits of a mode, of one class.
const READ: u32 = 4;
const EXECUTE: u32 = 1;
/// What `ProtectHome=` and `PrivateTmp=` of the unit hide (systemd.exec(5)).
const HIDDEN: [&str; 5] = ["/home", "/root", "/run/user", "/tmp", "/var/tmp"];
const SANDBOX_CURE: &str = "put it where the unit shows it, such as /usr/local/bin, or change ProtectHome= and PrivateTmp=";
const THERE_CURE: &str = "put a program there, or mend `command` in the configuration";
const AS_ROOT: &str = "`sudo bedside check`";

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, set_permissions, write};

    use super::*;

    fn me() -> Runner {
        let (uid, groups) = of_process(std::process::id()).unwrap();
        Runner { uid, groups, root: None, is_other: false }
    }

    fn program(dir: &Path, name: &str, text: &str, mode: u32) -> PathBuf {
        let path = dir.join(name);
        write(&path, text).unwrap();
        set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        path
    }

    fn check(runner: &Runner, program: &Path, state: State, said: &str) {
        let verdict = runner.verdict(program);
        assert_eq!(verdict.state, state, "{verdict:?}");
        assert!(verdict.evidence.contains(said), "{verdict:?}");
        assert_eq!(verdict.cure.is_some(), state != State::Ok, "{verdict:?}");
    }

    #[test]
    fn a_program_that_cannot_be_run_is_a_problem_before_the_night() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name, text, mode| program(dir.path(), name, text, mode);
        check(&me(), &at("page", "#!/bin/sh\n", 0o755), State::Ok, "`bedside alert test` tries it");
        check(&me(), &dir.path().join("pgae"), State::Problem, "pgae: No such file");
        check(&me(), dir.path(), State::Problem, "is no file that could be run");
        let plain = at("plain", "#!/bin/sh\n", 0o644);
        check(&me(), &plain, State::Problem, "plain, of mode 0644");
        let cure = me().verdict(&plain).cure.unwrap();
        assert_eq!(cure, format!("chmod a+x {}", plain.display()));
        check(&me(), &at("unread", "", 0o100), State::Ok, "may run");
        let dos = at("dos", "#!/bin/sh\r\necho\r\n", 0o755);
        check(&me(), &dos, State::Problem, "is a script for /bin/sh\\x0d, which can't be run: ");
    }

    /// What a store's own user may not do, though root who looks may.
    #[test]
    fn who_runs_the_doctor_counts_and_not_who_looks() {
        let dir = tempfile::tempdir_in("/tmp").unwrap();
        let page = program(dir.path(), "page", "#!/bin/sh\n", 0o755);
        let other = Runner { uid: 54321, groups: vec![54321], root: None, is_other: true };
        set_permissions(dir.path(), Permissions::from_mode(0o700)).unwrap();
        let closed = format!("the user 54321 may not pass through {}", dir.path().display());
        check(&other, &page, State::Problem, &closed);
        set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
        check(&other, &page, State::Unknown, "but not for a unit with ProtectHome=");
        check(&other, Path::new("/bin/sh"), State::Ok, "the user 54321 may run /bin/sh");
        set_permissions(&page, Permissions::from_mode(0o711)).unwrap();
        let sandbox = Runner { root: Some(PathBuf::from("/")), ..other.clone() };
        check(&sandbox, &page, State::Problem, "may not read");
        let empty = Runner { root: Some(dir.path().to_owned()), ..other };
        check(&empty, &page, State::Problem, "the running doctor does not see");
    }
}
