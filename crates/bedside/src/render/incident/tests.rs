//! Every output of an incident whose every string is meant to harm.

use bedside_triage::{Frame, Incident, ReportLine};

use super::*;
use crate::render::escape::acts;
use crate::render::{self, Palette};

const EVIL: &str = "\u{1b}[2J\u{202e}`````\n## @all <script>\r\0";

fn evil() -> Incident {
    let evil = || EVIL.to_owned();
    let some = || Some(evil());
    let frame = Frame { function: evil(), module: some(), source: some(), ..Frame::default() };
    Incident {
        title: evil(),
        alternatives: vec![evil()],
        class: some(),
        function: some(),
        file: some(),
        trace: vec![frame],
        guilty: Some(0),
        registers: vec![(evil(), evil())],
        code: some(),
        command: some(),
        taint: vec![evil()],
        release: some(),
        hardware: some(),
        modules: vec![evil()],
        lines: vec![ReportLine { at: 1, text: evil() }],
        ..Incident::default()
    }
}

fn written(write: impl FnOnce(&mut Vec<u8>) -> std::io::Result<()>) -> String {
    let mut out = Vec::new();
    write(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn nothing_of_it_acts_on_a_terminal() {
    let (evil, plain) = (evil(), Palette::plain());
    let outputs = [
        written(|out| page(&evil, &[], &[], plain, out)),
        written(|out| markdown(&evil, &[], out)),
        written(|out| syz(&evil, out)),
        written(|out| render::write_line(&Told::new(&evil), out)),
    ];
    for output in outputs {
        let acting = output.chars().find(|char| *char != '\n' && acts(*char));
        assert_eq!(acting, None, "{output}");
        assert!(!output.contains("\n##  @all") && !output.contains("\n## @all"), "{output}");
    }
}

#[test]
fn in_markdown_its_backticks_end_no_code() {
    let text = written(|out| markdown(&evil(), &[], out));
    let first = text.lines().next().unwrap();
    assert!(first.starts_with("## ``````\\x1b") && first.ends_with("\\x00``````"), "{first}");
    let fences = text.lines().filter(|line| line.chars().all(|char| char == '`')).count();
    assert_eq!(fences % 2, 0, "{text}");
    assert!(text.lines().any(|line| line == "``````"), "{text}");
}
