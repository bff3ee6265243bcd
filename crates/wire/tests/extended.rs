//! The extended format, situation by situation.

use netconsole_wire::*;

fn extended(payload: &[u8]) -> Extended<'_> {
    match parse(payload) {
        Datagram::Extended(extended) => extended,
        other => panic!("not extended: {other:?}"),
    }
}

fn is_extended(payload: &[u8]) -> bool {
    matches!(parse(payload), Datagram::Extended(_))
}

fn fields<'a>(record: &Record<'a>) -> Vec<(&'a [u8], Text<'a>, Origin)> {
    record.fields.iter().map(|field| (field.key, field.value, field.origin)).collect()
}

#[test]
fn a_message_with_userdata_is_taken_apart() {
    let message = extended(b"12,607,22085407756,-;This is a message\n foo=bar\n qux=baz\n");
    assert_eq!(message.header.prefix, Prefix(12));
    assert_eq!((message.header.prefix.level(), message.header.prefix.facility()), (4, 1));
    assert_eq!(message.header.seq, Sequence(607));
    assert_eq!(message.header.time, PrintkTime(22_085_407_756));
    assert_eq!(message.header.flags, Flags::None);
    assert_eq!(message.fragment(), None);
    let record = message.record();
    assert_eq!(record.format, Format::Extended);
    assert_eq!(record.text, Text::Escaped(b"This is a message"));
    assert!(!record.incomplete && !record.continued);
    assert_eq!(
        fields(&record),
        [
            (&b"foo"[..], Text::Plain(b"bar"), Origin::Userdata),
            (b"qux", Text::Plain(b"baz"), Origin::Userdata)
        ]
    );
}

#[test]
fn the_fragments_of_the_kernel_documentation_are_recognised() {
    let first = extended(b"6,416,1758426,-,ncfrag=0/31;the first chunk,");
    let second = extended(b"6,416,1758426,-,ncfrag=16/31; the 2nd chunk.");
    assert_eq!(first.fragment(), Some(Fragment { offset: 0, total: 31 }));
    assert_eq!(second.fragment(), Some(Fragment { offset: 16, total: 31 }));
    let body = [first.body, second.body].concat();
    let record = record_from(&first.header, &body, false);
    assert_eq!(record.text, Text::Escaped(b"the first chunk, the 2nd chunk."));
    assert!(record.fields.is_empty());
    assert!(first.record().incomplete);
}

#[test]
fn a_fragment_that_holds_all_is_whole() {
    assert!(!extended(b"6,1,2,-,ncfrag=0/4;abc\n").record().incomplete);
    assert!(extended(b"6,1,2,-,ncfrag=0/5;abc\n").record().incomplete);
}

#[test]
fn ncfrag_counts_in_any_position() {
    let payload = b"6,1,2,c,a=1,ncfrag=3/9,caller=T7,b=2;x";
    let message = extended(payload);
    assert_eq!(message.fragment(), Some(Fragment { offset: 3, total: 9 }));
    assert_eq!(message.header.caller, Some(&b"T7"[..]));
    assert_eq!(message.header.flags, Flags::Continued);
    let keys: Vec<_> = message.record().fields.iter().map(|field| field.key).collect();
    assert_eq!(keys, [b"a", b"b"]);
}

#[test]
fn an_ncfrag_or_caller_that_cannot_be_right_is_an_unknown_key() {
    for value in [
        "ncfrag=9/9",
        "ncfrag=10/9",
        "ncfrag=0/0",
        "ncfrag=01/9",
        "ncfrag=1/4294967296",
        "ncfrag=/9",
        "ncfrag=1",
        "ncfrag",
        "ncfrag=1/9x",
        "caller=",
        "caller=X1",
        "caller=T",
        "caller=T-1",
    ] {
        let payload = format!("6,1,2,-,{value};text\n");
        let message = extended(payload.as_bytes());
        assert_eq!((message.fragment(), message.header.caller), (None, None), "{value}");
        let record = message.record();
        let (key, rest) = value.split_once('=').unwrap_or((value, ""));
        let expected = (key.as_bytes(), Text::Plain(rest.as_bytes()), Origin::Header);
        assert_eq!(fields(&record), [expected], "{value}");
        assert!(!record.incomplete);
    }
}

#[test]
fn the_first_right_one_of_a_repeated_key_counts_and_the_others_are_fields() {
    let message = extended(b"6,1,2,-,caller=X,caller=T1,caller=C2,ncfrag=0/4,ncfrag=1/4;abc\n");
    assert_eq!(message.header.caller, Some(&b"T1"[..]));
    assert_eq!(message.fragment(), Some(Fragment { offset: 0, total: 4 }));
    let record = message.record();
    let values: Vec<_> = record.fields.iter().map(|field| field.value.bytes()).collect();
    assert_eq!(values, [&b"X"[..], b"C2", b"1/4"]);
}

#[test]
fn a_release_needs_no_dot() {
    for release in ["7.3.4+deb13-amd64", "mykernel", "6", "6-rc;1", "\u{e9}"] {
        let payload = format!("{release},6,416,1758426,-;text\n");
        let message = extended(payload.as_bytes());
        assert_eq!(message.header.release, Some(release.as_bytes()));
        assert_eq!(message.header.seq, Sequence(416));
    }
}

