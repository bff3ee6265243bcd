//! A machine under a root: its files and its programs.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bedside_plan::Host;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, Flock, FlockArg, fcntl};

use crate::names::Names;
use crate::{Error, resolve};

/// A machine: everything below a directory.
#[derive(Clone, Debug)]
pub struct Machine {
    root: PathBuf,
    /// Where names are not waited for: what is known of them, and for how long they are.
    names: Option<(Arc<Names>, Duration)>,
}

/// Held while a machine is being changed, so that two don't do it at once; or as long as an agent
/// lives.
#[derive(Debug)]
pub struct Lock {
    _file: Flock<fs::File>,
}

impl Machine {
    /// The machine whose root directory this is; `/` for the one that this runs on.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), names: None }
    }

    /// The same, for somebody who waits for a name's address for so long at most, and else goes by
    /// what it was.
    #[must_use]
    pub fn impatient(&self, patience: Duration) -> Self {
        Self { names: Some((Arc::default(), patience)), ..self.clone() }
    }

    pub(crate) fn look_up(&self, host: &Host) -> io::Result<Vec<IpAddr>> {
        match &self.names {
            Some((names, patience)) => names.soon(host, *patience),
            None => resolve(host),
        }
    }

    /// Where `path`, absolute as the machine sees it, really is.
    pub fn at(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// Waits until nobody else changes the machine, and keeps others from it. Programs that are
    /// run meanwhile hold it too: one that outlives us is waited for.
    pub fn lock(&self) -> Result<Lock, Error> {
        self.lock_as(FlockArg::LockExclusive)
            .map_err(|errno| Error::change("lock", self.at(LOCK))(errno.into()))
    }

    /// As [`Machine::lock`], but nothing if somebody else has it.
    pub fn try_lock(&self) -> Result<Option<Lock>, Error> {
        match self.lock_as(FlockArg::LockExclusiveNonblock) {
            Ok(lock) => Ok(Some(lock)),
            Err(Errno::EWOULDBLOCK) => Ok(None),
            Err(errno) => Err(Error::change("lock", self.at(LOCK))(errno.into())),
        }
    }

    /// Shows that an agent lives, as long as it is held.
    pub fn show_agent(&self) -> Result<Lock, Error> {
        self.flock(AGENT, FlockArg::LockShared)
            .map(|file| Lock { _file: file })
            .map_err(|errno| Error::change("lock", self.at(AGENT))(errno.into()))
    }

    /// Whether an agent lives.
    pub(crate) fn shows_agent(&self) -> bool {
        let file = fs::File::open(self.at(AGENT));
        file.is_ok_and(|file| Flock::lock(file, FlockArg::LockExclusiveNonblock).is_err())
    }

    fn lock_as(&self, how: FlockArg) -> Result<Lock, Errno> {
        let file = self.flock(LOCK, how)?;
        fcntl(&*file, FcntlArg::F_SETFD(FdFlag::empty()))?;
        Ok(Lock { _file: file })
    }

    /// Leaves nothing of what was noted until the next start, nor the locks, but that of an agent
    /// that lives. The caller holds the machine's lock, which ends with that.
    pub fn leave(&self, lock: Lock) -> Result<(), Error> {
        let notes = self.names(NOTES).into_iter().map(|name| format!("{NOTES}/{name}"));
        for note in notes.filter(|note| note != LOCK && (note != AGENT || !self.shows_agent())) {
            self.remove(&note)?;
        }
        // Whoever waits for it, or locked a new one, finds the rest done.
        self.remove(LOCK)?;
        drop(lock);
        // With others in it, it stays.
        drop(fs::remove_dir(self.at(NOTES)));
        Ok(())
    }

    fn flock(&self, path: &str, how: FlockArg) -> Result<Flock<fs::File>, Errno> {
        let errno = |error: io::Error| Errno::from_raw(error.raw_os_error().unwrap_or(0));
        let path = self.at(path);
        let open = || {
            path.parent().map_or(Ok(()), fs::create_dir_all)?;
            fs::File::create(&path)
        };
        loop {
            // Its directory may be removed after it was made.
            let file = open().or_else(|_| open()).map_err(errno)?;
            let file = Flock::lock(file, how).map_err(|(_, errno)| errno)?;
            // One that was removed before it was ours keeps nobody off.
            let ours = file.metadata().map_err(errno)?;
            let is_it =
                |there: fs::Metadata| (there.dev(), there.ino()) == (ours.dev(), ours.ino());
            if path.metadata().is_ok_and(is_it) {
                return Ok(file);
            }
        }
    }

    /// What was noted under that name until the next start of the machine.
    pub fn noted(&self, name: &str) -> Option<String> {
        self.word(&format!("{NOTES}/{name}"))
    }

    /// Notes something under that name until the next start of the machine.
    pub fn note_down(&self, name: &str, text: &str) -> Result<(), Error> {
        let dir = self.at(NOTES);
        fs::create_dir_all(&dir).map_err(Error::change("make", dir))?;
        self.put(&format!("{NOTES}/{name}"), text, false)
    }

    /// What was remembered under that name, also from before the last start.
    pub fn remembered(&self, name: &str) -> Option<String> {
        self.word(&format!("{LASTING}/{name}"))
    }

    /// Remembers something under that name, also after the next start.
    pub fn remember(&self, name: &str, text: &str) -> Result<(), Error> {
        let dir = self.at(LASTING);
        fs::create_dir_all(&dir).map_err(Error::change("make", dir))?;
        self.put(&format!("{LASTING}/{name}"), text, false)
    }

    /// Remembers nothing under that name any more.
    pub fn forget(&self, name: &str) -> Result<(), Error> {
        self.remove(&format!("{LASTING}/{name}"))?;
        // With others in it, it stays.
        drop(fs::remove_dir(self.at(LASTING)));
        Ok(())
    }

    /// What a file says, without white space around it; nothing where it can't be read.
    pub(crate) fn word(&self, path: &str) -> Option<String> {
        let text = fs::read(self.at(path)).ok()?;
        Some(String::from_utf8_lossy(&text).trim().to_owned())
    }

    /// What a file says, whole; nothing where it is not there.
    pub(crate) fn text(&self, path: &str) -> Result<Option<String>, Error> {
        let path = self.at(path);
        match fs::read(&path) {
            Ok(text) => Ok(Some(String::from_utf8_lossy(&text).into_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::read(path)(error)),
        }
    }

    /// The names in a directory, sorted; none where it is not there.
    pub(crate) fn names(&self, path: &str) -> Vec<String> {
        let entries = fs::read_dir(self.at(path)).into_iter().flatten().flatten();
        let mut names: Vec<String> =
            entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort();
        names
    }

    pub(crate) fn is_dir(&self, path: &str) -> bool {
        self.at(path).is_dir()
    }

    /// Whether something is there, be it a link that leads nowhere.
    pub(crate) fn is_there(&self, path: &str) -> bool {
        self.at(path).symlink_metadata().is_ok()
    }

    /// Runs a program to its end; it is looked for where the system's own are.
    pub(crate) fn run(&self, words: &[String]) -> Result<(), Error> {
        let Some((name, arguments)) = words.split_first() else { return Ok(()) };
        let program = if name.starts_with('/') {
            self.at(name)
        } else {
            self.find(name).unwrap_or_else(|| PathBuf::from(name))
        };
        let output = Command::new(program)
            .args(arguments)
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .output()
            .map_err(|cause| Error::Start { words: words.join(" "), cause })?;
        if output.status.success() {
            return Ok(());
        }
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).trim().to_owned();
        Err(Error::Program { words: words.join(" "), status: output.status, said })
    }

    /// What a program prints; nothing, if it is not there or says no.
    pub(crate) fn printed(&self, name: &str, arguments: &[&str]) -> Option<String> {
        let mut command = Command::new(self.find(name)?);
        let output =
            command.args(arguments).env("LC_ALL", "C").stdin(Stdio::null()).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn find(&self, name: &str) -> Option<PathBuf> {
        let there = PROGRAMS.iter().map(|dir| self.at(dir).join(name));
        there.into_iter().find(|path| path.exists())
    }

    /// Makes a directory and those on the way to it; says which were not there, outermost first.
    pub(crate) fn missing_dirs(&self, path: &str) -> Vec<String> {
        let all = Path::new(path).ancestors().skip(1).filter_map(Path::to_str);
        let missing = all.take_while(|dir| !dir.is_empty() && !self.is_there(dir));
        let mut missing: Vec<String> = missing.map(str::to_owned).collect();
        missing.reverse();
        missing
    }
}

pub(crate) const NOTES: &str = "/run/bedside-patient";
const LASTING: &str = "/var/lib/bedside-patient";
const LOCK: &str = "/run/bedside-patient/lock";
const AGENT: &str = "/run/bedside-patient/agent";
const PROGRAMS: [&str; 4] = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"];
