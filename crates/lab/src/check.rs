//! Holds the doctor's answer against the oracle: exactly its records, once each, in order; and what
//! is in its store against the names that it gives.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::answer::{self, Item};
use crate::oracle::{Record, Stream};

/// Compares the records of an answer with what the streams hold; `port_of` says on which port
/// the doctor heard what the recording's receiver heard on a target.
pub fn records(
    items: &[Item],
    streams: &[Stream],
    port_of: impl Fn(SocketAddr) -> u16,
) -> Result<()> {
    let told: Vec<&answer::Record> = items.iter().filter_map(record).collect();
    let mut expected = 0;
    for stream in streams {
        let port = port_of(stream.target);
        let told: Vec<&answer::Record> = told
            .iter()
            .filter(|r| r.place.port == Some(port) && (r.format == "extended") == stream.extended)
            .copied()
            .collect();
        compare_stream(stream, &told)
            .with_context(|| format!("port {port}, extended: {}", stream.extended))?;
        expected += told.len();
    }
    ensure!(told.len() == expected, "{} records, {expected} expected", told.len());
    Ok(())
}

fn record(item: &Item) -> Option<&answer::Record> {
    match item {
        Item::Record(record) => Some(record),
        Item::Pstore(_) | Item::Gap(_) | Item::Boot(_) => None,
    }
}

/// Boots have rising numbers, and each holds what it should.
fn compare_stream(stream: &Stream, told: &[&answer::Record]) -> Result<()> {
    let boots: Vec<_> = told.chunk_by(|a, b| a.place.boot == b.place.boot).collect();
    let numbers: Vec<_> = boots.iter().map(|records| records[0].place.boot).collect();
    ensure!(numbers.is_sorted(), "boots out of order: {numbers:?}");
    ensure!(
        boots.len() == stream.boots.len(),
        "boots {numbers:?}, but there are {}",
        stream.boots.len()
    );
    for (boot, told) in stream.boots.iter().zip(boots) {
        compare_boot(&boot.records, told)
            .with_context(|| format!("boot {:?}", told[0].place.boot))?;
    }
    Ok(())
}

fn compare_boot(expected: &[Record], told: &[&answer::Record]) -> Result<()> {
    for (at, (expected, told)) in expected.iter().zip(told).enumerate() {
        compare(expected, told).with_context(|| format!("record {at}: {told:?}"))?;
    }
    match (expected.get(told.len()), told.get(expected.len())) {
        (Some(missing), _) => bail!("it ends before {missing:?}"),
        (None, Some(more)) => bail!("one too many: {more:?}"),
        (None, None) => Ok(()),
    }
}

fn compare(expected: &Record, told: &answer::Record) -> Result<()> {
    let text = told.bytes()?;
    ensure!(text == expected.text, "text is not {:?}", String::from_utf8_lossy(&expected.text));
    ensure!(told.seq == expected.seq, "seq is not {:?}", expected.seq);
    ensure!(told.uptime_us == expected.uptime_us, "uptime is not {:?}", expected.uptime_us);
    let prefix = told.facility.zip(told.level).map(|(f, l)| u16::from(f) * 8 + u16::from(l));
    ensure!(prefix == expected.prefix, "facility and level are not {:?}", expected.prefix);
    let release = expected.release.is_none() || told.release == expected.release;
    ensure!(release, "release is not {:?}", expected.release);
    ensure!(!told.incomplete, "not incomplete");
    let lossy = String::from_utf8_lossy(&text) == told.text;
    ensure!(lossy, "text is not text_b64 with invalid UTF-8 replaced");
    ensure!(
        told.text_b64.is_none() || std::str::from_utf8(&text).is_err(),
        "text_b64 beside valid text"
    );
    compare_fields(expected, told)
}

/// All values of a key in wire order; one value stands alone, several in an array.
fn compare_fields(expected: &Record, told: &answer::Record) -> Result<()> {
    let mut keys: Vec<_> = expected.fields.iter().map(|(key, _)| key).collect();
    keys.sort();
    keys.dedup();
    ensure!(told.fields.len() == keys.len(), "keys of the fields are not {keys:?}");
    for key in keys {
        let fields = expected.fields.iter().filter(|(k, _)| k == key);
        let mut values: Vec<Value> =
            fields.map(|(_, value)| String::from_utf8_lossy(value).into()).collect();
        let expected = if values.len() == 1 { values.remove(0) } else { Value::Array(values) };
        let key = String::from_utf8_lossy(key);
        ensure!(told.fields.get(&*key) == Some(&expected), "field {key} is not {expected}");
    }
    Ok(())
}

/// In a store and its folder of segments no file has a name that the doctor gives none: nothing
/// from the network becomes one.
pub fn only_our_names(data: &Path) -> Result<()> {
    const OURS: [&str; 6] = ["followers", "health", "lock", "pstore", "pulse", "segments"];
    for entry in fs::read_dir(data)?.chain(fs::read_dir(data.join("segments"))?) {
        let name = entry?.file_name().into_string().ok().context("a name in UTF-8")?;
        let digit = |c: char| c.is_ascii_digit();
        let ours = OURS.contains(&&*name)
            || name.starts_with("catalogue.sqlite")
            || name.starts_with("incidents.sqlite")
            || name.strip_suffix(".zst").is_some_and(|number| number.starts_with(digit));
        ensure!(ours, "a file named {name}");
    }
    Ok(())
}
