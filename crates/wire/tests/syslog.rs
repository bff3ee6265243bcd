//! Syslog on the same socket, situation by situation.

use netconsole_wire::*;

fn syslog(payload: &[u8]) -> Syslog<'_> {
    match parse(payload) {
        Datagram::Syslog(syslog) => syslog,
        other => panic!("not syslog: {other:?}"),
    }
}

fn fields<'a>(record: &Record<'a>) -> Vec<(&'a [u8], &'a [u8])> {
    record.fields.iter().map(|field| (field.key, field.value.bytes())).collect()
}

#[test]
fn the_first_example_of_rfc_3164() {
    let message =
        syslog(b"<34>Oct 11 22:14:15 mymachine su: 'su root' failed for lonvick on /dev/pts/8");
    assert_eq!(message.prefix, Prefix(34));
    let record = message.record();
    assert_eq!(record.format, Format::Rfc3164);
    assert_eq!(record.text, Text::Plain(b"'su root' failed for lonvick on /dev/pts/8"));
    assert_eq!(
        fields(&record),
        [
            (&b"timestamp"[..], &b"Oct 11 22:14:15"[..]),
            (b"hostname", b"mymachine"),
            (b"tag", b"su")
        ]
    );
}

#[test]
fn a_tag_with_a_process() {
    let message = syslog(b"<86>Nov  1 00:00:00 web1 sshd[4242]: session opened\n");
    assert_eq!(message.timestamp, Some(&b"Nov  1 00:00:00"[..]));
    assert_eq!((message.tag, message.pid), (Some(&b"sshd"[..]), Some(&b"4242"[..])));
    assert_eq!(message.text, b"session opened");
    let keys: Vec<_> = fields(&message.record()).iter().map(|field| field.0).collect();
    assert_eq!(keys, [&b"timestamp"[..], b"hostname", b"tag", b"pid"]);
}

#[test]
fn tags_as_they_are_met() {
    for (rest, tag, pid, text) in [
        ("h kernel: [    1.0] x", Some("kernel"), None, "[    1.0] x"),
        ("h postfix/smtpd[1]: x", Some("postfix/smtpd"), Some("1"), "x"),
        ("h (systemd)[9]: x", Some("(systemd)"), Some("9"), "x"),
        ("h %ASA-6-302013: Built", Some("%ASA-6-302013"), None, "Built"),
        ("h a::b: x", Some("a::b"), None, "x"),
        ("h tag:", Some("tag"), None, ""),
        ("h tag:  two spaces", Some("tag"), None, " two spaces"),
        ("h tag[]: x", Some("tag[]"), None, "x"),
        ("h no tag here", None, None, "no tag here"),
        ("h http://x/ y", None, None, "http://x/ y"),
        ("h : x", None, None, ": x"),
        ("h ", None, None, ""),
    ] {
        let payload = format!("<13>Jan 31 23:59:60 {rest}");
        let message = syslog(payload.as_bytes());
        assert_eq!(message.hostname, Some(&b"h"[..]), "{rest}");
        assert_eq!(message.tag, tag.map(str::as_bytes), "{rest}");
        assert_eq!(message.pid, pid.map(str::as_bytes), "{rest}");
        assert_eq!(message.text, text.as_bytes(), "{rest}");
    }
}

#[test]
fn a_client_that_leaves_out_its_host() {
    let message = syslog(b"<13>Jan 01 00:00:00 cron[1]: job");
    assert_eq!((message.hostname, message.tag), (None, Some(&b"cron"[..])));
    assert_eq!(message.text, b"job");
    let message = syslog(b"<13>Jan 01 00:00:00 word\n");
    assert_eq!((message.hostname, message.tag, message.text), (None, None, &b"word"[..]));
}

#[test]
fn a_time_of_rfc_3339_in_the_older_format() {
    let message = syslog(b"<13>2026-11-21T02:03:04.123456+01:00 web1 app: text");
    assert_eq!(message.format, Format::Rfc3164);
    assert_eq!(message.timestamp, Some(&b"2026-11-21T02:03:04.123456+01:00"[..]));
    assert_eq!((message.hostname, message.tag), (Some(&b"web1"[..]), Some(&b"app"[..])));
}

#[test]
fn a_date_that_is_none_makes_no_syslog() {
    for payload in [
        "<6>text",
        "<6>Oct 11 22:14:15",
        "<6>Oct 11 22:14:15x host tag: x",
        "<6>oct 11 22:14:15 host tag: x",
        "<6>Oct 32 22:14:15 host tag: x",
        "<6>Oct  0 22:14:15 host tag: x",
        "<6>Oct 1  22:14:15 host tag: x",
        "<6>Oct 11 24:14:15 host tag: x",
        "<6>Oct 11 22:60:15 host tag: x",
        "<6>Oct 11 22:14:61 host tag: x",
        "<6>Oct 11 2:14:15 host tag: x",
        "<192>Oct 11 22:14:15 host tag: x",
        "<6>2026-13-01T00:00:00Z host tag: x",
        "<6>2026-01-01T00:00:00 host tag: x",
        "<6>2026-01-01T00:00:00.Z host tag: x",
        "<6>2026-01-01T00:00:00.1234567890Z host tag: x",
        "<6>2026-01-01T00:00:00+0100 host tag: x",
        "<6>2026-01-01t00:00:00Z host tag: x",
    ] {
        let Datagram::Basic(basic) = parse(payload.as_bytes()) else { panic!("{payload}") };
        let line = basic.lines().next().unwrap();
        assert!(line.prefix.is_some(), "{payload}");
        assert!(payload.as_bytes().ends_with(line.text));
    }
}

