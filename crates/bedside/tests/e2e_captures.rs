//! Every recorded kernel, heard again by the program itself: over UDP, from pcaps, and from the
//! recordings' own lines. The oracle says what has to come out, the serial console of the same
//! run what was lost.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result, ensure};
use bedside_lab::answer::Item;
use bedside_lab::capture::{self, Capture};
use bedside_lab::doctor::Bedside;
use bedside_lab::patient::{Patient, Queue, drained};
use bedside_lab::serial::{self, Comparison, Console, Telling};
use bedside_lab::{check, oracle};

const PROGRAM: &str = env!("CARGO_BIN_EXE_bedside");

/// Where a capture deviates for a reason of the kernel's own.
const EXCEPTIONS: &[(&str, &str)] = &[
    ("6.1.0/basic_notime", "without times a line that reads like a header can't be told from one"),
    ("6.1.0/ext_cm_text", "6.1 shows no more than 1 KiB of a record on a serial console"),
];

#[test]
fn each_capture_over_udp_gives_its_records_and_shows_what_is_missing() {
    let rows = for_each(&capture::names().unwrap(), |name| {
        let capture = Capture::load(name)?;
        let items = heard_over_udp(&capture)?;
        let console = Console::parse(&capture::fixture(name, "serial.log")?);
        rows_of(name, &items, &console)
    });
    insta::assert_snapshot!("captures", rows);
}

#[test]
fn each_capture_replayed_gives_its_records_with_its_times() {
    let rows = for_each(&capture::names().unwrap(), |name| {
        let capture = Capture::load(name)?;
        let items = replayed(name, "jsonl")?;
        check::records(&items, &oracle::streams(&capture.datagrams), |target| target.port())?;
        let source = capture.datagrams[0].source;
        let times: BTreeSet<u64> = capture.datagrams.iter().map(|d| d.unix_ns / 1000).collect();
        for place in items.iter().map(Item::place) {
            ensure!(place.host == Some(source.ip().to_string()), "host {:?}", place.host);
            ensure!(place.source == Some(source.to_string()), "source {:?}", place.source);
            let received: jiff::Timestamp =
                place.received.as_deref().context("received by nobody")?.parse()?;
            let micros = u64::try_from(received.as_microsecond())?;
            ensure!(times.contains(&micros), "no datagram was received at {received}");
        }
        Ok(String::new())
    });
    assert_eq!(rows, "");
}

#[test]
fn each_pcap_replayed_gives_what_udp_gave() {
    let rows = for_each(&capture::pcap_names().unwrap(), |name| {
        let capture = Capture::load(name)?;
        let items = replayed(name, "pcap")?;
        check::records(&items, &oracle::streams(&capture.datagrams), |target| target.port())?;
        Ok(String::new())
    });
    assert_eq!(rows, "");
}

/// Runs a real doctor, sends it the capture, ends it and asks what it kept.
fn heard_over_udp(capture: &Capture) -> Result<Vec<Item>> {
    let data = tempfile::tempdir()?;
    let bedside = Bedside::new(PROGRAM, data.path());
    let targets = capture.targets();
    let listen: Vec<SocketAddr> =
        targets.iter().map(|target| SocketAddr::new(target.ip(), 0)).collect();
    let doctor = bedside.serve::<&str>(&listen, &[])?;
    let heard_at: BTreeMap<SocketAddr, SocketAddr> =
        targets.into_iter().zip(doctor.addresses().iter().copied()).collect();
    Patient::new(heard_at.clone()).send(&capture.datagrams)?;
    for address in heard_at.values() {
        drained(address.port(), 0)?;
        ensure!(Queue::of(address.port())?.dropped == 0, "the socket's buffer was full");
    }
    doctor.terminate()?;
    let items = bedside.log(&[])?;
    let port_of = |target| heard_at.get(&target).map_or(0, SocketAddr::port);
    check::records(&items, &oracle::streams(&capture.datagrams), port_of)?;
    Ok(items)
}

fn replayed(name: &str, kind: &str) -> Result<Vec<Item>> {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join(format!("capture.{kind}"));
    std::fs::write(&file, capture::fixture(name, kind)?)?;
    let bedside = Bedside::new(PROGRAM, dir.path().join("data"));
    bedside.run("replay", &[file.to_str().context("a path in UTF-8")?])?;
    bedside.log(&[])
}

