//! Any lines, as a file and as records of callers: no panic, bounds kept, each incident opened
//! once and closed once, and what it says of itself holds together.
//!
//! The input: a byte that chooses bounds and callers, then the lines.
#![no_main]

use std::collections::BTreeMap;

use bedside_triage::{Caller, Event, Incident, Limits, Line, Text, Triage};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((&choice, text)) = input.split_first() else { return };
    let limits = Limits {
        open: usize::from(choice & 3) + 1,
        lines: if choice & 4 == 0 { 1000 } else { 8 },
        bytes: if choice & 8 == 0 { 128 << 10 } else { 300 },
        ..Limits::default()
    };
    file(text, limits);
    records(text, limits, choice);
});

fn file(text: &[u8], limits: Limits) {
    let mut seen = Seen::new(limits);
    let mut reader = Text::with_limits(limits);
    for raw in text.split(|byte| *byte == b'\n') {
        reader.hear(raw, &mut |event| seen.event(event));
    }
    reader.finish(&mut |event| seen.event(event));
    seen.end();
}

fn records(text: &[u8], limits: Limits, choice: u8) {
    let mut seen = Seen::new(limits);
    let mut triage = Triage::with_limits(limits);
    for (at, line) in text.split(|byte| *byte == b'\n').enumerate() {
        let first = u32::from(line.first().copied().unwrap_or_default());
        let caller = (choice & 16 != 0).then_some(Caller::Task(first & 3));
        let time = (choice & 32 != 0).then_some(at as u64 * 1_000_000);
        let line = Line { text: line, time, caller, at: at as u64, level: None };
        triage.hear(line, &mut |event| seen.event(event));
        assert!(triage.open().count() <= limits.open);
        assert_eq!(triage.is_open(), !seen.open.is_empty());
        triage.open().for_each(|incident| sound(incident, limits));
    }
    triage.finish(&mut |event| seen.event(event));
    seen.end();
}

struct Seen {
    limits: Limits,
    next: u64,
    open: BTreeMap<u64, u64>,
}

impl Seen {
    fn new(limits: Limits) -> Seen {
        Seen { limits, next: 0, open: BTreeMap::new() }
    }

    fn event(&mut self, event: Event<'_>) {
        let incident = event.incident();
        sound(incident, self.limits);
        match event {
            Event::Opened(_) => {
                assert_eq!(incident.id, self.next);
                self.next += 1;
                assert!(self.open.insert(incident.id, incident.first_line).is_none());
            }
            Event::Changed(_) => assert_eq!(self.open[&incident.id], incident.first_line),
            Event::Closed(_) => {
                assert_eq!(self.open.remove(&incident.id), Some(incident.first_line));
                assert!(incident.settled);
            }
        }
    }

    fn end(&self) {
        assert!(self.open.is_empty());
    }
}

fn sound(incident: &Incident, limits: Limits) {
    assert!(!incident.title.is_empty());
    assert!(incident.first_line <= incident.last_line);
    // A preamble may stand above the first line that is counted.
    assert!(incident.lines.len() <= limits.lines + 10);
    assert!(incident.lines.windows(2).all(|pair| pair[0].at <= pair[1].at));
    assert!(incident.guilty.is_none_or(|guilty| guilty < incident.trace.len()));
    assert_eq!(incident.guilty_first().count(), incident.trace.len());
    assert!(!incident.alternatives.contains(&incident.title));
}
