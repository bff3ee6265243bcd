//! The file of pulses: slots of one length, each a JSON object with blanks behind it and a
//! newline. A thread of its own writes them, as a disk that hangs must not keep the doctor from
//! hearing.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use serde::Serialize;

/// What is to be written in which slot.
type News = Vec<(usize, Slot)>;

/// A slot's bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Slot(Vec<u8>);

/// The doctor's end of the file.
#[derive(Debug)]
pub(super) struct PulseFile {
    news: Option<SyncSender<News>>,
    /// Its other end goes with the thread.
    ended: Receiver<()>,
}

impl Slot {
    /// Nothing, for what is longer than a slot: a name of 255 bytes that are all escaped.
    pub(super) fn of(value: &impl Serialize) -> Option<Slot> {
        let mut text = serde_json::to_vec(value).ok().filter(|text| text.len() < LENGTH)?;
        text.resize(LENGTH - 1, b' ');
        text.push(b'\n');
        Some(Slot(text))
    }
}

impl PulseFile {
    /// Opens it, or makes it.
    pub(super) fn make(data: &Path) -> io::Result<PulseFile> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o640);
        let file = options.open(path(data))?;
        let (news, asked) = sync_channel(1);
        let name = "bedside-pulse".to_owned();
        let (ends, ended) = sync_channel(1);
        thread::Builder::new().name(name).spawn(move || {
            write(&file, &asked);
            drop(ends);
        })?;
        Ok(PulseFile { news: Some(news), ended })
    }

    /// Has it written; false if the last news are still being written.
    pub(super) fn write(&self, news: News) -> bool {
        self.news.as_ref().is_some_and(|sender| sender.try_send(news).is_ok())
    }
}

impl Drop for PulseFile {
    /// What was handed over is written, unless the disk hangs.
    fn drop(&mut self) {
        self.news = None;
        let _ended_or_late = self.ended.recv_timeout(PATIENCE);
    }
}

/// All slots, empty ones too.
pub(super) fn read(data: &Path) -> io::Result<Vec<Vec<u8>>> {
    match fs::read(path(data)) {
        Ok(bytes) => Ok(bytes.chunks_exact(LENGTH).map(<[u8]>::to_vec).collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn write(file: &File, asked: &Receiver<News>) {
    let mut failing = false;
    for news in asked {
        let each = |(at, slot): &(usize, Slot)| file.write_all_at(&slot.0, (at * LENGTH) as u64);
        let written = news.iter().try_for_each(each);
        if let Err(error) = &written
            && !failing
        {
            tracing::warn!(%error, "cannot write the file `pulse` of the store");
        }
        failing = written.is_err();
    }
}

fn path(data: &Path) -> PathBuf {
    data.join("pulse")
}

/// How long a disk is waited for at the end.
const PATIENCE: Duration = Duration::from_secs(1);
/// A sector.
const LENGTH: usize = 512;
