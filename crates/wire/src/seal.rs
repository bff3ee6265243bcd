//! The seal on what an agent says itself, if it shares a key with the doctor.
//!
//! ```text
//! <the datagram> n=<counter> mac=<64 hex digits>
//! ```
//!
//! The code is HMAC-SHA256 (RFC 2104) over all that stands before ` mac=`. The counter grows with
//! each datagram of a boot, so that none is taken twice. Counting codes is not done here.

use core::fmt;

/// A datagram with a seal, which may be anybody's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sealed<'a> {
    /// What was said.
    pub said: &'a [u8],
    /// Which datagram of the boot.
    pub counter: u64,
    /// What the code is made of.
    pub covered: &'a [u8],
    /// The code.
    pub code: [u8; 32],
}

/// Takes a seal off; nothing, where there is none.
pub fn open(payload: &[u8]) -> Option<Sealed<'_>> {
    let (covered, code) = payload.split_at_checked(payload.len().checked_sub(CODE)?)?;
    let code = hex(code.strip_prefix(MAC)?)?;
    let blank = covered.iter().rposition(|byte| *byte == b' ')?;
    let (said, counter) = covered.split_at_checked(blank)?;
    let counter = core::str::from_utf8(counter.strip_prefix(COUNTER)?).ok()?.parse().ok()?;
    Some(Sealed { said, counter, covered, code })
}

/// What stands before the code.
pub fn counter(counter: u64) -> impl fmt::Display {
    struct Suffix(u64);
    impl fmt::Display for Suffix {
        fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(out, " n={}", self.0)
        }
    }
    Suffix(counter)
}

/// The code, as it stands at the end.
pub fn code(code: [u8; 32]) -> impl fmt::Display {
    struct Suffix([u8; 32]);
    impl fmt::Display for Suffix {
        fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
            out.write_str(" mac=")?;
            self.0.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
        }
    }
    Suffix(code)
}

fn hex(digits: &[u8]) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    let (pairs, rest) = digits.as_chunks::<2>();
    if pairs.len() != bytes.len() || !rest.is_empty() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(pairs) {
        let digit = |digit: u8| char::from(digit).to_digit(16);
        *byte = (digit(pair[0])? << 4 | digit(pair[1])?) as u8;
    }
    Some(bytes)
}

const COUNTER: &[u8] = b" n=";
const MAC: &[u8] = b" mac=";
/// The length of ` mac=` and the digits.
const CODE: usize = 5 + 64;

#[cfg(test)]
mod tests {
    use std::string::ToString as _;

    use super::*;

    #[test]
    fn what_is_sealed_is_opened() {
        let said = b"any \xff bytes ".as_slice();
        let covered = [said, counter(u64::MAX).to_string().as_bytes()].concat();
        let payload = [covered.as_slice(), code([0xa5; 32]).to_string().as_bytes()].concat();
        let sealed = Sealed { said, counter: u64::MAX, covered: &covered, code: [0xa5; 32] };
        assert_eq!(open(&payload), Some(sealed));
        for cut in 0..payload.len() {
            assert_eq!(open(payload.split_at(cut).0), None);
        }
        let digits = [b'a'; 66];
        for length in [62, 66] {
            assert_eq!(hex(digits.split_at(length).0), None, "{length} digits");
        }
        for (at, byte) in [(payload.len() - 1, b'x'), (payload.len() - 68, b'N'), (13, b'm')] {
            let (front, back) = payload.split_at(at);
            let other = [front, &[byte], back.split_at(1).1].concat();
            assert_eq!(open(&other), None, "{at}");
        }
    }
}
