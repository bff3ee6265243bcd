//! `log`, `hosts`, `boots` and `store` on a small store, as a user runs them.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

#[path = "cli_store/story.rs"]
mod story;

use std::fs::File;
use std::process::{Command, Output};
use std::sync::LazyLock;

use tempfile::TempDir;

static STORE: LazyLock<TempDir> = LazyLock::new(|| {
    let dir = tempfile::tempdir().unwrap();
    story::write(dir.path());
    dir
});

/// Runs `bedside` with these words on the story.
fn run(words: &str) -> Output {
    command(words).output().unwrap()
}

fn command(words: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bedside"));
    command.env_clear().env("TZ", "UTC").env("BEDSIDE_DATA", STORE.path());
    command.args(words.split_whitespace());
    command
}

/// What it wrote, when it ended with `status`. Ages, which grow, become `AGE`.
fn told(words: &str, status: i32) -> String {
    let output = run(words);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(status), "{words}: {stderr}");
    let text = String::from_utf8(output.stdout).unwrap() + &stderr;
    let ages = regex::Regex::new(r"\d+ (d|h|min|s)( \d+ (h|min|s))?( ago|; no last)").unwrap();
    ages.replace_all(&text, "AGE$4").into_owned()
}

fn lines(words: &str) -> Vec<String> {
    told(words, 0).lines().map(str::to_owned).collect()
}

#[test]
fn log_short() {
    insta::assert_snapshot!(told("log", 0));
}

#[test]
fn log_full() {
    insta::assert_snapshot!(told("log -o full web1 -b", 0));
}

#[test]
fn log_json() {
    insta::assert_snapshot!(told("log -o json", 0));
}

#[test]
fn log_raw_is_exact() {
    let output = run("log -o raw -b 3 web1");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(
        output.stdout,
        b"Linux version 6.12.94\ntwo lines\nof one record\nBUG: \x1b[2J\xff\xc2\x9b1m\n\
          Kernel panic - not syncing: Fatal exception\n"
    );
}

#[test]
fn hosts_and_boots() {
    // An age widens its column as it grows.
    let blanks = regex::Regex::new("  +").unwrap();
    insta::assert_snapshot!("hosts", blanks.replace_all(&told("hosts", 0), "  "));
    insta::assert_snapshot!("hosts_json", told("hosts --json", 0));
    insta::assert_snapshot!("boots", told("boots", 0));
    insta::assert_snapshot!("boots_json", told("boots --json web1", 0));
}

#[test]
fn reverse_is_the_same_backwards() {
    let mut forward = lines("log -o json");
    forward.reverse();
    assert_eq!(lines("log -o json --reverse"), forward);
}

#[test]
fn last_lines_are_the_end_of_all() {
    let all = lines("log -o json");
    let is_record = |line: &&String| line.contains("\"type\":\"record\"");
    let records = all.iter().filter(is_record).count();
    for count in 1..=records + 1 {
        let last = lines(&format!("log -o json -n {count}"));
        assert!(all.ends_with(&last), "-n {count}: {last:#?}");
        assert_eq!(last.iter().filter(is_record).count(), count.min(records));
        let mut reversed = lines(&format!("log -o json -r -n {count}"));
        reversed.reverse();
        assert_eq!(reversed, last, "-r -n {count}");
    }
    assert_eq!(lines(&format!("log -o json -n {}", records + 1)), all);
    assert_eq!(lines("log -n 0"), Vec::<String>::new());
}

#[test]
fn a_boot_is_chosen_by_its_number_or_from_the_end() {
    let text = |words: &str| told(words, 0);
    assert_eq!(text("log -b web1"), text("log -b 3 web1"));
    assert_eq!(text("log -b -1 web1"), text("log -b 2 web1"));
    assert_eq!(text("log web1 -b=-2"), text("log -b1 web1"));
    assert!(text("log -b web1").contains("Kernel panic"));
    // Of each machine its own.
    assert!(text("log -b").contains("Kernel panic") && text("log -b").contains("still here"));
    assert!(
        told("log -b 4 web1", 1)
            .ends_with("no boot 4 is held: `bedside boots` lists those that are\n")
    );
    assert!(told("log -b -3 web1", 1).contains("no boot -3 is held"));
}

#[test]
fn machines_are_chosen_by_name_address_or_glob() {
    let all = told("log web1", 0);
    assert_eq!(told("log 10.0.0.7", 0), all);
    assert_eq!(told("log web?", 0), all);
    assert_eq!(told("log web1 10.0.0.8", 0), told("log", 0));
    assert_eq!(
        told("log db1", 1),
        "bedside: nothing was heard of db1: `bedside hosts` lists who was heard\n"
    );
    for command in ["log", "boots", "hosts"] {
        assert!(!told(&format!("{command} w* 10.0.0.7"), 0).contains("nothing was heard"));
        let unheard = "bedside: nothing was heard of db1, db2: `bedside hosts` lists who was heard";
        assert!(told(&format!("{command} db1 w* db2"), 0).contains(unheard), "{command}");
    }
    told("boots db1", 1);
    told("hosts db*", 1);
}

