//! How a running doctor is, told to whoever runs `bedside check` on its store.
//!
//! The file `health` in the store's directory is given its room once, at the start, and written
//! over in place from then on, so that "the disk is full" can be said on a full disk. A thread of
//! its own writes it: a disk that hangs must not keep the doctor from hearing. What the file says
//! is true unless it is locked: that, too, can be seen on a disk that takes nothing any more.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use bedside_store::{Counters, Health, Trouble, Writer};
use serde::{Deserialize, Serialize};

use crate::check::Verdict;

/// What the file says: one JSON object, and blanks up to its full length.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Told {
    v: u8,
    /// The doctor's process.
    pid: u32,
    /// Why the segments can't be written.
    disk: Option<String>,
    /// Why the catalogue can't be written.
    catalogue: Option<String>,
    /// Records that were not kept since it started.
    lost: u64,
    /// New senders that came in a crowd since it started: strangers.
    #[serde(default)]
    strangers: u64,
}

/// The doctor's end of the file.
#[derive(Debug)]
pub(crate) struct HealthFile {
    told: SyncSender<Told>,
}

impl HealthFile {
    /// Makes the file. A doctor without one goes on all the same.
    pub(crate) fn make(data: &Path, writer: &Writer) -> io::Result<HealthFile> {
        let path = path(data);
        let file = make(&path, &Told::of(&writer.health(), writer.counters()))?;
        let (told, news) = sync_channel(1);
        thread::Builder::new()
            .name("bedside-health".to_owned())
            .spawn(move || keep(file, &path, &news))?;
        Ok(HealthFile { told })
    }

    /// Says how the writer is. What cannot be said at once is said the next time.
    pub(crate) fn tell(&self, writer: &Writer, strangers: u64) {
        let told = Told { strangers, ..Told::of(&writer.health(), writer.counters()) };
        drop(self.told.try_send(told));
    }
}

/// Writes what has changed, as long as somebody tells.
fn keep(mut file: File, path: &Path, news: &Receiver<Told>) {
    let (mut last, mut failing) = (None, false);
    for told in news {
        let written = update(&mut file, path, &told, &mut last);
        if let Err(error) = &written
            && !failing
        {
            tracing::warn!(%error, "cannot write the file `health` of the store");
        }
        failing = written.is_err();
    }
}

fn update(file: &mut File, path: &Path, told: &Told, last: &mut Option<Told>) -> io::Result<()> {
    if file.metadata()?.nlink() == 0 {
        *file = make(path, told)?;
        *last = None;
    }
    if last.as_ref() != Some(told) {
        file.lock()?;
        file.write_all_at(&told.text()?, 0)?;
        // In memory only it would be lost with a disk that fails, or hangs.
        file.sync_data()?;
        file.unlock()?;
        *last = Some(told.clone());
    }
    Ok(())
}

fn make(path: &Path, told: &Told) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(false).mode(0o640).open(path)?;
    file.write_all_at(&told.text()?, 0)?;
    Ok(file)
}

impl Told {
    /// The whole file.
    fn text(&self) -> io::Result<Vec<u8>> {
        let mut text = serde_json::to_vec(self)?;
        text.resize(LENGTH, b' ');
        Ok(text)
    }

    fn of(health: &Health, counters: &Counters) -> Told {
        let say = |trouble: &Option<Trouble>| {
            trouble.as_ref().map(|t| t.what.chars().take(MOST_WORDS).collect())
        };
        let lost = [&counters.lost_queue, &counters.lost_disk];
        Told {
            v: 1,
            pid: std::process::id(),
            disk: say(&health.disk),
            catalogue: say(&health.catalogue),
            lost: lost.map(|counter| counter.load(Ordering::Relaxed)).iter().sum(),
            strangers: 0,
        }
    }

