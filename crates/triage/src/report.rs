//! The lines of one report to what is known of it.

mod facts;
mod found;
mod registers;
mod verdict;

pub(crate) use found::OWNER;
pub(crate) use verdict::{Verdict, severity};

use crate::guilty::{self, Named};
use crate::rules::{Blame, rule_of, rule_of_rest};
use crate::trace::place;
use crate::{Corruption, Frame, Incident, Severity};
use found::Found;

/// Reads the lines of `incident` again and fills in everything but its place in the log. `head`
/// is the index of the sentence that began it. As long as more may come (`complete` is false),
/// nothing that is missing counts as lost.
pub(crate) fn analyse(incident: &mut Incident, head: usize, complete: bool) {
    let lines = std::mem::take(&mut incident.lines);
    let report = lines.get(head..).unwrap_or_default();
    let first = report.first().map_or("", |line| &line.text);
    let sentence = rule_of(first);
    let headless = sentence.is_none();
    if let Some((rule, holes)) = sentence.or_else(|| rule_of_rest(first)) {
        let (own, interrupted) = found::own_lines(rule.kind, incident.caller.is_some(), report);
        let mut verdict = Verdict::new(rule, &holes, &lines[..head], own);
        verdict.headless = headless;
        let mut found = found::search(&verdict, own);
        found.interrupted |= interrupted;
        if interrupted
            && own.len() < report.len()
            && report[own.len()].text.starts_with("FAULT_INJECTION")
        {
            found.function = None;
        }
        facts::gather(incident, report);
        incident.panicked =
            report.iter().any(|line| line.text.contains("Kernel panic - not syncing"));
        conclude(incident, &verdict, found, complete);
    }
    incident.lines = lines;
}

fn conclude(incident: &mut Incident, verdict: &Verdict, found: Found, complete: bool) {
    incident.kind = verdict.kind;
    incident.class = verdict.class.map(str::to_owned);
    incident.severity = verdict.severity.unwrap_or(verdict.kind.severity());
    if incident.panicked {
        incident.severity = Severity::Fatal;
    }
    incident.settled = complete || found.settled;
    let known = complete || verdict.headless;
    incident.corrupted = if known { corruption(verdict, &found) } else { None };
    incident.guilty = found.guilty;
    incident.trace = found.trace;
    let function = found.function.as_deref().map(guilty::named);
    entitle(incident, verdict, function.as_ref(), complete);
    incident.function = match found.inner.filter(|_| verdict.blame == Blame::Entry) {
        Some(inner) => Some(guilty::plain(&incident.trace[inner].function).to_owned()),
        None => function.map(|function| function.name).filter(|_| verdict.blame != Blame::Nobody),
    };
    incident.guilty = found.inner.or(found.guilty);
    locate(incident, verdict);
    let named = incident.function.as_deref().filter(|_| verdict.bare && verdict.named.is_some());
    let significant = significant(incident, verdict).chain(named);
    incident.fingerprint = crate::Fingerprint::of(&incident.title, significant);
}

/// The title, and those that are as good: under the function's other names, and without the way
/// in which memory was touched or the machine stood still.
fn entitle(incident: &mut Incident, verdict: &Verdict, function: Option<&Named>, complete: bool) {
    let mut titles = Vec::new();
    let lost = Named { name: "corrupted".into(), others: Vec::new() };
    let function = match verdict.blame {
        Blame::Nobody | Blame::Silent => None,
        _ if verdict.title.is_some() => None,
        _ => function.or_else(|| (complete && !verdict.bare).then_some(&lost)),
    };
    let heads = [Some(&*verdict.head), verdict.alike];
    match function {
        Some(function) => {
            for head in heads.into_iter().flatten() {
                let names = std::iter::once(&function.name).chain(&function.others);
                titles.extend(names.map(|name| verdict.title_with(head, name)));
            }
        }
        None => titles.push(verdict.title.clone().unwrap_or_else(|| verdict.head.clone())),
    }
    incident.title = titles.remove(0);
    incident.alternatives = titles;
}

fn corruption(verdict: &Verdict, found: &Found) -> Option<Corruption> {
    match verdict.blame {
        _ if verdict.headless => Some(Corruption::NoBeginning),
        _ if verdict.garbled => Some(Corruption::Garbled),
        Blame::Nobody | Blame::Hole(_) | Blame::OnlyLocker => None,
        Blame::Silent if verdict.bare => None,
        Blame::Silent => (!found.stacked).then_some(Corruption::NoTrace),
        _ if found.interrupted => Some(Corruption::Interleaved),
        _ if found.function.is_none() => Some(Corruption::NoTrace),
        _ if !found.stacked => Some(Corruption::CutOff),
        _ => None,
    }
}

fn locate(incident: &mut Incident, verdict: &Verdict) {
    let guilty = incident.guilty.and_then(|guilty| incident.trace.get(guilty));
    let word = verdict.place.as_deref().or(guilty.and_then(|frame| frame.source.as_deref()));
    let (file, line) = word.and_then(place).map_or((None, None), |(file, line)| {
        (Some(file.trim_start_matches("./").to_owned()), Some(line))
    });
    incident.file = file;
    incident.line = line;
}

/// The names that the fingerprint is made of beside the title: the three frames from the guilty
/// one outwards that are no messengers. What a stall was at besides its entry is chance.
fn significant<'a>(incident: &'a Incident, verdict: &Verdict) -> impl Iterator<Item = &'a str> {
    let count = if verdict.blame == Blame::Entry || verdict.blame == Blame::Nobody { 0 } else { 3 };
    let kind = verdict.kind;
    let solid = move |frame: &&Frame| {
        frame.reliable && !frame.inline && !guilty::is_messenger(&frame.function, kind)
    };
    let from = incident.guilty.unwrap_or(0).min(incident.trace.len());
    incident.trace[from..]
        .iter()
        .filter(solid)
        .take(count)
        .map(|frame| guilty::plain(&frame.function))
}
