//! Whether those who are to be told of incidents are.

use std::path::{Path, PathBuf};

use bedside_stream::WallTime;
use jiff::tz::TimeZone;

use super::Verdict;
use super::program::Runner;
use crate::config::{Alert, Config, Way};
use crate::incidents::Book;
use crate::reading::WHO_MAY_READ;
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

/// Whether letters wait for longer than it takes to deliver one; nothing where nobody is told of
/// anything, or no doctor has looked for incidents yet.
pub(super) fn alerts(config: &Config, data: &Path) -> Option<Verdict> {
    if config.alert.is_empty() {
        return None;
    }
    let before = WallTime(time::now().0.saturating_sub(PATIENCE_US));
    let book = Book::open_read_only(data).transpose()?;
    Some(match book.and_then(|book| book.overdue(before)) {
        Err(error) => Verdict::unknown("alerts", error.to_string(), WHO_MAY_READ),
        Ok(None) => Verdict::ok("alerts", "no letter waits"),
        Ok(Some((count, oldest, tries))) => {
            let (s, wait) = if count == 1 { ("", "waits") } else { ("s", "wait") };
            let since = time::local(oldest, &TimeZone::system(), 0);
            Verdict::problem(
                "alerts",
                format!("{count} letter{s} {wait}, the oldest since {since}, tried {tries} times"),
                "the doctor's log says why; `bedside alert test` tries the way; where nothing was \
                 tried, start the doctor anew",
            )
        }
    })
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
    fn letters_that_wait_are_told() {
        let dir = tempfile::tempdir().unwrap();
        let text = "[[alert]]\nname = \"page\"\ncommand = [\"/bin/true\"]";
        let config = Config::parse(text, Path::new("a.toml")).unwrap();
        assert_eq!(alerts(&config, dir.path()), None, "there is no book yet");
        let mut book = Book::open(dir.path()).unwrap();
        assert_eq!(alerts(&config, dir.path()).unwrap().state, State::Ok);
        let now = time::now();
        book.digested("page", &[], "{}", now).unwrap();
        assert_eq!(alerts(&config, dir.path()).unwrap().state, State::Ok, "it was just made");
        book.digested("page", &[], "{}", WallTime(now.0 - 2 * PATIENCE_US)).unwrap();
        let verdict = alerts(&config, dir.path()).unwrap();
        assert_eq!(verdict.state, State::Problem);
        assert!(verdict.evidence.starts_with("1 letter waits, the oldest since 2"));
        assert_eq!(alerts(&Config::default(), dir.path()), None);
    }
}