#[test]
fn what_cannot_be_a_release_makes_no_header() {
    let long = [b"x".repeat(65), b",6,1,2,-;text\n".to_vec()].concat();
    assert!(!is_extended(&long));
    assert!(is_extended(&long[1..]));
    assert!(!is_extended(b",6,1,2,-;text\n"));
    assert!(!is_extended(b"[    5.123456] foo,6,1,2,-;text\n"));
    assert!(!is_extended(b"a\nb,6,1,2,-;text\n"));
}

#[test]
fn a_header_that_no_kernel_writes_is_text() {
    for payload in [
        "2048,1,2,-;prefix too great",
        "06,1,2,-;leading zero",
        "6,01,2,-;leading zero",
        "6,1,002,-;leading zero",
        "6,18446744073709551616,2,-;overflow",
        "6,1,18446744073709551616,-;overflow",
        "6,1,-2,-;sign",
        "6,+1,2,-;sign",
        "6,1,2,x;flag",
        "6,1,2,;no flag",
        "6,1,2,cc;two flags",
        "6,1,2;no flags",
        "6,1,2,-",
        "6,1,2,-,a=1",
        "6,1,2,-,a=1\n;newline in a header",
        "6, 1,2,-;space",
        "6,,2,-;nothing",
        ";",
        "6",
        "6,",
    ] {
        assert!(matches!(parse(payload.as_bytes()), Datagram::Basic(_)), "{payload}");
    }
}

#[test]
fn the_greatest_numbers_are_read() {
    let message = extended(b"2047,18446744073709551615,18446744073709551615,+;x\n");
    assert_eq!(message.header.prefix, Prefix::MAX);
    assert_eq!(message.header.seq, Sequence(u64::MAX));
    assert_eq!(message.header.time, PrintkTime(u64::MAX));
    assert!(message.record().continued);
    assert_eq!(extended(b"0,0,0,-;").header.prefix, Prefix(0));
}

#[test]
fn a_text_that_looks_like_a_header_stays_text() {
    let record = extended(b"14,403,5723073,-;6,1,2,-;looks like a header\n").record();
    assert_eq!(record.text, Text::Escaped(b"6,1,2,-;looks like a header"));
}

#[test]
fn a_replay_notice_may_stand_before_the_header() {
    let message = extended(b"** replaying previous printk message **\n0,383,3188732,-;Oops\n");
    assert_eq!(message.notices.iter().collect::<Vec<_>>(), [Notice::Replaying]);
    assert_eq!(message.header.release, None);
    assert_eq!(message.header.seq, Sequence(383));
}

#[test]
fn a_replay_notice_may_stand_between_the_release_and_the_header() {
    let message = extended(
        b"7.3.4+deb13-amd64,** replaying previous printk message **\n0,383,31,-,ncfrag=0/99;Oops",
    );
    assert_eq!(message.notices.iter().collect::<Vec<_>>(), [Notice::Replaying]);
    assert_eq!(message.header.release, Some(&b"7.3.4+deb13-amd64"[..]));
    assert_eq!(message.fragment(), Some(Fragment { offset: 0, total: 99 }));
}

#[test]
fn notices_may_stand_on_both_sides_of_the_release() {
    let message = extended(
        b"** 7 printk messages dropped **\n** replaying previous printk message **\n6.1.0,\
          ** 18446744073709551615 printk messages dropped **\n6,1,2,-;x\n",
    );
    assert!(!message.notices.is_empty());
    assert_eq!(
        message.notices.iter().collect::<Vec<_>>(),
        [Notice::Dropped(7), Notice::Replaying, Notice::Dropped(u64::MAX)]
    );
    assert_eq!(message.header.release, Some(&b"6.1.0"[..]));
}

#[test]
fn a_usual_message_has_no_notice() {
    assert!(extended(b"6,1,2,-;x\n").notices.is_empty());
    assert_eq!(extended(b"6,1,2,-;x\n").notices, Notices::NONE);
}

#[test]
fn a_payload_longer_than_any_kernel_sends_still_counts() {
    let payload = [&b"6,1,2,-;"[..], &b"x".repeat(65_000)].concat();
    assert_eq!(extended(&payload).body.len(), 65_000);
}

#[test]
fn a_text_without_its_newline_is_whole() {
    assert_eq!(extended(b"6,1,2,-;cut").record().text, Text::Escaped(b"cut"));
    assert_eq!(extended(b"6,1,2,-;").record().text, Text::Escaped(b""));
    assert_eq!(extended(b"6,1,2,-;\n").record().text, Text::Escaped(b""));
}

#[test]
fn a_nul_in_the_place_of_the_last_newline_is_no_text() {
    assert_eq!(extended(b"6.1.0,6,1,2,-;text\0").record().text, Text::Escaped(b"text"));
    let record = extended(b"6.1.0,6,1,2,-;text\n DEVICE=c1:3\0").record();
    assert_eq!(fields(&record), [(&b"DEVICE"[..], Text::Escaped(b"c1:3"), Origin::Kernel)]);
}

#[test]
fn a_record_cut_inside_an_escape_keeps_the_half() {
    let record = extended(br"14,1,2,-;\xe2\x82\xac \xe2\x8").record();
    assert_eq!(record.text.unescaped().collect::<Vec<_>>(), b"\xe2\x82\xac \xe2\\x8");
}

#[test]
fn an_element_of_the_header_that_is_empty_is_passed_over() {
    let record = extended(b"6,1,2,-,,a=,b;x\n").record();
    assert_eq!(
        fields(&record),
        [(&b"a"[..], Text::Plain(b""), Origin::Header), (b"b", Text::Plain(b""), Origin::Header)]
    );
}
