//! Entry lines: one line of printable ASCII per record, run and gap, both directions.
//!
//! `docs/store-format.md`, section 2, has the grammar. Writing never fails; reading takes any
//! bytes and answers `None` for what it does not know, so that later versions may add to it.

mod decode;
mod encode;
mod escape;

use bedside_stream::{Cause, Kept, Run, RunId, WallTime};
use netconsole_wire::{Format, Prefix, PrintkTime, Sequence, Text};

pub use decode::{Head, decode_head};
pub(crate) use decode::{canonical_number, decode_said};
pub(crate) use encode::{ROOM, Short};
pub use encode::{write_gap, write_record, write_run};
pub use escape::{Place, escape_into, is_canonical, unescape, unescape_into};

/// One line of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry<'a> {
    /// A record, borrowed from its line.
    Record(StoredRecord<'a>),
    /// All that was known of a run when the line was written.
    Run(StoredRun),
    /// Something is missing that no number in the store shows.
    Gap(StoredGap),
}

impl<'a> Entry<'a> {
    /// Reads one line, with or without its `\n`. `None`: a kind of line this version does not
    /// know, or no entry line at all.
    pub fn decode(line: &'a [u8]) -> Option<Entry<'a>> {
        decode::entry(line)
    }
}

/// A record as it stands in the store: the free texts are escaped as they were written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredRecord<'a> {
    /// Its run.
    pub run: RunId,
    /// When it was received.
    pub received: WallTime,
    /// What it was written in.
    pub format: Format,
    /// Some of it never came.
    pub incomplete: bool,
    /// The sender's `uname -r`, escaped.
    pub release: Option<&'a [u8]>,
    /// Facility and level.
    pub prefix: Option<Prefix>,
    /// printk's number.
    pub seq: Option<Sequence>,
    /// printk's time.
    pub time: Option<PrintkTime>,
    /// A piece of a continued line.
    pub continued: bool,
    /// `T<tid>` or `C<cpu>`, escaped.
    pub caller: Option<&'a [u8]>,
    /// The message, escaped. Equal messages have equal escaped bytes.
    pub text: &'a [u8],
    /// Unknown header keys and the dictionary.
    pub fields: StoredFields<'a>,
}

impl<'a> StoredRecord<'a> {
    /// What the core wants to hear of it again.
    pub fn kept(&self) -> Kept<'a> {
        Kept {
            run: self.run,
            received: self.received,
            seq: self.seq,
            time: self.time.filter(|_| !self.format.is_syslog()),
            text: Text::Escaped(self.text),
            incomplete: self.incomplete,
        }
    }

    /// The message's exact bytes.
    pub fn text_bytes(&self) -> Vec<u8> {
        unescape(self.text)
    }

    /// The exact bytes of the sender's release.
    pub fn release_bytes(&self) -> Option<Vec<u8>> {
        self.release.map(unescape)
    }

    /// The exact bytes of the caller.
    pub fn caller_bytes(&self) -> Option<Vec<u8>> {
        self.caller.map(unescape)
    }

    /// The `msgid` of the sysdata: the last field of that name, where it is a number.
    pub fn msgid(&self) -> Option<u32> {
        let value = self.fields.iter().filter(|(key, _)| *key == b"msgid").last()?.1;
        std::str::from_utf8(value).ok()?.parse().ok()
    }
}

/// The fields of a stored record, in wire order, as they stand in its line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct StoredFields<'a>(pub(crate) &'a [u8]);

impl<'a> StoredFields<'a> {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Key and value, both escaped. [`unescape`] undoes it.
    pub fn iter(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        self.0.split(|&b| b == b'\t').filter(|field| !field.is_empty()).map(|field| {
            match memchr::memchr(b'=', field) {
                Some(at) => (&field[..at], &field[at + 1..]),
                None => (field, &b""[..]),
            }
        })
    }
}

/// A run as it stands in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRun {
    /// What the stream core knew of it.
    pub run: Run,
    /// The number of its boot, from 1 per host label; `None` for a repeat of a run no longer known.
    pub boot: Option<u32>,
}

impl StoredRun {
    /// The name its boots are counted under.
    pub fn host_label(&self) -> Vec<u8> {
        host_label(&self.run)
    }
}

/// The name a run's boots are counted under: `host` from userdata, else the source's address.
pub fn host_label(run: &Run) -> Vec<u8> {
    match &run.host {
        Some(host) => host.clone(),
        None => run.key.ip().to_string().into_bytes(),
    }
}

/// A gap that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredGap {
    /// Its run; a socket's loss has none.
    pub run: Option<RunId>,
    /// When it was noticed.
    pub received: WallTime,
    /// Why.
    pub cause: Cause,
    /// How many records or datagrams.
    pub count: u64,
}

#[cfg(test)]
mod tests;
