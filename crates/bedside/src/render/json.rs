//! `-o json`: one object a line, as the JSON contract in the manual says it.

mod fields;

use std::borrow::Cow;
use std::io::{self, Write};
use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bedside_store::read::{Gap, Losses, OwnedRecord};
use bedside_stream::WallTime;
use serde::{Serialize, Serializer};

use self::fields::Fields;
use super::{BootEvent, BootMark, Delivery, Fate, Render, Shown, escape};
use crate::time;

/// Writes JSON.
#[derive(Debug)]
pub(super) struct Json;

impl Render for Json {
    fn show(&mut self, shown: Shown<'_>, out: &mut dyn Write) -> io::Result<()> {
        match shown {
            Shown::Record(record) => write_line(&RecordObject::new("record", record), out),
            Shown::OfIncident(record, id) => {
                let incident = Some(id);
                write_line(&RecordObject { incident, ..RecordObject::new("record", record) }, out)
            }
            Shown::Pstore(record) => write_line(&RecordObject::new("pstore", record), out),
            Shown::Gap(gap) => write_line(&GapObject::new(gap), out),
            Shown::Boot(mark) => write_line(&BootObject::new(mark), out),
        }
    }

    fn settle(&mut self, _: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }
}

/// Writes one object and a newline. Characters that would act on a terminal are written as
/// `\uXXXX`, which means the same in JSON.
pub(crate) fn write_line(object: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    let mut serializer = serde_json::Serializer::with_formatter(&mut *out, Harmless);
    object.serialize(&mut serializer)?;
    out.write_all(b"\n")
}

/// What every object begins with.
#[derive(Serialize)]
struct Head<'a> {
    v: u8,
    r#type: &'static str,
    host: Option<&'a str>,
    source: Option<Source>,
    port: Option<u16>,
    boot: Option<u32>,
    received: Stamp,
}

#[derive(Serialize)]
struct RecordObject<'a> {
    #[serde(flatten)]
    head: Head<'a>,
    seq: Option<u64>,
    uptime_us: Option<u64>,
    level: Option<u8>,
    facility: Option<u16>,
    caller: Option<Cow<'a, str>>,
    release: Option<Cow<'a, str>>,
    format: &'static str,
    voice: &'static str,
    text: Cow<'a, str>,
    /// The exact bytes, where `text` could not hold them.
    #[serde(skip_serializing_if = "Option::is_none")]
    text_b64: Option<String>,
    fields: Fields<'a>,
    incomplete: bool,
    /// What it is part of, where it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    incident: Option<&'a str>,
}

impl RecordObject<'_> {
    fn new<'a>(r#type: &'static str, record: &'a OwnedRecord) -> RecordObject<'a> {
        let text = String::from_utf8_lossy(&record.text);
        let is_exact = text.len() == record.text.len() && text.as_bytes() == record.text;
        RecordObject {
            head: Head {
                v: VERSION,
                r#type,
                host: Some(&record.host),
                source: Some(Source(record.source)),
                port: Some(record.port),
                boot: Some(record.boot),
                received: Stamp(record.received),
            },
            seq: record.seq,
            uptime_us: record.time_us,
            level: record.prefix.map(|prefix| (prefix & 7) as u8),
            facility: record.prefix.map(|prefix| prefix >> 3),
            caller: record.caller.as_deref().map(String::from_utf8_lossy),
            release: record.release.as_deref().map(String::from_utf8_lossy),
            format: record.format.as_str(),
            voice: record.voice.as_str(),
            text_b64: (!is_exact).then(|| STANDARD.encode(&record.text)),
            text,
            fields: Fields(&record.fields),
            incomplete: record.incomplete,
            incident: None,
        }
    }
}

#[derive(Serialize)]
struct GapObject<'a> {
    #[serde(flatten)]
    head: Head<'a>,
    cause: &'static str,
    count: u64,
    from_seq: Option<u64>,
    to_seq: Option<u64>,
}

impl GapObject<'_> {
    fn new(gap: &Gap) -> GapObject<'_> {
        GapObject {
            head: Head {
                v: VERSION,
                r#type: "gap",
                host: gap.host.as_deref(),
                source: gap.source.map(Source),
                port: gap.port,
                boot: gap.boot,
                received: Stamp(gap.received),
            },
            cause: gap.cause.as_str(),
            count: gap.count,
            from_seq: gap.from_seq,
            to_seq: gap.to_seq,
        }
    }
}

#[derive(Serialize)]
struct BootObject<'a> {
    #[serde(flatten)]
    head: Head<'a>,
    event: &'static str,
    end: Option<&'static str>,
    fate: Option<&'static str>,
    death: Option<Delivery>,
    voice: &'static str,
    signs: bool,
    provisional: bool,
    same_as: Option<u32>,
    release: Option<Cow<'a, str>>,
    first_received: Stamp,
    last_received: Stamp,
    records: Option<u64>,
}

impl BootObject<'_> {
    fn new<'a>(mark: &BootMark<'a>) -> BootObject<'a> {
        let boot = mark.boot;
        // Only `begin` and `end` are events of the contract.
        let (event, number, end, received, records) = match mark.event {
            BootEvent::Begin | BootEvent::Named => {
                ("begin", boot.number, None, boot.first_received, mark.records)
            }
            BootEvent::End(end) => {
                ("end", boot.number, Some(end.as_str()), boot.last_received, mark.records)
            }
            BootEvent::Joined(from) => ("end", from, None, boot.last_received, Some(0)),
        };
        let same_as = matches!(mark.event, BootEvent::Joined(_)).then_some(boot.number);
        BootObject {
            head: Head {
                v: VERSION,
                r#type: "boot",
                host: Some(&boot.host),
                source: boot.sources.first().copied().map(Source),
                port: boot.ports.first().copied(),
                boot: Some(number),
                received: Stamp(received),
            },
            event,
            end,
            fate: mark.fate.map(Fate::as_str),
            death: mark.delivery,
            voice: boot.voice.as_str(),
            signs: boot.signs,
            provisional: boot.provisional,
            same_as,
            release: boot.release.as_deref().map(String::from_utf8_lossy),
            first_received: Stamp(boot.first_received),
            last_received: Stamp(boot.last_received),
            records,
        }
    }
}

/// `ip:port`, `[v6]:port`; a mapped address as IPv4.
pub(crate) struct Source(pub(crate) SocketAddr);

impl Serialize for Source {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let ip = self.0.ip().to_canonical();
        serializer.collect_str(&SocketAddr::new(ip, self.0.port()))
    }
}

/// A moment in RFC 3339, UTC, with microseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stamp(pub(crate) WallTime);

impl Serialize for Stamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:.6}", time::timestamp(self.0)))
    }
}

/// How much is missing: an object with a number for each cause.
pub(crate) struct LossCounts<'a>(pub(crate) &'a Losses);

impl Serialize for LossCounts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.by_cause().map(|(cause, count)| (cause.as_str(), count)))
    }
}

/// Compact JSON with everything that [`escape::acts`] written as `\uXXXX`.
struct Harmless;

impl serde_json::ser::Formatter for Harmless {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        out: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        while let Some((at, acting)) = rest.char_indices().find(|(_, char)| escape::acts(*char)) {
            let (harmless, after) = rest.split_at(at);
            out.write_all(harmless.as_bytes())?;
            for unit in acting.encode_utf16(&mut [0; 2]) {
                write!(out, "\\u{unit:04x}")?;
            }
            rest = &after[acting.len_utf8()..];
        }
        out.write_all(rest.as_bytes())
    }
}

/// The version of the contract.
pub(crate) const VERSION: u8 = 1;
