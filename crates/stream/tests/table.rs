//! A full table: who goes, who stays, who comes back.

mod world;

use std::net::SocketAddr;

use bedside_stream::{Limits, StreamKey};
use world::{Doctor, stream};

const LIMITS: Limits = Limits {
    proven_streams: 4,
    unproven_streams: 8,
    proven_after: 4,
    message_bytes: 128 * 1024,
    pending_bytes: 1 << 20,
    pending_messages: 4,
    line_bytes: 16 * 1024,
    pending_timeout_us: 500_000,
    clock_slack_us: 2_000_000,
    siblings: 8,
};

fn made_up(n: u16) -> StreamKey {
    let [high, low] = n.to_be_bytes();
    StreamKey { source: SocketAddr::from(([172, 16, high, low], 6665)), port: 6666 }
}

#[test]
fn a_flood_of_made_up_senders_pushes_out_no_proven_one() {
    let mut doctor = Doctor::with(LIMITS);
    for seq in 0..5 {
        (1..=3).for_each(|n| doctor.ext(stream(n), seq, seq * 1000, "real"));
    }
    for n in 0..1000 {
        doctor.ext(made_up(n), 5, 5000, "made up");
    }
    (1..=3).for_each(|n| doctor.ext(stream(n), 5, 5000, "still here"));
    assert!(doctor.core.streams() <= 12);
    assert_eq!(doctor.core.counters().evicted_proven, 0);
    assert_eq!(doctor.core.counters().evicted_unproven, 992);
    assert_eq!(doctor.book.records.len(), 3 * 6 + 1000, "every line was given out");
    let runs = doctor.book.runs.values();
    let of_real = runs.filter(|run| run.key.source.to_string().starts_with("10.")).count();
    assert_eq!(of_real, 3, "each real one is still in its first run");
}

#[test]
fn what_was_forgotten_comes_back_into_its_boot() {
    let mut doctor = Doctor::with(LIMITS);
    doctor.ext(made_up(0), 5, 5000, "before");
    for n in 1..100 {
        doctor.ext(made_up(n), 5, 5000, "made up");
    }
    doctor.ext(made_up(0), 6, 6000, "after");
    assert_eq!(doctor.core.counters().recalled, 1);
    let runs: Vec<_> = doctor.book.records.iter().filter(|r| r.text != "made up").collect();
    assert_eq!(runs[0].run, runs[1].run);
}

#[test]
fn of_too_many_proven_ones_the_silent_go() {
    let mut doctor = Doctor::with(LIMITS);
    for n in 1..=6 {
        for seq in 0..5 {
            doctor.ext(stream(n), seq, seq * 1000, "real");
            doctor.ext(stream(1), 5 * u64::from(n) + seq, 90_000 + u64::from(n), "always there");
        }
    }
    assert_eq!(doctor.core.counters().evicted_proven, 2);
    assert!(!doctor.book.evicted.contains_key(&stream(1)), "who speaks stays");
    assert!(doctor.book.evicted.values().all(bedside_stream::Memory::proven));
}
