//! A plain report, with the headings of syzkaller's.

use std::io::{self, Write};

use bedside_triage::Incident;

use super::harmless;

/// Writes headings, an empty line, and the lines it was cut from.
pub(crate) fn syz(incident: &Incident, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "TITLE: {}", harmless(&incident.title))?;
    for title in &incident.alternatives {
        writeln!(out, "ALT: {}", harmless(title))?;
    }
    if let Some(class) = &incident.class {
        writeln!(out, "TYPE: {}", harmless(class))?;
    }
    if let Some(function) = &incident.function {
        writeln!(out, "FRAME: {}", harmless(function))?;
    }
    if let Some(corruption) = incident.corrupted {
        writeln!(out, "CORRUPTED: Y ({})", corruption.as_str())?;
    }
    if incident.panicked {
        writeln!(out, "PANICKED: Y")?;
    }
    writeln!(out)?;
    incident.lines.iter().try_for_each(|line| writeln!(out, "{}", harmless(&line.text)))
}
