//! A day in the life of a doctor, in seconds: machines that boot, speak, die and fall silent,
//! strangers, a clock that is put back and forward, a doctor that is stopped, killed and cut off
//! from its power; against what was really sent.

mod judge;
mod machines;

use std::collections::BTreeSet;

use bedside_stream::{Core, Event, Limits, Memory, Monotonic, StreamKey, WallTime, World};

use crate::batch::Batch;
use crate::catalogue::Catalogue;
use crate::disk::Disk;
use crate::disk::faulty::{Dice, FaultyDisk};
use crate::recovery::Replayed;
use crate::segment::Form;
use crate::testing::{Life, segments};
use crate::writer::{Now, OnShelf, Options, Retention};

use judge::{Truth, copy, judge_boots, judge_records, shown};
use machines::{DAY_US, SECOND_US, Sent, a_day_of};

/// One doctor between two of its starts.
struct Doctor {
    life: Life,
    core: Core,
    batch: Batch,
    began: u64,
    checkpointed: u64,
    kept: u64,
}

/// Which records must be held, and which may be.
#[derive(Default)]
struct Account {
    /// Heard, and not confirmed by the disk yet.
    heard: Vec<usize>,
    must: BTreeSet<usize>,
    may: BTreeSet<usize>,
}

struct Desk<'a> {
    batch: &'a mut Batch,
    life: &'a Life,
}

impl World for Desk<'_> {
    fn event(&mut self, event: Event<'_>) {
        if let Event::Evicted(memory) = event {
            self.life.parts.shelf.hold(&memory.clone().into());
        }
        self.batch.push(&event);
    }

    fn recall(&mut self, key: &StreamKey) -> Option<Memory> {
        match self.life.parts.shelf.find(key) {
            OnShelf::Held(memory) => Some(memory.as_ref().clone()),
            OnShelf::Stored | OnShelf::Nowhere => None,
        }
    }
}

/// Room for few strangers.
fn limits() -> Limits {
    Limits { unproven_streams: 64, ..Limits::default() }
}

impl Doctor {
    fn start(disk: &FaultyDisk, catalogue: Catalogue, options: &Options, at: u64) -> Doctor {
        let life = Life::with(disk, catalogue, options).unwrap();
        let found = &life.parts.recovered;
        let mut core = Core::new(limits(), found.next_run);
        for memory in &found.memories {
            core.restore(memory.clone());
        }
        let mut doctor =
            Doctor { life, core, batch: Batch::new(), began: at, checkpointed: at, kept: at };
        doctor.replay();
        doctor
    }

    fn replay(&mut self) {
        let core = &mut self.core;
        self.life.parts.recovered.replay.each(|told| match told {
            Replayed::Run(stored) => core.replay_run(&stored.run),
            Replayed::Record(record, run) => core.replay_record(&record.kept(), run),
        });
    }

    /// This doctor's own clock: it begins with its life.
    fn now(&self, at: u64) -> Now {
        Now { mono: Monotonic(at - self.began), wall: wall(at) }
    }

    fn hear(&mut self, at: u64, sent: &Sent) {
        let now = self.now(at);
        let mut desk = Desk { batch: &mut self.batch, life: &self.life };
        let payload = sent.datagram.as_bytes();
        self.core.handle_datagram(now.mono, &sent.key, now.wall, payload, &mut desk);
    }

    /// All that is due up to `at`. Answers whether the disk has confirmed all that was heard.
    fn settle(&mut self, at: u64) -> bool {
        let now = self.now(at);
        let mut desk = Desk { batch: &mut self.batch, life: &self.life };
        self.core.handle_timeout(now.mono, &mut desk);
        if at >= self.checkpointed + 30 * SECOND_US {
            self.checkpointed = at;
            self.checkpoint();
        }
        if !self.batch.is_empty() {
            self.batch.finish();
            self.life.parts.numbering.settle(&mut self.batch, b"");
            self.life.parts.engine.write(now, [&mut self.batch]);
        }
        self.life.parts.engine.tick(now);
        let flight = self.life.parts.engine.next_sync(now.mono);
        let synced = flight.is_some_and(|ticket| {
            let result = ticket.run();
            self.life.parts.engine.sync_done(now, &ticket, result);
            true
        });
        if at >= self.kept + 5 * SECOND_US {
            self.kept = at;
            self.keep(now);
        }
        synced
    }

    fn checkpoint(&mut self) {
        let batch = &mut self.batch;
        batch.begin_checkpoint();
        let mut at = Some(0);
        while let Some(from) = at {
            at = self.core.checkpoint(from, |memory| batch.push_memory(memory));
        }
        batch.end_checkpoint();
    }

    fn keep(&mut self, now: Now) {
        let outcome = self.life.parts.engine.take_outcome();
        self.life.parts.keeper.take(now, outcome);
        self.life.parts.keeper.work(now, &std::sync::atomic::AtomicBool::new(false));
    }

    /// Ends in order; leaves its catalogue.
    fn stop(mut self, at: u64) -> Catalogue {
        let mut desk = Desk { batch: &mut self.batch, life: &self.life };
        self.core.flush(&mut desk);
        self.checkpoint();
        self.settle(at);
        let now = self.now(at);
        if let Some(ticket) = self.life.parts.engine.begin_sync() {
            let result = ticket.run();
            self.life.parts.engine.sync_done(now, &ticket, result);
        }
        assert!(self.life.parts.engine.is_settled());
        self.keep(now);
        self.life.parts.keeper.commit(now);
        self.life.end()
    }
}