    fn verdicts(&self) -> Vec<Verdict> {
        let mut verdicts = Vec::new();
        if let Some(what) = &self.disk {
            let said = format!("the doctor (pid {}) cannot keep what it hears: {what}", self.pid);
            verdicts.push(Verdict::problem("keeping", said, DISK_CURE));
        }
        if let Some(what) = &self.catalogue {
            let said = format!("the doctor cannot write its catalogue: {what}");
            verdicts.push(Verdict::problem("catalogue", said, DISK_CURE));
        }
        if self.lost > 0 {
            let said = format!("{} records were not kept since the doctor started", self.lost);
            verdicts.push(Verdict::problem("lost", said, LOST_CURE));
        }
        if verdicts.is_empty() {
            verdicts.push(Verdict::ok("keeping", "the doctor keeps all that it hears"));
        }
        if self.strangers > 0 {
            let said = format!("{} new senders came in a flood: strangers", self.strangers);
            verdicts.push(Verdict::problem("strangers", said, STRANGERS_CURE));
        }
        verdicts
    }
}

/// What the doctor that writes the store in `data` says of itself; nothing where none does.
pub(crate) fn verdicts(data: &Path, running: bool) -> Vec<Verdict> {
    if !running {
        return Vec::new();
    }
    match read(&path(data)) {
        Ok(Some(told)) => told.verdicts(),
        Ok(None) => vec![Verdict::problem("keeping", UNTOLD, UNTOLD_CURE)],
        Err(error) => {
            let said = format!("the doctor's file `health` cannot be read: {error}");
            vec![Verdict::unknown("keeping", said, UNTOLD_CURE)]
        }
    }
}

/// What the file says; nothing where the doctor can't get it to say the truth.
fn read(path: &Path) -> io::Result<Option<Told>> {
    let file = File::open(path)?;
    for _ in 0..TRIES {
        if file.try_lock_shared().is_ok() {
            let told = serde_json::from_slice(&std::fs::read(path)?)?;
            return Ok(Some(told));
        }
        thread::sleep(PAUSE);
    }
    Ok(None)
}

fn path(data: &Path) -> PathBuf {
    data.join("health")
}

/// It is locked while it is written, which takes a moment only.
const TRIES: u32 = 10;
const PAUSE: Duration = Duration::from_millis(20);
const LENGTH: usize = 4096;
/// So that two of them fit, escaped.
const MOST_WORDS: usize = 256;
const DISK_CURE: &str = "make room or mend the disk; the doctor goes on by itself then";
const UNTOLD: &str =
    "the doctor cannot write how it is: its disk fails, is read-only, or does not answer";
const UNTOLD_CURE: &str = "what the doctor said (`journalctl -u bedside`), and `dmesg`";
const STRANGERS_CURE: &str = "if they are made up, `allow` in the configuration, or a firewall, \
    keeps them out; what they say is kept, and fills the disk up to `size` under [retention]";
const LOST_CURE: &str =
    "`bedside log` shows where; a faster disk, or more `queue` under [store], prevents it";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::State;

    #[test]
    fn trouble_is_a_problem_and_none_is_well() {
        let well = Told { v: 1, pid: 7, ..Told::default() };
        assert_eq!(well.verdicts()[0].state, State::Ok);
        let ill = Told { disk: Some("write segment 3: No space left".into()), lost: 2, ..well };
        let states: Vec<State> = ill.verdicts().iter().map(|verdict| verdict.state).collect();
        assert_eq!(states, [State::Problem, State::Problem]);
        let flooded = Told { strangers: 9, ..Told::default() };
        let said: Vec<_> = flooded.verdicts().into_iter().map(|verdict| verdict.evidence).collect();
        assert!(said.len() == 2 && said[1].starts_with("9 new senders"), "{said:?}");
    }

    #[test]
    fn a_file_without_a_doctor_says_nothing() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(verdicts(dir.path(), true)[0].state, State::Unknown);
        std::fs::write(path(dir.path()), br#"{"v":1,"pid":1,"disk":"x","lost":0}   "#).unwrap();
        assert_eq!(verdicts(dir.path(), false), []);
        assert_eq!(verdicts(dir.path(), true).len(), 1);
    }

    #[test]
    fn a_file_that_is_locked_is_not_believed() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(path(dir.path()), br#"{"v":1,"pid":1,"disk":null,"lost":0}   "#).unwrap();
        assert_eq!(verdicts(dir.path(), true)[0].state, State::Ok);
        let doctors = File::open(path(dir.path())).unwrap();
        doctors.lock().unwrap();
        let [verdict] = &verdicts(dir.path(), true)[..] else { panic!("one verdict") };
        assert_eq!((verdict.state, &*verdict.evidence), (State::Problem, UNTOLD));
    }
}