#[test]
fn levels_leave_out_records_only() {
    let others = |lines: Vec<String>| {
        lines.into_iter().filter(|l| !l.contains("\"type\":\"record\"")).collect::<Vec<_>>()
    };
    let all = others(lines("log -o json"));
    for filter in ["-p err", "-p 5..6"] {
        assert_eq!(others(lines(&format!("log -o json {filter}"))), all, "{filter}");
    }
}

#[test]
fn a_pattern_shows_its_matches_and_their_boots_only() {
    let records = |words: &str| {
        let records = lines(words).into_iter().filter(|line| line.contains("\"type\":\"record\""));
        records.collect::<Vec<_>>()
    };
    let all = records("log -o json");
    for (pattern, word) in [("panic", "panic"), ("of.one", "of one"), ("li[nm]", "lin")] {
        let with_it = |line: &String| line.to_lowercase().contains(word);
        let matches: Vec<_> = all.iter().filter(|line| with_it(line)).cloned().collect();
        assert!(!matches.is_empty());
        assert_eq!(records(&format!("log -o json -g {pattern}")), matches, "{pattern}");
        let mut backwards = records(&format!("log -o json -r -g {pattern}"));
        backwards.reverse();
        assert_eq!(backwards, matches, "{pattern}");
        assert_eq!(
            records(&format!("log -o json -n 1 -g {pattern}")),
            matches[matches.len() - 1..]
        );
    }
    // What was noted as lost is told all the same.
    let noted = |words: &str, status| {
        let lines = told(words, status);
        let gaps = lines.lines().filter(|line| line.contains("\"type\":\"gap\""));
        let noted = gaps.filter(|line| line.contains("\"from_seq\":null"));
        noted.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(noted("log -o json -g nowhere", 1), noted("log -o json", 0));
}

#[test]
fn levels_keep_what_has_none() {
    insta::assert_snapshot!(told("log -p err", 0));
}

#[test]
fn patterns_match_the_text() {
    insta::assert_snapshot!(told("log -g panic|link", 0));
    assert_eq!(
        told("log -g nowhere", 1),
        "── 3 datagrams lost here, of any machine (the socket's buffer was full) ──\n"
    );
    assert_eq!(told("log -g PANIC -o raw", 1), "");
    assert_eq!(told("log -g ^of.one -o raw", 0), "two lines\nof one record\n");
}

#[test]
fn times_bound_what_is_shown() {
    let text = told("log -S 2026-11-20T13:44:20Z -U 2026-11-20T13:44:27Z", 0);
    insta::assert_snapshot!(text);
    assert_eq!(told("log -S tomorrow", 0), "bedside: nothing was heard in that time\n");
    for command in ["log", "incidents"] {
        let backwards = told(&format!("{command} -S 13:44 -U 13:43"), 2);
        assert_eq!(backwards, "bedside: --since names a later time than --until\n");
    }
}

#[test]
fn output_that_cannot_be_written_is_named() {
    for words in [
        "log",
        "hosts",
        "boots --json",
        "incidents --json",
        "store stats",
        "config --print-default",
    ] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = command(words).stdout(full).output().unwrap();
        assert_eq!(output.status.code(), Some(3), "{words}");
        let told = String::from_utf8(output.stderr).unwrap();
        let why = "bedside: can't write to standard output: No space left on device";
        assert!(told.starts_with(why), "{words}: {told}");
    }
}

#[test]
fn a_store_that_is_not_there_is_named() {
    let output = run("log --data /nonexistent/store");
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        "bedside: there is no store in /nonexistent/store: start `bedside serve`, or name the \
         right directory with --data\n"
    );
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let log = "\"$0\" log -o json | head -n 1 >/dev/null; exit ${PIPESTATUS[0]}";
    let mut shell = Command::new("bash");
    shell.args(["-c", log, env!("CARGO_BIN_EXE_bedside")]).env("BEDSIDE_DATA", STORE.path());
    let output = shell.output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}

#[test]
fn colours_only_where_they_are_wanted() {
    let coloured = |name: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bedside"));
        command.env_clear().env("BEDSIDE_DATA", STORE.path()).env(name, "1");
        command.args(["log", "web1"]).output().unwrap().stdout.contains(&0x1b)
    };
    assert!(coloured("CLICOLOR_FORCE") && !coloured("NO_COLOR") && !coloured("TERM"));
}

#[test]
fn stores_are_looked_after() {
    // A store of its own: for others, a store whose lock is held is one with a doctor.
    let dir = tempfile::tempdir().unwrap();
    story::write(dir.path());
    let told =
        |words: &str, status| told(&format!("{words} --data {}", dir.path().display()), status);
    let stats: serde_json::Value = serde_json::from_str(&told("store stats --json", 0)).unwrap();
    assert_eq!(
        (&stats["hosts"], &stats["boots"], &stats["records"]),
        (&2.into(), &4.into(), &14.into())
    );
    assert!(told("store stats", 0).contains("14 records, 4 boots of 2 hosts"));
    assert_eq!(told("store verify", 0), "looked at 1 segment, 1 block, 14 records\n");
    let before = told("log", 0);
    assert!(told("store rebuild", 0).starts_with("rebuilt from 1 segment:"));
    assert_eq!(told("log", 0), before);
    assert_eq!(told("store prune --max-age 36500d", 0), "deleted 0 segments\n");
}
