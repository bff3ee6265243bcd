//! `bedside check`: what keeps lines from being heard or kept, and what to do about it.
//!
//! Each check looks at one thing and says what it saw. What could not be looked at is said to be
//! unknown, never taken for well.

mod alerts;
mod clock;
mod disk;
mod firewall;
mod netlink;
mod ports;
mod program;
mod store;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

pub use bedside_plan::{State, Verdict};
use serde::Serialize;

use crate::cli::CheckArgs;
use crate::config::{Config, Listen, PACKAGED};
use crate::keys::Keys;
use crate::render::columns::{columns, padded};
use crate::{Exit, exit, health, render};

/// Looks at everything and tells it on standard output.
pub fn run(args: &CheckArgs) -> anyhow::Result<Exit> {
    let (config, data) = match configuration(args) {
        Ok(found) => found,
        Err(error) => return Ok(exit::tell(Exit::Usage, &error.to_string())),
    };
    let verdicts = all(&config, &data);
    let mut out = render::stdout();
    if args.json {
        render::write_line(&Report::of(&verdicts), &mut out)?;
    } else {
        write_text(&verdicts, &mut out)?;
    }
    Ok(conclusion(&verdicts))
}

/// Looks at everything that can be seen from outside a doctor, and at what a running one says.
pub fn all(config: &Config, data: &Path) -> Vec<Verdict> {
    let doctor = store::doctor(data);
    let running = doctor.as_ref().ok().copied().flatten();
    let mut verdicts = ports::ports(config, running);
    let buffer = running.and_then(|_| health::receive_buffer(data));
    verdicts.push(ports::receive_buffer(config.receive_buffer.0, buffer));
    verdicts.extend(firewall::firewall(&ports::numbers(config)));
    verdicts.push(disk::disk(data, config.retention.size.0));
    verdicts.push(clock::clock());
    verdicts.extend(key(config));
    verdicts.push(store::running(&doctor));
    verdicts.push(store::store(data));
    verdicts.extend(health::verdicts(data, running.is_some()));
    verdicts.extend(alerts::alerts(config, data));
    verdicts.extend(alerts::programs(config, data, running));
    verdicts
}

/// Whether agents can be told from whoever pretends to be one, if that is wanted.
fn key(config: &Config) -> Option<Verdict> {
    let path = config.key_file.as_deref()?;
    Some(match Keys::read(Some(path)) {
        Ok(keys) => {
            let count = keys.count();
            Verdict::ok(
                "key",
                format!(
                    "what agents say counts if it is sealed with one of {count}; what kernels say is \
                     marked by their tags"
                ),
            )
        }
        Err(error) => {
            let cure = "mend the file, or take `key_file` out of the configuration";
            Verdict::problem("key", exit::words(&error), cure)
        }
    })
}

/// What the exit status says: a problem weighs more than what is unknown.
pub fn conclusion(verdicts: &[Verdict]) -> Exit {
    let any = |state| verdicts.iter().any(|verdict| verdict.state == state);
    match (any(State::Problem), any(State::Unknown)) {
        (true, _) => Exit::Problem,
        (false, true) => Exit::CouldNotCheck,
        (false, false) => Exit::Well,
    }
}

/// The JSON object.
#[derive(Serialize)]
struct Report<'a> {
    v: u8,
    checks: Vec<Check<'a>>,
}

#[derive(Serialize)]
struct Check<'a> {
    what: &'static str,
    on: Option<&'a str>,
    state: &'static str,
    evidence: &'a str,
    cure: Option<&'a str>,
}

impl<'a> Report<'a> {
    fn of(verdicts: &'a [Verdict]) -> Self {
        let check = |Verdict { what, on, state, evidence, cure }: &'a Verdict| Check {
            what,
            on: on.as_deref(),
            state: state.as_str(),
            evidence,
            cure: cure.as_deref(),
        };
        Self { v: render::VERSION, checks: verdicts.iter().map(check).collect() }
    }
}

