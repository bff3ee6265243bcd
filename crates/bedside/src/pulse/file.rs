//! The file of pulses: slots of one length, each a JSON object with blanks behind it and a
//! newline.

use std::fs;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::scribe::{self, Scribe};

/// What is to be written in which slot.
pub(super) type News = Vec<(usize, Slot)>;

/// A slot's bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Slot(Vec<u8>);

impl Slot {
    /// Nothing, for what is longer than a slot: a name of 255 bytes that are all escaped.
    pub(super) fn of(value: &impl Serialize) -> Option<Slot> {
        let mut text = serde_json::to_vec(value).ok().filter(|text| text.len() < LENGTH)?;
        text.resize(LENGTH - 1, b' ');
        text.push(b'\n');
        Some(Slot(text))
    }
}

/// Opens the file, or makes it, and leaves no more than so many slots.
pub(super) fn open(data: &Path, slots: usize) -> io::Result<Scribe<News>> {
    let file = scribe::open(&path(data))?;
    if file.metadata()?.len() > (slots * LENGTH) as u64 {
        file.set_len((slots * LENGTH) as u64)?;
    }
    Scribe::start("pulse", move |news: News| {
        news.iter().try_for_each(|(at, slot)| file.write_all_at(&slot.0, (at * LENGTH) as u64))
    })
}

/// All slots, empty ones too.
pub(super) fn read(data: &Path) -> io::Result<Vec<Vec<u8>>> {
    match fs::read(path(data)) {
        Ok(bytes) => Ok(bytes.chunks_exact(LENGTH).map(<[u8]>::to_vec).collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(scribe::unread(&path(data))(error)),
    }
}

fn path(data: &Path) -> PathBuf {
    data.join("pulse")
}

/// A sector.
const LENGTH: usize = 512;
