use std::net::SocketAddr;

use bedside_stream::{LastWord, StreamKey, Verdict};
use netconsole_wire::{Fields, Record, Text};
use proptest::prelude::*;

use super::*;

fn record<'a>(text: Text<'a>, fields: Fields<'a>) -> Record<'a> {
    Record {
        format: Format::Extended,
        release: Some(b"6.12.94"),
        prefix: Some(Prefix(6)),
        seq: Some(Sequence(468)),
        time: Some(PrintkTime(514_729_715)),
        continued: false,
        caller: Some(b"T1"),
        text,
        fields,
        incomplete: false,
    }
}

fn line_of(record: &Record<'_>) -> Vec<u8> {
    let mut line = Vec::new();
    write_record(&mut line, RunId(12), WallTime(1_795_312_583_000_123), record);
    line
}

fn text_of(line: &[u8]) -> Vec<u8> {
    let Some(Entry::Record(stored)) = Entry::decode(line) else {
        panic!("{}", line.escape_ascii())
    };
    stored.text_bytes()
}

#[test]
fn the_line_of_the_format_document() {
    let fields = Fields::new(b"", b" SUBSYSTEM=usb\n DEVICE=c189:1\n");
    let line = line_of(&record(Text::Escaped(b"usb 1-1: new device"), fields));
    let expected = b"12 1795312583000123 e 6.12.94,6,468,514729715,,T1;usb 1-1: new device\
        \tSUBSYSTEM=usb\tDEVICE=c189:1\n";
    assert_eq!(line.escape_ascii().to_string(), expected.escape_ascii().to_string());
    let head =
        Head::Record { run: RunId(12), received: WallTime(1_795_312_583_000_123), seq: Some(468) };
    assert_eq!(decode_head(&line), Some(head));
}

#[test]
fn a_record_of_which_nothing_is_known() {
    let empty = Record {
        format: Format::Raw,
        release: None,
        prefix: None,
        seq: None,
        time: None,
        caller: None,
        incomplete: true,
        ..record(Text::Plain(b""), Fields::EMPTY)
    };
    let line = line_of(&empty);
    assert_eq!(line, b"12 1795312583000123 x! ,,,,,;\n");
    let Some(Entry::Record(stored)) = Entry::decode(&line) else { panic!() };
    assert_eq!((stored.release, stored.caller, stored.seq), (None, None, None));
    assert!(stored.incomplete && stored.fields.is_empty());
}

#[test]
fn printks_own_escapes_are_taken_over_and_forged_ones_are_not() {
    let canonical = Text::Escaped(br"tab\x09 back\x5cslash \xe2\x82");
    assert!(
        line_of(&record(canonical, Fields::EMPTY))
            .ends_with(b";tab\\x09 back\\x5cslash \\xe2\\x82\n")
    );
    for (given, kept) in [
        (&br"half \x0"[..], &br"half \x5cx0"[..]),
        (br"\x41 is A", b"A is A"),
        (br"\xAB", br"\x5cxAB"),
        (br"\", br"\x5c"),
        (b"raw\x1b\t", br"raw\x1b\x09"),
    ] {
        let line = line_of(&record(Text::Escaped(given), Fields::EMPTY));
        let mut expected = kept.to_vec();
        expected.push(b'\n');
        assert!(line.ends_with(&expected), "{}", line.escape_ascii());
    }
}

#[test]
fn msgid_is_the_last_of_its_name() {
    let fields = Fields::new(b"", b" msgid=7\n cpu=0\n taskname=x\n msgid=12\n");
    let line = line_of(&record(Text::Escaped(b"x"), fields));
    let Some(Entry::Record(stored)) = Entry::decode(&line) else { panic!() };
    assert_eq!(stored.msgid(), Some(12));
}

#[test]
fn unknown_lines_and_keys_are_passed_over() {
    assert_eq!(Entry::decode(b"Z something\n"), None);
    assert_eq!(Entry::decode(b""), None);
    assert_eq!(decode_head(b"Z"), None);
    let line = b"R 7\tsource=1.2.3.4:5\tport=6666\tfirst=9\tverdict=boot\tboot=3\tcolour=red\n";
    let Some(Entry::Run(stored)) = Entry::decode(line) else { panic!() };
    assert_eq!((stored.run.id, stored.boot), (RunId(7), Some(3)));
    assert_eq!(stored.host_label(), b"1.2.3.4");
}

#[test]
fn gaps_come_back() {
    for run in [None, Some(RunId(9))] {
        for cause in [Cause::DroppedBySender, Cause::Socket, Cause::Limit] {
            let gap = StoredGap { run, received: WallTime(5), cause, count: u64::MAX };
            let mut line = Vec::new();
            write_gap(&mut line, run, gap.received, cause, gap.count);
            assert_eq!(Entry::decode(&line), Some(Entry::Gap(gap)));
            assert_eq!(decode_head(&line), Some(Head::Gap(gap)));
        }
    }
}

prop_compose! {
    fn any_run()(
        id in any::<u64>(), source in any::<SocketAddr>(), port in any::<u16>(),
        first in any::<u64>(), verdict in 0..3usize, root in any::<u64>(),
        host in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..40)),
        boot_id in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..40)),
        release in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..40)),
        word in 0..3usize, boot in proptest::option::of(any::<u32>()), stranger in any::<bool>(),
    ) -> StoredRun {
        // A scope or a flow label is no part of a stream's name.
        let source = SocketAddr::new(source.ip(), source.port());
        let verdict = [Verdict::Provisional, Verdict::Boot, Verdict::SameAs(RunId(root))][verdict];
        let last_word = [None, Some(LastWord::Clean), Some(LastWord::Panic)][word];
        let key = StreamKey::new(source, port);
        let first_received = WallTime(first);
        let run = Run {
            id: RunId(id),
            key,
            first_received,
            verdict,
            host,
            boot_id,
            release,
            last_word,
            stranger,
        };
        StoredRun { run, boot }
    }
}