#[test]
fn the_examples_of_rfc_5424() {
    let message = syslog(
        "<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - \u{feff}'su root' failed"
            .as_bytes(),
    );
    let record = message.record();
    assert_eq!(record.format, Format::Rfc5424);
    assert_eq!(record.text, Text::Plain(b"'su root' failed"));
    assert_eq!(
        fields(&record),
        [
            (&b"timestamp"[..], &b"2003-10-11T22:14:15.003Z"[..]),
            (b"hostname", b"mymachine.example.com"),
            (b"app_name", b"su"),
            (b"msgid", b"ID47"),
        ]
    );
    let message = syslog(
        br#"<165>1 2003-08-24T05:14:15.000003-07:00 192.0.2.1 myproc 8710 - [a@1 k="v \" ] \\"][b] text"#,
    );
    assert_eq!(message.pid, Some(&b"8710"[..]));
    assert_eq!(message.structured_data, Some(&br#"[a@1 k="v \" ] \\"][b]"#[..]));
    assert_eq!(message.text, b"text");
    let names: Vec<_> = fields(&message.record()).iter().map(|field| field.0).collect();
    assert_eq!(names, [&b"timestamp"[..], b"hostname", b"app_name", b"procid", b"structured_data"]);
}

#[test]
fn a_message_of_nothing_but_nils() {
    let message = syslog(b"<0>1 - - - - - -");
    assert!(message.record().fields.is_empty());
    assert_eq!(message.text, b"");
    assert_eq!(syslog(b"<0>1 - - - - - - \n").text, b"");
}

#[test]
fn what_is_no_rfc_5424_is_text() {
    for payload in [
        "<6>1 CPU online and some more words",
        "<6>2 - - - - - - text",
        "<6>1 - - - - - text",
        "<6>1 - - - - - [x text",
        "<6>1 - - - - - -text",
        "<6>1 - - - - - [x]text",
        "<6>1 -  - - - - text",
        "<192>1 - - - - - - text",
        "<6>1 CPU online and some - words",
        "<6>1 2003-10-11 - - - - - text",
        "<6>1 - web\x1b1 - - - - text",
        "<6>1 - web1\x7f - - - - text",
    ] {
        assert!(matches!(parse(payload.as_bytes()), Datagram::Basic(_)), "{payload}");
    }
}

#[test]
fn a_syslog_message_may_be_longer_than_a_netconsole_datagram() {
    let payload = [b"<13>Jan  1 00:00:00 h t: ".to_vec(), b"x".repeat(5000)].concat();
    assert_eq!(syslog(&payload).text.len(), 5000);
    assert_eq!(syslog(&payload).payload(), payload);
}

#[test]
fn hostile_bytes_are_kept() {
    let message = syslog(b"<13>Jan  1 00:00:00 \xff\xfe \x80[\xc3]: \x1b[31m\0\n\n");
    assert_eq!(message.hostname, Some(&b"\xff\xfe"[..]));
    assert_eq!((message.tag, message.pid), (Some(&b"\x80"[..]), Some(&b"\xc3"[..])));
    assert_eq!(message.text, b"\x1b[31m\0\n");
}

/// As rsyslog forwards what its imklog read.
#[test]
fn a_kernel_s_line_keeps_its_time_and_caller() {
    for head in
        ["<4>Nov 22 21:10:56 web1 kernel:", "<4>1 2026-11-22T21:10:56.123456Z web1 kernel - - -"]
    {
        for (message, time, caller, text) in [
            ("[   12.000001] usb 1-1: new device", Some(12_000_001), None, "usb 1-1: new device"),
            ("[   12.000001][  T117] x", Some(12_000_001), Some(&b"T117"[..]), "x"),
            ("[   12.000001] [    T1] x", Some(12_000_001), None, "[    T1] x"),
            ("[    T1] x", None, Some(b"T1"), "x"),
            ("[   12.000001]  frame+0x1/0x2", Some(12_000_001), None, " frame+0x1/0x2"),
            ("[drm] x", None, None, "[drm] x"),
            ("** 12 printk messages dropped **", None, None, "** 12 printk messages dropped **"),
        ] {
            let payload = format!("{head} {message}");
            let record = syslog(payload.as_bytes()).record();
            assert_eq!(record.time, time.map(PrintkTime), "{payload}");
            assert_eq!(record.caller, caller, "{payload}");
            assert_eq!(record.text, Text::Plain(text.as_bytes()), "{payload}");
        }
    }
    for payload in [
        &b"<30>Nov 22 21:10:56 web1 kernel: [   12.000001] x"[..],
        b"<4>Nov 22 21:10:56 web1 klogger: [   12.000001] x",
    ] {
        let record = syslog(payload).record();
        assert_eq!(record.time, None);
        assert_eq!(record.text, Text::Plain(b"[   12.000001] x"));
    }
}
