//! What agents found of their kernels' last deaths: gathered from datagrams, filed under the boot
//! that it tells of.
//!
//! These lines are no records: nobody heard them when they were said. They lie in a file of their
//! own, `pstore` in the store's directory, with a mark at those that were heard as well, and are
//! shown with the boot's own.

mod file;
mod place;

use std::collections::HashSet;
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use bedside_stream::{StreamKey, WallTime};
use netconsole_wire::dump::{Dump, DumpLine};
use netconsole_wire::question::{Nonce, Reply};

use crate::scribe::Scribe;

pub(crate) use self::file::{Death, Deaths};
pub(crate) use self::place::Joined;

/// The dumps that are on their way.
#[derive(Debug)]
pub(crate) struct Dumps {
    open: Vec<Gathered>,
    filed: Arc<Mutex<Filed>>,
    file: Option<Scribe<Gathered>>,
    without_room: u64,
}

/// Which dumps are in the file, and which are being written to it.
#[derive(Debug, Default)]
struct Filed {
    kept: HashSet<Name>,
    under_way: HashSet<Name>,
}

/// A dump's id, which whoever sees it pass by could use too, and who sent it.
type Name = (Nonce, IpAddr);

/// A dump as far as it has come.
#[derive(Debug)]
struct Gathered {
    id: Nonce,
    host: Option<String>,
    boot_id: String,
    died_s: u64,
    from: String,
    why: String,
    /// Who sent it, to which of our ports.
    key: StreamKey,
    received: WallTime,
    lines: Vec<Option<Box<[u8]>>>,
    bytes: usize,
}

impl Dumps {
    /// Goes on with what is filed; the file takes up `most` bytes at most. Without a file nothing
    /// is gathered: then the lines are kept like all others.
    pub(crate) fn open(data: &Path, most: u64) -> Self {
        let filed = Arc::new(Mutex::new(Filed::default()));
        let opened = file::File::open(data, most).and_then(|(mut file, kept)| {
            lock(&filed).kept = kept;
            let filed = Arc::clone(&filed);
            Scribe::start("pstore", move |dump: Gathered| {
                let written = file.add(&dump);
                let mut filed = lock(&filed);
                filed.under_way.remove(&dump.name());
                if written.is_ok() {
                    filed.kept.insert(dump.name());
                }
                written
            })
        });
        let file = opened.inspect_err(|error| {
            tracing::warn!(%error, "cannot write the file `pstore` of the store");
        });
        Self { open: Vec::new(), filed, file: file.ok(), without_room: 0 }
    }

    /// Takes a datagram if it is a line of a dump. One for which there is no room is a line like
    /// all others.
    pub(crate) fn take(&mut self, key: &StreamKey, received: WallTime, payload: &[u8]) -> bool {
        let Some(line) = DumpLine::parse(payload).filter(|_| self.file.is_some()) else {
            return false;
        };
        let name = (line.dump.id, key.ip());
        if lock(&self.filed).knows(&name) {
            return true;
        }
        let known = self.open.iter().position(|dump| dump.name() == name);
        let taken = known.or_else(|| self.admit(&line.dump, *key, received));
        let dump = taken.and_then(|at| self.open.get_mut(at));
        let taken = dump.is_some_and(|dump| dump.take(&line, received));
        self.without_room += u64::from(!taken);
        taken
    }

    /// What to say of a dump to somebody at that address.
    pub(crate) fn reply(&self, id: Nonce, asker: IpAddr) -> Reply {
        let (filed, name) = (lock(&self.filed), (id, asker));
        if filed.kept.contains(&name) {
            return Reply::Kept;
        }
        let open = self.open.iter().find(|dump| dump.name() == name);
        match open.map(Gathered::missing) {
            None if filed.under_way.contains(&name) => Reply::Waiting,
            // Lines that are sent now would be kept as anybody's.
            None if self.file.is_none() || !self.has_room_for(asker) => Reply::Waiting,
            None => Reply::Missing(1),
            Some(None) => Reply::Waiting,
            Some(Some(number)) => Reply::Missing(number),
        }
    }

    /// Files what is whole, or will not become so. What can't be written now is the next time.
    pub(crate) fn keep(&mut self, now: WallTime) {
        let Some(file) = &self.file else { return };
        let ripe = |dump: &Gathered| {
            dump.missing().is_none() || now.0.saturating_sub(dump.received.0) > IDLE_US
        };
        while let Some(at) = self.open.iter().position(ripe) {
            let dump = self.open.swap_remove(at);
            let name = dump.name();
            lock(&self.filed).under_way.insert(name);
            if let Err(dump) = file.tell(dump) {
                lock(&self.filed).under_way.remove(&name);
                self.open.push(dump);
                return;
            }
        }
    }

    /// Lines that were taken for others', because too many dumps were on their way.
    pub(crate) fn without_room(&self) -> u64 {
        self.without_room
    }

    fn admit(&mut self, dump: &Dump<'_>, key: StreamKey, received: WallTime) -> Option<usize> {
        if !self.has_room_for(key.ip()) || dump.lines as usize > LINES {
            return None;
        }
        self.open.push(Gathered {
            id: dump.id,
            host: dump.host.map(str::to_owned),
            boot_id: dump.boot_id.to_owned(),
            died_s: dump.died_s,
            from: dump.from.to_owned(),
            why: dump.why.to_owned(),
            key,
            received,
            lines: vec![None; dump.lines as usize],
            bytes: 0,
        });
        Some(self.open.len() - 1)
    }

    /// Nobody takes all the room: an agent sends one dump after the other.
    fn has_room_for(&self, sender: IpAddr) -> bool {
        let theirs = self.open.iter().filter(|dump| dump.key.ip() == sender);
        self.open.len() < OPEN && theirs.count() < OPEN_OF_ONE
    }
}

impl Filed {
    fn knows(&self, name: &Name) -> bool {
        self.kept.contains(name) || self.under_way.contains(name)
    }
}

impl Gathered {
    fn name(&self) -> Name {
        (self.id, self.key.ip())
    }

    /// False, if it has grown too large, or is not the one that it was.
    fn take(&mut self, line: &DumpLine<'_>, received: WallTime) -> bool {
        let fits = self.bytes + line.text.len() <= BYTES;
        let Some(place) = self.lines.get_mut(line.number as usize - 1).filter(|_| fits) else {
            return false;
        };
        if place.is_none() {
            *place = Some(line.text.into());
            self.bytes += line.text.len();
        }
        self.received = self.received.max(received);
        true
    }

    /// The number, from 1, of the first line that is missing.
    fn missing(&self) -> Option<u32> {
        self.lines.iter().position(Option::is_none).map(|at| at as u32 + 1)
    }
}

fn lock(filed: &Mutex<Filed>) -> std::sync::MutexGuard<'_, Filed> {
    filed.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Dumps on their way at once, and those of one sender.
const OPEN: usize = 32;
const OPEN_OF_ONE: usize = 8;
/// Lines of a dump, and bytes of all of them.
const LINES: usize = 16_384;
const BYTES: usize = 2 << 20;
/// After so long a silence a dump is filed with what there is of it.
const IDLE_US: u64 = 60_000_000;

#[cfg(test)]
mod tests;
