//! Seeded machines behind a seeded network, against what was really sent: the whole table of
//! outcomes is a snapshot.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod world;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write as _;
use std::net::IpAddr;

use bedside_stream::{Limits, RunId, StreamKey};
use world::{Doctor, stream};

/// A generator of the xorshift kind: the same numbers everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }

    fn per_mille(&mut self, chance: u64) -> bool {
        self.roll(1000) < chance
    }
}

/// One printed record, as it really was.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Printed {
    machine: u8,
    boot: u64,
    seq: u64,
    time: u64,
    text: String,
}

impl Printed {
    /// Its datagrams: long ones go in fragments, in the extended format.
    fn datagrams(&self, extended: bool) -> Vec<String> {
        let Printed { seq, time, text, .. } = self;
        if !extended {
            return vec![format!("[{:5}.{:06}] {text}\n", time / 1_000_000, time % 1_000_000)];
        }
        let body = format!("{text}\n");
        if seq % 17 != 3 {
            return vec![format!("6,{seq},{time},-;{body}")];
        }
        let total = body.len();
        let piece = |at: usize| {
            let end = (at + 9).min(total);
            format!("6,{seq},{time},-,ncfrag={at}/{total};{}", &body[at..end])
        };
        (0..total).step_by(9).map(piece).collect()
    }
}

/// What the network and the people do.
#[derive(Clone, Copy, Default)]
struct Weather {
    extended: bool,
    lost: u64,
    bursts: u64,
    doubled: u64,
    swapped: u64,
    replays: u64,
    restarts: u64,
}

/// A machine that boots a few times. The first lines of every boot look alike.
fn boots(machine: u8, dice: &mut Dice) -> Vec<Vec<Printed>> {
    let boot = |boot: u64, dice: &mut Dice| {
        let (zeros, lines) = (20 + dice.roll(15), 120 + dice.roll(200));
        let mut time = 0;
        let print = |seq: u64| {
            if seq >= zeros {
                time += 1 + dice.roll(if seq.is_multiple_of(40) { 3_000_000 } else { 900 });
            }
            let text =
                if time == 0 { format!("early {seq}") } else { format!("line {seq} of kernel") };
            Printed { machine, boot, seq, time, text }
        };
        (0..lines).map(print).collect()
    };
    (0..3 + dice.roll(3)).map(|n| boot(n, dice)).collect()
}

/// One datagram of one sending of a record.
#[derive(Clone)]
struct Sent {
    datagram: String,
    sending: usize,
    record: Printed,
}

/// What reaches the doctor.
fn weather(sent: Vec<Sent>, weather: Weather, dice: &mut Dice) -> Vec<Sent> {
    let mut arriving: Vec<Sent> = Vec::new();
    let mut burst = 0;
    for datagram in sent {
        if dice.per_mille(weather.bursts) {
            burst = 5 + dice.roll(30);
        }
        if burst > 0 || dice.per_mille(weather.lost) {
            burst = u64::saturating_sub(burst, 1);
            continue;
        }
        if dice.per_mille(weather.doubled) {
            arriving.push(datagram.clone());
        }
        arriving.push(datagram);
        let len = arriving.len();
        let fresh = len > 1 && arriving[len - 2].record.boot == arriving[len - 1].record.boot;
        if fresh && dice.per_mille(weather.swapped) {
            arriving.swap(len - 1, len - 2);
        }
    }
    arriving
}

#[derive(Default, Debug)]
struct Outcome {
    boots: usize,
    found: usize,
    records: usize,
    held: usize,
    twice: usize,
    astray: usize,
    incomplete: usize,
}

fn run(seed: u64, sky: Weather) -> Outcome {
    let mut dice = Dice(seed);
    let mut doctor = Doctor::new();
    let mut whole: HashMap<u8, BTreeMap<Printed, usize>> = HashMap::new();
    let mut outcome = Outcome::default();
    let mut memories = Vec::new();
    let mut since = 0;
    for machine in 1..=6 {
        for boot in boots(machine, &mut dice) {
            let mut sent: Vec<Printed> = Vec::new();
            let mut held = Vec::new();
            for record in boot {
                held.push(record.clone());
                sent.push(record);
                let told = held.last().is_some_and(|last: &Printed| last.time > 0);
                if told && dice.per_mille(sky.replays) {
                    sent.extend(held.iter().cloned());
                }
            }
            let datagrams = |(sending, record): (usize, &Printed)| -> Vec<Sent> {
                let cut = record.datagrams(sky.extended).into_iter();
                cut.map(|datagram| Sent { datagram, sending, record: record.clone() }).collect()
            };
            let sent = sent.iter().enumerate().flat_map(datagrams).collect();
            let arriving = weather(sent, sky, &mut dice);
            // A record has arrived when all pieces of one sending of it have.
            let mut pieces: HashSet<(usize, &str)> = HashSet::new();
            for Sent { datagram, sending, record } in &arriving {
                pieces.insert((*sending, datagram));
                let all = record.datagrams(sky.extended);
                if all.iter().all(|piece| pieces.contains(&(*sending, piece.as_str()))) {
                    *whole.entry(machine).or_default().entry(record.clone()).or_default() += 1;
                }
                doctor.hear(stream(machine), datagram);
                if dice.per_mille(sky.restarts) {
                    doctor.core.flush(&mut doctor.book);
                    pieces.clear();
                    doctor.restart(Limits::default(), memories.clone(), since);
                } else if dice.per_mille(sky.restarts * 3) {
                    memories = doctor.core.memories().collect();
                    since = doctor.book.journal.len();
                }
            }
            doctor.pass(1_000_000);
        }
    }
    judge(&doctor, &whole, &mut outcome);
    outcome
}

