//! What a record carries beside its text: unknown header keys, then the dictionary.

use crate::extended::{Fragment, caller, keys, split_tag};
use crate::scan::{find, find_near, whole_number};
use crate::{Syslog, Text};

/// The fields of a record, read when asked for: a pair of slices, nothing is copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fields<'a>(Source<'a>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source<'a> {
    Extended { keys: &'a [u8], dictionary: &'a [u8] },
    Syslog { payload: &'a [u8] },
}

/// One field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// Its name: bytes of the sender's choosing.
    pub key: &'a [u8],
    /// Its value.
    pub value: Text<'a>,
    /// Where it stands, and so who wrote it.
    pub origin: Origin,
}

/// Where a field stands, and so who wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// The header.
    Header,
    /// The kernel's own dictionary: `SUBSYSTEM` and `DEVICE`, directly after the text.
    Kernel,
    /// What the sender's administrator wrote below `userdata/`.
    Userdata,
    /// `cpu`, `taskname`, `release`, `msgid` and all that follows the first of them: a task's
    /// name can hold newlines and so forge any line here.
    Sysdata,
}

impl<'a> Fields<'a> {
    /// No fields.
    pub const EMPTY: Fields<'static> = Fields(Source::Extended { keys: &[], dictionary: &[] });

    /// The fields of an extended message: the raw keys of its header and its dictionary.
    pub fn new(keys: &'a [u8], dictionary: &'a [u8]) -> Fields<'a> {
        Fields(Source::Extended { keys, dictionary })
    }

    /// The header of a syslog message as fields: `timestamp`, `hostname`, `tag`, `pid` of RFC
    /// 3164; `timestamp`, `hostname`, `app_name`, `procid`, `msgid`, `structured_data` of RFC
    /// 5424. What is not there is left out.
    pub fn syslog(syslog: &Syslog<'a>) -> Fields<'a> {
        Fields(Source::Syslog { payload: syslog.payload() })
    }

    /// Each field, in wire order.
    ///
    /// ```
    /// use netconsole_wire::{Fields, Origin, Text};
    /// let fields = Fields::new(b",future=1", b" DEVICE=c1:3\n a=one\ntwo=2\n cpu=0\n");
    /// let mut all = fields.iter().map(|field| (field.key, field.value, field.origin));
    /// assert_eq!(all.next(), Some((&b"future"[..], Text::Plain(b"1"), Origin::Header)));
    /// assert_eq!(all.next(), Some((&b"DEVICE"[..], Text::Escaped(b"c1:3"), Origin::Kernel)));
    /// assert_eq!(all.next(), Some((&b"a"[..], Text::Plain(b"one\ntwo=2"), Origin::Userdata)));
    /// assert_eq!(all.next(), Some((&b"cpu"[..], Text::Plain(b"0"), Origin::Sysdata)));
    /// assert_eq!(all.next(), None);
    /// ```
    pub fn iter(&self) -> impl Iterator<Item = Field<'a>> + use<'a> {
        let (keys, syslog) = match self.0 {
            Source::Extended { keys, .. } => (keys, None),
            Source::Syslog { payload } => (&[][..], Syslog::parse(payload)),
        };
        let syslog = syslog.into_iter().flat_map(|syslog| syslog.parts()).flatten();
        let syslog = syslog.map(|(key, value)| Field::header(key, value));
        unknown_keys(keys).chain(self.dictionary()).chain(syslog)
    }

    /// Whether there is none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        // So it is with most records.
        matches!(self.0, Source::Extended { keys: [], dictionary: [] })
            || self.iter().next().is_none()
    }

    /// The values of the first userdata entries of these names, each if there is one.
    ///
    /// Only what stands in front of the first sysdata key counts: what follows can be forged by
    /// any task that the sender's administrator lets run.
    ///
    /// ```
    /// use netconsole_wire::Fields;
    /// let fields = Fields::new(b"", b" host=web7\n cpu=0\n rack=4\n");
    /// assert_eq!(fields.userdata([b"host", b"rack"]), [Some(&b"web7"[..]), None]);
    /// ```
    pub fn userdata<const N: usize>(&self, names: [&[u8]; N]) -> [Option<&'a [u8]>; N] {
        let mut values = [None; N];
        for field in self.dictionary().take_while(|field| field.origin < Origin::Sysdata) {
            let at = names.iter().position(|name| *name == field.key);
            if let (Origin::Userdata, Some(at)) = (field.origin, at)
                && let Some(value) = values.get_mut(at)
            {
                value.get_or_insert(field.value.bytes());
            }
        }
        values
    }

    /// The number of the last `msgid` line of the sysdata: a u32 per target, one more with each
    /// message. The kernel writes it last, so the last one is the true one, of a whole message.
    pub fn msgid(&self) -> Option<u32> {
        let last = self
            .dictionary()
            .filter(|field| field.origin == Origin::Sysdata && field.key == b"msgid")
            .last()?;
        u32::try_from(whole_number(last.value.bytes())?).ok()
    }

    fn dictionary(&self) -> Dictionary<'a> {
        match self.0 {
            Source::Extended { dictionary, .. } => Dictionary::new(dictionary),
            Source::Syslog { .. } => Dictionary::new(&[]),
        }
    }
}

