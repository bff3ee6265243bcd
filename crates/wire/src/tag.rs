//! The tag on a datagram of a kernel that shares a key with its doctor.
//!
//! ```text
//! 6,416,1758426,-,caller=T1,tag=5f1d22ab90c3e47a-a129ca6149be45e5;usb 1-1: new device
//! <6>1 - - bedside_netconsole - closing - reason=panic … tag=5f1d22ab90c3e47a-0b6c3f8b8d2b1f43
//! ```
//!
//! The last key of an extended header, or the last word of a closing record: a nonce and a code,
//! 16 hex digits each. The code is SipHash-2-4 with the key over the nonce (eight bytes, the
//! highest first) and the datagram as it was without the tag; of a message in fragments each
//! datagram has its own. A kernel draws a nonce for each target that it opens, so what it says in
//! one boot is told from what it says in another. Whose nonce it is, and whether it was heard
//! before, is for those to say who have a memory.

#![expect(
    deprecated,
    reason = "core's SipHash-2-4: for tables there are others, for codes it is right"
)]

use core::fmt::{self, Write as _};
use core::hash::{Hasher as _, SipHasher};

use crate::{Datagram, Sink as _, SliceSink, closing, parse};

/// A key of 128 bits. Nothing shows it, and where it stood there are zeros when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Key([u64; 2]);

/// What tells which key it is and nothing of the key: eight hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyId(pub u32);

/// What a datagram carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tag {
    /// Drawn by the kernel when it opened the target.
    pub nonce: u64,
    /// The code.
    pub code: u64,
}

/// A datagram with a tag, which may be anybody's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tagged<'a> {
    /// Its tag.
    pub tag: Tag,
    before: &'a [u8],
    after: &'a [u8],
}

/// Puts tags on the datagrams of one target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signer {
    key: Key,
    nonce: u64,
}

impl Key {
    /// From its bytes, as SipHash takes them.
    pub fn new(bytes: [u8; 16]) -> Key {
        let [low, high] = [0, 8].map(|at| {
            let half = bytes.get(at..).and_then(|half| half.first_chunk());
            u64::from_le_bytes(half.copied().unwrap_or_default())
        });
        Key([low, high])
    }

    /// Reads 32 hex digits.
    pub fn parse(digits: &[u8]) -> Option<Key> {
        let (pairs, rest) = digits.as_chunks::<2>();
        let mut bytes = [0; 16];
        if pairs.len() != bytes.len() || !rest.is_empty() {
            return None;
        }
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            let digit = |digit: u8| char::from(digit).to_digit(16);
            *byte = (digit(*high)? << 4 | digit(*low)?) as u8;
        }
        Some(Key::new(bytes))
    }

    /// Which key it is, for those who want to see whether two are the same.
    pub fn id(&self) -> KeyId {
        let mut hash = self.hasher();
        // No datagram's code: those are of eight bytes and more.
        hash.write(b"id");
        KeyId((hash.finish() >> 32) as u32)
    }

    fn hasher(&self) -> SipHasher {
        let [low, high] = self.0;
        SipHasher::new_with_keys(low, high)
    }

    fn code(&self, nonce: u64, before: &[u8], after: &[u8]) -> u64 {
        let mut hash = self.hasher();
        hash.write(&nonce.to_be_bytes());
        hash.write(before);
        hash.write(after);
        hash.finish()
    }
}

impl Tag {
    /// Reads a tag's value.
    pub(crate) fn parse(value: &[u8]) -> Option<Tag> {
        let (nonce, rest) = value.split_at_checked(DIGITS)?;
        Some(Tag { nonce: hex(nonce)?, code: hex(rest.strip_prefix(b"-")?)? })
    }
}

impl<'a> Tagged<'a> {
    /// Finds the tag of a datagram; nothing, where there is none. What is no tag to the letter is
    /// a header's key or a line's word like any other.
    ///
    /// ```
    /// use netconsole_wire::tag::{Key, Signer, Tagged};
    /// let key = Key::new(*b"a shared secret.");
    /// let mut room = [0; 100];
    /// let signed = Signer::new(key.clone(), 7).sign(b"6,416,1758426,-;hello\n", &mut room).unwrap();
    /// let tagged = Tagged::open(signed).unwrap();
    /// assert!(tagged.is_by(&key) && tagged.tag.nonce == 7);
    /// assert!(!tagged.is_by(&Key::new(*b"another secret..")));
    /// ```
    pub fn open(payload: &'a [u8]) -> Option<Tagged<'a>> {
        let end = match parse(payload) {
            Datagram::Extended(message) => {
                message.header.tag?;
                payload.len().checked_sub(message.body.len() + 1)?
            }
            Datagram::Syslog(_) => {
                closing::Closing::parse(payload)?;
                payload.len()
            }
            _ => return None,
        };
        let (before, after) = payload.split_at_checked(end)?;
        let (before, tag) = before.split_at_checked(end.checked_sub(LENGTH)?)?;
        let value = tag.get(1..)?.strip_prefix(KEY)?;
        Some(Tagged { tag: Tag::parse(value)?, before, after })
    }

    /// Whether who has this key made it. Takes as long for each wrong code.
    pub fn is_by(&self, key: &Key) -> bool {
        let wrong = key.code(self.tag.nonce, self.before, self.after) ^ self.tag.code;
        core::hint::black_box(wrong) == 0
    }
}

impl Signer {
    /// One for a target.
    pub fn new(key: Key, nonce: u64) -> Signer {
        Signer { key, nonce }
    }

