use super::*;
use crate::testing::{key, run};

fn numbering() -> Numbering {
    Numbering::new(1000, 1000)
}

fn at(id: u64, address: u8) -> Run {
    Run { key: key(address, 6665), ..run(id) }
}

#[test]
fn boots_count_from_one_per_label() {
    let mut numbering = numbering();
    assert_eq!(numbering.number(&at(1, 1)), Some(1));
    assert_eq!(numbering.number(&at(2, 2)), Some(1));
    assert_eq!(numbering.number(&at(3, 1)), Some(2));
    assert_eq!(numbering.number(&at(1, 1)), Some(1), "told again, it keeps its number");
}

#[test]
fn streams_of_one_address_share_a_label() {
    let mut numbering = numbering();
    assert_eq!(numbering.number(&at(1, 1)), Some(1));
    let other_port = Run { key: key(1, 7000), ..run(2) };
    assert_eq!(numbering.number(&other_port), Some(2));
}

#[test]
fn a_name_moves_a_run_to_another_label() {
    let mut numbering = numbering();
    assert_eq!(numbering.number(&at(1, 1)), Some(1));
    let named = Run { host: Some(b"web1".to_vec()), ..at(1, 1) };
    assert_eq!(numbering.number(&named), Some(1));
    assert_eq!(numbering.number(&at(2, 1)), Some(1), "the address has its number back");
    let again = Run { host: Some(b"web1".to_vec()), ..at(3, 2) };
    assert_eq!(numbering.number(&again), Some(2));
}

#[test]
fn a_repeat_has_its_roots_number_and_gives_its_own_back() {
    let mut numbering = numbering();
    assert_eq!(numbering.number(&at(1, 1)), Some(1));
    let provisional = Run { verdict: Verdict::Provisional, ..at(2, 1) };
    assert_eq!(numbering.number(&provisional), Some(2));
    let same = Run { verdict: Verdict::SameAs(RunId(1)), ..at(2, 1) };
    assert_eq!(numbering.number(&same), Some(1));
    assert_eq!(numbering.number(&same), Some(1));
    assert_eq!(numbering.number(&at(3, 1)), Some(2), "the number is free again");
    let chained = Run { verdict: Verdict::SameAs(RunId(2)), ..at(4, 1) };
    assert_eq!(numbering.number(&chained), Some(1));
    let of_nobody = Run { verdict: Verdict::SameAs(RunId(99)), ..at(5, 1) };
    assert_eq!(numbering.number(&of_nobody), None);
}

#[test]
fn a_number_that_a_later_boot_follows_is_not_given_again() {
    let mut numbering = numbering();
    let provisional = Run { verdict: Verdict::Provisional, ..at(2, 1) };
    assert_eq!(numbering.number(&at(1, 1)), Some(1));
    assert_eq!(numbering.number(&provisional), Some(2));
    assert_eq!(numbering.number(&at(3, 1)), Some(3));
    numbering.number(&Run { verdict: Verdict::SameAs(RunId(1)), ..at(2, 1) });
    assert_eq!(numbering.number(&at(4, 1)), Some(4));
}

#[test]
fn numbers_go_on_after_a_restart() {
    let mut numbering = numbering();
    numbering.restore_label(b"192.0.2.1", 5);
    numbering.restore_run(&StoredRun { run: at(7, 1), boot: Some(4) });
    assert!(numbering.knows(RunId(7)));
    assert_eq!(numbering.number(&at(7, 1)), Some(4));
    assert_eq!(numbering.number(&at(8, 1)), Some(5));
    let same = Run { verdict: Verdict::SameAs(RunId(7)), ..at(9, 1) };
    assert_eq!(numbering.number(&same), Some(4));
}

#[test]
fn its_memory_is_bounded() {
    let mut numbering = Numbering::new(100, 100);
    for id in 1..5000 {
        numbering.number(&Run { host: Some(id.to_string().into_bytes()), ..run(id) });
    }
    assert!(numbering.next.len() <= 100 && numbering.runs.len() <= 100);
    assert!(numbering.knows(RunId(4999)), "the latest stay");
}

#[test]
fn lines_of_runs_stand_where_they_were_pushed() {
    let mut numbering = numbering();
    let mut batch = Batch::new();
    batch.push_run(&run(1));
    let record = crate::testing::record(1, b"x");
    batch.push_record(RunId(1), bedside_stream::WallTime(5), &record);
    batch.push_run(&Run { host: Some(b"a".to_vec()), ..run(1) });
    numbering.settle(&mut batch, b"G - 1 limit 3\n");
    let text = String::from_utf8(batch.text.clone()).unwrap();
    let kinds: Vec<_> = text.lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(kinds, ["G", "R", "1", "R"]);
    assert_eq!(batch.header.entries, 3, "the preface was counted by whoever wrote it");
    for line in &batch.lines {
        assert!(batch.text[line.line.clone()].starts_with(b"R 1\t"));
    }
    assert_eq!(batch.lines.iter().map(|line| line.leads).collect::<Vec<_>>(), [true, false]);
}
