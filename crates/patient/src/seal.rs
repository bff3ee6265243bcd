//! Seals what the agent says with the key that it shares with its doctors.

use std::cell::Cell;
use std::time::Duration;

use bedside_host::Machine;
use hmac::{Hmac, KeyInit as _, Mac as _};
use netconsole_wire::seal;
use nix::time::{ClockId, clock_gettime};
use sha2::Sha256;

/// A key, and the last number that was used.
pub(crate) struct Sealer {
    key: Option<Vec<u8>>,
    last: Cell<u64>,
}

impl Sealer {
    /// Without a key nothing is sealed.
    pub(crate) fn new(key: Option<Vec<u8>>) -> Self {
        Self { key, last: Cell::new(0) }
    }

    /// Takes the key as it is on the disk now; trouble leaves the last one.
    pub(crate) fn look(&mut self, machine: &Machine) -> Result<(), bedside_host::Error> {
        self.key = machine.key()?;
        Ok(())
    }

    /// The datagram as it is sent.
    pub(crate) fn seal(&self, mut datagram: Vec<u8>) -> Vec<u8> {
        let mac = self.key.as_ref().and_then(|key| Hmac::<Sha256>::new_from_slice(key).ok());
        let Some(mut mac) = mac else { return datagram };
        datagram.extend(seal::counter(self.count()).to_string().bytes());
        mac.update(&datagram);
        let code = mac.finalize().into_bytes().into();
        datagram.extend(seal::code(code).to_string().bytes());
        datagram
    }

    /// Microseconds since the machine's start: they grow also from one agent to the next. 32 bits,
    /// which the clock's own numbers have on some machines, hold half an hour of them.
    fn count(&self) -> u64 {
        let now = clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(Duration::ZERO, Duration::from);
        let next = (now.as_micros() as u64).max(self.last.get() + 1);
        self.last.set(next);
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_datagram_has_a_larger_number_and_a_code_of_its_own() {
        let sealer = Sealer::new(Some(b"a key of thirty-two bytes, or so".to_vec()));
        let sent: Vec<Vec<u8>> = (0..100).map(|_| sealer.seal(b"hello".to_vec())).collect();
        let opened: Vec<_> = sent.iter().map(|sent| seal::open(sent).unwrap()).collect();
        assert!(opened.iter().all(|opened| opened.said == b"hello"));
        assert!(opened.is_sorted_by(|a, b| a.counter < b.counter && a.code != b.code));
        // RFC 4231, test case 2.
        let mut mac = Hmac::<Sha256>::new_from_slice(b"Jefe").unwrap();
        mac.update(b"what do ya want for nothing?");
        let code: [u8; 32] = mac.finalize().into_bytes().into();
        assert!(seal::code(code).to_string().starts_with(" mac=5bdcc146bf60754e6a042426089575c7"));
    }

    #[test]
    fn without_a_key_it_goes_out_as_it_is() {
        assert_eq!(Sealer::new(None).seal(b"hello".to_vec()), b"hello");
    }
}
