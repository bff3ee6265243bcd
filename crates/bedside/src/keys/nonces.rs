//! The nonces of tags: each is a source's that began to sign, and only until that source begins
//! again. So what was signed in one boot proves nothing in another.
//!
//! The file `nonces` in the store's directory has a line for each, `<nonce> <source> <port>`, in
//! the order in which they were first heard, so that a doctor knows after a restart what it has
//! heard before.

use std::collections::{HashMap, VecDeque};
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::mem;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use bedside_stream::StreamKey;

use crate::scribe::{self, Scribe};

/// The nonces that were heard, at most [`StreamLimits::nonces`] of them: about 200 bytes each.
/// Beyond that the oldest makes room: it would be taken for a new one.
///
/// [`StreamLimits::nonces`]: crate::config::StreamLimits::nonces
#[derive(Debug, Default)]
pub(super) struct Nonces {
    /// In the order in which they were first heard.
    heard: VecDeque<(u64, StreamKey)>,
    owners: HashMap<u64, StreamKey>,
    /// The last one of each stream and of each address.
    of_stream: HashMap<StreamKey, u64>,
    of_address: HashMap<IpAddr, u64>,
    most: usize,
    /// Lines that are not written yet.
    news: String,
    file: Option<Scribe<String>>,
    made_room: u64,
}

impl Nonces {
    /// Takes up what the last doctor heard. Without a file they are not kept.
    pub(super) fn open(data: &Path, most: usize) -> Nonces {
        let mut nonces = Nonces { most, ..Nonces::default() };
        let file = nonces.take_up(&data.join(NAME)).inspect_err(|error| {
            tracing::warn!(%error, "cannot write the file `{NAME}` of the store");
        });
        Nonces { file: file.ok(), ..nonces }
    }

    /// Whether a nonce is this stream's, as far as is known: it was never heard, or is the last
    /// one that the stream has begun with. A stream that has begun with none goes on with its
    /// address's last: a NAT may have given it another port.
    pub(super) fn take(&mut self, nonce: u64, stream: StreamKey) -> bool {
        if !self.owners.contains_key(&nonce) {
            self.enter(nonce, stream);
            self.news += &line(nonce, &stream);
            return true;
        }
        match self.of_stream.get(&stream) {
            Some(own) => *own == nonce,
            None => self.of_address.get(&stream.ip()) == Some(&nonce),
        }
    }

    /// Writes down what is new.
    pub(super) fn keep(&mut self) {
        if let Some(file) = self.file.as_ref().filter(|_| !self.news.is_empty()) {
            // While the disk is busy they wait.
            self.news = file.tell(mem::take(&mut self.news)).err().unwrap_or_default();
        }
    }

    /// How many had to make room.
    pub(super) fn made_room(&self) -> u64 {
        self.made_room
    }

    fn enter(&mut self, nonce: u64, stream: StreamKey) {
        self.heard.push_back((nonce, stream));
        self.owners.insert(nonce, stream);
        self.of_stream.insert(stream, nonce);
        self.of_address.insert(stream.ip(), nonce);
        if self.heard.len() > self.most
            && let Some((oldest, owner)) = self.heard.pop_front()
        {
            self.owners.remove(&oldest);
            forget(&mut self.of_stream, &owner, oldest);
            forget(&mut self.of_address, &owner.ip(), oldest);
            self.made_room += 1;
        }
    }

    /// Reads the file, writes it anew with what of it is kept, and goes on at its end.
    fn take_up(&mut self, path: &Path) -> io::Result<Scribe<String>> {
        let text = match fs::read_to_string(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            text => text?,
        };
        // A line that a crash has cut off is none.
        text.lines().filter_map(read).for_each(|(nonce, stream)| self.enter(nonce, stream));
        let kept: String = self.heard.iter().map(|(nonce, stream)| line(*nonce, stream)).collect();
        let new = path.with_extension("new");
        let open = |path| OpenOptions::new().append(true).create(true).mode(0o640).open(path);
        if fs::exists(&new)? {
            fs::remove_file(&new)?;
        }
        let mut file = open(new.as_path())?;
        file.write_all(kept.as_bytes())?;
        file.sync_data()?;
        fs::rename(&new, path)?;
        scribe::sync_directory_of(path)?;
        Scribe::start(NAME, move |news: String| {
            file.write_all(news.as_bytes())?;
            file.sync_data()
        })
    }
}

fn forget<K: Eq + std::hash::Hash>(last: &mut HashMap<K, u64>, of: &K, nonce: u64) {
    if last.get(of) == Some(&nonce) {
        last.remove(of);
    }
}

fn line(nonce: u64, stream: &StreamKey) -> String {
    format!("{nonce:016x} {} {}\n", stream.source(), stream.port())
}

fn read(line: &str) -> Option<(u64, StreamKey)> {
    let mut words = line.split(' ');
    let nonce = u64::from_str_radix(words.next().filter(|word| word.len() == 16)?, 16).ok()?;
    let source: SocketAddr = words.next()?.parse().ok()?;
    Some((nonce, StreamKey::new(source, words.next()?.parse().ok()?)))
}

const NAME: &str = "nonces";

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(address: u8, port: u16) -> StreamKey {
        StreamKey::new(SocketAddr::from(([10, 0, 0, address], port)), 6666)
    }

    fn nonces(most: usize) -> Nonces {
        Nonces { most, ..Nonces::default() }
    }

    #[test]
    fn a_nonce_is_whose_it_was_first_and_only_until_the_next() {
        let mut nonces = nonces(100);
        assert!(nonces.take(1, stream(7, 6665)) && nonces.take(1, stream(7, 6665)));
        assert!(!nonces.take(1, stream(8, 6665)), "another machine's");
        assert!(nonces.take(2, stream(7, 6665)), "the next boot");
        assert!(!nonces.take(1, stream(7, 6665)), "the last boot's");
        assert!(nonces.take(2, stream(7, 6665)));
        assert!(!nonces.take(1, stream(7, 7777)), "the last boot's from another port");
    }

    #[test]
    fn two_targets_have_a_nonce_each_and_a_nat_may_change_the_port() {
        let mut nonces = nonces(100);
        let (one, other) = (stream(7, 6665), stream(7, 6665).with_port(6667));
        assert!(nonces.take(1, one) && nonces.take(2, other));
        assert!(nonces.take(1, one) && nonces.take(2, other));
        assert!(nonces.take(2, stream(7, 40_000)), "its address's last");
        assert!(!nonces.take(1, stream(7, 40_000)));
    }

    #[test]
    fn what_was_heard_is_known_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        for again in 0..3 {
            let mut nonces = Nonces::open(dir.path(), 100);
            assert!(nonces.take(1, stream(7, 6665)));
            assert!(!nonces.take(1, stream(8, 6665)), "{again}");
            nonces.keep();
        }
        let text = fs::read_to_string(dir.path().join(NAME)).unwrap();
        assert_eq!(text, "0000000000000001 10.0.0.7:6665 6666\n");
        fs::write(dir.path().join(NAME), format!("{text}no line\n00000000000000")).unwrap();
        assert!(!Nonces::open(dir.path(), 100).take(1, stream(8, 6665)));
    }

    #[test]
    fn the_oldest_makes_room_and_is_counted() {
        let mut nonces = nonces(2);
        for nonce in 1..=3 {
            assert!(nonces.take(nonce, stream(nonce as u8, 6665)));
        }
        assert_eq!(nonces.made_room(), 1);
        assert!(!nonces.take(2, stream(9, 6665)) && nonces.take(1, stream(9, 6665)));
    }
}
