//! The keys that machines share with their doctor: what an agent says itself counts only if it
//! was sealed with one of them, once there are any; and what a kernel says is marked by whether
//! its tag was made with one.

mod nonces;

use std::collections::HashMap;
use std::fs;
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context as _, ensure};
use bedside_stream::{StreamKey, Voice};
use hmac::{Hmac, KeyInit as _, Mac as _};
use netconsole_wire::closing::PROGRAM;
use netconsole_wire::dump::DumpLine;
use netconsole_wire::heartbeat::Heartbeat;
use netconsole_wire::seal::{self, Sealed};
use netconsole_wire::tag::{self, Tagged};
use nonces::Nonces;
use sha2::Sha256;

use crate::exit;

/// The keys, and what was refused.
#[derive(Default)]
pub(crate) struct Keys {
    /// Everybody's.
    shared: Vec<Key>,
    /// Those of one address; where there are any, no others count there.
    own: HashMap<IpAddr, Vec<Key>>,
    nonces: Nonces,
    counters: Counters,
}

/// One key: for seals as it is, for tags what is made of it.
struct Key {
    seal: Hmac<Sha256>,
    tag: tag::Key,
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    /// Heartbeats and lines of pstore that were sealed with no key of ours, or heard before.
    pub(crate) refused: u64,
    /// Datagrams with a tag that no key of ours makes.
    pub(crate) forged: u64,
    /// Datagrams with the tag of another source or an earlier boot.
    pub(crate) copied: u64,
    /// Nonces that made room for others.
    pub(crate) nonces_made_room: u64,
}

/// What an agent may have said.
pub(crate) struct Said<'a> {
    pub(crate) payload: &'a [u8],
    /// Which datagram of its boot; none where it was not sealed, or nobody can tell by whom.
    pub(crate) counter: Option<u64>,
}

impl Keys {
    /// Reads a file with a key in each line; none without a file.
    pub(crate) fn read(path: Option<&Path>) -> anyhow::Result<Keys> {
        let Some(path) = path else { return Ok(Keys::default()) };
        let shown = path.display();
        let text = fs::read_to_string(path)
            .with_context(|| format!("cannot read the keys {shown}"))
            .map_err(with_cure)?;
        let mode = path.metadata()?.permissions().mode();
        ensure!(
            mode & 0o027 == 0,
            "the keys {shown} may be read or written by others (mode {:03o}): `chmod 0600 {shown}`, \
             or 0640 with the doctor's group",
            mode & 0o777
        );
        let lines = text.lines().map(str::trim).enumerate();
        let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        let mut keys = Keys::default();
        let mut sound = true;
        for (at, line) in lines {
            let Line { of, text } = Line::of(line);
            ensure!(
                of.is_some() || !names_somebody(text),
                "the keys {shown}, line {}: {NOBODY}",
                at + 1
            );
            sound &= text.len() >= SHORTEST;
            let place = of.map(|of| keys.own.entry(of).or_default());
            place.unwrap_or(&mut keys.shared).extend(Key::new(text));
        }
        let few = |keys: &Vec<Key>| keys.len() <= MOST;
        ensure!(
            sound && keys.count() > 0 && few(&keys.shared) && keys.own.values().all(few),
            "the keys {shown}: in each line a key of {SHORTEST} characters at least (`openssl rand \
             -hex 32`), with an address and a blank in front if it is that machine's only; {MOST} \
             at most for everybody, and for each address"
        );
        Ok(keys)
    }

    /// Takes up which nonces were heard, `most` of them, if there are keys that they are needed for.
    pub(crate) fn remember(&mut self, data: &Path, most: usize) {
        if self.count() > 0 {
            self.nonces = Nonces::open(data, most);
        }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.shared.len() + self.own.values().map(Vec::len).sum::<usize>()
    }

    /// What was counted so far.
    pub(crate) fn counters(&self) -> Counters {
        Counters { nonces_made_room: self.nonces.made_room(), ..self.counters }
    }

    /// What a datagram's tag says of who sent it. Without keys nobody looks.
    pub(crate) fn voice(&mut self, from: &StreamKey, payload: &[u8]) -> Voice {
        if self.shared.is_empty() && self.own.is_empty() {
            return Voice::Plain;
        }
        let keys = self.of(from.ip());
        if keys.is_empty() {
            return Voice::Plain;
        }
        let Some(tagged) = Tagged::open(payload) else { return Voice::Plain };
        if !keys.iter().any(|key| tagged.is_by(&key.tag)) {
            self.counters.forged += 1;
            Voice::Forged
        } else if self.nonces.take(tagged.tag.nonce, *from) {
            Voice::Signed
        } else {
            self.counters.copied += 1;
            Voice::Copied
        }
    }

