//! The basic format, situation by situation.

use netconsole_wire::*;

fn lines(payload: &[u8]) -> Vec<BasicLine<'_>> {
    match parse(payload) {
        Datagram::Basic(basic) => basic.lines().collect(),
        other => panic!("not basic: {other:?}"),
    }
}

fn plain(text: &[u8]) -> BasicLine<'_> {
    BasicLine { notice: None, prefix: None, time: None, caller: None, text }
}

#[test]
fn a_line_with_a_time() {
    let line = BasicLine { time: Some(PrintkTime(4_268_263)), ..plain(b"[    1.000000] text") };
    assert_eq!(lines(b"[    4.268263] [    1.000000] text\n"), [line]);
}

#[test]
fn a_line_with_level_time_and_caller() {
    let line = BasicLine {
        prefix: Some(Prefix(165)),
        time: Some(PrintkTime(123_456_000_001)),
        caller: Some(b"T12"),
        ..plain(b" text")
    };
    assert_eq!(lines(b"<165>[123456.000001][   T12]  text\n"), [line]);
}

#[test]
fn callers_are_at_least_six_wide() {
    for (line, caller) in [
        (&b"[    T1] x"[..], Some(&b"T1"[..])),
        (b"[     T1] x", Some(b"T1")),
        (b"[T12345] x", Some(b"T12345")),
        (b"[C1234567] x", Some(b"C1234567")),
        (b"[T1] x", None),
        (b"[   T1] x", None),
        (b"[    X1] x", None),
        (b"[     T] x", None),
        (b"[    T1]x", None),
    ] {
        assert_eq!(basic_line(line).caller, caller, "{}", line.escape_ascii());
    }
}

#[test]
fn a_time_counts_only_as_the_kernel_prints_it() {
    for line in [
        &b"[1.000000] x"[..],
        b"[     1.000000] x",
        b"[    1.00000] x",
        b"[    1.0000000] x",
        b"[00001.000000] x",
        b"[    1.000000]x",
        b"[    1.000000]",
        b"[    1,000000] x",
        b"[    1.00000a] x",
        b"[18446744073709551615.000000] x",
        b"[     ] x",
        b"[",
    ] {
        assert_eq!(basic_line(line), plain(line), "{}", line.escape_ascii());
    }
    assert_eq!(basic_line(b"[    0.000000] ").time, Some(PrintkTime(0)));
    assert_eq!(basic_line(b"[99999.999999] ").time, Some(PrintkTime(99_999_999_999)));
    assert_eq!(basic_line(b"[123456.000000] ").time, Some(PrintkTime(123_456_000_000)));
}

#[test]
fn a_level_without_a_time_leaves_all_that_follows() {
    let line = BasicLine { prefix: Some(Prefix(6)), ..plain(b" text") };
    assert_eq!(lines(b"<6> text"), [line]);
    assert_eq!(basic_line(b"<2047>x").prefix, Some(Prefix::MAX));
    for line in [&b"<2048>x"[..], b"<06>x", b"<>x", b"<6 >x", b"<6"] {
        assert_eq!(basic_line(line), plain(line));
    }
}

#[test]
fn each_line_of_a_record_has_its_own_prefix() {
    let found = lines(b"[    1.000000] a\n[    1.000000] b\n");
    assert_eq!(found.len(), 2);
    assert!(found.iter().all(|line| line.time == Some(PrintkTime(1_000_000))));
}

#[test]
fn empty_lines_inside_count_and_a_last_newline_begins_none() {
    assert_eq!(lines(b"a\n\nb\n"), [plain(b"a"), plain(b""), plain(b"b")]);
    assert_eq!(lines(b"\n"), [plain(b"")]);
    assert_eq!(lines(b"a"), [plain(b"a")]);
}