/// One row for each stream of the answer: records, ends, gaps, and what the console has besides.
fn rows_of(name: &str, items: &[Item], console: &Console) -> Result<String> {
    let tellings = serial::tellings(items);
    let mut streams: BTreeMap<(u16, &str), Vec<&Telling>> = BTreeMap::new();
    for telling in &tellings {
        streams.entry((telling.port, &telling.format)).or_default().push(telling);
    }
    // Ports are chance, their order is not.
    let mut streams: Vec<_> = streams.into_values().collect();
    streams.sort_by_key(|stream| tellings.iter().position(|t| std::ptr::eq(t, stream[0])));
    let mut rows = String::new();
    for stream in streams {
        let comparison = console.compare(&stream);
        let odd = comparison.unexplained.len() + comparison.only_heard.len();
        let excepted = EXCEPTIONS.iter().any(|(exception, _)| *exception == name);
        ensure!(odd == 0 || excepted, "against the console: {comparison:?}");
        let silent = |(end, missing): &(String, usize)| *missing == 0 || end == "silence";
        ensure!(comparison.after_end.iter().all(silent), "after the end: {comparison:?}");
        let format = &stream[0].format;
        let port = stream[0].port;
        write!(rows, "{name:<35} {format:<8}")?;
        writeln!(rows, "{}; {}", told(items, port, format), against_console(&comparison))?;
    }
    Ok(rows)
}

/// Records, boots with their ends, gaps by cause.
fn told(items: &[Item], port: u16, format: &str) -> String {
    let mut records = 0;
    let mut ends = BTreeMap::new();
    let mut gaps: BTreeMap<&str, (usize, u64)> = BTreeMap::new();
    for item in items.iter().filter(|item| item.place().port == Some(port)) {
        match item {
            Item::Record(record) => records += usize::from(record.format == format),
            Item::Gap(gap) => {
                let (times, count) = gaps.entry(&gap.cause).or_default();
                (*times, *count) = (*times + 1, *count + gap.count);
            }
            Item::Pstore(_) | Item::Boot(_) => {}
        }
    }
    for item in items {
        if let Item::Boot(boot) = item
            && boot.event == "end"
        {
            ends.insert(boot.place.boot, boot.end.as_deref().unwrap_or("null"));
        }
    }
    let ends: Vec<&str> = ends.into_values().collect();
    let mut told = vec![format!("{records:>5} records, ends {}", ends.join(" "))];
    told.extend(gaps.iter().map(|(cause, (times, count))| format!("{cause} {count} in {times}")));
    told.join(", ")
}

fn against_console(comparison: &Comparison) -> String {
    let mut said = vec![format!("console {} alike", comparison.heard)];
    let in_gaps = comparison.in_gaps.iter();
    said.extend(in_gaps.map(|(missing, gap)| format!("{missing} missing in a gap of {gap}")));
    let after_end = comparison.after_end.iter().filter(|(_, missing)| *missing > 0);
    said.extend(after_end.map(|(end, missing)| format!("{missing} after {end}")));
    let more = [
        (comparison.unheard_boots, "boots not heard"),
        (comparison.only_heard.len(), "heard only"),
        (comparison.unexplained.len(), "missing without a word"),
    ];
    let more = more.iter().filter(|(count, _)| *count > 0);
    said.extend(more.map(|(count, what)| format!("{count} {what}")));
    said.join(", ")
}

/// Works through the captures on all processors; all failures are told, each with its name.
fn for_each(names: &[String], work: impl Fn(&str) -> Result<String> + Sync) -> String {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(BTreeMap::new());
    let workers = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(name) = names.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let outcome = work(name);
                    done.lock().expect("no worker panics").insert(name, outcome);
                }
            });
        }
    });
    let (mut rows, mut failures) = (String::new(), Vec::new());
    for (name, outcome) in done.into_inner().expect("no worker panics") {
        match outcome {
            Ok(row) => rows += &row,
            Err(error) => failures.push(format!("{name}: {error:#}")),
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    rows
}