proptest! {
    #[test]
    fn runs_come_back(stored in any_run()) {
        let mut line = Vec::new();
        write_run(&mut line, &stored);
        prop_assert!(is_a_line(&line));
        prop_assert_eq!(decode_head(&line), Some(Head::Run(stored.run.id)));
        prop_assert_eq!(Entry::decode(&line), Some(Entry::Run(stored)));
    }

    #[test]
    fn records_come_back(
        text in proptest::collection::vec(any::<u8>(), 0..200),
        header in proptest::collection::vec(any::<u8>(), 0..40),
        dictionary in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b' '), Just(b'='), any::<u8>()], 0..80),
        release in proptest::collection::vec(any::<u8>(), 1..30),
        caller in proptest::collection::vec(any::<u8>(), 1..10),
        escaped in any::<bool>(), seq in proptest::option::of(any::<u64>()),
    ) {
        let given = Record {
            seq: seq.map(Sequence),
            release: Some(&release),
            caller: Some(&caller),
            ..record(
                if escaped { Text::Escaped(&text) } else { Text::Plain(&text) },
                Fields::new(&header, &dictionary),
            )
        };
        let line = line_of(&given);
        prop_assert!(is_a_line(&line), "{}", line.escape_ascii());
        let Some(Entry::Record(stored)) = Entry::decode(&line) else { panic!() };
        prop_assert_eq!(stored.text_bytes(), exact(given.text));
        prop_assert_eq!(stored.release_bytes(), Some(release.clone()));
        prop_assert_eq!(stored.caller_bytes(), Some(caller.clone()));
        prop_assert_eq!(stored.seq, given.seq);
        let kept = stored.fields.iter().map(|(key, value)| (unescape(key), unescape(value)));
        let sent = given.fields.iter().map(|field| (field.key.to_vec(), exact(field.value)));
        prop_assert_eq!(kept.collect::<Vec<_>>(), sent.collect::<Vec<_>>());
    }

    #[test]
    fn equal_bytes_give_equal_lines(text in proptest::collection::vec(any::<u8>(), 0..100)) {
        let mut escaped = Vec::new();
        escape_into(&text, Place::Text, &mut escaped);
        prop_assert!(is_canonical(&escaped));
        prop_assert_eq!(unescape(&escaped), text.clone());
        let plain = line_of(&record(Text::Plain(&text), Fields::EMPTY));
        prop_assert_eq!(plain, line_of(&record(Text::Escaped(&escaped), Fields::EMPTY)));
    }

    #[test]
    fn canonical_is_what_escaping_makes(text in "[ -~]{0,8}(\\\\x[0-9a-fA-F]{2}|\\\\|x|5c){0,6}") {
        let mut again = Vec::new();
        escape_into(&unescape(text.as_bytes()), Place::Text, &mut again);
        prop_assert_eq!(is_canonical(text.as_bytes()), again == text.as_bytes());
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(line in proptest::collection::vec(any::<u8>(), 0..120)) {
        let _ = (Entry::decode(&line), decode_head(&line));
    }

    #[test]
    fn lines_almost_right_are_read_without_a_panic(
        line in "(R |G |[0-9]{1,3} )?([0-9]{1,21}|-)?( [eb35x]!? )?[0-9,;=\\-\t a-z:.]{0,60}",
    ) {
        if let Some(Entry::Record(record)) = Entry::decode(line.as_bytes()) {
            prop_assert!(decode_head(line.as_bytes()).is_some());
            prop_assert_eq!(text_of(line.as_bytes()), record.text_bytes());
            let _ = (record.msgid(), record.fields.iter().count());
        }
    }
}

fn exact(text: Text<'_>) -> Vec<u8> {
    match text {
        Text::Escaped(bytes) => netconsole_wire::unescape(bytes).collect(),
        Text::Plain(bytes) => bytes.to_vec(),
    }
}

/// Printable ASCII and tabs, then the one newline.
fn is_a_line(line: &[u8]) -> bool {
    let (last, rest) = line.split_last().expect("a line has a newline");
    *last == b'\n' && rest.iter().all(|b| matches!(b, b'\t' | b' '..=b'~'))
}
