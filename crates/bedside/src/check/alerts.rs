//! Whether those who are to be told of incidents are.

use std::path::{Path, PathBuf};

use bedside_stream::WallTime;
use jiff::tz::TimeZone;

use super::Verdict;
use super::program::Runner;
use crate::config::{Alert, Config, Way};
use crate::incidents::{Book, Overdue};
use crate::reading::WHO_MAY_READ;
use crate::render::many;
use crate::time;

/// Whether the programs that rules name can be run, by the doctor that runs as `doctor` or will.
pub(super) fn programs(config: &Config, data: &Path, doctor: Option<u32>) -> Vec<Verdict> {
    let program = |rule: &Alert| match &rule.way {
        Way::Command(words) => words.first().map(|word| (rule.name.clone(), PathBuf::from(word))),
        Way::Webhook { .. } => None,
    };
    let named: Vec<(String, PathBuf)> = config.alert.iter().filter_map(program).collect();
    if named.is_empty() {
        return Vec::new();
    }
    let runner = Runner::of(data, doctor);
    named.iter().map(|(name, program)| runner.verdict(program).on(name)).collect()
}

/// Of which rules letters wait for longer than it takes to deliver one; nothing where nobody is told
/// of anything, or no doctor has looked for incidents yet.
pub(super) fn alerts(config: &Config, data: &Path) -> Vec<Verdict> {
    if config.alert.is_empty() {
        return Vec::new();
    }
    let before = WallTime(time::now().0.saturating_sub(PATIENCE_US));
    let overdue = Book::open_read_only(data)
        .and_then(|book| book.map(|book| book.overdue(before)).transpose());
    match overdue {
        Err(error) => vec![Verdict::unknown("alerts", error.to_string(), WHO_MAY_READ)],
        Ok(None) => Vec::new(),
        Ok(Some(none)) if none.is_empty() => vec![Verdict::ok("alerts", "no letter waits")],
        Ok(Some(overdue)) => overdue.iter().map(of_overdue).collect(),
    }
}

fn of_overdue(of: &Overdue) -> Verdict {
    let (s, wait) = if of.letters == 1 { ("", "waits") } else { ("s", "wait") };
    let since = time::local(of.oldest, &TimeZone::system(), 0);
    let times = many(of.tries.into(), "time");
    Verdict::problem(
        "alerts",
        format!("{} letter{s} {wait}, the oldest since {since}, tried {times}", of.letters),
        "the doctor's log says why; `bedside alert test` tries the way; where nothing was tried, \
         start the doctor anew",
    )
    .on(&of.rule)
}

/// A minute: longer than any sensible `timeout`.
const PATIENCE_US: u64 = 60_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::State;

    #[test]
    fn each_program_is_looked_at_by_the_name_of_its_rule() {
        let dir = tempfile::tempdir().unwrap();
        let rule = |name, way| format!("[[alert]]\nname = \"{name}\"\n{way}\n");
        let text = rule("shell", "command = [\"/bin/sh\", \"-c\", \"true\"]")
            + &rule("gone", "command = [\"/nonexistent/page\"]")
            + &rule("room", "webhook = \"http://a.example/\"");
        let config = Config::parse(&text, Path::new("a.toml")).unwrap();
        let verdicts = programs(&config, dir.path(), None);
        let told = verdicts.iter().map(|verdict| (verdict.on.as_deref().unwrap(), verdict.state));
        let told: Vec<(&str, State)> = told.collect();
        assert_eq!(told, [("shell", State::Ok), ("gone", State::Problem)]);
    }

    #[test]
    fn letters_that_wait_are_told_by_rule() {
        let dir = tempfile::tempdir().unwrap();
        let text = "[[alert]]\nname = \"page\"\ncommand = [\"/bin/true\"]";
        let config = Config::parse(text, Path::new("a.toml")).unwrap();
        let told = || alerts(&config, dir.path());
        assert_eq!(told(), [], "there is no book yet");
        let mut book = Book::open(dir.path()).unwrap();
        assert_eq!(told(), [Verdict::ok("alerts", "no letter waits")]);
        let now = time::now();
        let mut make = |rule, minutes: u64| {
            book.digested(rule, &[], "{}", WallTime(now.0 - minutes * PATIENCE_US)).unwrap();
        };
        make("page", 0);
        assert_eq!(told().len(), 1, "it was just made");
        assert_eq!(told()[0].state, State::Ok, "it was just made");
        make("page", 2);
        make("room", 3);
        make("room", 4);
        let verdicts = told();
        let words = verdicts.iter().map(|it| (it.on.as_deref().unwrap(), it.evidence.as_str()));
        let words: Vec<(&str, &str)> = words.collect();
        assert_eq!((words[0].0, words[1].0, words.len()), ("page", "room", 2));
        assert!(words[0].1.starts_with("1 letter waits, the oldest since 2"), "{words:?}");
        assert!(words[1].1.starts_with("2 letters wait, "), "{words:?}");
        assert!(words[1].1.ends_with(", tried 0 times"), "{words:?}");
        assert!(verdicts.iter().all(|it| it.state == State::Problem));
        assert_eq!(alerts(&Config::default(), dir.path()), []);
    }
}
