//! The kernel's log: read, and written to.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;

use nix::libc;

use crate::{Error, Machine};

impl Machine {
    /// The texts of what is in the ring buffer now; nothing where it can't be read.
    pub(crate) fn kernel_log(&self) -> Vec<String> {
        let mut texts = Vec::new();
        let Ok(mut kmsg) = self.open_kmsg() else { return texts };
        let mut room = [0; RECORD];
        loop {
            match kmsg.read(&mut room) {
                Ok(0) => return texts,
                Ok(got) => {
                    let record = String::from_utf8_lossy(&room[..got]);
                    let text = record.split_once(';').and_then(|(_, text)| text.lines().next());
                    texts.extend(text.map(str::to_owned));
                }
                // What was overwritten meanwhile (EPIPE): on from the oldest that is there.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
                Err(_) => return texts,
            }
        }
    }

    /// Has the kernel say a line at a level.
    pub fn say(&self, level: u8, text: &str) -> Result<(), Error> {
        let path = self.at(KMSG);
        let line = format!("<{level}>{text}\n");
        let write = || OpenOptions::new().write(true).open(&path)?.write_all(line.as_bytes());
        write().map_err(|source| Error::Write {
            path: path.clone(),
            value: line.clone(),
            source,
            hint: "\ntry: as root".into(),
        })
    }

    fn open_kmsg(&self) -> io::Result<File> {
        OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(self.at(KMSG))
    }
}

const KMSG: &str = "/dev/kmsg";
/// `PRINTK_MESSAGE_MAX` is 2048 now and was 8192: a shorter room is refused.
const RECORD: usize = 8192;
