//! How a running doctor is, told to whoever runs `bedside check` on its store.
//!
//! The file `health` in the store's directory is given its room once, at the start, and written
//! over in place from then on, so that "the disk is full" can be said on a full disk. What it says
//! is true unless it is locked: that, too, can be seen on a disk that takes nothing any more.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use bedside_store::{Counters, Health, Trouble, Writer};
use bedside_udp::Socket;
use serde::{Deserialize, Serialize};

use crate::check::Verdict;
use crate::incidents::Sight;
use crate::keys;
use crate::pulse;
use crate::scribe::{self, Scribe};

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
    /// Why incidents can't be looked for.
    #[serde(default)]
    search: Option<String>,
    /// Lines and runs that it did not look at for incidents, because there were too many.
    #[serde(default)]
    unsearched: u64,
    /// Nobody is told of incidents any more, though rules want that.
    #[serde(default)]
    silenced: bool,
    /// Records that were not kept since it started.
    lost: u64,
    /// New senders that came in a crowd since it started: strangers.
    #[serde(default)]
    strangers: u64,
    /// Boots whose last heartbeat made room for others', and heartbeats that found no room.
    #[serde(default)]
    heartbeats: (u64, u64),
    /// What pretended to be an agent's and was sealed with none of the keys.
    #[serde(default)]
    unsealed: u64,
    /// Datagrams from senders that `allow` does not name.
    #[serde(default)]
    refused: u64,
    /// Datagrams with a tag that no key makes, and with the tag of another source or boot.
    #[serde(default)]
    tags: (u64, u64),
    /// The smallest receive buffer of its sockets, bytes.
    #[serde(default)]
    receive_buffer: Option<u64>,
}

/// The doctor's end of the file.
#[derive(Debug)]
pub(crate) struct HealthFile {
    scribe: Scribe<Told>,
    receive_buffer: Option<u64>,
}

impl HealthFile {
    /// Makes the file. A doctor without one goes on all the same.
    pub(crate) fn make<'a>(
        data: &Path,
        writer: &Writer,
        sockets: impl Iterator<Item = &'a Socket>,
    ) -> io::Result<HealthFile> {
        let receive_buffer = sockets.map(|socket| socket.receive_buffer() as u64).min();
        let told = Told { receive_buffer, ..Told::of(&writer.health(), writer.counters()) };
        let path = path(data);
        let mut file = make(&path, &told)?;
        let mut last = None;
        let write = move |told: Told| update(&mut file, &path, &told, &mut last);
        Ok(HealthFile { scribe: Scribe::start("health", write)?, receive_buffer })
    }

    /// Says how the writer is, and all else. What cannot be said at once is said the next time.
    pub(crate) fn tell(&self, writer: &Writer, seen: Seen) {
        let Seen { strangers, refused, pulses, keys, sight, silenced } = seen;
        let told = Told {
            search: sight.trouble.map(|why| why.chars().take(MOST_WORDS).collect()),
            unsearched: sight.left_out,
            silenced,
            strangers,
            heartbeats: (pulses.made_room, pulses.no_room),
            unsealed: keys.refused,
            refused,
            tags: (keys.forged, keys.copied),
            receive_buffer: self.receive_buffer,
            ..Told::of(&writer.health(), writer.counters())
        };
        drop(self.scribe.tell(told));
    }
}

