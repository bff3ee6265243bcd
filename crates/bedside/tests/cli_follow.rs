//! `log -f` shows the records received last, then what a doctor keeps, as it is kept.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

#[path = "cli_store/story.rs"]
mod story;

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use bedside_store::{Batch, Options, Writer};
use bedside_stream::LastWord;

#[test]
fn what_is_kept_is_shown_as_it_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    story::write(dir.path());
    let (mut writer, recovered) = Writer::open(dir.path(), Options::default()).unwrap();
    let follower = Follower::start(dir.path(), &["-n", "2", "web*"]);
    follower.expect(&[
        "2026-11-20 13:44:34.200 web1 [    0.600000][  T666] BUG: \\x1b[2J\\xff\\xc2\\x9b1m",
        "2026-11-20 13:44:34.300 web1 [    0.700000] Kernel panic - not syncing: Fatal exception",
        "── web1: 2 not kept (a limit of the doctor was reached) ──",
        "── web1: boot 3 panicked ──",
    ]);
    let before = Follower::start(dir.path(), &["-n", "4", "web*"]);
    before.expect(&[
        "── web1: boot 3, 6.12.94, 14 s after boot 2 fell silent ──",
        "2026-11-20 13:44:34.000 web1 [    0.000000] Linux version 6.12.94",
    ]);

    let run = recovered.next_run.0;
    let mut batch = Batch::new();
    batch.push_run(&story::stranger(run + 1, 40_000));
    story::hear(&mut batch, run + 1, 40_000, b"[    1.000000] of no interest\n");
    batch.push_run(&story::web1(run, 60_000));
    story::hear(&mut batch, run, 60_000, b"6,0,0,-;Linux version 6.12.94\n host=web1\n");
    story::hear(&mut batch, run, 60_100, b"6,4,500000,-;after a hole\n host=web1\n");
    writer.append(batch);
    follower.expect(&[
        "── web1: boot 4, 6.12.94, 25 s after boot 3 panicked ──",
        "2026-11-20 13:45:00.000 web1 [    0.000000] Linux version 6.12.94",
        "── web1: 3 records not seen (filtered or lost) ──",
        "2026-11-20 13:45:00.100 web1 [    0.500000] after a hole",
    ]);

    let mut batch = Batch::new();
    story::hear(&mut batch, run, 61_000, b"0,5,900000,-;Kernel panic - not syncing\n host=web1\n");
    batch.push_run(&story::dead(story::web1(run, 60_000), LastWord::Panic));
    writer.append(batch);
    follower.expect(&[
        "2026-11-20 13:45:01.000 web1 [    0.900000] Kernel panic - not syncing",
        "── web1: boot 4 panicked ──",
    ]);
    writer.close().unwrap();
}

#[test]
fn filters_hold_for_what_comes_too() {
    let dir = tempfile::tempdir().unwrap();
    story::write(dir.path());
    let (mut writer, recovered) = Writer::open(dir.path(), Options::default()).unwrap();
    let follower = Follower::start(dir.path(), &["-p", "3", "-g", "fatal|bad", "-o", "raw"]);
    follower.expect(&["Kernel panic - not syncing: Fatal exception"]);
    let run = recovered.next_run.0;
    let mut batch = Batch::new();
    batch.push_run(&story::web1(run, 60_000));
    story::hear(&mut batch, run, 60_000, b"6,0,0,-;bad, but of no weight\n host=web1\n");
    story::hear(&mut batch, run, 60_100, b"3,1,500000,-;good\n host=web1\n");
    story::hear(&mut batch, run, 60_200, b"3,2,600000,-;BAD\n host=web1\n");
    writer.append(batch);
    follower.expect(&["BAD"]);
    writer.close().unwrap();
}

#[test]
fn json_counts_the_records_of_a_boot_from_its_beginning() {
    let dir = tempfile::tempdir().unwrap();
    story::write(dir.path());
    let (mut writer, recovered) = Writer::open(dir.path(), Options::default()).unwrap();
    let run = recovered.next_run.0;
    let mut batch = Batch::new();
    batch.push_run(&story::web1(run, 60_000));
    story::hear(&mut batch, run, 60_000, b"6,0,0,-;before it is followed\n host=web1\n");
    batch.mark_urgent();
    writer.append(batch);
    let before = Follower::start(dir.path(), &[]);
    before.expect_until("before it is followed");
    let follower = Follower::start(dir.path(), &["-n1", "-o", "json"]);
    let begin = follower.object();
    assert_eq!((&begin["event"], &begin["boot"]), (&"begin".into(), &4.into()));
    let record = follower.object();
    assert_eq!(record["text"], "before it is followed");

    let mut batch = Batch::new();
    story::hear(&mut batch, run, 60_100, b"6,1,500000,-;since\n host=web1\n");
    batch.push_run(&story::dead(story::web1(run, 60_000), LastWord::Clean));
    batch.push_run(&story::web1(run + 1, 70_000));
    story::hear(&mut batch, run + 1, 70_000, b"6,0,0,-;anew\n host=web1\n");
    writer.append(batch);
    assert_eq!(follower.object()["text"], "since");
    let end = follower.object();
    assert_eq!((&end["event"], &end["end"]), (&"end".into(), &"clean".into()));
    assert_eq!((&end["boot"], &end["records"]), (&4.into(), &2.into()));
    let begin = follower.object();
    assert_eq!((&begin["event"], &begin["end"]), (&"begin".into(), &serde_json::Value::Null));
    assert_eq!((&begin["boot"], &begin["records"]), (&5.into(), &0.into()));
    writer.close().unwrap();
}

/// A running `log -f`; ended with the test.
struct Follower {
    process: Child,
    lines: Receiver<String>,
}

impl Follower {
    fn start(data: &Path, args: &[&str]) -> Follower {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bedside"));
        command.env_clear().env("TZ", "UTC").args(["log", "-f", "--data"]).arg(data).args(args);
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let stdout = process.stdout.take().unwrap();
        let (tell, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                // The test may have seen enough.
                tell.send(line).ok();
            }
        });
        Follower { process, lines }
    }

    /// Lines come until one that ends so.
    fn expect_until(&self, end: &str) {
        while !self.lines.recv_timeout(Duration::from_mins(1)).unwrap().ends_with(end) {}
    }

    fn object(&self) -> serde_json::Value {
        serde_json::from_str(&self.lines.recv_timeout(Duration::from_mins(1)).unwrap()).unwrap()
    }

    /// The next lines are exactly these.
    fn expect(&self, expected: &[&str]) {
        for expected in expected {
            let line = self.lines.recv_timeout(Duration::from_mins(1));
            assert_eq!(line.as_deref(), Ok(*expected));
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        // It may have ended by itself, which `expect` has told.
        self.process.kill().ok();
        self.process.wait().ok();
    }
}