/// The clock of the day: put back an hour in the morning, and forward in the afternoon.
fn wall(at: u64) -> WallTime {
    const NOON_US: u64 = DAY_US / 2;
    let back = if (NOON_US / 2..NOON_US * 3 / 2).contains(&at) { 3600 * SECOND_US } else { 0 };
    WallTime(1_700_000_000_000_000 + at - back)
}

impl Account {
    /// The disk has confirmed what was heard.
    fn confirm(&mut self) {
        self.must.extend(self.heard.drain(..));
    }

    /// The power is gone: what was not confirmed is there or not.
    fn cut(&mut self) {
        self.may.extend(self.heard.drain(..));
    }
}

/// A day: the doctor, its disk, and what it must still know in the end.
struct Day<'a> {
    options: &'a Options,
    dice: Dice,
    disk: FaultyDisk,
    doctor: Doctor,
    account: Account,
    at: u64,
}

impl Day<'_> {
    fn begin(seed: u64, options: &Options) -> Day<'_> {
        let disk = FaultyDisk::default();
        let doctor = Doctor::start(&disk, Catalogue::in_memory().unwrap(), options, 0);
        Day { options, dice: Dice(seed), disk, doctor, account: Account::default(), at: 0 }
    }

    /// Time passes; in a long silence in large steps.
    fn pass(&mut self, until: u64) {
        const STEP_US: u64 = SECOND_US / 10;
        while self.at + STEP_US < until {
            let long = until - self.at > 20 * SECOND_US;
            self.at += if long { 10 * SECOND_US } else { STEP_US };
            if self.at >= self.doctor.began {
                self.settle();
            }
        }
        self.at = until;
    }

    fn settle(&mut self) {
        if self.doctor.settle(self.at) {
            self.account.confirm();
        }
    }

    /// The doctor ends, one way or the other, and another one begins some seconds later.
    fn change_doctors(mut self) -> Self {
        let catalogue = if self.dice.one_in(2) {
            self.account.confirm();
            self.doctor.stop(self.at)
        } else {
            self.account.cut();
            let catalogue = self.doctor.life.end();
            self.disk = self.disk.crash(&mut self.dice);
            let lost = self.dice.one_in(4);
            if lost { Catalogue::in_memory().unwrap() } else { catalogue }
        };
        let begins = self.at + self.dice.below(20 * SECOND_US);
        let doctor = Doctor::start(&self.disk, catalogue, self.options, begins);
        Day { doctor, ..self }
    }
}

/// A day with this seed; the disk it leaves.
fn day(seed: u64, sent: &[Sent], options: &Options) -> (FaultyDisk, Account) {
    let mut day = Day::begin(seed, options);
    let mut next_end = DAY_US / 20;
    for (number, sent) in sent.iter().enumerate() {
        day.pass(sent.at);
        if day.at >= next_end {
            next_end = day.at + DAY_US / 30 + day.dice.below(DAY_US / 30);
            day = day.change_doctors();
        }
        if day.at < day.doctor.began {
            continue;
        }
        day.doctor.hear(day.at, sent);
        day.account.heard.push(number);
        day.settle();
        assert!(day.doctor.core.streams() <= limits().unproven_streams + machines::COUNT);
    }
    day.account.confirm();
    day.doctor.stop(DAY_US.max(day.at));
    (day.disk, day.account)
}

/// How many days: one, or what `BEDSIDE_DAYS` says.
fn seeds() -> u64 {
    std::env::var("BEDSIDE_DAYS").map_or(1, |count| count.parse().unwrap())
}

fn options() -> Options {
    Options {
        segment_max_bytes: 64 << 10,
        segment_max_age: std::time::Duration::from_hours(2),
        ..Options::default()
    }
}

#[test]
fn a_day_of_boots_deaths_restarts_and_power_losses_is_told_as_it_was() {
    for seed in 1..=seeds() {
        let sent = a_day_of(seed);
        let (disk, account) = day(seed, &sent, &options());
        let dir = tempfile::tempdir().unwrap();
        copy(&disk, dir.path());
        assert!(account.must.len() > 10_000, "{}", account.must.len());
        let held = judge_boots(&shown(dir.path()), &Truth::of(&sent));
        judge_records(&held, &sent, &account);
        let segments = segments(&disk);
        let (last, sealed) = segments.split_last().unwrap();
        assert!(sealed.len() > 12, "{segments:?}");
        assert!(sealed.iter().all(|segment| segment.name.form == Form::Sealed), "{segments:?}");
        assert_eq!(last.name.form, Form::Live);
    }
}

#[test]
fn a_day_that_does_not_fit_leaves_its_end() {
    let sent = a_day_of(9);
    let retention = Retention { max_bytes: 300 << 10, max_host_share: 2.0, ..Retention::default() };
    let (disk, account) = day(9, &sent, &Options { retention, ..options() });
    let bytes: u64 =
        disk.list().unwrap().iter().map(|n| disk.open(n).unwrap().len().unwrap()).sum();
    assert!(bytes < (300 + 128) << 10, "{bytes} bytes");
    let dir = tempfile::tempdir().unwrap();
    copy(&disk, dir.path());
    let shown = shown(dir.path());
    let held: usize = shown.iter().map(|boot| boot.records.len()).sum();
    assert!(held > 1000 && held < account.must.len(), "{held} of {}", account.must.len());
    // The last that was said is there.
    let last = account.must.last().map(|number| &sent[*number].text).unwrap();
    assert!(shown.iter().any(|boot| boot.records.iter().any(|record| record.1 == *last)));
}