    /// Which key it signs with.
    pub fn key_id(&self) -> KeyId {
        self.key.id()
    }

    /// The datagram with its tag, in `room`; nothing where it carries none, being neither of the
    /// extended format nor a closing record, or where `room` is too small.
    pub fn sign<'r>(&self, datagram: &[u8], room: &'r mut [u8]) -> Option<&'r [u8]> {
        let (end, comma) = match parse(datagram) {
            Datagram::Extended(message) => {
                (datagram.len().checked_sub(message.body.len() + 1)?, ",")
            }
            Datagram::Syslog(_) => {
                closing::Closing::parse(datagram)?;
                (datagram.len(), " ")
            }
            _ => return None,
        };
        let (before, after) = datagram.split_at_checked(end)?;
        let code = self.key.code(self.nonce, before, after);
        let whole = datagram.len() + LENGTH;
        let mut out = SliceSink::new(&mut *room);
        out.write(before);
        // What overflows is seen by its length.
        write!(out, "{comma}tag={:016x}-{code:016x}", self.nonce).ok()?;
        out.write(after);
        room.get(..whole)
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        self.0 = [0; 2];
        // What is looked at is written before.
        core::hint::black_box(&mut self.0);
    }
}

/// Tells which it is; the key is not shown.
impl fmt::Debug for Key {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Key({})", self.id())
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:08x}", self.0)
    }
}

/// Lower-case digits only: one value, one text.
fn hex(digits: &[u8]) -> Option<u64> {
    let lower = |digit: &u8| matches!(digit, b'0'..=b'9' | b'a'..=b'f');
    let text = core::str::from_utf8(digits).ok().filter(|_| digits.iter().all(lower))?;
    u64::from_str_radix(text, 16).ok()
}

/// How many bytes a tag adds to a datagram: a comma or a blank, `tag=`, two numbers and `-`.
pub const LENGTH: usize = 1 + KEY.len() + DIGITS + 1 + DIGITS;

