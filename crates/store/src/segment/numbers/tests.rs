use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

proptest! {
    /// Against a set: as long as no number comes twice, all that came are held, no others.
    #[test]
    fn ranges_agree_with_a_set(seqs in prop::collection::vec(0u64..60, 0..40)) {
        let (mut one, mut set, mut twice) = (RunNumbers::default(), BTreeSet::new(), false);
        for seq in seqs {
            one.count(WallTime(1), Some(seq), false);
            twice |= !set.insert(seq);
        }
        match &one.held {
            Held::Unsure => prop_assert!(twice),
            Held::Nothing => prop_assert!(set.is_empty()),
            Held::Plain => prop_assert!(false),
            Held::Ranges(ranges) => {
                prop_assert!(!twice);
                prop_assert!(ranges.windows(2).all(|pair| pair[0].1 + 1 < pair[1].0));
                let held: BTreeSet<u64> =
                    ranges.iter().flat_map(|(low, high)| *low..=*high).collect();
                prop_assert_eq!(held, set);
            }
        }
    }

    #[test]
    fn what_two_parts_hold_is_what_both_hold(
        seqs in prop::collection::vec((prop::option::weighted(0.95, 0u64..500), any::<bool>()), 0..40),
    ) {
        let (mut whole, mut parts) = (RunNumbers::default(), [(); 2].map(|()| RunNumbers::default()));
        for (received, (seq, first)) in (1..).zip(seqs) {
            whole.count(WallTime(received), seq, false);
            parts[usize::from(first)].count(WallTime(received), seq, false);
        }
        let [mut sum, other] = parts;
        sum.add(&other);
        prop_assert_eq!(sum, whole);
    }

    #[test]
    fn numbers_come_back(
        runs in prop::collection::vec(
            (any::<u64>(), prop::collection::vec((any::<u64>(), prop::option::of(any::<u64>()), any::<bool>()), 0..6)),
            0..20,
        ),
    ) {
        let mut numbers = Numbers::new();
        for (run, records) in runs {
            let one = numbers.numbers_of(RunId(run)).unwrap();
            one.gaps = run % 3 == 0;
            for (received, seq, msgid) in records {
                one.count(WallTime(received), seq, msgid);
            }
        }
        let mut bytes = Vec::new();
        numbers.emit(&mut bytes);
        let section = Section::parse(&bytes).unwrap();
        numbers.gather();
        prop_assert_eq!(section.runs().collect::<Vec<_>>(), numbers.runs);
    }

    #[test]
    fn any_bytes_are_numbers_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut rest = Bytes(&bytes);
        while RunNumbers::parse(&mut rest).is_some() && !rest.0.is_empty() {}
        drop(Section::parse(&bytes));
    }
}

#[test]
fn a_flood_has_no_numbers() {
    let mut numbers = Numbers::new();
    for run in 0..=RUNS_MAX as u64 {
        let head = Head::Record { run: RunId(run), received: WallTime(1), seq: None };
        numbers.count(b"", Some(&head));
    }
    let mut bytes = Vec::new();
    numbers.emit(&mut bytes);
    assert!(bytes.is_empty() && numbers.runs.is_empty());
}
