//! Whole texts: any file with kernel lines in it.

mod date;
mod split;

use crate::{Event, Incident, Limits, Triage};
use split::Splitter;

/// Reads a text line by line: `dmesg` with any of its options, `/dev/kmsg`, syslog files, a
/// journal (as text or `-o export`), a serial console's capture, a dump of pstore. Incidents have
/// 1-based numbers of its lines as their positions.
#[derive(Debug, Default)]
pub struct Text {
    triage: Triage,
    splitter: Splitter,
}

impl Text {
    /// One with the bounds of `Limits::default()`.
    pub fn new() -> Text {
        Text::default()
    }

    /// One with these bounds.
    pub fn with_limits(limits: Limits) -> Text {
        Text { triage: Triage::with_limits(limits), splitter: Splitter::default() }
    }

    /// Takes the next line as it stands in the file, without its newline.
    pub fn hear(&mut self, raw: &[u8], sink: &mut dyn FnMut(Event<'_>)) {
        let triage = &mut self.triage;
        self.splitter.split(raw, &mut |line| triage.hear(line, sink));
    }

    /// The text ended.
    pub fn finish(&mut self, sink: &mut dyn FnMut(Event<'_>)) {
        self.triage.finish(sink);
    }
}

/// The incidents of a whole text, in the order in which they began.
pub fn incidents(text: &[u8]) -> Vec<Incident> {
    let mut found = Vec::new();
    let mut sink = |event: Event<'_>| {
        if let Event::Closed(incident) = event {
            found.push(incident.clone());
        }
    };
    let mut reader = Text::new();
    for raw in text.split(|byte| *byte == b'\n') {
        reader.hear(raw, &mut sink);
    }
    reader.finish(&mut sink);
    found.sort_by_key(|incident| incident.id);
    found
}
