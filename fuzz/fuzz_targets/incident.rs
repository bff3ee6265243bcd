//! An incident whose every string is hostile, and whatever incidents any lines make: no output of
//! them acts on a terminal, JSON says what was sent, nothing gets out of Markdown's code or out of
//! a template's string.
//!
//! The input: a byte that chooses what is there, then strings, each ended by 0xfe; as a whole, the
//! lines of a log.
#![no_main]

use std::sync::LazyLock;

use bedside::alerts::Template;
use bedside::cli::Report;
use bedside::render::{Palette, escape};
use bedside::{incidents, triage};
use bedside_stream::WallTime;
use bedside_triage::{Frame, Incident, Kind, ReportLine};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|input: &[u8]| {
    let Some((&choice, rest)) = input.split_first() else { return };
    let mut parts = rest.split(|byte| *byte == 0xfe).map(String::from_utf8_lossy);
    let mut part = || parts.next().unwrap_or_default().into_owned();
    let (host, incident) = (part(), incident(choice, &mut part));
    check(&host, &incident);
    bedside_triage::incidents(input).iter().for_each(|incident| check(&host, incident));
});

fn incident(choice: u8, part: &mut dyn FnMut() -> String) -> Incident {
    let perhaps = |bit: u8, part: &mut dyn FnMut() -> String| (choice & bit != 0).then(part);
    let frame = Frame {
        function: part(),
        module: perhaps(1, part),
        source: perhaps(2, part),
        offset: Some(u64::from(choice)),
        ..Frame::default()
    };
    Incident {
        kind: Kind::ALL[usize::from(choice) % Kind::ALL.len()],
        title: part(),
        alternatives: vec![part()],
        class: perhaps(4, part),
        function: perhaps(8, part),
        file: perhaps(16, part),
        trace: vec![frame],
        guilty: (choice & 32 != 0).then_some(0),
        registers: vec![(part(), part())],
        code: perhaps(64, part),
        command: perhaps(128, part),
        taint: vec![part()],
        release: perhaps(1, part),
        hardware: perhaps(2, part),
        modules: vec![part(), part()],
        lines: vec![ReportLine { at: 1, text: part() }, ReportLine { at: 2, text: part() }],
        ..Incident::default()
    }
}

fn check(host: &str, incident: &Incident) {
    let shown = |report, palette| {
        let mut out = Vec::new();
        triage::show(report, incident, palette, &mut out).expect("memory can be written");
        String::from_utf8(out).expect("UTF-8")
    };
    harmless(&shown(Report::Page, Palette::plain()));
    harmless(&without_colours(&shown(Report::Page, Palette::new(true))));
    harmless(&shown(Report::Syz, Palette::plain()));
    let markdown = shown(Report::Markdown, Palette::plain());
    harmless(&markdown);
    let ours = |char: char| char.is_ascii_alphanumeric() || "#:;,-() \n".contains(char);
    let outside = outside_of_code(&markdown);
    assert!(outside.chars().all(ours), "{outside:?} of {markdown:?}");
    object(&shown(Report::Json, Palette::plain()), incident);

    let letter = incidents::letter("rule", "incident", host, incident, WallTime(7));
    let letter = letter.expect("memory can be written");
    let letter = object(&letter, incident);
    assert_eq!(letter["host"], *host);
    let filled = TEMPLATE.fill(&letter);
    harmless(&filled);
    let filled: Value = serde_json::from_str(&filled).expect("JSON");
    assert_eq!(filled.as_object().map(|object| object.len()), Some(3), "{filled}");
    assert_eq!(filled["all"], letter);
    assert!(!filled["b"].as_str().expect("a string").contains(['<', '>']), "{filled}");
}

/// Valid, of one line, and with the title that it has.
fn object(json: &str, incident: &Incident) -> Value {
    harmless(json);
    assert_eq!(json.lines().count(), 1);
    let object: Value = serde_json::from_str(json).expect("JSON");
    assert_eq!(object["title"], *incident.title);
    object
}

fn harmless(shown: &str) {
    let acting = shown.chars().find(|char| *char != '\n' && escape::acts(*char));
    assert_eq!(acting, None, "{shown:?}");
}

/// Without what sets colours, which is ours: `ESC [ numbers m`.
fn without_colours(shown: &str) -> String {
    let mut plain = String::new();
    let mut parts = shown.split("\u{1b}[");
    plain.extend(parts.next());
    for part in parts {
        let text = part.trim_start_matches(|char: char| char.is_ascii_digit() || char == ';');
        plain.push_str(text.strip_prefix('m').expect("a colour"));
    }
    plain
}

/// What of a Markdown text is neither in a fenced block nor in a code span (CommonMark 0.31,
/// sections 4.5 and 6.1).
fn outside_of_code(markdown: &str) -> String {
    let (mut outside, mut fence) = (String::new(), None);
    for line in markdown.lines() {
        let is_fence = line.len() >= 3 && line.bytes().all(|byte| byte == b'`');
        match fence {
            None if is_fence => fence = Some(line.len()),
            None => outside.push_str(&without_spans(line)),
            Some(length) if is_fence && line.len() >= length => fence = None,
            Some(_) => {}
        }
        outside.push('\n');
    }
    assert_eq!(fence, None, "a block that does not end: {markdown:?}");
    outside
}

fn without_spans(line: &str) -> String {
    let Some(from) = line.find('`') else { return line.to_owned() };
    let (before, rest) = line.split_at(from);
    let ticks = rest.len() - rest.trim_start_matches('`').len();
    let mut at = ticks;
    while at < rest.len() {
        let next = rest[at..].find('`').map_or(rest.len(), |next| at + next);
        let run = rest[next..].len() - rest[next..].trim_start_matches('`').len();
        if run == ticks {
            return before.to_owned() + &without_spans(&rest[next + run..]);
        }
        at = (next + run).max(at + 1);
    }
    panic!("a code span that does not end: {line:?}")
}

static TEMPLATE: LazyLock<Template> = LazyLock::new(|| {
    let text =
        r#"{"a": "{{title}} {{host}}: {{lines}}", "b": "{{command|html}}", "all": {{json}}}"#;
    Template::parse(text).expect("a template")
});
