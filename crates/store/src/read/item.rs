//! What a reader gives out: records and gaps, owned and decoded.

use std::net::SocketAddr;
use std::sync::Arc;

use bedside_stream::{Cause, RunId, StreamKey, Voice, WallTime};
use netconsole_wire::Format;

use crate::entry::{StoredRecord, unescape};

/// One line of a boot, in the order of [`Reader::items`](super::Reader::items).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// A record.
    Record(OwnedRecord),
    /// Something is missing here.
    Gap(Gap),
}

impl Item {
    /// When it was received or, for a gap, when it was noticed.
    pub fn received(&self) -> WallTime {
        match self {
            Item::Record(record) => record.received,
            Item::Gap(gap) => gap.received,
        }
    }
}

/// A stored record with all that the store knows of where it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedRecord {
    /// The machine: userdata's `host`, else the IP address. Invalid UTF-8 is replaced.
    pub host: Arc<str>,
    /// Number of the boot, from 1 per host; 0 where the store no longer knows it.
    pub boot: u32,
    /// The run it is filed under.
    pub run: RunId,
    /// Who sent it; a mapped IPv6 address is given as IPv4.
    pub source: SocketAddr,
    /// Our port.
    pub port: u16,
    /// What its tag says.
    pub voice: Voice,
    /// When its last datagram was received.
    pub received: WallTime,
    /// What it was written in.
    pub format: Format,
    /// Some of it never came.
    pub incomplete: bool,
    /// The sender's `uname -r`, from this record's own header.
    pub release: Option<Vec<u8>>,
    /// Facility and level in one number, as on the wire.
    pub prefix: Option<u16>,
    /// printk's number.
    pub seq: Option<u64>,
    /// printk's time, in microseconds since the sender's boot.
    pub time_us: Option<u64>,
    /// A piece of a continued line.
    pub continued: bool,
    /// `T<tid>` or `C<cpu>`.
    pub caller: Option<Vec<u8>>,
    /// The exact bytes of the text, without the final newline.
    pub text: Vec<u8>,
    /// Unknown header keys and the dictionary, in wire order, exact bytes.
    pub fields: Vec<(Vec<u8>, Vec<u8>)>,
}

impl OwnedRecord {
    /// A stored record, decoded, with what its run says of where it came from.
    pub fn new(record: &StoredRecord<'_>, host: &Arc<str>, boot: u32, key: StreamKey) -> Self {
        let fields = record.fields.iter().map(|(key, value)| (unescape(key), unescape(value)));
        OwnedRecord {
            host: Arc::clone(host),
            boot,
            run: record.run,
            source: key.source(),
            port: key.port(),
            voice: key.voice(),
            received: record.received,
            format: record.format,
            incomplete: record.incomplete,
            release: record.release_bytes(),
            prefix: record.prefix.map(|prefix| prefix.0),
            seq: record.seq.map(|seq| seq.0),
            time_us: record.time.map(|time| time.0),
            continued: record.continued,
            caller: record.caller_bytes(),
            text: record.text_bytes(),
            fields: fields.collect(),
        }
    }
}

/// Something that is missing.
///
/// Holes in the numbers are derived from what the store holds, so that a late record always
/// shrinks its gap; the other causes are stored entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Why it is missing.
    pub cause: Cause,
    /// How many records or, for a socket or a limit, datagrams.
    pub count: u64,
    /// The first missing number, of a hole in the numbers.
    pub from_seq: Option<u64>,
    /// The last missing number, of a hole in the numbers.
    pub to_seq: Option<u64>,
    /// When it was noticed: for a hole, when the record after it was received.
    pub received: WallTime,
    /// The machine; none for a gap of the socket.
    pub host: Option<Arc<str>>,
    /// Number of the boot.
    pub boot: Option<u32>,
    /// The stream's sender; for a hole that of the record after it.
    pub source: Option<SocketAddr>,
    /// Our port.
    pub port: Option<u16>,
}