    /// Writes down what is to be known after a restart.
    pub(crate) fn keep(&mut self) {
        self.nonces.keep();
    }

    /// Those that count for an address.
    fn of(&self, source: IpAddr) -> &[Key] {
        self.own.get(&source).unwrap_or(&self.shared)
    }

    /// A datagram without its seal; nothing, if an agent might have said it and there is no sound
    /// seal on it.
    pub(crate) fn open<'a>(&mut self, source: IpAddr, payload: &'a [u8]) -> Option<Said<'a>> {
        if !may_be_an_agents(payload) {
            return Some(Said { payload, counter: None });
        }
        let sealed = seal::open(payload);
        let said = sealed.map_or(payload, |sealed| sealed.said);
        let is_agents = || Heartbeat::parse(said).is_some() || DumpLine::parse(said).is_some();
        if self.of(source).is_empty() || !is_agents() {
            return Some(Said { payload: said, counter: None });
        }
        let Some(sealed) = sealed.filter(|sealed| self.fits(source, sealed)) else {
            self.refuse();
            return None;
        };
        Some(Said { payload: said, counter: Some(sealed.counter) })
    }

    /// Counts one that was sealed, but was heard before.
    pub(crate) fn refuse(&mut self) {
        self.counters.refused += 1;
    }

    /// In a time that does not tell how far a code is right.
    fn fits(&self, source: IpAddr, sealed: &Sealed<'_>) -> bool {
        self.of(source).iter().any(|key| {
            let mut mac = key.seal.clone();
            mac.update(sealed.covered);
            mac.verify_slice(&sealed.code).is_ok()
        })
    }
}

/// A line of the file.
struct Line<'t> {
    of: Option<IpAddr>,
    text: &'t str,
}

