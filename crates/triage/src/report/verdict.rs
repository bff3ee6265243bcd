//! What a sentence means, after the lines around it were read.

use crate::normal::normal;
use crate::rules::{Blame, LAST, Rule};
use crate::{Kind, ReportLine, Severity};

/// A rule with its holes filled.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) kind: Kind,
    pub(crate) severity: Option<Severity>,
    pub(crate) class: Option<&'static str>,
    /// The title before ` in function`.
    pub(crate) head: String,
    pub(crate) alike: Option<&'static str>,
    pub(crate) blame: Blame,
    /// The function that the report names outside of a trace.
    pub(crate) named: Option<String>,
    /// What follows the function in the title: the other party of a race, or who called it.
    pub(crate) suffix: String,
    /// `file.c:123`.
    pub(crate) place: Option<String>,
    /// The whole title, where no function belongs into it.
    pub(crate) title: Option<String>,
    /// The first line of the report was not heard.
    pub(crate) headless: bool,
    /// The sentence is not whole.
    pub(crate) garbled: bool,
    /// Where no function is known, none is missed in the title.
    pub(crate) bare: bool,
    /// The lines before the sentence and the first ones after it.
    preamble: String,
}

impl Verdict {
    pub(crate) fn new(
        rule: &Rule,
        holes: &[&str],
        before: &[ReportLine],
        report: &[ReportLine],
    ) -> Verdict {
        let hole = match rule.blame {
            Blame::Hole(hole) | Blame::InnermostOr(hole) => holes.get(hole).copied(),
            _ => None,
        };
        let mut verdict = Verdict {
            kind: rule.kind,
            severity: rule.severity,
            class: rule.class,
            head: filled(rule.title, holes),
            alike: rule.alike,
            blame: rule.blame,
            named: hole.map(|symbol| symbol.split('+').next().unwrap_or(symbol).to_owned()),
            suffix: String::new(),
            place: None,
            title: None,
            headless: false,
            // The last line of a panic, whose first one is lost.
            garbled: report.first().is_some_and(|line| line.text.trim_start().starts_with(LAST)),
            bare: false,
            preamble: preamble(before, report),
        };
        if let Some(refine) = rule.refine {
            refine(report, &mut verdict);
        }
        verdict
    }

    /// Whether the sentence's neighbours contain the words.
    pub(crate) fn preamble_says(&self, words: &str) -> bool {
        self.preamble.contains(words)
    }

    /// The title is the sentence itself: what should follow it is missing.
    pub(crate) fn whole_line(&mut self, report: &[ReportLine]) {
        let Some(header) = report.first() else { return };
        let sentence = header.text.trim().trim_start_matches("BUG: ");
        if sentence.contains(" at addr ") {
            self.title = Some(normal(sentence));
        }
        self.garbled = true;
    }

    pub(crate) fn title_with(&self, head: &str, function: &str) -> String {
        format!("{head} in {function}{}", self.suffix)
    }
}

/// How bad a sentence is, by itself.
pub(crate) fn severity(rule: &Rule, text: &str) -> Severity {
    let line = ReportLine { at: 0, text: text.to_owned() };
    let verdict = Verdict::new(rule, &[], &[], std::slice::from_ref(&line));
    verdict.severity.unwrap_or(verdict.kind.severity())
}

fn preamble(before: &[ReportLine], report: &[ReportLine]) -> String {
    let near = before.iter().chain(report.iter().skip(1).take(2));
    near.map(|line| line.text.as_str()).collect::<Vec<_>>().join("\n")
}

/// The rule's title with its holes.
fn filled(title: &str, holes: &[&str]) -> String {
    let mut out = title.to_owned();
    for (index, hole) in holes.iter().enumerate() {
        let mark = format!("{{{index}}}");
        if out.contains(&mark) {
            out = out.replace(&mark, &normal(hole));
        }
    }
    out
}
