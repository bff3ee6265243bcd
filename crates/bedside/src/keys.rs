//! The keys that machines share with their doctor: what an agent says itself counts only if it
//! was sealed with one of them, once there are any.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context as _, ensure};
use hmac::{Hmac, KeyInit as _, Mac as _};
use netconsole_wire::dump::DumpLine;
use netconsole_wire::heartbeat::Heartbeat;
use netconsole_wire::seal::{self, Sealed};
use sha2::Sha256;

/// The keys, and what was refused.
#[derive(Default)]
pub(crate) struct Keys {
    keys: Vec<Hmac<Sha256>>,
    refused: u64,
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
        let text =
            fs::read_to_string(path).with_context(|| format!("cannot read the keys {shown}"))?;
        let mode = path.metadata()?.permissions().mode();
        ensure!(
            mode & 0o027 == 0,
            "the keys {shown} may be read or written by others (mode {:03o}): `chmod 0600 {shown}`, \
             or 0640 with the doctor's group",
            mode & 0o777
        );
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let lines: Vec<&str> = lines.filter(|line| !line.starts_with('#')).collect();
        let sound = lines.iter().all(|line| line.len() >= SHORTEST);
        let count = lines.len();
        ensure!(
            sound && (1..=MOST).contains(&count),
            "the keys {shown}: a key in each line, {SHORTEST} characters at least, {MOST} keys at \
             most: `openssl rand -hex 32`"
        );
        let keys = lines.iter().filter_map(|line| Hmac::new_from_slice(line.as_bytes()).ok());
        Ok(Keys { keys: keys.collect(), refused: 0 })
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.keys.len()
    }

    /// Heartbeats and lines of pstore that were sealed with none of them.
    pub(crate) fn refused(&self) -> u64 {
        self.refused
    }

    /// A datagram without its seal; nothing, if an agent might have said it and there is no sound
    /// seal on it.
    pub(crate) fn open<'a>(&mut self, payload: &'a [u8]) -> Option<Said<'a>> {
        if !may_be_an_agents(payload) {
            return Some(Said { payload, counter: None });
        }
        let sealed = seal::open(payload);
        let said = sealed.map_or(payload, |sealed| sealed.said);
        let is_agents = || Heartbeat::parse(said).is_some() || DumpLine::parse(said).is_some();
        if self.keys.is_empty() || !is_agents() {
            return Some(Said { payload: said, counter: None });
        }
        let Some(sealed) = sealed.filter(|sealed| self.fits(sealed)) else {
            self.refused += 1;
            return None;
        };
        Some(Said { payload: said, counter: Some(sealed.counter) })
    }

    /// Counts one that was sealed, but was heard before.
    pub(crate) fn refuse(&mut self) {
        self.refused += 1;
    }

    /// In a time that does not tell how far a code is right.
    fn fits(&self, sealed: &Sealed<'_>) -> bool {
        self.keys.iter().any(|key| {
            let mut mac = key.clone();
            mac.update(sealed.covered);
            mac.verify_slice(&sealed.code).is_ok()
        })
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Keys").field("count", &self.count()).finish_non_exhaustive()
    }
}

/// What all that an agent says begins with.
const START: &[u8] = b"<30>1 - ";
/// Characters of a key: 128 bits in hex.
const SHORTEST: usize = 32;
/// Each costs some microseconds for each datagram.
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
            let said = keys.open(&payload).unwrap();
            assert_eq!((said.payload, said.counter), (BEAT, Some(5)));
        }
        let mut changed = sealed(KEY, BEAT);
        changed[8] = b'x';
        for bad in [BEAT.to_vec(), sealed(&KEY.replace('0', "1"), BEAT), changed] {
            assert!(keys.open(&bad).is_none());
        }
        assert_eq!(keys.refused(), 3);
        let line = b"<30>1 - web1 sshd 7 - - hello";
        assert_eq!(keys.open(line).unwrap().payload, line, "no agent's");
        assert_eq!(format!("{keys:?}"), "Keys { count: 2, .. }");
    }

    #[test]
    fn without_keys_all_counts_and_a_seal_is_left_off() {
        let mut keys = Keys::read(None).unwrap();
        assert_eq!(keys.open(&sealed(KEY, BEAT)).unwrap().payload, BEAT);
        assert_eq!(keys.open(BEAT).unwrap().counter, None);
    }

    #[test]
    fn a_file_that_others_may_read_or_that_holds_no_key_is_refused() {
        for (text, mode, why) in [
            (KEY, 0o604, "chmod 0600"),
            (KEY, 0o660, "chmod 0600"),
            ("", 0o600, "openssl rand"),
            ("short", 0o600, "openssl rand"),
        ] {
            let error = keys(text, mode).unwrap_err().to_string();
            assert!(error.contains(why) && !error.contains("short "), "{error}");
        }
        assert!(keys(KEY, 0o640).is_ok());
    }
}