/// What a doctor counted, and how its search for incidents goes.
pub(crate) struct Seen {
    pub(crate) strangers: u64,
    /// Datagrams from senders that `allow` does not name.
    pub(crate) refused: u64,
    pub(crate) pulses: pulse::Counters,
    pub(crate) keys: keys::Counters,
    pub(crate) sight: Sight,
    /// Nobody is told of incidents any more.
    pub(crate) silenced: bool,
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
    let file = scribe::open(path)?;
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
            ..Told::default()
        }
    }

    fn verdicts(&self) -> Vec<Verdict> {
        let mut verdicts = self.of_keeping();
        verdicts.extend(self.silenced.then(|| Verdict::problem("alerts", SILENCED, SILENCED_CURE)));
        verdicts.extend(self.of_senders());
        verdicts
    }

    /// What becomes of what is heard.
    fn of_keeping(&self) -> Vec<Verdict> {
        let mut verdicts = Vec::new();
        if let Some(what) = &self.disk {
            let said = format!("the doctor (pid {}) cannot keep what it hears: {what}", self.pid);
            verdicts.push(Verdict::problem("keeping", said, DISK_CURE));
        }
        if let Some(what) = &self.catalogue {
            let said = format!("the doctor cannot write its catalogue: {what}");
            verdicts.push(Verdict::problem("catalogue", said, DISK_CURE));
        }
        if let Some(what) = &self.search {
            let said = format!("the doctor cannot look for incidents: {what}");
            verdicts.push(Verdict::problem("incidents", said, SEARCH_CURE));
        }
        if self.unsearched > 0 {
            let said = format!(
                "{} lines or boots were not looked at for incidents since the doctor started: too \
                 many came at once",
                self.unsearched
            );
            verdicts.push(Verdict::problem("incidents", said, UNSEARCHED_CURE));
        }
        if self.lost > 0 {
            let said = format!("{} records were not kept since the doctor started", self.lost);
            verdicts.push(Verdict::problem("lost", said, LOST_CURE));
        }
        if verdicts.is_empty() {
            verdicts.push(Verdict::ok("keeping", "the doctor keeps all that it hears"));
        }
        verdicts
    }

    /// What was heard that should not be.
    fn of_senders(&self) -> Vec<Verdict> {
        let mut verdicts = Vec::new();
        if self.strangers > 0 {
            let said = format!("{} new senders came in a flood: strangers", self.strangers);
            verdicts.push(Verdict::problem("strangers", said, STRANGERS_CURE));
        }
        if self.refused > 0 {
            let said = format!(
                "{} datagrams came from senders that `allow` does not name, and were refused",
                self.refused
            );
            verdicts.push(Verdict::ok("allow", said));
        }
        if self.heartbeats != (0, 0) {
            let (made_room, no_room) = self.heartbeats;
            let said = format!(
                "{made_room} boots that beat no more made room for others, and {no_room} \
                 heartbeats were taken for lines for want of it"
            );
            verdicts.push(Verdict::problem("heartbeats", said, HEARTBEATS_CURE));
        }
        if self.unsealed > 0 {
            let said = format!(
                "{} heartbeats or lines of pstore were sealed with no key of ours, or heard before",
                self.unsealed
            );
            verdicts.push(Verdict::problem("key", said, KEY_CURE));
        }
        if self.tags != (0, 0) {
            let (forged, copied) = self.tags;
            let said = format!(
                "{forged} datagrams have a tag that no key of ours makes, and {copied} that of \
                 another source or an earlier boot: kept apart, and proof of nothing"
            );
            verdicts.push(Verdict::problem("tags", said, TAGS_CURE));
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

/// How large the receive buffer of the doctor that writes the store in `data` is, bytes; nothing
/// where it does not say.
pub(crate) fn receive_buffer(data: &Path) -> Option<u64> {
    read(&path(data)).ok().flatten()?.receive_buffer
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
/// So that three of them fit, escaped.
const MOST_WORDS: usize = 192;
const DISK_CURE: &str = "make room or mend the disk; the doctor goes on by itself then";
const SEARCH_CURE: &str = "mend what is named, or give it to the doctor's user; it goes on by \
    itself then, and finds what it missed";
const UNSEARCHED_CURE: &str = "they are kept: `bedside log -g BUG` finds them; what the doctor said \
    (`journalctl -u bedside`) names who sent more than its share";
const SILENCED: &str =
    "the doctor can tell nobody of incidents any more: the process that brings letters is gone";
const SILENCED_CURE: &str = "start the doctor anew (`systemctl restart bedside`): what waits is told \
    then; what it said (`journalctl -u bedside`), and `dmesg`, may say why";
const UNTOLD: &str =
    "the doctor cannot write how it is: its disk fails, is read-only, or does not answer";
const UNTOLD_CURE: &str = "what the doctor said (`journalctl -u bedside`), and `dmesg`";
const STRANGERS_CURE: &str = "if they are made up, `allow` in the configuration, or a firewall, \
    keeps them out; what they say is kept, and fills the disk up to `size` under [retention]";
const HEARTBEATS_CURE: &str = "more `heartbeats` under [limits], if that many boots are no flood";
const KEY_CURE: &str = "on each machine /etc/bedside/patient.key, with a key of `key_file`; one that \
    has it and is refused still is not what it says it is";
const TAGS_CURE: &str = "`bedside boots` shows from where; give that machine a key of `key_file`, or keep it out (`allow`, \
    a firewall): what is forged is kept, and takes room";
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
        let blind = Told { search: Some("incidents.sqlite: readonly".into()), ..Told::default() };
        assert!(blind.verdicts()[0].evidence.contains("look for incidents: incidents.sqlite"));
        let mute = Told { silenced: true, ..Told::default() };
        assert!(mute.verdicts()[1].evidence.contains("can tell nobody"), "{mute:?}");
        let overrun = Told { unsearched: 7, ..Told::default() };
        assert!(overrun.verdicts()[0].evidence.starts_with("7 lines or boots were not looked at"));
        let flooded = Told { strangers: 9, ..Told::default() };
        let said: Vec<_> = flooded.verdicts().into_iter().map(|verdict| verdict.evidence).collect();
        assert!(said.len() == 2 && said[1].starts_with("9 new senders"), "{said:?}");
        let full = Told { heartbeats: (4, 0), ..Told::default() };
        assert!(full.verdicts()[1].evidence.starts_with("4 boots"), "{full:?}");
        let forged = Told { unsealed: 3, ..Told::default() };
        assert!(forged.verdicts()[1].evidence.starts_with("3 heartbeats"), "{forged:?}");
        let tags = Told { tags: (5, 1), ..Told::default() };
        assert!(tags.verdicts()[1].evidence.starts_with("5 datagrams"), "{tags:?}");
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
