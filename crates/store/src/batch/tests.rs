use netconsole_wire::Prefix;

use super::*;
use crate::testing::record;

fn urgent(text: &[u8]) -> bool {
    let mut batch = Batch::new();
    batch.push_record(RunId(1), WallTime(1), &record(1, text));
    batch.urgent
}

#[test]
fn dying_words_are_urgent() {
    for text in [
        "Kernel panic - not syncing: sysrq triggered crash",
        "Oops: 0002 [#1] PREEMPT SMP",
        "BUG: kernel NULL pointer dereference, address: 0000000000000000",
        "Unable to handle kernel paging request at virtual address 0",
        "general protection fault, probably for non-canonical address",
        "watchdog: BUG: soft lockup - CPU#0 stuck for 22s!",
        "------------[ cut here ]------------",
        "Internal error: Oops: 0000000096000005 [#1] SMP",
    ] {
        assert!(urgent(text.as_bytes()), "{text}");
    }
    for text in ["", "usb 1-1: new device", "Booting", "-", "Kernel command line: quiet"] {
        assert!(!urgent(text.as_bytes()), "{text}");
    }
}

#[test]
fn levels_up_to_critical_are_urgent() {
    for (prefix, expected) in [(0, true), (2, true), (3, false), (6, false), (8 + 2, true)] {
        let mut batch = Batch::new();
        let record = Record { prefix: Some(Prefix(prefix)), ..record(1, b"x") };
        batch.push_record(RunId(1), WallTime(1), &record);
        assert_eq!(batch.urgent, expected, "{prefix}");
    }
}

#[test]
fn the_table_counts_what_the_lines_hold() {
    let mut batch = Batch::new();
    for (run, seq) in [(5, 10), (5, 9), (2, 1), (5, 12), (9, 0), (2, 4)] {
        let mut record = record(seq, b"x");
        record.seq = record.seq.filter(|seq| seq.0 != 0);
        batch.push_record(RunId(run), WallTime(100 + seq), &record);
    }
    batch.push_gap(Some(RunId(5)), WallTime(50), Cause::DroppedBySender, 3);
    batch.finish();
    let header = &batch.header;
    assert_eq!((header.entries, header.notes), (7, true));
    assert_eq!((header.first, header.last), (WallTime(50), WallTime(112)));
    let spans: Vec<_> = header.runs.iter().map(|s| (s.run.0, s.records, s.seq)).collect();
    assert_eq!(spans, [(2, 2, Some((1, 4))), (5, 3, Some((9, 12))), (9, 1, None)]);
    batch.clear();
    assert!(batch.is_empty() && batch.header == BlockHeader::default());
}

#[test]
fn a_warm_batch_takes_records_without_allocating() {
    let mut batch = Batch::new();
    let fill = |batch: &mut Batch| {
        for seq in 0..100 {
            batch.push_record(RunId(seq % 7), WallTime(seq), &record(seq, b"usb 1-1: new device"));
        }
    };
    fill(&mut batch);
    let room = (batch.text.capacity(), batch.header.runs.capacity());
    batch.clear();
    fill(&mut batch);
    assert_eq!((batch.text.capacity(), batch.header.runs.capacity()), room);
}

#[test]
fn a_block_is_ordinary_if_all_that_is_in_it_was_looked_at() {
    let batch = |ordinary: bool| {
        let mut batch = Batch::new();
        batch.push_record(RunId(1), WallTime(1), &record(1, b"x"));
        if ordinary {
            batch.mark_ordinary();
        }
        batch.finish();
        batch
    };
    for (batches, expected) in [
        (&[true][..], true),
        (&[true, true], true),
        (&[false, true], false),
        (&[true, false], false),
        (&[], false),
    ] {
        let mut block = BlockHeader::default();
        for ordinary in batches {
            block.absorb(&batch(*ordinary).header);
        }
        assert_eq!(block.ordinary, expected, "{batches:?}");
    }
    let mut again = batch(true);
    again.clear();
    assert!(!again.header.ordinary, "nobody has looked at what comes next");
}
