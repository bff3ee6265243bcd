//! How small a store is: every capture of the fixtures heard into one, sealed, with its index and
//! its filters, against the datagrams as a file of lines would hold them.

use std::path::Path;
use std::sync::atomic::Ordering;

use anyhow::{Result, ensure};
use bedside::config::Config;
use bedside::doctor::Doctor;
use bedside_lab::capture::{Capture, names};
use bedside_lab::wait;
use bedside_store::{Options, Writer, maintain};
use bedside_stream::{Monotonic, StreamKey, WallTime};

/// Hears all captures, each from a machine of its own; how long their datagrams are as lines.
fn hear(data: &Path) -> Result<u64> {
    let (mut doctor, _) = Doctor::open(data, &Config::default(), None, true)?;
    let mut bytes = 0;
    for (name, machine) in names()?.iter().zip(1..) {
        for datagram in Capture::load(name)?.datagrams {
            let now = datagram.unix_ns / 1000;
            let mut source = datagram.source;
            source.set_ip([10, 0, 0, machine].into());
            let key = StreamKey::new(source, datagram.target.port());
            doctor.pass(Monotonic(now));
            doctor.hear(Monotonic(now), &key, WallTime(now), &datagram.payload);
            let text = datagram.payload.strip_suffix(b"\n").unwrap_or(&datagram.payload);
            bytes += text.len() as u64 + 1;
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
fn a_sealed_store_is_a_seventh_of_the_lines_it_heard() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let bytes = hear(dir.path())?;
    seal(dir.path())?;
    let stats = maintain::stats(dir.path())?;
    ensure!(stats.records > 40_000 && stats.sealed > 0, "{stats:?}");
    ensure!(maintain::verify(dir.path())?.faults.is_empty());
    let ratio = bytes as f64 / stats.bytes as f64;
    ensure!(
        ratio >= 7.0,
        "{bytes} bytes of datagrams are {} in the store: {ratio:.2}",
        stats.bytes
    );
    Ok(())
}
