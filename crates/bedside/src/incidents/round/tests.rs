//! A store that was written before anybody looked for incidents in it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::Ordering;

use bedside_stream::{Monotonic, StreamKey};
use serde_json::Value;

use super::*;
use crate::alerts::Bell;
use crate::config::Config;
use crate::doctor::Doctor;

/// What a machine says as it oopses, in blocks of its own.
const OOPS: [&[&str]; 3] = [
    &["BUG: kernel NULL pointer dereference, address: 0000000000000008"],
    &[
        "#PF: supervisor read access in kernel mode",
        "#PF: error_code(0x0000) - not-present page",
        "Oops: Oops: 0000 [#1] SMP PTI",
        "CPU: 0 UID: 0 PID: 7 Comm: sh Not tainted 6.12.0 #1",
    ],
    &["RIP: 0010:culprit+0x1a/0x40 [module]", "Call Trace:", " culprit+0x1a/0x40 [module]"],
];

/// One machine warns and goes on to speak, so many blocks long; then another one oopses.
fn store(data: &Path, blocks: u64, began: u64) {
    let (mut doctor, _) = Doctor::open(data, &Config::default(), None, true).unwrap();
    let mut say = |machine, at: u64, lines: &[&str]| {
        let source = SocketAddr::from((Ipv4Addr::new(10, 0, 0, machine), 6665));
        let (key, at) = (StreamKey::new(source, 6666), at * 1000);
        for (seq, line) in (at..).zip(lines) {
            let payload = format!("4,{seq},{at},-;{line}\n");
            doctor.hear(Monotonic(at), &key, WallTime(began + at), payload.as_bytes());
        }
        let blocks = |doctor: &Doctor| doctor.writer().counters().blocks.load(Ordering::Relaxed);
        let written = blocks(&doctor);
        doctor.settle(Monotonic(at), false);
        while blocks(&doctor) == written {
            thread::yield_now();
        }
    };
    say(1, 0, &["WARNING: CPU: 1 PID: 7 at a.c:1 f+0x1/0x2"]);
    (1..blocks).for_each(|at| say(1, at, &["and so on"]));
    (blocks..).zip(OOPS).for_each(|(at, lines)| say(2, at, lines));
    doctor.close().unwrap();
}

/// Whatever is read together.
#[test]
fn who_reads_late_waits_for_the_title_that_already_stands_there() {
    for blocks in MOST_LOOKS as u64 - 4..MOST_LOOKS as u64 + 4 {
        let dir = tempfile::tempdir().unwrap();
        let rule = "[[alert]]\nname = \"page\"\ncommand = [\"/bin/true\"]\nkind = [\"oops\"]\n";
        let rules = Config::parse(rule, Path::new("a.toml")).unwrap().alert;
        store(dir.path(), blocks, time::now().0 - 200 * 1_000_000);
        let alarm = Alarm { rules, bell: Bell::deaf(), data: dir.path().to_owned() };
        let mut round = Round::begin(dir.path(), u64::MAX).unwrap().with(Some(Arc::new(alarm)));
        while round.turn().unwrap() {}
        let letters = round.book.letters(10).unwrap();
        let read = |body: &str| serde_json::from_str::<Value>(body).unwrap()["function"].take();
        let functions: Vec<Value> = letters.iter().map(|(it, _)| read(&it.body)).collect();
        assert_eq!(functions, ["culprit"], "{blocks} blocks before it");
    }
}
