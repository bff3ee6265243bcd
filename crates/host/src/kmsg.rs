//! The kernel's log: read, and written to.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt as _;

use nix::libc;

use crate::{Error, Machine};

/// The kernel's log, from the oldest record that is there.
#[derive(Debug)]
pub struct Kmsg {
    file: File,
    room: Box<[u8]>,
}

impl Kmsg {
    /// The next record as the kernel gives it: `prefix,seq,time,flags[,…];text`, a newline, the
    /// dictionary (Documentation/ABI/testing/dev-kmsg). Nothing, if there is none yet.
    ///
    /// Records that were overwritten before they were read are passed over: the numbers tell.
    pub fn read(&mut self) -> io::Result<Option<&[u8]>> {
        loop {
            match self.file.read(&mut self.room) {
                Ok(0) => return Ok(None),
                Ok(got) => return Ok(self.room.get(..got)),
                Err(error) => match error.kind() {
                    io::ErrorKind::BrokenPipe | io::ErrorKind::Interrupted => {}
                    io::ErrorKind::WouldBlock => return Ok(None),
                    _ => return Err(error),
                },
            }
        }
    }

    /// The texts of what is there now, as far as it can be read.
    pub(crate) fn texts(mut self) -> Vec<String> {
        let mut texts = Vec::new();
        while let Ok(Some(record)) = self.read() {
            let record = String::from_utf8_lossy(record);
            let text = record.split_once(';').and_then(|(_, text)| text.lines().next());
            texts.extend(text.map(str::to_owned));
        }
        texts
    }
}

impl AsFd for Kmsg {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Machine {
    /// The kernel's log, from the oldest record that is there.
    pub fn kmsg(&self) -> Result<Kmsg, Error> {
        let path = self.at(KMSG);
        let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(&path);
        let file = file.map_err(Error::read(path))?;
        Ok(Kmsg { file, room: vec![0; RECORD].into() })
    }

    /// The kernel's log, from what it says next.
    pub(crate) fn kmsg_from_now(&self) -> Result<Kmsg, Error> {
        let mut kmsg = self.kmsg()?;
        kmsg.file.seek(SeekFrom::End(0)).map_err(Error::read(self.at(KMSG)))?;
        Ok(kmsg)
    }

    /// Has the kernel say a line at a level.
    pub fn say(&self, level: u8, text: &str) -> Result<(), Error> {
        let path = self.at(KMSG);
        let line = format!("<{level}>{text}\n");
        let write = || OpenOptions::new().write(true).open(&path)?.write_all(line.as_bytes());
        write().map_err(|cause| Error::Write {
            path: path.clone(),
            value: line.clone(),
            cause,
            hint: "\ntry: as root".into(),
        })
    }
}

const KMSG: &str = "/dev/kmsg";
/// `PRINTK_MESSAGE_MAX` is 2048 now and was 8192: a shorter room is refused.
const RECORD: usize = 8192;
