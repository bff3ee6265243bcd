//! Incidents: a page for a terminal, Markdown, a plain report, JSON.
//!
//! An incident's strings are what a sender wrote: they are escaped here, each on its line.

mod json;
mod markdown;
mod page;
mod syz;

use bedside_triage::{Frame, Incident, Section};

use super::escape::Escaped;

pub(crate) use self::json::Told;
pub(crate) use self::markdown::markdown;
pub(crate) use self::page::page;
pub(crate) use self::syz::syz;

/// What is told of it, by name; both harmless.
pub(crate) type Fact = (&'static str, String);

/// Escaped, on one line.
pub(crate) fn harmless(text: &str) -> String {
    Escaped(text.as_bytes()).to_string()
}

/// `oops, critical, the kernel panicked; cut off`.
pub(super) fn sort(incident: &Incident) -> String {
    let mut words = format!("{}, {}", incident.kind, incident.severity);
    if incident.panicked {
        words.push_str(", the kernel panicked");
    }
    if let Some(corruption) = incident.corrupted {
        words.push_str("; not sure: ");
        words.push_str(corruption.as_str());
    }
    words
}

/// What the lines tell, in the order in which a person asks.
pub(super) fn facts(incident: &Incident) -> Vec<Fact> {
    let source = incident.file.as_deref().map(|file| match incident.line {
        Some(line) => format!("{}:{line}", harmless(file)),
        None => harmless(file),
    });
    let texts = |texts: &[String]| (!texts.is_empty()).then(|| harmless(&texts.join(", ")));
    let facts = [
        ("function", incident.function.as_deref().map(harmless)),
        ("source", source),
        ("process", process(incident)),
        ("kernel", incident.release.as_deref().map(harmless)),
        ("taint", texts(&incident.taint)),
        ("hardware", incident.hardware.as_deref().map(harmless)),
        ("modules", texts(&incident.modules)),
        ("also known as", texts(&incident.alternatives)),
        ("fingerprint", Some(incident.fingerprint.to_string())),
    ];
    facts.into_iter().filter_map(|(name, told)| Some((name, told?))).collect()
}

fn process(incident: &Incident) -> Option<String> {
    let parts = [
        incident.command.as_deref().map(harmless),
        incident.pid.map(|pid| format!("PID {pid}")),
        incident.cpu.map(|cpu| format!("CPU {cpu}")),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// `function+0x12/0x34 [module]`, as the kernel prints it, and where its source is.
pub(super) fn frame(frame: &Frame) -> String {
    let size = frame.size.map(|size| format!("/{size:#x}")).unwrap_or_default();
    let parts = [
        (!frame.reliable && !frame.inline).then(|| "? ".to_owned()),
        Some(harmless(&frame.function)),
        frame.offset.map(|offset| format!("+{offset:#x}{size}")),
        frame.module.as_deref().map(|module| format!(" [{}]", harmless(module))),
        frame.source.as_deref().map(|source| format!(" {}", harmless(source))),
        frame.inline.then(|| " [inline]".to_owned()),
    ];
    parts.into_iter().flatten().collect()
}

/// The name of a stretch of a trace, where it is not a task's.
pub(super) fn section(section: Section) -> Option<&'static str> {
    match section {
        Section::Task => None,
        Section::Irq => Some("IRQ"),
        Section::Softirq => Some("SOFTIRQ"),
        Section::Nmi => Some("NMI"),
        Section::Exception => Some("exception"),
    }
}

/// The registers, some to a line.
pub(super) fn registers(incident: &Incident) -> Vec<String> {
    const TO_A_LINE: usize = 3;
    let told: Vec<String> = incident
        .registers
        .iter()
        .map(|(name, value)| format!("{}: {}", harmless(name), harmless(value)))
        .collect();
    told.chunks(TO_A_LINE).map(|line| line.join("  ")).collect()
}

#[cfg(test)]
mod tests;
