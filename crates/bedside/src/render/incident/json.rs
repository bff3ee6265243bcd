//! Its JSON object.

use bedside_triage::{Fingerprint, Frame, Incident, Kind, Section};
use serde::Serialize;

use crate::render::VERSION;

/// What is told of every incident.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Told<'a> {
    v: u8,
    kind: Kind,
    title: &'a str,
    alternatives: &'a [String],
    r#type: Option<&'a str>,
    corrupted: bool,
    function: Option<&'a str>,
    file: Option<&'a str>,
    trace: Vec<TracedFrame<'a>>,
    fingerprint: Fingerprint,
    first_line: u64,
    last_line: u64,
}

#[derive(Clone, Debug, Serialize)]
struct TracedFrame<'a> {
    function: &'a str,
    offset: Option<u64>,
    size: Option<u64>,
    module: Option<&'a str>,
    source: Option<&'a str>,
    inline: bool,
    reliable: bool,
    section: Section,
}

impl<'a> Told<'a> {
    /// Of this incident.
    pub(crate) fn new(incident: &'a Incident) -> Told<'a> {
        Told {
            v: VERSION,
            kind: incident.kind,
            title: &incident.title,
            alternatives: &incident.alternatives,
            r#type: incident.class.as_deref(),
            corrupted: incident.corrupted.is_some(),
            function: incident.function.as_deref(),
            file: incident.file.as_deref(),
            trace: incident.guilty_first().map(TracedFrame::new).collect(),
            fingerprint: incident.fingerprint,
            first_line: incident.first_line,
            last_line: incident.last_line,
        }
    }
}

impl TracedFrame<'_> {
    fn new(frame: &Frame) -> TracedFrame<'_> {
        TracedFrame {
            function: &frame.function,
            offset: frame.offset,
            size: frame.size,
            module: frame.module.as_deref(),
            source: frame.source.as_deref(),
            inline: frame.inline,
            reliable: frame.reliable,
            section: frame.section,
        }
    }
}
