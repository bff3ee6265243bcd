//! The extended format: `[release,]prefix,seq,time,flags[,key=value…];text\n` and a dictionary.

use crate::notice::{self, Notices};
use crate::scan::{find, number, split_once, whole_number, word_end};
use crate::tag::{self, Tag};
use crate::{Fields, Format, Prefix, PrintkTime, Record, Sequence, Text};

/// A datagram of the extended format: a whole message or a fragment of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extended<'a> {
    /// What printk said before the header.
    pub notices: Notices<'a>,
    /// All that stands before the `;`.
    pub header: Header<'a>,
    /// All that stands after the `;`: text and dictionary, or a piece of the two.
    pub body: &'a [u8],
}

/// The header of an extended message; every fragment repeats it whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// The sender's `uname -r`, where its target has `release` on.
    pub release: Option<&'a [u8]>,
    /// Facility and level.
    pub prefix: Prefix,
    /// printk's number of the message.
    pub seq: Sequence,
    /// When it was printed.
    pub time: PrintkTime,
    /// Whether it is a piece of a line.
    pub flags: Flags,
    /// The keys after the flags as they came, each begun by a comma.
    pub keys: &'a [u8],
    /// Whether there are others among them than `caller`, `fragment` and `tag`.
    pub has_unknown_keys: bool,
    /// `T<task>` or `C<cpu>`: the first `caller` key that reads like one.
    pub caller: Option<&'a [u8]>,
    /// The first `ncfrag` key that reads like one.
    pub fragment: Option<Fragment>,
    /// The last key, if it is a tag.
    pub tag: Option<Tag>,
}

/// The flags field of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Flags {
    /// `-`: a whole line, or the last piece of one.
    None,
    /// `c`: a piece of a continued line.
    Continued,
    /// `+`: a later piece of a continued line, as kernels before 4.10 say it.
    Continuation,
}

/// Which piece of a message a datagram carries: `ncfrag=<offset>/<total>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fragment {
    /// How many bytes of the body stand before this piece; below `total`.
    pub offset: u32,
    /// The length of the whole body: text, newline and dictionary. Chosen by the sender: bound
    /// it before making room for it.
    pub total: u32,
}

/// A body taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Body;

impl<'a> Extended<'a> {
    /// Reads a datagram of the extended format; `None` if a kernel can't have written it.
    pub(crate) fn parse(payload: &'a [u8]) -> Option<Extended<'a>> {
        let (before, rest) = notice::leading(payload);
        if let Some((header, body)) = Header::parse(rest) {
            let notices = Notices { before, after: &[] };
            return Some(Extended { notices, header, body });
        }
        let (release, rest) = release(rest)?;
        let (after, rest) = notice::leading(rest);
        let (header, body) = Header::parse(rest)?;
        let header = Header { release: Some(release), ..header };
        Some(Extended { notices: Notices { before, after }, header, body })
    }

    /// Which piece of its message this is; `None` for a whole message.
    pub fn fragment(&self) -> Option<Fragment> {
        self.header.fragment
    }

    /// The record of a datagram that holds a whole message. Of a fragment it makes an
    /// incomplete record: put the pieces together and use [`record_from`] instead.
    pub fn record(&self) -> Record<'a> {
        let whole = self
            .fragment()
            .is_none_or(|piece| piece.offset == 0 && self.body.len() as u64 >= piece.total as u64);
        record_from(&self.header, self.body, !whole)
    }
}

/// The record of a message whose body was put together from fragments.
pub fn record_from<'a>(header: &Header<'a>, body: &'a [u8], incomplete: bool) -> Record<'a> {
    let (text, dictionary) = Body::split(body);
    Record {
        format: Format::Extended,
        release: header.release,
        prefix: Some(header.prefix),
        seq: Some(header.seq),
        time: Some(header.time),
        continued: header.flags != Flags::None,
        caller: header.caller,
        text: Text::Escaped(text),
        fields: Fields::new(if header.has_unknown_keys { header.keys } else { &[] }, dictionary),
        incomplete,
    }
}

impl<'a> Header<'a> {
    /// Reads what follows the release token: the header, and the body after its `;`.
    fn parse(bytes: &'a [u8]) -> Option<(Header<'a>, &'a [u8])> {
        let (prefix, rest) = number_and_comma(bytes)?;
        let prefix = Prefix::new(prefix)?;
        let (seq, rest) = number_and_comma(rest)?;
        let (time, rest) = number_and_comma(rest)?;
        let (flags, rest) = rest.split_first()?;
        let flags = Flags::from_byte(*flags)?;
        let (keys, body) = match rest {
            [b';', body @ ..] => (&[][..], body),
            [b',', ..] => split_once(rest, b';')?,
            _ => return None,
        };
        let header = Header {
            release: None,
            prefix,
            seq: Sequence(seq),
            time: PrintkTime(time),
            flags,
            keys,
            has_unknown_keys: false,
            caller: None,
            fragment: None,
            tag: None,
        };
        Some((header.with_keys()?, body))
    }

