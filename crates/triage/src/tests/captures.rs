//! The deaths of real kernels, by their serial console and as they came over the wire.

use std::fmt::Write as _;

use bedside_lab::{capture, oracle};

use crate::{Event, Incident, Line, Triage, incidents};

/// Each incident's kind and function, in order; the same again and again counts once.
fn told(found: &[Incident]) -> String {
    let mut words: Vec<String> = found
        .iter()
        .map(|incident| match &incident.function {
            Some(function) => format!("{} in {function}", incident.kind),
            None => incident.kind.to_string(),
        })
        .collect();
    words.dedup();
    if words.is_empty() { "nothing".to_owned() } else { words.join(", ") }
}

/// The incidents of each boot of a target.
fn heard(boots: &[oracle::Boot]) -> Vec<Incident> {
    let mut found = Vec::new();
    for boot in boots {
        let mut sink = |event: Event<'_>| {
            if let Event::Closed(incident) = event {
                found.push(incident.clone());
            }
        };
        let mut triage = Triage::new();
        for (at, record) in boot.records.iter().enumerate() {
            for text in record.text.split(|byte| *byte == b'\n') {
                let line = Line { text, time: record.uptime_us, at: at as u64, ..Line::default() };
                triage.hear(line, &mut sink);
            }
        }
        triage.finish(&mut sink);
    }
    found
}

#[test]
fn every_death_has_its_kind_and_function() {
    let mut table = String::new();
    for name in capture::names().unwrap() {
        let serial = told(&incidents(&capture::fixture(&name, "serial.log").unwrap()));
        writeln!(table, "{name}\n    serial  {serial}").unwrap();
        for stream in oracle::streams(&capture::Capture::load(&name).unwrap().datagrams) {
            let wire = told(&heard(&stream.boots));
            if wire != serial {
                writeln!(table, "    wire    {wire}").unwrap();
            }
        }
    }
    insta::assert_snapshot!(table);
}

#[test]
fn what_the_wire_has_no_death_of_is_not_made_up() {
    for name in ["7.3.4/ext_panic1", "7.3.4/ext_reboot_clean", "6.1.0/ext_reboot_clean"] {
        let capture = capture::Capture::load(name).unwrap();
        let streams = oracle::streams(&capture.datagrams);
        assert!(!streams.is_empty(), "{name}");
        for stream in streams {
            assert_eq!(told(&heard(&stream.boots)), "nothing", "{name}");
        }
    }
}
