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

/// The copy of a message that lost a piece on its way says nothing new; long after, the same
/// numbers may be another boot's.
#[test]
fn a_copy_that_is_not_whole_is_no_record() {
    let pieces = fragments(5, &format!("{}\n", "x".repeat(200)), 70);
    let mut doctor = Doctor::new();
    pieces.iter().chain(&pieces[1..]).for_each(|piece| doctor.hear(stream(1), piece));
    assert_eq!((doctor.core.pending_bytes(), doctor.core.counters().repeats), (0, 2));
    doctor.pass(1_000_000);
    assert_eq!(doctor.book.records.len(), 1);
    pieces[1..].iter().for_each(|piece| doctor.hear(stream(1), piece));
    doctor.pass(1_000_000);
    let incomplete: Vec<_> = doctor.book.records.iter().map(|record| record.incomplete).collect();
    assert_eq!(incomplete, [false, true]);
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
    let limits = Limits { pending_bytes: 8192, ..Limits::default() };
    let mut doctor = Doctor::with(limits);
    for n in 0..100_usize {
        match n % 2 {
            0 => doctor.hear(stream(n as u8), format!("6,1,1000,-,ncfrag=0/2000;{n:0>1000}")),
            _ => doctor.hear(stream(n as u8), format!("[    1.000000] {n:0>985}")),
        }
        let waiting = n + 1 - doctor.book.records.len();
        assert!((waiting * 1000..=8192).contains(&doctor.core.pending_bytes()), "{waiting} wait");
    }
    doctor.core.flush(&mut doctor.book);
    assert_eq!((doctor.book.records.len(), doctor.core.pending_bytes()), (100, 0));
    let order: Vec<usize> =
        doctor.book.records.iter().map(|record| record.text.parse().unwrap()).collect();
    assert!(order.is_sorted(), "the oldest goes first: {order:?}");
}

#[test]
fn messages_that_wait_in_one_stream_are_bounded_and_never_lost() {
    let limits = Limits::default();
    let mut doctor = Doctor::new();
    for n in 0..100 {
        doctor.hear(stream(1), format!("6,{n},1000,-,ncfrag=0/900;{}", "x".repeat(500)));
        assert_eq!(
            doctor.book.records.len(),
            (n + 1_usize).saturating_sub(limits.pending_messages)
        );
    }
    doctor.pass(limits.pending_timeout_us);
    assert_eq!((doctor.book.records.len(), doctor.core.pending_bytes()), (100, 0));
}

#[test]
fn a_line_without_end_is_given_out_in_parts() {
    let limits = Limits { line_bytes: 4000, ..Limits::default() };
    let mut doctor = Doctor::with(limits);
    for n in 0..20 {
        doctor.hear(stream(1), format!("{n:0>1000}"));
        assert!(doctor.core.pending_bytes() <= 4000);
    }
    doctor.pass(limits.pending_timeout_us);
    let lens: Vec<_> = doctor.book.records.iter().map(|record| record.text.len()).collect();
    assert_eq!(lens, [5000; 4]);
    assert!(doctor.book.records.iter().all(|record| record.incomplete));
    assert_eq!((doctor.core.counters().pending_evicted, doctor.core.pending_bytes()), (4, 0));
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
    assert_eq!(doctor.core.pending_bytes(), 0);
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