#[test]
fn notices_are_lines_of_their_own() {
    let found = lines(
        b"** 18511 printk messages dropped **\n** replaying previous printk message **\n[    1.000000] x\n",
    );
    let notices: Vec<_> = found.iter().map(|line| line.notice).collect();
    assert_eq!(notices, [Some(Notice::Dropped(18511)), Some(Notice::Replaying), None]);
    assert_eq!(found[0].text, b"");
}

#[test]
fn a_notice_of_an_older_kernel_is_glued_to_its_line() {
    let found = lines(b"** 127 printk messages dropped ** [    1.000000] x\n");
    assert_eq!(found.len(), 2);
    assert_eq!(found[0].notice, Some(Notice::Dropped(127)));
    assert_eq!((found[1].time, found[1].text), (Some(PrintkTime(1_000_000)), &b"x"[..]));
    let found = lines(b"** 127 printk messages dropped ** \nx\n");
    assert_eq!(found.len(), 2);
    assert_eq!(found[1].text, b"x");
}

#[test]
fn what_only_resembles_a_notice_is_text() {
    for line in [
        &b"** 01 printk messages dropped **"[..],
        b"** x printk messages dropped **",
        b"** 1 printk messages dropped **x",
        b"** 99999999999999999999 printk messages dropped **",
        b"**  printk messages dropped **",
        b" ** replaying previous printk message **",
        b"** replaying previous printk message **x",
    ] {
        assert_eq!(lines(line), [plain(line)], "{}", line.escape_ascii());
    }
}

#[test]
fn a_datagram_of_exactly_1000_bytes_without_newline_is_cut() {
    let cut = |payload: &[u8]| match parse(payload) {
        Datagram::Basic(basic) => basic.is_cut(),
        other => panic!("not basic: {other:?}"),
    };
    assert!(cut(&b"x".repeat(1000)));
    assert!(!cut(&b"x".repeat(999)));
    assert!(!cut(&[b"x".repeat(999), b"\n".to_vec()].concat()));
}

#[test]
fn headerless_and_empty_or_too_long_is_raw() {
    assert_eq!(parse(b""), Datagram::Raw(b""));
    let long = b"x".repeat(1001);
    assert_eq!(parse(&long), Datagram::Raw(&long));
    let record = Record::raw(b"text\n\n");
    assert_eq!((record.format, record.text), (Format::Raw, Text::Plain(b"text\n")));
}

#[test]
fn any_bytes_are_text() {
    let bytes = b"\x1b[31m\0\xff\xfe\r";
    assert_eq!(lines(bytes), [plain(bytes)]);
    assert_eq!(lines(bytes)[0].record(true).text, Text::Plain(bytes));
}

#[test]
fn a_line_becomes_a_record() {
    let record = basic_line(b"<6>[    1.000000][    C0] text\n").record(false);
    assert_eq!(record.format, Format::Basic);
    assert_eq!(record.prefix, Some(Prefix(6)));
    assert_eq!(record.time, Some(PrintkTime(1_000_000)));
    assert_eq!(record.caller, Some(&b"C0"[..]));
    assert_eq!(record.text, Text::Plain(b"text"));
    assert!(record.fields.is_empty() && record.seq.is_none() && !record.incomplete);
}

#[test]
fn the_rest_of_a_cut_line_is_told_from_a_new_one() {
    for line in [
        &b"[    1.000000] x"[..],
        b"<6>x\n",
        b"[    T1] x",
        b"** replaying previous printk message **\nx",
        b"** 7 printk messages dropped **\n[    1.000000] x",
    ] {
        assert!(starts_like_a_line(line), "{}", line.escape_ascii());
    }
    for rest in [&b"klmnop\n[    1.000000] x"[..], b"", b"\n", b"[x", b"00000] x"] {
        assert!(!starts_like_a_line(rest), "{}", rest.escape_ascii());
    }
}

#[test]
fn lines_joined_from_cut_datagrams_may_be_longer_than_a_datagram() {
    let text = [b"[    1.000000] ".to_vec(), b"x".repeat(3000)].concat();
    let found: Vec<_> = netconsole_wire::lines(&text).collect();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].text.len(), 3000);
}