/// A line for each check, a line for each cure, and what it all comes to.
fn write_text(verdicts: &[Verdict], out: &mut impl Write) -> io::Result<()> {
    let name = |verdict: &Verdict| {
        let what = verdict.what.replace('_', " ");
        verdict.on.as_ref().map_or(what.clone(), |on| format!("{what} {on}"))
    };
    let width = verdicts.iter().map(|verdict| columns(&name(verdict))).max().unwrap_or(0);
    for verdict in verdicts {
        let mark = match verdict.state {
            State::Ok => "ok",
            State::Problem => "PROBLEM",
            State::Unknown => "unknown",
        };
        writeln!(out, "{mark:<8} {}  {}", padded(name(verdict), width), verdict.evidence)?;
        for line in verdict.cure.iter().flat_map(|cure| cure.lines()) {
            writeln!(out, "         {:width$}  try: {line}", "")?;
        }
    }
    writeln!(out, "{}", summary(verdicts))
}

fn summary(verdicts: &[Verdict]) -> String {
    let count = |state| verdicts.iter().filter(|verdict| verdict.state == state).count();
    let problems = match count(State::Problem) {
        0 => "no problem was found",
        1 => "1 problem was found",
        _ => "problems were found",
    };
    match (count(State::Problem), count(State::Unknown)) {
        (0, 0) => "All is well.".to_owned(),
        (0, unknown) => format!("{unknown} could not be checked; else {problems}."),
        (1, 0) => format!("{problems}."),
        (found @ 2.., 0) => format!("{found} {problems}."),
        (1, unknown) => format!("{problems}; {unknown} could not be checked."),
        (found, unknown) => format!("{found} {problems}; {unknown} could not be checked."),
    }
}

/// What would be served, and where it would be kept.
fn configuration(args: &CheckArgs) -> Result<(Config, PathBuf), crate::config::Error> {
    let names_another = !args.listen.is_empty() || args.data.data.is_some();
    let packaged = Path::new(PACKAGED);
    let mut config = match &args.config {
        Some(path) => Config::load(path)?,
        None if !names_another && packaged.exists() => Config::load(packaged)?,
        None => Config::default(),
    };
    if !args.listen.is_empty() {
        config.listen = args.listen.iter().copied().map(Listen).collect();
    }
    config.data = args.data.data.clone().or(config.data);
    let data = config.data()?;
    Ok((config, data))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdicts() -> Vec<Verdict> {
        vec![
            Verdict::ok("port", "free").on("0.0.0.0:6666"),
            Verdict::problem("disk", "full", "delete something\ngive it more"),
            Verdict::unknown("firewall", "not readable", "`sudo bedside check`"),
        ]
    }

    fn text(verdicts: &[Verdict]) -> String {
        let mut out = Vec::new();
        write_text(verdicts, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn text_has_a_line_for_each_and_its_cures_below() {
        let expected = "\
ok       port 0.0.0.0:6666  free
PROBLEM  disk               full
                            try: delete something
                            try: give it more
unknown  firewall           not readable
                            try: `sudo bedside check`
1 problem was found; 1 could not be checked.
";
        assert_eq!(text(&verdicts()), expected);
    }

    #[test]
    fn json_is_one_versioned_object() {
        let verdicts = verdicts();
        let report = Report::of(&verdicts[..2]);
        let expected = r#"{"v":1,"checks":[{"what":"port","on":"0.0.0.0:6666","state":"ok","evidence":"free","cure":null},{"what":"disk","on":null,"state":"problem","evidence":"full","cure":"delete something\ngive it more"}]}"#;
        assert_eq!(serde_json::to_string(&report).unwrap(), expected);
    }

    #[test]
    fn a_problem_weighs_more_than_what_is_unknown() {
        let all = verdicts();
        assert_eq!(conclusion(&all), Exit::Problem);
        assert_eq!(conclusion(&all[2..]), Exit::CouldNotCheck);
        assert_eq!(conclusion(&all[..1]), Exit::Well);
        assert_eq!(summary(&all[..1]), "All is well.");
        assert_eq!(summary(&all[2..]), "1 could not be checked; else no problem was found.");
        assert_eq!(summary(&[all[1].clone(), all[1].clone()]), "2 problems were found.");
    }
}