impl<'t> Line<'t> {
    fn of(line: &'t str) -> Line<'t> {
        let parts = line.split_once(char::is_whitespace);
        match parts.and_then(|(of, text)| Some((of.parse::<IpAddr>().ok()?, text))) {
            Some((of, text)) => Line { of: Some(of.to_canonical()), text: text.trim() },
            None => Line { of: None, text: line },
        }
    }
}

/// The doctor is not root where a package started it.
fn with_cure(error: anyhow::Error) -> anyhow::Error {
    let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
    if kind != Some(io::ErrorKind::PermissionDenied) {
        return error;
    }
    let us = nix::unistd::Gid::effective();
    anyhow::anyhow!(
        "{}; give it to the doctor's group (`chgrp {us}`, `chmod 0640`)",
        exit::words(&error)
    )
}

/// Whether it looks like a key with somebody in front of it.
fn names_somebody(text: &str) -> bool {
    let words: Vec<&str> = text.split_whitespace().collect();
    matches!(words[..], [_, key] if key.len() >= SHORTEST)
}

impl Key {
    /// Any text is one.
    fn new(text: &str) -> Option<Key> {
        let seal = Hmac::<Sha256>::new_from_slice(text.as_bytes()).ok()?;
        let mut made = seal.clone();
        made.update(PROGRAM.as_bytes());
        let made = made.finalize().into_bytes();
        Some(Key { seal, tag: tag::Key::new(*made.first_chunk()?) })
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Keys").field("count", &self.count()).finish_non_exhaustive()
    }
}

/// What the line says is not told: it may be a secret.
const NOBODY: &str = "what stands in front of the key is no address; write one, or the key alone if \
    it is everybody's";
/// What all that an agent says begins with.
const START: &[u8] = b"<30>1 - ";
/// Characters of a key: 128 bits in hex.
const SHORTEST: usize = 32;
/// Each costs some microseconds for each datagram of an agent's, and a fraction for a signed one.
const MOST: usize = 16;

/// Whether an agent might have said it: what kernels say is passed by at a glance.
pub(crate) fn may_be_an_agents(payload: &[u8]) -> bool {
    payload.starts_with(START)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "0123456789abcdef0123456789abcdef";
    const BEAT: &[u8] =
        b"<30>1 - web1 bedside-patient 7 heartbeat - boot_id=a uptime=1s every=10s armed=yes errors=0";

    const HOST: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 7));
    const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 8));

    fn keys(text: &str, mode: u32) -> anyhow::Result<Keys> {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("keys");
        fs::write(&path, text)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
        Keys::read(Some(&path))
    }

    fn sealed(key: &str, payload: &[u8]) -> Vec<u8> {
        let mut payload = [payload, seal::counter(5).to_string().as_bytes()].concat();
        let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap();
        mac.update(&payload);
        let code = mac.finalize().into_bytes().into();
        payload.extend(seal::code(code).to_string().bytes());
        payload
    }

    #[test]
    fn what_is_sealed_with_a_key_counts_and_nothing_else() {
        let mut keys = keys(&format!("# two\n{KEY}\n\n{}\n", KEY.to_uppercase()), 0o600).unwrap();
        assert_eq!(keys.count(), 2);
        for key in [KEY, &KEY.to_uppercase()] {
            let payload = sealed(key, BEAT);
            let said = keys.open(HOST, &payload).unwrap();
            assert_eq!((said.payload, said.counter), (BEAT, Some(5)));
        }
        let mut changed = sealed(KEY, BEAT);
        changed[8] = b'x';
        for bad in [BEAT.to_vec(), sealed(&KEY.replace('0', "1"), BEAT), changed] {
            assert!(keys.open(HOST, &bad).is_none());
        }
        assert_eq!(keys.counters().refused, 3);
        let line = b"<30>1 - web1 sshd 7 - - hello";
        assert_eq!(keys.open(HOST, line).unwrap().payload, line, "no agent's");
        assert_eq!(format!("{keys:?}"), "Keys { count: 2, .. }");
    }

    #[test]
    fn without_keys_all_counts_and_a_seal_is_left_off() {
        let mut keys = Keys::read(None).unwrap();
        assert_eq!(keys.open(HOST, &sealed(KEY, BEAT)).unwrap().payload, BEAT);
        assert_eq!(keys.open(HOST, BEAT).unwrap().counter, None);
    }

    #[test]
    fn a_file_that_others_may_read_or_that_holds_no_key_is_refused() {
        for (text, mode, why) in [
            (KEY, 0o604, "chmod 0600"),
            (KEY, 0o660, "chmod 0600"),
            ("", 0o600, "openssl rand"),
            ("short", 0o600, "openssl rand"),
            (
                &format!("# x\n10.0.0.l {KEY}"),
                0o600,
                "line 2: what stands in front of the key is no",
            ),
            (&format!("web1 {KEY}"), 0o600, "line 1: what stands in front"),
        ] {
            let error = keys(text, mode).unwrap_err().to_string();
            assert!(error.contains(why) && !error.contains("short "), "{error}");
        }
        assert!(keys(KEY, 0o640).is_ok());
    }

    /// The voice of a datagram.
    fn voice_of(keys: &mut Keys, source: IpAddr, payload: &[u8]) -> Voice {
        keys.voice(&StreamKey::new((source, 6665).into(), 6666), payload)
    }

    /// The voice of a datagram that the holder of this key has signed.
    fn voice(keys: &mut Keys, text: &str, nonce: u64, source: IpAddr) -> Voice {
        let key = Key::new(text).unwrap().tag;
        let mut room = [0; 100];
        let said = tag::Signer::new(key, nonce).sign(b"6,1,2,-;hello\n", &mut room).unwrap();
        voice_of(keys, source, said)
    }

    fn remembering(text: &str) -> Keys {
        let mut keys = keys(text, 0o600).unwrap();
        let dir = tempfile::tempdir().unwrap();
        keys.remember(dir.path(), 100);
        keys
    }

    #[test]
    fn a_datagram_is_told_by_its_tag() {
        let mut keys = remembering(KEY);
        assert_eq!(voice(&mut keys, KEY, 1, HOST), Voice::Signed);
        assert_eq!(voice(&mut keys, &KEY.to_uppercase(), 2, HOST), Voice::Forged);
        assert_eq!(voice(&mut keys, KEY, 1, OTHER), Voice::Copied);
        assert_eq!(voice_of(&mut keys, HOST, b"6,1,2,-;hello\n"), Voice::Plain);
        let counters = keys.counters();
        assert_eq!((counters.forged, counters.copied, counters.refused), (1, 1, 0));
        let mut none = Keys::read(None).unwrap();
        assert_eq!(voice(&mut none, KEY, 1, HOST), Voice::Plain, "nobody looks");
    }

    #[test]
    fn where_an_address_has_keys_of_its_own_no_others_count() {
        let own = KEY.to_uppercase();
        let mut keys = remembering(&format!("{KEY}\n10.0.0.7 {own}\n"));
        assert_eq!(keys.count(), 2);
        assert_eq!(voice(&mut keys, KEY, 1, HOST), Voice::Forged);
        assert_eq!(voice(&mut keys, &own, 2, HOST), Voice::Signed);
        assert_eq!(voice(&mut keys, KEY, 3, OTHER), Voice::Signed);
        assert_eq!(voice(&mut keys, &own, 4, OTHER), Voice::Forged);
        assert!(keys.open(HOST, &sealed(KEY, BEAT)).is_none());
        assert!(keys.open(HOST, &sealed(&own, BEAT)).is_some());
        let mut only = remembering(&format!("10.0.0.7 {own}\n"));
        assert_eq!(voice(&mut only, KEY, 1, OTHER), Voice::Plain, "no key, nobody looks");
    }
}
