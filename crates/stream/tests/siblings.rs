//! Streams of one address: one machine or several, one boot or several.

mod world;

use bedside_stream::{Run, RunId, StreamKey, Verdict, Voice};
use world::{Doctor, stream};

/// The same sender, whose source port is another now.
fn from_another_port(key: StreamKey) -> StreamKey {
    StreamKey::new((key.ip(), 40_000).into(), key.port()).with_voice(key.voice())
}

#[test]
fn a_new_source_port_that_goes_on_with_the_numbers_goes_on_with_the_boot() {
    let mut doctor = Doctor::new();
    let other = from_another_port(stream(1));
    // The last from the old port comes late.
    for seq in (0..99).chain([100, 99]).chain(101..120) {
        let from = if seq < 100 { stream(1) } else { other };
        doctor.ext(from, seq, seq * 1_000 + 7, &format!("line {seq}"));
    }
    let boots = doctor.book.boots();
    assert_eq!((boots.len(), boots[0].len()), (1, 120));
}

#[test]
fn a_clock_that_is_too_far_ahead_is_another_machines() {
    let mut doctor = Doctor::new();
    let other = from_another_port(stream(1));
    doctor.ext(stream(1), 381, 4_439_453, "network logging started");
    doctor.ext(other, 383, 9_221_512, "another, armed later in its life");
    assert_eq!(doctor.book.boots().len(), 2);
}

#[test]
fn two_machines_behind_one_address_are_two_boots() {
    let mut doctor = Doctor::new();
    let other = from_another_port(stream(1));
    for n in 0..10 {
        doctor.ext(stream(1), 100 + n, 1_000_000 + n, "left");
        doctor.ext(other, 500 + n, 2_000_000 + n, "right");
    }
    let lens: Vec<usize> = doctor.book.boots().iter().map(Vec::len).collect();
    assert_eq!(lens, [10, 10]);
}

#[test]
fn a_basic_and_an_extended_target_share_a_boot_and_keep_both() {
    let mut doctor = Doctor::new();
    let extended = stream(1).with_port(6667);
    for boot in [5, 3, 1] {
        for n in 1..10 {
            doctor.hear(stream(1), format!("[    {boot}.{n:06}] line {n}\n"));
            doctor.ext(extended, n, boot * 1_000_000 + n, &format!("line {n}"));
        }
    }
    let lens: Vec<usize> = doctor.book.boots().iter().map(Vec::len).collect();
    assert_eq!(lens, [18, 18, 18]);
}

#[test]
fn what_is_signed_shares_a_boot_with_what_is_not_and_with_nothing_that_is_forged() {
    for (voice, boots) in [(Voice::Signed, 1), (Voice::Forged, 2), (Voice::Copied, 2)] {
        let mut doctor = Doctor::new();
        let (plain, tagged) = (stream(1), stream(1).with_voice(voice));
        for n in 1..10 {
            doctor.ext(plain, n, 1_000_000 + n, &format!("line {n}"));
            doctor.ext(tagged, n, 1_000_000 + n, &format!("line {n}"));
        }
        assert_eq!(doctor.book.boots().len(), boots, "{voice:?}");
        // Nor does it go on where another voice has stopped.
        let other = from_another_port(tagged);
        doctor.ext(other, 10, 1_500_000, "from another port");
        let last = doctor.book.runs.values().last().expect("a run");
        assert!(matches!(last.verdict, Verdict::SameAs(root) if root != RunId(1)), "{last:?}");
    }
}

#[test]
fn unsigned_lines_do_not_move_signed_ones() {
    let mut doctor = Doctor::new();
    let signed = stream(1).with_voice(Voice::Signed);
    doctor.ext(signed, 1, 1_000_001, "true");
    for n in 2..50 {
        doctor.ext(stream(1), n, 9_000_000 + n, "made up");
        doctor.ext(signed, n, 1_000_000 + n, "true");
    }
    doctor.hear(stream(1), "0,50,99000000,-;Kernel panic - not syncing: made up\n");
    let of_signed = |run: &&Run| run.key == signed;
    let runs: Vec<_> = doctor.book.runs.values().filter(of_signed).collect();
    assert_eq!((runs.len(), runs[0].last_word), (1, None));
    let all = doctor.book.records.iter().filter(|record| record.run == runs[0].id).count();
    assert_eq!(all, 49, "none was taken for a repeat of a made-up one");
}

/// Seen of a stock 6.1 behind a router that gives each boot another source port.
#[test]
fn two_boots_whose_early_clock_agrees_in_jiffies_are_two_boots() {
    let mut doctor = Doctor::new();
    let second = from_another_port(stream(1));
    for (stream, tick) in [(stream(1), 8_000), (second, 12_000)] {
        doctor.ext(stream, 95, 4_000, "APIC: Switch to symmetric I/O mode setup");
        doctor.ext(stream, 96, tick, "..TIMER: vector=0x30 apic1=0 pin1=2 apic2=-1 pin2=-1");
        doctor.ext(stream, 97, tick + 391_813, "Freeing SMP alternatives memory: 36K");
    }
    let lens: Vec<usize> = doctor.book.boots().iter().map(Vec::len).collect();
    assert_eq!(lens, [3, 3]);
}