/// Compares what the doctor would show with what arrived whole.
fn judge(doctor: &Doctor, whole: &HashMap<u8, BTreeMap<Printed, usize>>, outcome: &mut Outcome) {
    let machine = |run: RunId| {
        let key: StreamKey = doctor.book.runs[&run].key;
        let IpAddr::V4(address) = key.ip() else { panic!("an IPv4 machine") };
        address.octets()[3]
    };
    // Which boot a time and text above 0 is of; equal ones of two boots are as good as either.
    let boot_of = |records: &BTreeMap<Printed, usize>| -> HashMap<(u64, String), u64> {
        records.keys().map(|p| ((p.time, p.text.clone()), p.boot)).collect()
    };
    let origin: HashMap<u8, _> = whole.iter().map(|(m, r)| (*m, boot_of(r))).collect();
    let mut shown: BTreeMap<(u8, u64, String), usize> = BTreeMap::new();
    for boot in doctor.book.boots() {
        let complete: Vec<_> = boot.iter().filter(|record| !record.incomplete).collect();
        outcome.incomplete += boot.len() - complete.len();
        let Some(first) = complete.first() else { continue };
        outcome.found += 1;
        let here = &origin[&machine(first.run)];
        let mut origins: BTreeMap<u64, usize> = BTreeMap::new();
        for record in &complete {
            let time = record.time.unwrap();
            *shown.entry((machine(first.run), time, record.text.clone())).or_default() += 1;
            if time > 0 {
                let printed = here.get(&(time, record.text.clone()));
                *origins.entry(printed.copied().unwrap_or(u64::MAX)).or_default() += 1;
            }
        }
        let most = origins.values().max().copied().unwrap_or(0);
        outcome.astray += origins.values().sum::<usize>() - most;
    }
    for (machine, records) in whole {
        let boots: std::collections::BTreeSet<u64> = records.keys().map(|p| p.boot).collect();
        outcome.boots += boots.len();
        let mut expected: BTreeMap<(u64, String), usize> = BTreeMap::new();
        for printed in records.keys() {
            *expected.entry((printed.time, printed.text.clone())).or_default() += 1;
        }
        for ((time, text), count) in expected {
            let held = shown.get(&(*machine, time, text)).copied().unwrap_or(0);
            outcome.records += count;
            outcome.held += held.min(count);
            outcome.twice += held.saturating_sub(count);
        }
    }
}

#[test]
fn whatever_the_weather_each_record_that_arrived_is_held_once_in_its_boot() {
    let fair = Weather { extended: true, ..Weather::default() };
    let plain = Weather::default();
    let skies = [
        ("fair", fair),
        ("lost 1 %", Weather { lost: 10, ..fair }),
        ("lost 20 %", Weather { lost: 200, ..fair }),
        ("bursts", Weather { bursts: 10, ..fair }),
        ("doubled 2 %", Weather { doubled: 20, ..fair }),
        ("swapped 2 %", Weather { swapped: 20, ..fair }),
        ("replays", Weather { replays: 8, ..fair }),
        ("restarts", Weather { restarts: 10, ..fair }),
        (
            "all at once",
            Weather {
                lost: 20,
                bursts: 4,
                doubled: 20,
                swapped: 20,
                replays: 4,
                restarts: 5,
                ..fair
            },
        ),
        ("basic fair", plain),
        ("basic lost 5 %", Weather { lost: 50, ..plain }),
        ("basic swapped 1 %", Weather { swapped: 10, ..plain }),
        ("basic replays", Weather { replays: 8, ..plain }),
        ("basic restarts", Weather { restarts: 10, ..plain }),
    ];
    let mut table =
        String::from("weather            boots found  records   held twice astray incomplete\n");
    for (name, sky) in skies {
        let mut sum = Outcome::default();
        for seed in 1..=8 {
            let outcome = run(seed * 0x9e37_79b9 + 1, sky);
            sum.boots += outcome.boots;
            sum.found += outcome.found;
            sum.records += outcome.records;
            sum.held += outcome.held;
            sum.twice += outcome.twice;
            sum.astray += outcome.astray;
            sum.incomplete += outcome.incomplete;
        }
        let written = writeln!(
            table,
            "{name:18} {:5} {:5} {:8} {:6} {:5} {:6} {:10}",
            sum.boots, sum.found, sum.records, sum.held, sum.twice, sum.astray, sum.incomplete
        );
        written.unwrap();
        assert_eq!(sum.held, sum.records, "nothing that arrived is lost: {name}\n{table}");
    }
    insta::assert_snapshot!(table);
}
