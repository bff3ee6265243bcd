//! `bedside alert test`: whether the rules' letters arrive.

use std::io::{self, Write as _};
use std::path::Path;

use bedside_triage::{Frame, Incident, Kind, Severity};

use super::way::deliver;
use crate::cli::AlertTestArgs;
use crate::config::{Alert, Config};
use crate::render::escape::Escaped;
use crate::{Exit, exit, incidents, render, time};

/// Delivers a letter of each rule that was named, or of all.
pub fn run(args: &AlertTestArgs) -> anyhow::Result<Exit> {
    let config = match args.config.as_deref().map(Config::load).transpose() {
        Ok(config) => config.unwrap_or_default(),
        Err(error) => return Ok(exit::tell(Exit::Usage, &error.to_string())),
    };
    let file = args.config.as_deref().unwrap_or(Path::new("the configuration")).display();
    if config.alert.is_empty() {
        let none = format!("{file} has no [[alert]], so nobody is told of anything");
        return Ok(exit::tell(Exit::Problem, &none));
    }
    let is_there = |name: &&String| config.alert.iter().any(|rule| rule.name == **name);
    if let Some(name) = args.rule.iter().find(|name| !is_there(name)) {
        return Ok(exit::tell(Exit::Problem, &format!("{file} has no alert {name:?}")));
    }
    let is_meant = |rule: &&Alert| args.rule.is_empty() || args.rule.contains(&rule.name);
    let (mut exit, mut out) = (Exit::Well, render::stdout());
    for rule in config.alert.iter().filter(is_meant) {
        match deliver(rule, &letter(rule)?) {
            Ok(()) => writeln!(out, "{}: delivered", rule.name)?,
            Err(error) => {
                exit = Exit::Problem;
                // A program's last words are among them.
                let why = exit::words(&error);
                writeln!(out, "{}: not delivered: {}", rule.name, Escaped(why.as_bytes()))?;
            }
        }
    }
    Ok(exit)
}

/// As of an incident that nobody had.
fn letter(rule: &Alert) -> io::Result<String> {
    let frame = Frame {
        function: "test".to_owned(),
        offset: Some(0),
        size: Some(1),
        reliable: true,
        ..Frame::default()
    };
    let nothing = Incident {
        kind: Kind::Panic,
        severity: Severity::Warning,
        title: format!("a test of the alert {:?}; nothing has happened", rule.name),
        function: Some("test".to_owned()),
        trace: vec![frame],
        guilty: Some(0),
        first_line: 1,
        last_line: 1,
        ..Incident::default()
    };
    incidents::letter(&rule.name, "test", "test", &nothing, time::now())
}
