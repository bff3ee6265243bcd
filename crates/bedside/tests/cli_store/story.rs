//! A small store with a story in it: two machines, four boots, losses, and bytes meant to harm.

use std::path::Path;

use bedside_store::{Batch, Options, Writer};
use bedside_stream::{Cause, LastWord, Run, RunId, StreamKey, Verdict, WallTime};
use netconsole_wire::{Datagram, Record, parse};

/// 2026-11-20 13:44:00 UTC, the beginning of the story.
const BEGIN: u64 = 1_795_182_240_000_000;

/// Writes the story into `dir`.
pub(crate) fn write(dir: &Path) {
    let (mut writer, _) = Writer::open(dir, Options::default()).unwrap();
    let mut story = Story { batch: Batch::new() };
    story.clean_boot();
    story.silent_boot();
    story.other_machine();
    story.death();
    assert!(writer.append(story.batch).is_none() || writer.health().is_well());
    writer.close().unwrap();
}

struct Story {
    batch: Batch,
}

impl Story {
    /// web1, boot 1: a hole that is proven in part, a late record, a shutdown.
    fn clean_boot(&mut self) {
        let run = web1(1, 0);
        self.batch.push_run(&run);
        self.hear(1, 0, b"6.12.94,6,0,0,-;Linux version 6.12.94\n host=web1\n msgid=10\n");
        self.hear(
            1,
            1_000,
            b"6.12.94,4,1,20000,-,caller=T1;pci: two\n SUBSYSTEM=pci\n host=web1\n msgid=11\n",
        );
        self.hear(1, 5_000, b"6.12.94,6,7,60000,-;after the hole\n host=web1\n msgid=15\n");
        self.hear(1, 5_100, b"6.12.94,6,4,40000,-;late\n host=web1\n msgid=13\n");
        self.hear(
            1,
            9_000,
            b"6.12.94,5,8,90000,-;reboot: Restarting system\n host=web1\n msgid=16\n",
        );
        self.batch.push_run(&dead(run, LastWord::Clean));
    }

    /// web1, boot 2: it drops records, and falls silent.
    fn silent_boot(&mut self) {
        self.batch.push_run(&web1(2, 19_000));
        self.hear(2, 19_000, b"6.12.94,6,0,0,-;Linux version 6.12.94\n host=web1\n");
        self.gap(Some(2), 19_500, Cause::DroppedBySender, 18_511);
        self.hear(2, 20_000, b"6.12.94,3,1,900000,-;eth0: link down\n host=web1\n");
    }

    /// 10.0.0.8, without a name, in the basic format; and a loss that may be anyone's.
    fn other_machine(&mut self) {
        self.batch.push_run(&stranger(3, 25_000));
        self.hear(3, 25_000, b"[    1.000000] plain words\n");
        self.hear(3, 25_500, b"[    1.500000] \x1b[31mred\xff \x1b]0;title\x07\n");
        self.gap(None, 26_000, Cause::Socket, 3);
        self.hear(3, 27_000, b"[    3.000000] still here\n");
    }

    /// web1, boot 3: it dies, and what killed it has a hostile name.
    fn death(&mut self) {
        let run = web1(4, 34_000);
        self.batch.push_run(&run);
        self.hear(4, 34_000, b"6.12.94,6,0,0,-;Linux version 6.12.94\n host=web1\n");
        self.hear(4, 34_100, b"6.12.94,6,13,500000,-;two lines\\x0aof one record\n host=web1\n");
        self.hear(4, 34_200, b"6.12.94,1,14,600000,-,caller=T666;BUG: \\x1b[2J\\xff\\xc2\\x9b1m\n host=web1\n cpu=0\n taskname=\x1b[31mz\n cpu=77\n");
        self.hear(
            4,
            34_300,
            b"6.12.94,0,15,700000,-;Kernel panic - not syncing: Fatal exception\n host=web1\n",
        );
        self.gap(Some(4), 34_400, Cause::Limit, 2);
        self.batch.push_run(&dead(run, LastWord::Panic));
    }

    fn hear(&mut self, run: u64, at_ms: u64, datagram: &[u8]) {
        hear(&mut self.batch, run, at_ms, datagram);
    }

    fn gap(&mut self, run: Option<u64>, at_ms: u64, cause: Cause, count: u64) {
        self.batch.push_gap(run.map(RunId), time(at_ms), cause, count);
    }
}

/// Files what a datagram says under a run.
pub(crate) fn hear(batch: &mut Batch, run: u64, at_ms: u64, datagram: &[u8]) {
    let mut push = |record: &Record<'_>| batch.push_record(RunId(run), time(at_ms), record);
    match parse(datagram) {
        Datagram::Extended(message) => push(&message.record()),
        Datagram::Basic(text) => text.lines().for_each(|line| push(&line.record(false))),
        other => panic!("{other:?}"),
    }
}

/// A run of a machine without a name, at 10.0.0.8.
pub(crate) fn stranger(run: u64, at_ms: u64) -> Run {
    let key = StreamKey::new("10.0.0.8:6665".parse().unwrap(), 6666);
    Run { key, release: None, host: None, ..web1(run, at_ms) }
}

/// The run after its last word.
pub(crate) fn dead(run: Run, word: LastWord) -> Run {
    Run { last_word: Some(word), ..run }
}

/// A run of web1, at 10.0.0.7.
pub(crate) fn web1(run: u64, at_ms: u64) -> Run {
    Run {
        id: RunId(run),
        key: StreamKey::new("10.0.0.7:6665".parse().unwrap(), 6666),
        first_received: time(at_ms),
        verdict: Verdict::Boot,
        host: Some(b"web1".to_vec()),
        boot_id: None,
        release: Some(b"6.12.94".to_vec()),
        last_word: None,
        stranger: false,
    }
}

fn time(at_ms: u64) -> WallTime {
    WallTime(BEGIN + at_ms * 1_000)
}
