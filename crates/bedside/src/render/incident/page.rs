//! A page for a terminal.

use std::io::{self, Write};

use bedside_triage::{Incident, Section};

use super::{Fact, facts, frame, harmless, registers, section, sort};
use crate::render::Palette;

/// Writes the title, `more` facts and its own, the trace with the guilty frame marked, the lines
/// `before` it, and its own lines.
pub(crate) fn page(
    incident: &Incident,
    more: &[Fact],
    before: &[String],
    palette: Palette,
    out: &mut dyn Write,
) -> io::Result<()> {
    let (bad, bold, aside) = (palette.bad(), palette.boot(), palette.aside());
    writeln!(out, "{bad}{}{bad:#}", harmless(&incident.title))?;
    writeln!(out, "{}", sort(incident))?;
    writeln!(out)?;
    let own = facts(incident);
    for (name, told) in more.iter().chain(&own) {
        writeln!(out, "  {aside}{name:14}{aside:#}{told}")?;
    }
    if !incident.trace.is_empty() {
        writeln!(out, "\n{bold}Trace{bold:#}")?;
        trace(incident, palette, out)?;
    }
    let registers = registers(incident);
    if !registers.is_empty() || incident.code.is_some() {
        writeln!(out, "\n{bold}Registers{bold:#}")?;
        registers.iter().try_for_each(|line| writeln!(out, "    {line}"))?;
    }
    if let Some(code) = &incident.code {
        writeln!(out, "    Code: {}", harmless(code))?;
    }
    if !before.is_empty() {
        writeln!(out, "\n{bold}The lines before{bold:#}")?;
        before.iter().try_for_each(|line| writeln!(out, "    {aside}{line}{aside:#}"))?;
    }
    // A flatline has none.
    if let (first @ 1.., last) = (incident.first_line, incident.last_line) {
        writeln!(out, "\n{bold}Its lines, {first} to {last}{bold:#}")?;
    }
    for line in &incident.lines {
        writeln!(out, "    {}", harmless(&line.text))?;
    }
    match incident.omitted {
        0 => Ok(()),
        more => writeln!(out, "    {aside}and {more} more that are not kept here{aside:#}"),
    }
}

fn trace(incident: &Incident, palette: Palette, out: &mut dyn Write) -> io::Result<()> {
    let mut at = Section::Task;
    for (number, one) in incident.trace.iter().enumerate() {
        if let Some(name) = section(one.section).filter(|_| at != one.section) {
            writeln!(out, "    {name}:")?;
        } else if at != one.section {
            writeln!(out, "    task:")?;
        }
        at = one.section;
        let (mark, style) = match incident.guilty {
            Some(guilty) if guilty == number => ("  > ", palette.bad()),
            _ if !one.reliable && !one.inline => ("    ", palette.aside()),
            _ => ("    ", anstyle::Style::new()),
        };
        writeln!(out, "{mark}{style}{}{style:#}", frame(one))?;
    }
    Ok(())
}