    /// Looks for the keys that have a meaning here; `None` if no kernel writes these, as a newline
    /// is in them.
    fn with_keys(mut self) -> Option<Header<'a>> {
        if self.keys.is_empty() {
            return Some(self);
        }
        if find(self.keys, b'\n').is_some() {
            return None;
        }
        let (keys, tag) = split_tag(self.keys);
        self.tag = tag;
        for (key, value) in crate::extended::keys(keys) {
            let known = match key {
                b"caller" if self.caller.is_none() => {
                    self.caller = caller(value);
                    self.caller.is_some()
                }
                b"ncfrag" if self.fragment.is_none() => {
                    self.fragment = Fragment::parse(value);
                    self.fragment.is_some()
                }
                _ => false,
            };
            self.has_unknown_keys |= !known;
        }
        Some(self)
    }
}

impl Flags {
    /// The byte on the wire.
    pub fn as_byte(self) -> u8 {
        match self {
            Flags::None => b'-',
            Flags::Continued => b'c',
            Flags::Continuation => b'+',
        }
    }

    fn from_byte(byte: u8) -> Option<Flags> {
        match byte {
            b'-' => Some(Flags::None),
            b'c' => Some(Flags::Continued),
            b'+' => Some(Flags::Continuation),
            _ => None,
        }
    }
}

impl Fragment {
    /// Reads the value of an `ncfrag` key; `None` if its numbers can't be right.
    pub(crate) fn parse(value: &[u8]) -> Option<Fragment> {
        let (offset, total) = split_once(value, b'/')?;
        let offset = u32::try_from(whole_number(offset)?).ok()?;
        let total = u32::try_from(whole_number(total)?).ok()?;
        (offset < total).then_some(Fragment { offset, total })
    }
}

impl Body {
    /// The text up to the first newline, which is left out, and the dictionary after it.
    ///
    /// ```
    /// use netconsole_wire::Body;
    /// assert_eq!(Body::split(b"text\n key=value\n"), (&b"text"[..], &b" key=value\n"[..]));
    /// ```
    ///
    /// A NUL at the end stands for the last newline: where release, header and text make exactly
    /// 1000 bytes, netconsole's `send_msg_no_fragmentation` lets `scnprintf` end its buffer of
    /// 1000 bytes with a NUL and sends that (until the buffer got a byte more, in 7.x).
    pub fn split(body: &[u8]) -> (&[u8], &[u8]) {
        let body = body.strip_suffix(b"\0").unwrap_or(body);
        split_once(body, b'\n').unwrap_or((body, &[]))
    }
}

/// The keys of a header, in wire order; an empty element is passed over, a key without `=` has an
/// empty value.
pub(crate) fn keys(keys: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    keys.split(|byte| *byte == b',')
        .filter(|element| !element.is_empty())
        .map(|element| split_once(element, b'=').unwrap_or((element, &[])))
}

/// The keys of a header without its tag, which is the last of them, and the tag.
pub(crate) fn split_tag(keys: &[u8]) -> (&[u8], Option<Tag>) {
    let end = keys.len().checked_sub(tag::LENGTH);
    let parts = end.and_then(|end| keys.split_at_checked(end));
    let read = |last: &[u8]| Tag::parse(last.strip_prefix(b",tag=")?);
    match parts.and_then(|(keys, last)| Some((keys, read(last)?))) {
        Some((keys, tag)) => (keys, Some(tag)),
        None => (keys, None),
    }
}

/// The value of a `caller` key, if it reads like one (`kernel/printk/printk.c`,
/// `info_print_ext_header`).
pub(crate) fn caller(value: &[u8]) -> Option<&[u8]> {
    match value {
        [b'T' | b'C', id @ ..] => whole_number(id).map(|_| value),
        _ => None,
    }
}

/// A release token and what follows its comma.
///
/// A release is at most 64 bytes (`__NEW_UTS_LEN`) and free of blanks; so a basic line with a
/// time in front is never taken for one.
fn release(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = word_end(bytes.get(..=MAX_RELEASE).unwrap_or(bytes))?;
    match bytes.split_at_checked(end)? {
        ([], _) => None,
        (release, [b',', rest @ ..]) => Some((release, rest)),
        _ => None,
    }
}

fn number_and_comma(bytes: &[u8]) -> Option<(u64, &[u8])> {
    match number(bytes)? {
        (value, [b',', rest @ ..]) => Some((value, rest)),
        _ => None,
    }
}

const MAX_RELEASE: usize = 64;
