//! A full table: who goes, who stays, who comes back.

mod world;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use bedside_stream::{Limits, RunId, StreamKey, Voice, WallTime};
use world::{Doctor, stream};

const MINUTE: u64 = 60_000_000;

fn limits() -> Limits {
    Limits { proven_streams: 200, unproven_streams: 50, awake_streams: 20, ..Limits::default() }
}

/// Made-up sender `n`.
fn made_up(n: u32) -> StreamKey {
    let [_, high, middle, low] = n.to_be_bytes();
    StreamKey::new(SocketAddr::from(([172, high, middle, low], 6665)), 6666)
}

/// A hundred real machines that have said ten lines each over ten minutes.
fn with_real_ones(limits: Limits) -> Doctor {
    let mut doctor = Doctor::with(limits);
    for n in 1..=100 {
        (0..5).for_each(|seq| doctor.ext(stream(n), seq, seq * 1_000, "real"));
    }
    for seq in 5..10 {
        speak(&mut doctor, seq);
    }
    doctor
}

/// Each real one says one line; a minute passes.
fn speak(doctor: &mut Doctor, seq: u64) {
    for n in 1..=100 {
        doctor.ext(stream(n), seq, (seq + 1) * MINUTE, "real");
    }
    doctor.pass(MINUTE);
}

/// Each real one has one run, which holds all that it said.
fn assert_unharmed(doctor: &Doctor, lines: usize) {
    let mut of_real: BTreeMap<StreamKey, Vec<RunId>> = BTreeMap::new();
    for run in doctor.book.runs.values().filter(|run| is_real(&run.key)) {
        of_real.entry(run.key).or_default().push(run.id);
    }
    assert_eq!(of_real.len(), 100);
    assert!(of_real.values().all(|runs| runs.len() == 1), "{of_real:?}");
    assert_eq!(said(doctor, is_real), 100 * lines);
    assert!(doctor.core.streams() <= limits().proven_streams + limits().unproven_streams);
}

fn is_real(key: &StreamKey) -> bool {
    key.source().to_string().starts_with("10.0.0.")
}

/// How many lines were given out of those.
fn said(doctor: &Doctor, of: impl Fn(&StreamKey) -> bool) -> usize {
    let runs = &doctor.book.runs;
    doctor.book.records.iter().filter(|record| of(&runs[&record.run].key)).count()
}

#[test]
fn a_flood_of_made_up_senders_harms_no_real_one_and_is_counted() {
    let mut doctor = with_real_ones(limits());
    for minute in 0..10 {
        for n in 0..1_000 {
            doctor.ext(made_up(minute * 1_000 + n), 5, 1_000, "made up");
        }
        speak(&mut doctor, 10 + u64::from(minute));
    }
    assert_unharmed(&doctor, 20);
    assert_eq!(said(&doctor, |key| !is_real(key)), 10_000, "every line was given out");
    let counters = doctor.core.counters();
    assert_eq!(counters.evicted_proven, 0);
    assert_eq!(counters.strangers + 50 + counters.returned, 10_000);
    let strangers = doctor.book.runs.values().filter(|run| run.stranger).count() as u64;
    assert_eq!(strangers, counters.strangers);
    assert!(doctor.book.evicted.is_empty(), "nobody need remember them");
}

#[test]
fn made_up_senders_that_prove_themselves_harm_no_real_one() {
    let mut doctor = with_real_ones(limits());
    for minute in 0..40 {
        for n in 0..100 {
            for seq in 0..6 {
                doctor.ext(made_up(minute * 100 + n), seq, 5_000 + seq, "made up");
            }
        }
        speak(&mut doctor, 10 + u64::from(minute));
    }
    assert_unharmed(&doctor, 50);
    assert_eq!(said(&doctor, |key| !is_real(key)), 24_000);
    assert!(doctor.core.counters().unproven_for_want_of_room > 1_000);
    assert!(!doctor.book.evicted.keys().any(is_real), "none of them had to go");
}

#[test]
fn made_up_senders_that_come_back_harm_no_real_one() {
    let mut doctor = with_real_ones(limits());
    for minute in 0u32..10 {
        for n in 0..1_000 {
            doctor.ext(made_up(n), u64::from(minute), 1_000, "made up");
        }
        speak(&mut doctor, 10 + u64::from(minute));
    }
    assert_unharmed(&doctor, 20);
    assert_eq!(said(&doctor, |key| !is_real(key)), 10_000);
}

#[test]
fn many_ports_of_one_address_harm_no_real_one() {
    let mut doctor = with_real_ones(limits());
    for minute in 0..3 {
        for port in 1..1_000 {
            let source = SocketAddr::from(([10, 0, 0, 7], port));
            doctor.ext(StreamKey::new(source, 6667), 5, 1_000, "made up");
        }
        speak(&mut doctor, 10 + minute);
    }
    let named = doctor.book.runs.values().filter(|run| run.key == stream(7));
    assert_eq!(named.count(), 1);
    assert_eq!(doctor.core.counters().evicted_proven, 0);
}

