//! What people said of incidents: resolved, ignored, open again, a note. The file `ledger` in the
//! store's directory has a JSON object a line; it is only ever appended to, and nothing else has
//! what it says.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, fchown};
use std::path::Path;

use bedside_stream::WallTime;
use bedside_triage::Fingerprint;
use nix::unistd::Uid;
use serde::{Deserialize, Serialize};

use crate::scribe;

/// What somebody said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Saying {
    v: u8,
    /// When, microseconds since 1970.
    at: u64,
    fingerprint: Fingerprint,
    said: Said,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

/// The word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Said {
    /// It will not come again.
    Resolve,
    /// Nobody wants to hear of it.
    Ignore,
    /// It is as if nothing had been said.
    Reopen,
    /// Only the note.
    Note,
}

/// What holds of an incident, after all that was said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    /// The last word, and when it was said.
    pub(crate) word: Option<(Said, WallTime)>,
    pub(crate) note: Option<String>,
}

/// Says it.
pub(crate) fn say(
    data: &Path,
    fingerprint: Fingerprint,
    said: Said,
    note: Option<&str>,
    now: WallTime,
) -> io::Result<()> {
    let note = note.map(str::to_owned);
    let mut line = serde_json::to_vec(&Saying { v: 1, at: now.0, fingerprint, said, note })?;
    line.push(b'\n');
    let mut file = open(data)?;
    if !ends_whole(&mut file)? {
        line.insert(0, b'\n');
    }
    file.write_all(&line)?;
    file.sync_all()
}

/// Reads all that was said.
pub(crate) fn read(data: &Path) -> io::Result<HashMap<Fingerprint, Standing>> {
    let file = match File::open(data.join(NAME)) {
        Ok(file) => BufReader::new(file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(HashMap::new()),
        Err(error) => return Err(scribe::unread(&data.join(NAME))(error)),
    };
    let mut standings: HashMap<Fingerprint, Standing> = HashMap::new();
    for line in file.split(b'\n') {
        // What a crash cut off was never said.
        let Ok(saying) = serde_json::from_slice::<Saying>(&line?) else { continue };
        standings.entry(saying.fingerprint).or_default().hear(saying);
    }
    Ok(standings)
}

impl Standing {
    fn hear(&mut self, saying: Saying) {
        match saying.said {
            Said::Reopen => self.word = None,
            Said::Resolve | Said::Ignore => self.word = Some((saying.said, WallTime(saying.at))),
            Said::Note => {}
        }
        if let Some(note) = saying.note {
            self.note = Some(note).filter(|note| !note.is_empty());
        }
    }
}

/// Opens the file, or makes it; one that root makes is the store's owner's.
fn open(data: &Path) -> io::Result<File> {
    let path = data.join(NAME);
    let is_new = !path.exists();
    let mut options = OpenOptions::new();
    let file = options.read(true).append(true).create(true).mode(0o640).open(&path)?;
    if is_new {
        if Uid::effective().is_root() {
            let store = fs::metadata(data)?;
            fchown(&file, Some(store.uid()), Some(store.gid()))?;
        }
        scribe::sync_directory_of(&path)?;
    }
    Ok(file)
}

fn ends_whole(file: &mut File) -> io::Result<bool> {
    if file.seek(SeekFrom::End(0))? == 0 {
        return Ok(true);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

const NAME: &str = "ledger";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_counts_and_notes_stay() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (Fingerprint(1), Fingerprint(2));
        assert!(read(dir.path()).unwrap().is_empty());
        say(dir.path(), one, Said::Resolve, Some("fixed by 6.1.9"), WallTime(5)).unwrap();
        say(dir.path(), two, Said::Note, Some("known \"evil\"\n"), WallTime(6)).unwrap();
        say(dir.path(), one, Said::Ignore, None, WallTime(7)).unwrap();
        let all = read(dir.path()).unwrap();
        assert_eq!(all[&one].word, Some((Said::Ignore, WallTime(7))));
        assert_eq!(all[&one].note.as_deref(), Some("fixed by 6.1.9"));
        assert_eq!((all[&two].word, all[&two].note.as_deref()), (None, Some("known \"evil\"\n")));
        say(dir.path(), one, Said::Reopen, Some(""), WallTime(8)).unwrap();
        assert_eq!(read(dir.path()).unwrap()[&one], Standing::default());
    }

    #[test]
    fn what_a_crash_cut_off_spoils_nothing_behind_it() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(NAME), b"{\"v\":1,\"at\":3,\"fing").unwrap();
        say(dir.path(), Fingerprint(1), Said::Ignore, None, WallTime(9)).unwrap();
        assert_eq!(read(dir.path()).unwrap().len(), 1);
    }
}
