//! What the doctor answers: the objects of `bedside log -o json`, read by their contract.

use anyhow::{Context, Result, bail, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;
use serde_json::{Map, Value};

/// One object of the answer.
#[derive(Clone, Debug)]
pub enum Item {
    /// `"type":"record"`.
    Record(Record),
    /// `"type":"pstore"`: a line that was found in pstore only.
    Pstore(Record),
    /// `"type":"gap"`.
    Gap(Gap),
    /// `"type":"boot"`.
    Boot(Boot),
}

/// What every object carries.
#[derive(Clone, Debug, Deserialize)]
pub struct Place {
    /// Version of the contract.
    pub v: u64,
    /// The machine.
    pub host: Option<String>,
    /// `ip:port` of the sender.
    pub source: Option<String>,
    /// The doctor's port.
    pub port: Option<u16>,
    /// Number of the boot.
    pub boot: Option<u64>,
    /// RFC 3339, microseconds, UTC.
    pub received: Option<String>,
}

/// A record as the doctor tells it.
#[derive(Clone, Debug, Deserialize)]
#[expect(missing_docs, reason = "the names are the contract's own")]
pub struct Record {
    #[serde(flatten)]
    pub place: Place,
    pub seq: Option<u64>,
    pub uptime_us: Option<u64>,
    pub level: Option<u8>,
    pub facility: Option<u8>,
    pub caller: Option<String>,
    pub release: Option<String>,
    pub format: String,
    pub voice: String,
    pub text: String,
    pub text_b64: Option<String>,
    pub fields: Map<String, Value>,
    pub incomplete: bool,
}

/// Something missing.
#[derive(Clone, Debug, Deserialize)]
#[expect(missing_docs, reason = "the names are the contract's own")]
pub struct Gap {
    #[serde(flatten)]
    pub place: Place,
    pub cause: String,
    pub count: u64,
    pub from_seq: Option<u64>,
    pub to_seq: Option<u64>,
}

/// A boot's begin or end.
#[derive(Clone, Debug, Deserialize)]
#[expect(missing_docs, reason = "the names are the contract's own")]
pub struct Boot {
    #[serde(flatten)]
    pub place: Place,
    pub event: String,
    pub end: Option<String>,
    pub fate: Option<String>,
    pub death: Option<Delivery>,
    pub voice: String,
    pub signs: bool,
    pub release: Option<String>,
    pub first_received: Option<String>,
    pub last_received: Option<String>,
    pub records: u64,
}

/// How much of a death is held.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the contract's own")]
pub struct Delivery {
    pub records: u64,
    pub missing: u64,
}

impl Record {
    /// The exact bytes of the text.
    pub fn bytes(&self) -> Result<Vec<u8>> {
        match &self.text_b64 {
            Some(exact) => BASE64.decode(exact).context("text_b64 is not base64"),
            None => Ok(self.text.clone().into_bytes()),
        }
    }
}

impl Item {
    /// The record, if it is one.
    pub fn into_record(self) -> Option<Record> {
        match self {
            Item::Record(record) => Some(record),
            Item::Pstore(_) | Item::Gap(_) | Item::Boot(_) => None,
        }
    }

    /// What every object carries.
    pub fn place(&self) -> &Place {
        match self {
            Item::Record(record) | Item::Pstore(record) => &record.place,
            Item::Gap(gap) => &gap.place,
            Item::Boot(boot) => &boot.place,
        }
    }
}

/// Reads the whole answer; every line must be an object of a known type with all its keys.
pub fn parse(output: &[u8]) -> Result<Vec<Item>> {
    let text = std::str::from_utf8(output).context("the answer is not UTF-8")?;
    text.lines().map(|line| parse_line(line).with_context(|| line.to_owned())).collect()
}

/// Reads one line of the answer.
pub fn parse_line(line: &str) -> Result<Item> {
    let value: Value = serde_json::from_str(line)?;
    let (kind, keys): (&str, &[&str]) = match value["type"].as_str() {
        Some("record") => ("record", RECORD_KEYS),
        Some("pstore") => ("pstore", RECORD_KEYS),
        Some("gap") => ("gap", GAP_KEYS),
        Some("boot") => ("boot", BOOT_KEYS),
        other => bail!("type {other:?} is none of the contract's"),
    };
    for key in PLACE_KEYS.iter().chain(keys) {
        ensure!(value.get(key).is_some(), "a {kind} without the key {key}");
    }
    ensure!(value["v"] == 1, "version {} is not 1", value["v"]);
    Ok(match kind {
        "record" => Item::Record(serde_json::from_value(value)?),
        "pstore" => Item::Pstore(serde_json::from_value(value)?),
        "gap" => Item::Gap(serde_json::from_value(value)?),
        _ => Item::Boot(serde_json::from_value(value)?),
    })
}

/// Present in every object, null where unknown.
const PLACE_KEYS: &[&str] = &["v", "type", "host", "source", "port", "boot", "received"];
const RECORD_KEYS: &[&str] = &[
    "seq",
    "uptime_us",
    "level",
    "facility",
    "caller",
    "release",
    "format",
    "voice",
    "text",
    "fields",
    "incomplete",
];
const GAP_KEYS: &[&str] = &["cause", "count", "from_seq", "to_seq"];
const BOOT_KEYS: &[&str] = &[
    "event",
    "end",
    "fate",
    "death",
    "voice",
    "signs",
    "release",
    "first_received",
    "last_received",
    "records",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_key_is_an_error() {
        let whole = r#"{"v":1,"type":"gap","host":null,"source":null,"port":6666,"boot":null,
            "received":null,"cause":"socket","count":3,"from_seq":null,"to_seq":null}"#;
        assert!(matches!(parse_line(whole), Ok(Item::Gap(gap)) if gap.count == 3));
        let error = parse_line(&whole.replace("\"to_seq\":null", "\"extra\":1")).unwrap_err();
        assert_eq!(error.to_string(), "a gap without the key to_seq");
    }
}
