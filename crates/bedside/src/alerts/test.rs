//! `bedside alert test`: whether the rules' letters arrive.

use std::io::{self, Write as _};
use std::path::Path;

use bedside_triage::{Frame, Incident, Kind, Severity};

use super::way::deliver;
use crate::cli::AlertTestArgs;
use crate::config::{Alert, Config};
use crate::{Exit, exit, incidents, time};

/// Delivers a letter of each rule that was named, or of all.
pub fn run(args: &AlertTestArgs) -> anyhow::Result<Exit> {
    let config = match args.config.as_deref().map(Config::load).transpose() {
        Ok(config) => config.unwrap_or_default(),
        Err(error) => return Ok(exit::tell(Exit::Usage, &error.to_string())),
    };
    let is_meant = |rule: &&Alert| args.rule.is_empty() || args.rule.contains(&rule.name);
    let rules: Vec<&Alert> = config.alert.iter().filter(is_meant).collect();
    if rules.is_empty() {
        let file = args.config.as_deref().unwrap_or(Path::new("the configuration")).display();
        let none = match args.rule.as_slice() {
            [] => format!("{file} has no [[alert]], so nobody is told of anything"),
            _ => format!("{file} has no alert of that name"),
        };
        return Ok(exit::tell(Exit::Problem, &none));
    }
    let mut exit = Exit::Well;
    for rule in rules {
        match deliver(rule, &letter(rule)?) {
            Ok(()) => writeln!(io::stdout(), "{}: delivered", rule.name)?,
            Err(error) => {
                exit = Exit::Problem;
                writeln!(io::stdout(), "{}: not delivered: {error:#}", rule.name)?;
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
