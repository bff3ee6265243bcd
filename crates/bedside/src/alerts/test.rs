//! `bedside alert test`: whether the rules' letters arrive.

use std::io::{self, Write as _};
use std::path::Path;

use super::way::deliver;
use crate::cli::AlertTestArgs;
use crate::config::{Alert, Config};
use crate::{Exit, exit, time};

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
        match deliver(rule, &letter(rule)) {
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
fn letter(rule: &Alert) -> String {
    let now = time::rfc3339(time::now());
    let title = format!("a test of the alert {:?}; nothing has happened", rule.name);
    serde_json::json!({
        "v": 1, "rule": rule.name, "letter": "test", "kind": "panic", "severity": "warning",
        "title": title, "alternatives": [], "type": null, "corrupted": false, "function": "test",
        "file": null, "fingerprint": "0000000000000000", "id": "00000000", "state": "open",
        "trace": [{ "function": "test", "offset": 0, "size": 1, "module": null, "source": null,
            "inline": false, "reliable": true, "section": "task" }],
        "first_line": 1, "last_line": 1, "host": "test", "boot": 1, "release": null, "count": 1,
        "machines": ["test"], "releases": [], "received": now, "first_seen": now,
        "last_seen": now, "lines": [], "before": [], "note": null, "panicked": false,
    })
    .to_string()
}
