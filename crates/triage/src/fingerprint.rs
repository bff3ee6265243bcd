//! What groups incidents of one cause.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A number made of the title and the significant frames; the same across builds, addresses,
/// CPUs, processes and machines. Written as 16 hexadecimal digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint(pub u64);

impl Fingerprint {
    /// FNV-1a over the title and the frames, so that it is the same in every version of ours.
    pub(crate) fn of<'a>(title: &'a str, frames: impl Iterator<Item = &'a str>) -> Fingerprint {
        const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
        const PRIME: u64 = 0x0100_0000_01b3;
        let mut hash = BASIS;
        for part in std::iter::once(title).chain(frames) {
            for byte in part.bytes().chain([0]) {
                hash = (hash ^ u64::from(byte)).wrapping_mul(PRIME);
            }
        }
        Fingerprint(hash)
    }

    /// Reads the 16 digits again.
    pub fn parse(digits: &str) -> Option<Fingerprint> {
        let hexadecimal = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        (digits.len() == 16 && hexadecimal)
            .then(|| u64::from_str_radix(digits, 16).ok().map(Fingerprint))
            .flatten()
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl Serialize for Fingerprint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Fingerprint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Fingerprint, D::Error> {
        let digits = String::deserialize(deserializer)?;
        Fingerprint::parse(&digits).ok_or_else(|| serde::de::Error::custom("not 16 hex digits"))
    }
}

#[cfg(test)]
mod tests {
    use super::Fingerprint;

    #[test]
    fn digits_are_read_again() {
        let fingerprint = Fingerprint(0x00ab_cdef_0123_4567);
        assert_eq!(fingerprint.to_string(), "00abcdef01234567");
        assert_eq!(Fingerprint::parse("00abcdef01234567"), Some(fingerprint));
        assert_eq!(Fingerprint::parse("+0abcdef01234567"), None);
        assert_eq!(Fingerprint::parse("abc"), None);
    }
}
