use proptest::prelude::*;

use super::*;
use crate::entry::{decode_head, decode_said};

/// What a sealed block says of these lines: the section, and what is in the frame.
fn apart(text: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let (mut columns, mut before, mut frame) = (Columns::default(), None, Vec::new());
    for line in lines(text) {
        let Some(parts) = Parts::of(line) else {
            push_other(line, &mut frame);
            continue;
        };
        let (counted, known) = (parts.counted(), decode_said(line));
        assert_eq!(counted, known, "{}", line.escape_ascii());
        columns.push(&parts, before.as_ref(), &mut frame);
        before = Some(parts);
    }
    let mut section = Vec::new();
    columns.emit(frame.len(), &mut Compressor::new(1).unwrap(), &mut section).unwrap();
    (section, frame)
}

/// Puts them together again.
fn together(section: &[u8], frame: &[u8], text_len: usize, piece: usize) -> Option<Vec<u8>> {
    let header = BlockHeader { text_len: text_len as u32, ..BlockHeader::default() };
    let section = Section::parse(section, &header)?;
    let (mut columns, mut text) = (Vec::new(), Vec::new());
    section.unpack(&mut zstd::bulk::Decompressor::new().unwrap(), &mut columns)?;
    let mut joiner = section.joiner(&columns);
    let some: Vec<&[u8]> = lines(frame).collect();
    for lines in some.chunks(piece) {
        joiner.join(&lines.concat(), text_len, &mut text)?;
    }
    Some(text)
}

fn any_line() -> impl Strategy<Value = String> {
    let number = prop_oneof![
        Just(String::new()),
        any::<u64>().prop_map(|n| n.to_string()),
        "0{0,2}[0-9]{0,3}"
    ];
    let record = (
        0..3u64,
        any::<u64>(),
        "( [eb]!? (6\\.1)?|[ -~]{0,5})",
        [number.clone(), number.clone(), number],
        "c?,(T[12])?",
        "[ -~]{0,9}(\tmsgid=[0-9])?",
    )
        .prop_map(|(run, received, kind, [prefix, seq, time], end, said)| {
            format!("{run} {received}{kind},{prefix},{seq},{time},{end};{said}\n")
        });
    prop_oneof![4 => record, 1 => "[R;=0-9G#a-z -]{0,12}\n"]
}

proptest! {
    #[test]
    fn any_lines_come_back(list in proptest::collection::vec(any_line(), 0..30), piece in 1..9usize) {
        let text = list.concat().into_bytes();
        let (section, frame) = apart(&text);
        prop_assert!(frame.len() <= 2 * text.len());
        prop_assert_eq!(together(&section, &frame, text.len(), piece), Some(text));
    }

    #[test]
    fn any_frame_is_lines_or_refused(
        frame in "(12 # e 6,#,#?,#,c,\n|;[a-z]{0,3}\n|=[0-9;]{0,3}\n|[0-9 #,;]{0,9}\n){0,9}",
        text_len in 0..200usize,
    ) {
        let (section, _) = apart(b"12 7 e 6,3,1,5,c,;a\n12 8 e 6,3,2,6,c,;b\n");
        drop(together(&section, frame.as_bytes(), text_len, 3));
    }
}

#[test]
fn heads_that_differ_in_numbers_only_are_told_once() {
    let text = "R 12\tsource=10.0.0.1:6665\n\
        12 1795312583000123 e 6.12,6,468,514729715,,T1;usb 1-1: new\tSUBSYSTEM=usb\n\
        12 1795312583000125 e 6.12,6,469,514729720,,T1;; of two\n\
        12 1795312583000125 e 6.12,6,470,,,T1;no time\n\
        0012 what is this\n";
    let (section, frame) = apart(text.as_bytes());
    assert_eq!(
        String::from_utf8(frame.clone()).unwrap(),
        "R 12\tsource=10.0.0.1:6665\n\
        12 # e 6.12,#,#,#,,T1\n;usb 1-1: new\tSUBSYSTEM=usb\n;; of two\n\
        12 # e 6.12,#,#,,,T1\n;no time\n\
        =0012 what is this\n"
    );
    assert_eq!(together(&section, &frame, text.len(), 1), Some(text.into()));
    assert_eq!(together(&section, &frame, text.len() - 1, 1), None, "longer than it may be");
    let mut damaged = section;
    damaged[30] ^= 1;
    assert_eq!(together(&damaged, &frame, text.len(), 1), None);
}

#[test]
fn of_records_that_nobody_wants_only_their_places_are_left() {
    let text = "R 1\tx\n1 7 e 6,3,1,5,c,;one\n1 8 e 6,,2,6,c,;two\n1 9 e 6,,3,6,c,;three\n";
    let (section, frame) = apart(text.as_bytes());
    let header = BlockHeader { text_len: text.len() as u32, ..BlockHeader::default() };
    let section = Section::parse(&section, &header).unwrap();
    let (mut columns, mut some) = (Vec::new(), Vec::new());
    section.unpack(&mut zstd::bulk::Decompressor::new().unwrap(), &mut columns).unwrap();
    let at = |said: &[u8]| memchr::memmem::find(&frame, said).unwrap();
    let wanted = [0, at(b";two"), at(b";two") + 1];
    section.joiner(&columns).join_some(&frame, &wanted, true, text.len(), &mut some).unwrap();
    assert_eq!(String::from_utf8(some).unwrap(), "R 1\tx\n\n1 8 e 6,,2,6,c,;two\n\n");
}

#[test]
fn a_line_that_is_no_record_stays_as_it_is() {
    for line in
        ["R 1\tx\n", "G - 7 socket 3\n", "Z\n", "\n", ";\n", "=\n", "1 2\n", "1 02 e ,,,,,;\n"]
    {
        assert!(Parts::of(line.as_bytes()).is_none(), "{line}");
    }
    assert!(decode_head(b"1 2 b ,,,,,;x\n").is_some() && Parts::of(b"1 2 b ,,,,,;x\n").is_some());
}
