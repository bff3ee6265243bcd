//! Files of the store's directory that a thread of their own writes: a disk that hangs must not
//! keep the doctor from hearing.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

/// The doctor's end of such a file.
#[derive(Debug)]
pub(crate) struct Scribe<N> {
    news: Option<SyncSender<N>>,
    /// Its other end goes with the thread.
    ended: Receiver<()>,
}

impl<N: Send + 'static> Scribe<N> {
    /// Has `write` write down whatever news there are of the file of this name. What fails is
    /// said once, until it goes well again.
    pub(crate) fn start(
        name: &'static str,
        mut write: impl FnMut(N) -> io::Result<()> + Send + 'static,
    ) -> io::Result<Scribe<N>> {
        let (news, asked) = sync_channel(1);
        let (ends, ended) = sync_channel(1);
        thread::Builder::new().name(format!("bedside-{name}")).spawn(move || {
            let mut failing = false;
            for news in asked {
                let written = write(news);
                if let Err(error) = &written
                    && !failing
                {
                    tracing::warn!(%error, "cannot write the file `{name}` of the store");
                }
                failing = written.is_err();
            }
            drop(ends);
        })?;
        Ok(Scribe { news: Some(news), ended })
    }

    /// Has it written; gives it back if the last news are still being written.
    pub(crate) fn tell(&self, news: N) -> Result<(), N> {
        match &self.news {
            Some(sender) => sender.try_send(news).map_err(|error| match error {
                std::sync::mpsc::TrySendError::Full(news)
                | std::sync::mpsc::TrySendError::Disconnected(news) => news,
            }),
            None => Err(news),
        }
    }
}

impl<N> Drop for Scribe<N> {
    /// What was handed over is written, unless the disk hangs.
    fn drop(&mut self) {
        self.news = None;
        let _ended_or_late = self.ended.recv_timeout(PATIENCE);
    }
}

/// Opens a file that is written over in place, or makes it.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(false).mode(0o640).open(path)
}

/// Says which file could not be read.
pub(crate) fn unread(path: &Path) -> impl Fn(io::Error) -> io::Error {
    move |error| io::Error::new(error.kind(), format!("cannot read {}: {error}", path.display()))
}

/// Has what was made or renamed in a file's directory outlive a power loss.
pub(crate) fn sync_directory_of(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
}

/// How long a disk is waited for at the end.
const PATIENCE: Duration = Duration::from_secs(1);