impl Default for Fields<'_> {
    fn default() -> Self {
        Fields::EMPTY
    }
}

impl<'a> Field<'a> {
    fn header(key: &'a [u8], value: &'a [u8]) -> Field<'a> {
        Field { key, value: Text::Plain(value), origin: Origin::Header }
    }
}

/// The keys of a header but for the first `caller` and the first `ncfrag` that read like one.
fn unknown_keys(bytes: &[u8]) -> impl Iterator<Item = Field<'_>> {
    let (mut caller_seen, mut fragment_seen) = (false, false);
    keys(split_tag(bytes).0).filter_map(move |(key, value)| {
        let seen = match key {
            b"caller" if caller(value).is_some() => &mut caller_seen,
            b"ncfrag" if Fragment::parse(value).is_some() => &mut fragment_seen,
            _ => return Some(Field::header(key, value)),
        };
        core::mem::replace(seen, true).then(|| Field::header(key, value))
    })
}

/// The entries of a dictionary.
struct Dictionary<'a> {
    rest: &'a [u8],
    place: Place,
}

/// How far into a dictionary the reader has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    BeforeSubsystem,
    BeforeDevice,
    Userdata,
    Sysdata,
}

impl<'a> Dictionary<'a> {
    fn new(bytes: &'a [u8]) -> Dictionary<'a> {
        Dictionary { rest: bytes, place: Place::BeforeSubsystem }
    }

    /// Who wrote the entry of that name, here where the reader has come to.
    fn origin(&mut self, key: &[u8]) -> Origin {
        let (place, origin) = match (self.place, key) {
            (Place::Sysdata, _) | (_, b"cpu" | b"taskname" | b"release" | b"msgid") => {
                (Place::Sysdata, Origin::Sysdata)
            }
            (Place::BeforeSubsystem, b"SUBSYSTEM") => (Place::BeforeDevice, Origin::Kernel),
            (Place::BeforeSubsystem | Place::BeforeDevice, b"DEVICE") => {
                (Place::Userdata, Origin::Kernel)
            }
            _ => (Place::Userdata, Origin::Userdata),
        };
        self.place = place;
        origin
    }
}

impl<'a> Iterator for Dictionary<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        let (entry, first_line) = loop {
            let (entry, first_line, rest) = entry(self.rest)?;
            self.rest = rest;
            if !entry.is_empty() {
                break (entry, first_line);
            }
        };
        let (key, value) = key_and_value(entry, first_line);
        let origin = self.origin(key);
        let value = match origin {
            Origin::Kernel => Text::Escaped(value),
            _ => Text::Plain(value),
        };
        Some(Field { key, value, origin })
    }
}

/// The first entry, without its leading space and its final newline, how long its first line is, and
/// what follows it. A line that doesn't begin with a space goes on with the value before it.
fn entry(bytes: &[u8]) -> Option<(&[u8], usize, &[u8])> {
    if bytes.is_empty() {
        return None;
    }
    let bytes = bytes.strip_prefix(b" ").unwrap_or(bytes);
    let first_line = find(bytes, b'\n').unwrap_or(bytes.len());
    let mut end = first_line;
    while let Some((entry, [_, rest @ ..])) = bytes.split_at_checked(end) {
        if matches!(rest, [] | [b' ', ..]) {
            return Some((entry, first_line, rest));
        }
        end += 1 + find(rest, b'\n').unwrap_or(rest.len());
    }
    Some((bytes, first_line, &[]))
}

/// An entry's name and value, parted by the first `=` of its first line. Without one the value is
/// empty, or all that follows the first line.
fn key_and_value(entry: &[u8], first_line: usize) -> (&[u8], &[u8]) {
    let (first_line, more) = entry.split_at_checked(first_line).unwrap_or((entry, &[]));
    match find_near(first_line, b'=') {
        Some(end) => {
            (first_line.get(..end).unwrap_or_default(), entry.get(end + 1..).unwrap_or_default())
        }
        None => (first_line, more),
    }
}