const KEY: &[u8] = b"tag=";
const DIGITS: usize = 16;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use std::format;
    use std::vec::Vec;

    use super::*;

    /// Key 00 01 … 0f, messages 00, 00 01, …: the reference's vectors 0, 1, 7, 8, 15, 63
    /// (J.-P. Aumasson and D. J. Bernstein, SipHash, `vectors.h`; the one of 15 bytes is in the
    /// paper too, appendix A).
    #[test]
    fn it_is_siphash_2_4_in_however_many_pieces() {
        let key = Key::new(core::array::from_fn(|at| at as u8));
        let message: Vec<u8> = (0..64).collect();
        for (length, code) in [
            (0, 0x726f_db47_dd0e_0e31),
            (1, 0x74f8_39c5_93dc_67fd),
            (7, 0xab02_00f5_8b01_d137),
            (8, 0x93f5_f579_9a93_2462),
            (15, 0xa129_ca61_49be_45e5),
            (63, 0x958a_324c_eb06_4572),
        ] {
            let message = message.get(..length).expect("long enough");
            for cut in 0..=length {
                let (before, after) = message.split_at(cut);
                let mut hash = key.hasher();
                hash.write(before);
                hash.write(after);
                assert_eq!(hash.finish(), code, "{length} bytes, cut at {cut}");
            }
        }
    }

    #[test]
    fn a_key_is_32_hex_digits_and_is_not_shown() {
        let key = Key::parse(b"f0e1d2c3b4a5968778695A4B3c2d1e0f").expect("a key");
        assert_eq!(key, Key::new(core::array::from_fn(|at| 0xf0 - 15 * at as u8)));
        // The same in all versions: people compare it over machines.
        assert_eq!(format!("{key:?}"), "Key(3af896ab)");
        assert_ne!(key.id(), Key::new([0; 16]).id());
        for bad in ["", "00", "000102030405060708090a0b0c0d0e0", "+00102030405060708090a0b0c0d0e0f"]
        {
            assert_eq!(Key::parse(bad.as_bytes()), None, "{bad}");
        }
    }

    fn signed(datagram: &[u8]) -> Vec<u8> {
        let mut room = [0; 1000];
        SIGNER.sign(datagram, &mut room).expect("a tag").to_vec()
    }

    const KEY: Key = Key([1, 2]);
    const SIGNER: Signer = Signer { key: KEY, nonce: 0x5f1d_22ab_90c3_e47a };
    const CLOSING: &[u8] =
        b"<6>1 - - bedside_netconsole - closing - reason=panic first=0 last=8 count=9";

    #[test]
    fn it_stands_at_the_end_of_the_header_or_of_a_closing_record() {
        let line = signed(b"6.1.0,6,416,1758426,-,caller=T1,ncfrag=0/9;a;b,\n");
        let text = core::str::from_utf8(&line).expect("ASCII");
        let start = "6.1.0,6,416,1758426,-,caller=T1,ncfrag=0/9,tag=5f1d22ab90c3e47a-";
        assert!(text.starts_with(start) && text.ends_with(";a;b,\n"), "{text}");
        assert_eq!(text.len(), 48 + LENGTH);
        let closing = signed(CLOSING);
        let text = core::str::from_utf8(&closing).expect("ASCII");
        assert!(text.contains("count=9 tag=5f1d22ab90c3e47a-"), "{text}");
        let read = closing::Closing::parse(&closing);
        assert_eq!(read, closing::Closing::parse(CLOSING), "the tag changes nothing");
        for none in [&b"[    1.0] basic\n"[..], b"<30>1 - web1 sshd - - - hello", b""] {
            assert_eq!(SIGNER.sign(none, &mut [0; 1000]), None);
            assert_eq!(Tagged::open(none), None);
        }
        assert_eq!(SIGNER.sign(CLOSING, &mut [0; 80]), None, "no room");
    }

    #[test]
    fn what_is_no_tag_to_the_letter_is_a_key_like_any_other() {
        for keys in [
            "tag=5f1d22ab90c3e47a-0123456789abcdef,later=1",
            "tag=5f1d22ab90c3e47a-0123456789abcdeF",
            "tag=5f1d22ab90c3e47a-0123456789abcde",
            "tag=5f1d22ab90c3e47a 0123456789abcdef",
            "xtag=5f1d22ab90c3e47a-0123456789abcdef",
            "tag=+f1d22ab90c3e47a-0123456789abcdef",
        ] {
            let datagram = format!("6,1,2,-,{keys};text\n");
            assert_eq!(Tagged::open(datagram.as_bytes()), None, "{keys}");
            let Datagram::Extended(message) = parse(datagram.as_bytes()) else { panic!("{keys}") };
            assert_eq!(message.header.tag, None);
            assert!(!message.record().fields.is_empty(), "{keys}");
        }
        let line = signed(b"6,1,2,-,future=1;text\n");
        let Datagram::Extended(message) = parse(&line) else { panic!("not extended") };
        let fields: Vec<_> = message.record().fields.iter().map(|field| field.key).collect();
        assert_eq!(fields, [b"future"], "the tag is none of the fields");
    }

    proptest! {
        /// Whatever is changed, wherever.
        #[test]
        fn one_changed_byte_is_seen(
            text in prop::collection::vec(any::<u8>(), 0..200),
            closing: bool,
            at: prop::sample::Index,
            to: u8,
        ) {
            let line = [b"6,416,1758426,-,caller=T1;", &text[..]].concat();
            let sent = signed(if closing { CLOSING } else { &line });
            let tagged = Tagged::open(&sent).expect("a tag");
            prop_assert!(tagged.is_by(&KEY) && tagged.tag.nonce == SIGNER.nonce);
            let mut other = sent.clone();
            let byte = other.get_mut(at.index(sent.len())).expect("a byte of it");
            prop_assume!(*byte != to);
            *byte = to;
            prop_assert!(Tagged::open(&other).is_none_or(|tagged| !tagged.is_by(&KEY)));
        }

        /// None is made by moving bytes between what is signed and the tag.
        #[test]
        fn a_tag_is_read_where_it_was_written_only(text in "[ -~]{0,20}") {
            let line = format!("6,1,2,-;{text}");
            let first = signed(line.as_bytes());
            let again = signed(&first);
            let tagged = Tagged::open(&again).expect("a tag");
            prop_assert!(tagged.is_by(&KEY));
            let Datagram::Extended(message) = parse(&again) else { panic!("not extended") };
            prop_assert_eq!(message.record().fields.iter().count(), 1, "the first is a key now");
        }
    }
}
