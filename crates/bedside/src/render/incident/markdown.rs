//! Markdown for a bug report. Nothing of a sender stands outside of code, so that it can neither
//! link, nor mention, nor draw.

use std::io::{self, Write};

use bedside_triage::Incident;

use super::{Fact, facts, frame, harmless, sort};

/// Writes it; `more` facts stand in front of its own.
pub(crate) fn markdown(incident: &Incident, more: &[Fact], out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "## {}\n", code(&harmless(&incident.title)))?;
    writeln!(out, "{}\n", sort(incident))?;
    for (name, told) in more.iter().chain(&facts(incident)) {
        writeln!(out, "- {name}: {}", code(told))?;
    }
    if !incident.trace.is_empty() {
        let marked = |(at, one)| {
            format!("{} {}", if incident.guilty == Some(at) { ">" } else { " " }, frame(one))
        };
        writeln!(out, "\nTrace, the guilty frame marked:\n")?;
        block(&incident.trace.iter().enumerate().map(marked).collect::<Vec<String>>(), out)?;
    }
    writeln!(out, "\nReport:\n")?;
    let mut lines: Vec<String> = incident.lines.iter().map(|line| harmless(&line.text)).collect();
    if incident.omitted > 0 {
        lines.push(format!("({} more lines were not kept)", incident.omitted));
    }
    block(&lines, out)
}

/// A code span, with more backticks around it than stand together in it (CommonMark, section 6.1).
fn code(text: &str) -> String {
    let fence = "`".repeat(longest_run(text) + 1);
    let pad =
        if text.starts_with('`') || text.ends_with('`') || text.is_empty() { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}

/// A fenced block, its fence longer than any in it (CommonMark, section 4.5).
fn block(lines: &[String], out: &mut dyn Write) -> io::Result<()> {
    let longest = lines.iter().map(|line| longest_run(line)).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    writeln!(out, "{fence}")?;
    lines.iter().try_for_each(|line| writeln!(out, "{line}"))?;
    writeln!(out, "{fence}")
}

fn longest_run(text: &str) -> usize {
    text.split(|char| char != '`').map(str::len).max().unwrap_or(0)
}
