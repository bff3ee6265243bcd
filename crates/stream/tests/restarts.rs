//! The doctor ends, and begins again with what it had written down.

mod world;

use bedside_stream::{Limits, StreamKey, Verdict};
use world::{Doctor, stream};

/// The first lines of a boot as they look every time, then those that tell boots apart.
fn boot_log(doctor: &mut Doctor, key: StreamKey, jitter: u64, upto: u64) {
    for seq in 0..upto {
        let time = if seq < 20 { 0 } else { (seq - 19) * 1000 + jitter };
        doctor.ext(key, seq, time, &format!("line {seq}"));
    }
}

/// A boot, its ring buffer sent again, and the next boot; wherever the memories were taken, and
/// wherever the doctor was killed and began again.
#[test]
fn a_restart_changes_nothing() {
    let line = |at: u64| match at {
        0..60 => (at, 7),
        60..100 => (at - 60, 7),
        100..130 => (at - 40, 7),
        _ => (at - 130, 9),
    };
    let hear = |doctor: &mut Doctor, at: u64| {
        let (seq, jitter) = line(at);
        let time = if seq < 10 { 0 } else { (seq - 9) * 1000 + jitter };
        doctor.ext(stream(1), seq, time, &format!("line {seq}"));
    };
    for killed in (0..=210).step_by(5) {
        for checkpoint in (0..=killed).step_by(15).chain([killed]) {
            let mut doctor = Doctor::new();
            (0..checkpoint).for_each(|at| hear(&mut doctor, at));
            let (memories, since) = doctor.checkpoint();
            (checkpoint..killed).for_each(|at| hear(&mut doctor, at));
            doctor.restart(Limits::default(), memories, since);
            (killed..210).for_each(|at| hear(&mut doctor, at));
            let lens: Vec<usize> = doctor.book.boots().iter().map(Vec::len).collect();
            assert_eq!(lens, [90, 80], "checkpoint after {checkpoint}, killed after {killed}");
        }
    }
}

/// What was lost while no doctor ran is a hole, and no new boot.
#[test]
fn a_restart_in_the_middle_of_a_boot_goes_on_with_it() {
    for checkpoint in [0, 50, 200] {
        let mut doctor = Doctor::new();
        boot_log(&mut doctor, stream(1), 7, checkpoint);
        let (memories, since) = doctor.checkpoint();
        for seq in checkpoint..200 {
            let time = if seq < 20 { 0 } else { (seq - 19) * 1000 + 7 };
            doctor.ext(stream(1), seq, time, &format!("line {seq}"));
        }
        doctor.restart(Limits::default(), memories, since);
        for seq in 230..260 {
            doctor.ext(stream(1), seq, (seq - 19) * 1000 + 7, &format!("line {seq}"));
        }
        boot_log(&mut doctor, stream(1), 7, 260);
        let boots = doctor.book.boots();
        assert_eq!((boots.len(), boots[0].len()), (1, 260), "checkpoint after {checkpoint}");
    }
}

/// What was cut short before it could tell whose it is stays nobody's.
#[test]
fn a_beginning_that_was_left_open_is_not_of_the_boot_after() {
    let mut doctor = Doctor::new();
    boot_log(&mut doctor, stream(1), 7, 400);
    boot_log(&mut doctor, stream(1), 7, 12);
    let (memories, since) = doctor.checkpoint();
    boot_log(&mut doctor, stream(1), 9, 200);
    doctor.restart(Limits::default(), memories, since);
    boot_log(&mut doctor, stream(1), 9, 220);
    let lens: Vec<usize> = doctor.book.boots().iter().map(Vec::len).collect();
    assert_eq!(lens, [400, 12, 220]);
}

/// Beginnings that say nothing of themselves are many runs, and still a memory that can be read.
#[test]
fn very_many_beginnings_are_remembered_over_restarts() {
    let mut doctor = Doctor::new();
    doctor.ext(stream(1), 0, 7, "a boot");
    for _ in 0..100 {
        doctor.ext(stream(1), 0, 0, "early");
    }
    doctor.restart(Limits::default(), Vec::new(), 0);
    let (memories, since) = doctor.checkpoint();
    doctor.restart(Limits::default(), memories, since);
    doctor.ext(stream(1), 0, 0, "early");
    let last = doctor.book.runs.values().last().unwrap();
    assert_eq!(last.verdict, Verdict::Provisional);
}
