//! Fragments and cut lines, each as a situation.

mod world;

use bedside_stream::Limits;
use world::{Doctor, stream};

/// A message cut as the kernel does, `piece` bytes at a time.
fn fragments(seq: u64, body: &str, piece: usize) -> Vec<String> {
    let total = body.len();
    let cut = |offset: usize| {
        let end = (offset + piece).min(total);
        format!("6,{seq},1000000,-,ncfrag={offset}/{total};{}", &body[offset..end])
    };
    (0..total).step_by(piece).map(cut).collect()
}

#[test]
fn fragments_come_together_in_any_order() {
    let body = format!("{}\n key=value\n", "abcdefghij".repeat(30));
    let pieces = fragments(5, &body, 70);
    for rotate in 0..pieces.len() {
        let mut doctor = Doctor::new();
        let mut shuffled = pieces.clone();
        shuffled.rotate_left(rotate);
        shuffled.iter().rev().for_each(|piece| doctor.hear(stream(1), piece));
        assert_eq!(doctor.book.texts(), [["abcdefghij".repeat(30)]]);
        assert_eq!(doctor.core.pending_bytes(), 0);
    }
}

#[test]
fn the_kernels_own_example_comes_together() {
    let mut doctor = Doctor::new();
    doctor.hear(stream(1), "6,416,1758426,-,ncfrag=0/31;the first chunk,");
    doctor.hear(stream(1), "6,416,1758426,-,ncfrag=16/31; the 2nd chunk.");
    assert_eq!(doctor.book.texts(), [["the first chunk, the 2nd chunk."]]);
}

#[test]
fn a_message_that_misses_a_fragment_is_given_out_marked() {
    let mut doctor = Doctor::new();
    let pieces = fragments(5, &format!("{}\n", "x".repeat(200)), 70);
    doctor.hear(stream(1), &pieces[0]);
    doctor.hear(stream(1), &pieces[2]);
    doctor.pass(499_000);
    assert_eq!(doctor.book.records.len(), 0);
    doctor.pass(2_000);
    assert_eq!(doctor.book.records.len(), 1);
    assert!(doctor.book.records[0].incomplete);
    assert_eq!(doctor.core.pending_bytes(), 0);
    assert_eq!(doctor.core.poll_timeout(), None);
}

#[test]
fn a_message_sent_twice_is_one_record() {
    let mut doctor = Doctor::new();
    let pieces = fragments(5, &format!("{}\n", "x".repeat(200)), 70);
    for piece in pieces.iter().chain(&pieces) {
        doctor.hear(stream(1), piece);
    }
    doctor.pass(1_000_000);
    assert_eq!(doctor.book.records.len(), 1);
}

#[test]
fn absurd_fragments_are_kept_as_they_are() {
    let mut doctor = Doctor::new();
    doctor.hear(stream(1), "6,1,1,-,ncfrag=0/4000000000;huge");
    doctor.hear(stream(1), "6,2,1,-,ncfrag=10/12;past the end");
    assert_eq!(doctor.book.texts(), [["huge", "past the end"]]);
    assert!(doctor.book.records.iter().all(|record| record.incomplete));
    assert_eq!(doctor.core.counters().odd_fragments, 2);
}

#[test]
fn what_waits_is_bounded_and_never_lost() {
    let limits = Limits { pending_bytes: 4096, ..Limits::default() };
    let mut doctor = Doctor::with(limits);
    for n in 0..100 {
        doctor.hear(stream(n), format!("6,1,1000,-,ncfrag=0/900;{}", "x".repeat(500)));
        assert!(doctor.core.pending_bytes() <= 4096);
    }
    doctor.core.flush(&mut doctor.book);
    assert_eq!(doctor.book.records.len(), 100);
}

#[test]
fn a_cut_basic_line_is_joined() {
    let mut doctor = Doctor::new();
    let line = format!("[    1.000000] {}\n", "y".repeat(2400));
    for chunk in line.as_bytes().chunks(1000) {
        doctor.hear(stream(1), chunk);
    }
    doctor.hear(stream(1), "[    1.000001] next\n");
    assert_eq!(doctor.book.texts(), [["y".repeat(2400), "next".into()]]);
    assert!(!doctor.book.records[0].incomplete);
}

#[test]
fn the_lines_before_a_cut_are_not_held_back() {
    let mut doctor = Doctor::new();
    let mut datagram = b"[    1.000000] whole\n[    1.000000] ".to_vec();
    datagram.resize(1000, b'z');
    doctor.hear(stream(1), &datagram);
    assert_eq!(doctor.book.texts(), [["whole"]]);
}

#[test]
fn a_cut_line_whose_rest_is_lost_is_given_out_marked() {
    let mut doctor = Doctor::new();
    let mut datagram = b"[    1.000000] ".to_vec();
    datagram.resize(1000, b'z');
    doctor.hear(stream(1), &datagram);
    doctor.hear(stream(1), "[    1.000002] next\n");
    assert!(doctor.book.records[0].incomplete);
    assert_eq!(doctor.book.records[1].text, "next");
}

#[test]
fn odd_datagrams_are_records_too() {
    let mut doctor = Doctor::new();
    doctor.hear(stream(1), "");
    doctor.hear(stream(1), vec![0xff; 65_507]);
    doctor.hear(stream(1), "hello");
    doctor.hear(stream(1), "<34>Oct 11 22:14:15 mymachine su: failed\n");
    assert_eq!(doctor.book.records.len(), 4);
}