#[test]
fn who_begins_in_a_flood_and_comes_back_is_known_from_then_on() {
    let mut doctor = with_real_ones(limits());
    let late = StreamKey::new(SocketAddr::from(([10, 9, 9, 9], 6665)), 6666);
    for minute in 0..10 {
        for n in 0..1_000 {
            doctor.ext(made_up(minute * 1_000 + n), 5, 1_000, "made up");
        }
        doctor.ext(late, u64::from(minute), u64::from(minute + 1) * MINUTE, "late");
        doctor.pass(MINUTE);
    }
    assert_eq!(said(&doctor, |key| *key == late), 10);
    let runs: Vec<_> = doctor.book.runs.values().filter(|run| run.key == late).collect();
    let strangers: Vec<_> = runs.iter().map(|run| run.stranger).collect();
    assert_eq!(strangers, [true, false], "known when it came back, and in one run since");
    let last = runs[1].id;
    assert_eq!(doctor.book.records.iter().filter(|record| record.run == last).count(), 9);
}

#[test]
fn what_the_forgotten_were_saying_is_given_out() {
    let mut doctor = with_real_ones(limits());
    for n in 0..1_000 {
        doctor.hear(made_up(n), "6,5,1000,-,ncfrag=0/90;the first half");
    }
    doctor.pass(MINUTE);
    assert_eq!(said(&doctor, |key| !is_real(key)), 1_000);
    assert_eq!(doctor.core.pending_bytes(), 0);
}

#[test]
fn a_stranger_that_proves_itself_is_told_again() {
    let mut doctor = with_real_ones(limits());
    for n in 0..100 {
        doctor.ext(made_up(n), 5, 1_000, "made up");
    }
    for seq in 0..4 {
        doctor.ext(made_up(1_000), seq, 1_000 + seq, "one of many");
        let run = doctor.book.runs.values().find(|run| run.key == made_up(1_000)).unwrap();
        assert_eq!(run.stranger, seq < 3);
    }
}

#[test]
fn who_was_forgotten_comes_back_into_his_boot() {
    let mut doctor = with_real_ones(limits());
    // A week of silence is longer than ten minutes of speech.
    doctor.pass(7 * 24 * 60 * MINUTE);
    for n in 0..200 {
        for seq in 0..4 {
            doctor.ext(made_up(n), seq, 1_000 + seq, "another");
        }
    }
    assert!(doctor.core.counters().evicted_proven > 50);
    let hour = 3_600_000_000;
    (0..10).for_each(|_| doctor.pass(hour));
    for n in 1..=100 {
        doctor.ext(stream(n), 10, 8 * 24 * 60 * MINUTE, "real");
    }
    assert!(doctor.core.counters().recalled > 50);
    assert_unharmed(&doctor, 11);
}

/// A sender of either family and any voice, some of them with two targets; in the middle of the
/// log one in three gets another source port.
fn of_any_kind(n: u8, seq: u64) -> StreamKey {
    let ip: IpAddr =
        if n.is_multiple_of(5) { Ipv6Addr::from([n; 16]).into() } else { stream(n).ip() };
    let port = if n.is_multiple_of(3) && seq > 50 { 40_000 } else { 6665 };
    let key = StreamKey::new(
        (ip, port).into(),
        6666 + u16::from(n.is_multiple_of(7) && seq.is_multiple_of(2)),
    );
    key.with_voice(Voice::ALL[usize::from(n) % Voice::ALL.len()])
}

#[test]
fn asleep_or_awake_a_stream_knows_the_same() {
    let of = |awake_streams, sleep_after_us| {
        let limits = Limits { awake_streams, sleep_after_us, ..Limits::default() };
        let mut doctor = Doctor::with(limits);
        for seq in 0..200 {
            let slept = doctor.core.rest(WallTime(1_700_000_000_000_000 + seq));
            assert!(slept == 0 || sleep_after_us == 0);
            for n in 1..=100 {
                // Lost, late and repeated ones, and a restart in the middle.
                let seq = if seq < 100 { seq } else { seq - 100 };
                let number = [seq, seq + 3, seq, seq ^ 1][usize::from(n % 4)];
                doctor.ext(of_any_kind(n, seq), number, 1 + number * 1_037, "line");
            }
        }
        let Doctor { core, book, .. } = doctor;
        (*core.counters(), book.records, book.runs)
    };
    let always = of(1_000, u64::MAX);
    assert_eq!(of(1, u64::MAX), always);
    assert_eq!(of(1_000, 0), always);
}

/// Streams that are looked up beforehand may be forgotten before their datagram comes, and their
/// slots be another's; some datagrams never come, as somebody else takes them.
#[test]
fn what_was_expected_changes_nothing() {
    let hear = |expect: bool| {
        let mut doctor = with_real_ones(Limits { unproven_streams: 600, ..limits() });
        (0..600).for_each(|n| doctor.ext(made_up(1_000 + n), 5, 1_000, "made up"));
        let turns: Vec<StreamKey> = (0..4_000_u32)
            .map(|n| if n % 3 == 0 { stream((n % 100) as u8 + 1) } else { made_up(n % 1_700) })
            .collect();
        for (round, batch) in turns.chunks(64).enumerate() {
            if expect {
                doctor.core.expect(batch.iter().copied());
            }
            for (at, key) in batch.iter().enumerate().filter(|(at, _)| at % 7 != round % 7) {
                let seq = 100 + (round * 64 + at) as u64;
                doctor.ext(*key, seq, 20 * MINUTE + seq, "said");
            }
        }
        (doctor.book.records, doctor.book.runs)
    };
    assert_eq!(hear(true), hear(false));
}
