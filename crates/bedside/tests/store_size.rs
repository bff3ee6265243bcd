//! How small a store is: every capture of the fixtures heard into one, sealed, with its index and
//! its filters, against what was said: the texts alone, as a file of lines would hold them.

use std::path::Path;
use std::sync::atomic::Ordering;

use anyhow::{Result, ensure};
use bedside::config::Config;
use bedside::doctor::Doctor;
use bedside_lab::capture::{Capture, names};
use bedside_lab::{oracle, wait};
use bedside_store::{Options, Writer, maintain};
use bedside_stream::{Monotonic, StreamKey, WallTime};

/// Hears all captures, each from a machine of its own; how long their texts are as lines.
fn hear(data: &Path) -> Result<u64> {
    let (mut doctor, _) = Doctor::open(data, &Config::default(), None, true)?;
    let mut bytes = 0;
    for (name, machine) in names()?.iter().zip(1..) {
        let datagrams = Capture::load(name)?.datagrams;
        let streams = oracle::streams(&datagrams);
        let records = streams.iter().flat_map(|stream| &stream.boots).flat_map(|b| &b.records);
        bytes += records.map(|record| record.text.len() as u64 + 1).sum::<u64>();
        for datagram in datagrams {
            let now = datagram.unix_ns / 1000;
            let mut source = datagram.source;
            source.set_ip([10, 0, 0, machine].into());
            let key = StreamKey::new(source, datagram.target.port());
            doctor.pass(Monotonic(now));
            doctor.hear(Monotonic(now), &key, WallTime(now), &datagram.payload);
        }
    }
    doctor.close()?;
    Ok(bytes)
}

/// Seals all that is not sealed yet.
fn seal(data: &Path) -> Result<()> {
    let live = maintain::stats(data)?.live;
    let options = Options { segment_max_bytes: 1, ..Options::default() };
    let (writer, _) = Writer::open(data, options)?;
    wait::until("the segments to be sealed", || {
        Ok((writer.counters().sealed.load(Ordering::Relaxed) >= live).then_some(()))
    })?;
    Ok(writer.close()?)
}

#[test]
fn a_sealed_store_is_a_seventh_of_the_texts_it_heard() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let bytes = hear(dir.path())?;
    seal(dir.path())?;
    let stats = maintain::stats(dir.path())?;
    ensure!(stats.records > 40_000 && stats.sealed > 0, "{stats:?}");
    ensure!(maintain::verify(dir.path())?.faults.is_empty());
    let ratio = bytes as f64 / stats.bytes as f64;
    ensure!(ratio >= 7.0, "{bytes} bytes of texts are {} in the store: {ratio:.2}", stats.bytes);
    Ok(())
}
