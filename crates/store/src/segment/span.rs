//! Spans of runs in a block header: some ten bytes each, as there may be one for each record.

use bedside_stream::{RunId, WallTime};

use super::RunSpan;
use super::header::{Bytes, push_small_varint};

/// How many of a run's records have a number: none, some, all, or all without a hole.
const NONE: u64 = 0;
const SOME: u64 = 1;
const ALL: u64 = 2;
const DENSE: u64 = 3;

/// Appends `runs`, which are sorted, of a block whose first record was received at `origin`.
pub(super) fn emit(runs: &[RunSpan], origin: WallTime, out: &mut Vec<u8>) {
    let mut before = 0;
    for span in runs {
        // Wrapping, so that any numbers come back as they were.
        let numbers = match span.seq {
            None => NONE,
            Some(_) if span.dense => DENSE,
            Some(_) if span.numbered => ALL,
            Some(_) => SOME,
        };
        push_small_varint(out, span.run.0.wrapping_sub(before));
        push_small_varint(out, u64::from(span.records) << 2 | numbers);
        push_small_varint(out, span.first.0.wrapping_sub(origin.0));
        push_small_varint(out, span.last.0.wrapping_sub(span.first.0));
        if let Some((low, high)) = span.seq {
            push_small_varint(out, low);
            if numbers != DENSE {
                push_small_varint(out, high.wrapping_sub(low));
            }
        }
        before = span.run.0;
    }
}

/// Reads `count` spans, those only from one run to another if they are given.
pub(super) fn parse(
    bytes: &mut Bytes<'_>,
    count: u32,
    origin: WallTime,
    only: Option<(RunId, RunId)>,
) -> Option<Vec<RunSpan>> {
    let mut before = 0u64;
    let most = if only.is_some() { 1 } else { (count as usize).min(bytes.0.len() / SHORTEST) };
    let mut runs = Vec::with_capacity(most);
    for _ in 0..count {
        let run = before.wrapping_add(bytes.small_varint()?);
        if only.is_some_and(|(_, last)| run > last.0) {
            break;
        }
        let records = bytes.small_varint()?;
        let (numbers, records) = (records & 3, u32::try_from(records >> 2).ok()?);
        let first = origin.0.wrapping_add(bytes.small_varint()?);
        let last = first.wrapping_add(bytes.small_varint()?);
        let (numbered, dense) = (numbers >= ALL, numbers == DENSE);
        let seq = if numbers == NONE {
            None
        } else {
            let low = bytes.small_varint()?;
            let width =
                if dense { u64::from(records.checked_sub(1)?) } else { bytes.small_varint()? };
            Some((low, low.wrapping_add(width)))
        };
        let (first, last) = (WallTime(first), WallTime(last));
        if only.is_none_or(|(first, _)| run >= first.0) {
            runs.push(RunSpan { run: RunId(run), records, first, last, seq, numbered, dense });
        }
        before = run;
    }
    Some(runs)
}

/// The bytes of the shortest span.
const SHORTEST: usize = 4;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_span() -> impl Strategy<Value = RunSpan> {
        let seq = proptest::option::of((any::<u64>(), any::<u64>()));
        (any::<u64>(), any::<u32>(), any::<[u64; 2]>(), seq, any::<[bool; 2]>()).prop_map(
            |(run, records, [first, last], seq, [numbered, dense])| {
                let numbered = numbered && seq.is_some();
                let dense = dense && numbered && records > 0;
                let upto = |low: u64| low.wrapping_add(u64::from(records.saturating_sub(1)));
                let seq = seq.map(|(low, high)| (low, if dense { upto(low) } else { high }));
                let (first, last) = (WallTime(first), WallTime(last));
                RunSpan { run: RunId(run), records, first, last, seq, numbered, dense }
            },
        )
    }

    proptest! {
        #[test]
        fn any_spans_come_back(
            spans in proptest::collection::vec(any_span(), 0..20),
            origin in any::<u64>(),
        ) {
            let mut bytes = Vec::new();
            emit(&spans, WallTime(origin), &mut bytes);
            let mut rest = Bytes(&bytes);
            let count = spans.len() as u32;
            prop_assert_eq!(parse(&mut rest, count, WallTime(origin), None), Some(spans));
            prop_assert!(rest.0.is_empty());
        }

        #[test]
        fn any_bytes_are_spans_or_refused(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
            count in any::<u32>(),
        ) {
            drop(parse(&mut Bytes(&bytes), count, WallTime(7), None));
        }
    }

    #[test]
    fn one_of_many_interleaved_runs_takes_a_dozen_bytes() {
        let span = |run| RunSpan {
            run: RunId(run),
            records: 1,
            first: WallTime(1_795_182_440_000_000 + 900_000),
            last: WallTime(1_795_182_440_000_000 + 900_000),
            seq: Some((100_000, 100_000)),
            numbered: true,
            dense: true,
        };
        let mut bytes = Vec::new();
        emit(&[span(9_999), span(10_000)], WallTime(1_795_182_440_000_000), &mut bytes);
        assert!(bytes.len() <= 20, "{}", bytes.len());
    }
}
