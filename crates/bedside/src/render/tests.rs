//! What each format makes of ordinary and of hostile records, gaps and boots.

mod boots;

use std::sync::Arc;

use bedside_store::read::{BootSummary, End, Gap, OwnedRecord};
use bedside_stream::{Cause, RunId, Voice, WallTime};
use netconsole_wire::Format;
use netconsole_wire::closing::Reason;

use super::*;

/// 2026-11-20 13:44:37.545145 UTC.
const NOW: WallTime = WallTime(1_795_182_277_545_145);

fn record(text: &[u8]) -> OwnedRecord {
    OwnedRecord {
        host: Arc::from("web1"),
        boot: 3,
        run: RunId(7),
        source: "10.0.0.7:6665".parse().unwrap(),
        port: 6666,
        voice: Voice::Plain,
        received: NOW,
        format: Format::Extended,
        incomplete: false,
        release: Some(b"6.12.94".to_vec()),
        prefix: Some(3),
        seq: Some(468),
        time_us: Some(514_729_715),
        continued: false,
        caller: Some(b"T123".to_vec()),
        text: text.to_vec(),
        fields: vec![(b"SUBSYSTEM".to_vec(), b"pci".to_vec()), (b"cpu".to_vec(), b"1".to_vec())],
    }
}

/// A record that wants to clear the screen, retitle it, hide, reorder and forge.
fn hostile() -> OwnedRecord {
    OwnedRecord {
        host: Arc::from("\u{9b}2Jw\u{202e}eb"),
        release: Some(b"6\x1b[1m".to_vec()),
        caller: Some(b"T\x07".to_vec()),
        fields: vec![(b"k\x1b=".to_vec(), b"v\n web1 forged\x7f".to_vec())],
        ..record(b"\x1b]0;owned\x07\xff\xc2\x9b31m\n2026-11-20 00:00:00.000 db1 forged\r\t\0")
    }
}

fn basic(text: &[u8]) -> OwnedRecord {
    OwnedRecord {
        source: "[::ffff:10.0.0.7]:6665".parse().unwrap(),
        format: Format::Basic,
        incomplete: true,
        release: None,
        prefix: None,
        seq: None,
        time_us: None,
        caller: None,
        fields: Vec::new(),
        ..record(text)
    }
}

fn gap(cause: Cause, count: u64) -> Gap {
    let is_hole = matches!(cause, Cause::Proven | Cause::Probable);
    let is_loose = cause == Cause::Socket;
    Gap {
        cause,
        count,
        from_seq: is_hole.then_some(469),
        to_seq: is_hole.then_some(468 + count),
        received: NOW,
        host: (!is_loose).then(|| Arc::from("web1")),
        boot: (!is_loose).then_some(3),
        source: (!is_loose).then(|| "[2001:db8::7]:6665".parse().unwrap()),
        port: Some(6666),
    }
}

fn boot(number: u32, first_s_ago: u64, last_s_ago: u64, end: Option<End>) -> BootSummary {
    BootSummary {
        host: Arc::from("web1"),
        number,
        runs: vec![RunId(7)],
        sources: vec!["10.0.0.7:6665".parse().unwrap()],
        ports: vec![6666],
        boot_id: None,
        release: Some(b"6.12.94".to_vec()),
        first_received: WallTime(NOW.0 - first_s_ago * 1_000_000),
        last_received: WallTime(NOW.0 - last_s_ago * 1_000_000),
        end,
        superseded: false,
        provisional: false,
        voice: Voice::Plain,
        signed_records: 0,
        signs: false,
    }
}

fn mark(event: BootEvent, boot: &BootSummary) -> BootMark<'_> {
    BootMark { event, boot, records: Some(41), before: None, fate: None, delivery: None, now: NOW }
}

fn shown_with(output: Output, look: Look, all: &[Shown<'_>]) -> String {
    let mut out = Vec::new();
    let mut render = renderer(output, look);
    for shown in all {
        render.show(*shown, &mut out).unwrap();
    }
    render.settle(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn shown(output: Output, all: &[Shown<'_>]) -> String {
    shown_with(output, Look::default(), all)
}

#[test]
fn short_is_a_line_like_the_consoles() {
    assert_eq!(
        shown(Output::Short, &[Shown::Record(&record(b"BUG: unable to handle page fault"))]),
        "2026-11-20 13:44:37.545 web1 [  514.729715][  T123] BUG: unable to handle page fault\n"
    );
    assert_eq!(
        shown(Output::Short, &[Shown::Record(&basic(b"no time, no level"))]),
        "2026-11-20 13:44:37.545 web1 no time, no level [incomplete]\n"
    );
}

#[test]
fn short_indents_the_lines_of_a_record() {
    assert_eq!(
        shown(Output::Short, &[Shown::Record(&record(b"one\ntwo\n"))]),
        "2026-11-20 13:44:37.545 web1 [  514.729715][  T123] one\n\
         \x20                                                   two\n\
         \x20                                                   \n"
    );
}

#[test]
fn full_has_a_line_for_each_field() {
    assert_eq!(
        shown(Output::Full, &[Shown::Record(&record(b"one\ntwo"))]),
        "\
2026-11-20 13:44:37.545145 web1
    boot        3
    source      10.0.0.7:6665 to port 6666
    format      extended
    seq         468
    uptime      514.729715 s
    level       3 (err)
    facility    0
    caller      T123
    release     6.12.94
    text        one
                two
    SUBSYSTEM   pci
    cpu         1

"
    );
}

#[test]
fn json_is_as_the_contract_says() {
    assert_eq!(
        shown(Output::Json, &[Shown::Record(&record(b"a \"b\"\nc"))]),
        concat!(
            r#"{"v":1,"type":"record","host":"web1","source":"10.0.0.7:6665","port":6666,"boot":3,"#,
            r#""received":"2026-11-20T13:44:37.545145Z","seq":468,"uptime_us":514729715,"level":3,"#,
            r#""facility":0,"caller":"T123","release":"6.12.94","format":"extended","voice":"plain","#,
            r#""text":"a \"b\"\nc","fields":{"SUBSYSTEM":"pci","cpu":"1"},"incomplete":false}"#,
            "\n"
        )
    );
    assert_eq!(
        shown(Output::Json, &[Shown::Record(&basic(b"a\xffb"))]),
        concat!(
            r#"{"v":1,"type":"record","host":"web1","source":"10.0.0.7:6665","port":6666,"boot":3,"#,
            r#""received":"2026-11-20T13:44:37.545145Z","seq":null,"uptime_us":null,"level":null,"#,
            r#""facility":null,"caller":null,"release":null,"format":"basic","voice":"plain","#,
            "\"text\":\"a\u{fffd}b\",\"text_b64\":\"Yf9i\",\"fields\":{},\"incomplete\":true}\n"
        )
    );
}

#[test]
fn json_of_gaps_has_null_for_what_is_not_known() {
    assert_eq!(
        shown(Output::Json, &[Shown::Gap(&gap(Cause::Probable, 12))]),
        concat!(
            r#"{"v":1,"type":"gap","host":"web1","source":"[2001:db8::7]:6665","port":6666,"#,
            r#""boot":3,"received":"2026-11-20T13:44:37.545145Z","cause":"probable","count":12,"#,
            r#""from_seq":469,"to_seq":480}"#,
            "\n"
        )
    );
    assert_eq!(
        shown(Output::Json, &[Shown::Gap(&gap(Cause::Socket, 5))]),
        concat!(
            r#"{"v":1,"type":"gap","host":null,"source":null,"port":6666,"boot":null,"#,
            r#""received":"2026-11-20T13:44:37.545145Z","cause":"socket","count":5,"#,
            r#""from_seq":null,"to_seq":null}"#,
            "\n"
        )
    );
}

#[test]
fn json_of_a_boot_says_its_end_at_its_end() {
    let boot = boot(3, 60, 2, Some(End::Panic));
    assert_eq!(
        shown(Output::Json, &[Shown::Boot(&mark(BootEvent::Begin, &boot))]),
        concat!(
            r#"{"v":1,"type":"boot","host":"web1","source":"10.0.0.7:6665","port":6666,"boot":3,"#,
            r#""received":"2026-11-20T13:43:37.545145Z","event":"begin","end":null,"fate":null,"death":null,"voice":"plain","signs":false,"#,
            r#""provisional":false,"same_as":null,"#,
            r#""release":"6.12.94","first_received":"2026-11-20T13:43:37.545145Z","#,
            r#""last_received":"2026-11-20T13:44:35.545145Z","records":41}"#,
            "\n"
        )
    );
    assert_eq!(
        shown(Output::Json, &[Shown::Boot(&mark(BootEvent::End(End::Panic), &boot))]),
        concat!(
            r#"{"v":1,"type":"boot","host":"web1","source":"10.0.0.7:6665","port":6666,"boot":3,"#,
            r#""received":"2026-11-20T13:44:35.545145Z","event":"end","end":"panic","fate":null,"death":null,"voice":"plain","signs":false,"#,
            r#""provisional":false,"same_as":null,"#,
            r#""release":"6.12.94","first_received":"2026-11-20T13:43:37.545145Z","#,
            r#""last_received":"2026-11-20T13:44:35.545145Z","records":41}"#,
            "\n"
        )
    );
    let taken_back = shown(Output::Json, &[Shown::Boot(&mark(BootEvent::Joined(4), &boot))]);
    assert!(taken_back.contains(r#""boot":4,"#), "{taken_back}");
    assert!(taken_back.contains(r#""event":"end","end":null,"#), "{taken_back}");
    assert!(taken_back.contains(r#""same_as":3,"#), "{taken_back}");
}

#[test]
fn raw_is_the_exact_bytes_and_nothing_else() {
    let (boot, hostile) = (boot(3, 60, 2, None), hostile());
    let all = [
        Shown::Boot(&mark(BootEvent::Begin, &boot)),
        Shown::Gap(&gap(Cause::Socket, 1)),
        Shown::Record(&hostile),
    ];
    let mut out = Vec::new();
    let mut render = renderer(Output::Raw, Look::default());
    for shown in all {
        render.show(shown, &mut out).unwrap();
    }
    assert_eq!(out, [&hostile.text[..], b"\n"].concat());
}

#[test]
fn gaps_say_no_more_than_is_known() {
    let each = |cause, count| shown(Output::Short, &[Shown::Gap(&gap(cause, count))]);
    assert_eq!(each(Cause::Probable, 12), "── 12 records not seen (filtered or lost) ──\n");
    assert_eq!(each(Cause::Probable, 1), "── 1 record not seen (filtered or lost) ──\n");
    assert_eq!(each(Cause::Proven, 2), "── 2 records lost on the way (sent, never heard) ──\n");
    assert_eq!(
        each(Cause::DroppedBySender, 18_511),
        "── 18511 records dropped by the sender (its log buffer overran) ──\n"
    );
    assert_eq!(
        each(Cause::Socket, 3),
        "── 3 datagrams lost here, of any machine (the socket's buffer was full) ──\n"
    );
    assert_eq!(each(Cause::Limit, 4), "── 4 not kept (a limit of the doctor was reached) ──\n");
}

#[test]
fn gaps_without_a_record_between_are_summed_up() {
    let (one, two, other) =
        (gap(Cause::Probable, 3), gap(Cause::Probable, 4), gap(Cause::Proven, 1));
    assert_eq!(
        shown(Output::Short, &[Shown::Gap(&one), Shown::Gap(&other), Shown::Gap(&two)]),
        "── 7 records not seen (filtered or lost), in 2 places ──\n\
         ── 1 record lost on the way (sent, never heard) ──\n"
    );
}

#[test]
fn with_several_hosts_gaps_and_boots_are_named() {
    let look = Look { several_hosts: true, host_width: 6, ..Look::default() };
    let third = boot(3, 60, 20, None);
    assert_eq!(
        shown_with(
            Output::Short,
            look,
            &[
                Shown::Boot(&mark(BootEvent::Begin, &third)),
                Shown::Gap(&gap(Cause::Probable, 12)),
                Shown::Gap(&gap(Cause::Socket, 1)),
                Shown::Record(&basic(b"x")),
            ]
        ),
        "── web1: boot 3, 6.12.94 ──\n\
         ── web1: 12 records not seen (filtered or lost) ──\n\
         ── 1 datagram lost here, of any machine (the socket's buffer was full) ──\n\
         2026-11-20 13:44:37.545 web1   x [incomplete]\n"
    );
}

#[test]
fn levels_and_hosts_have_colours() {
    let look = Look { palette: Palette::new(true), several_hosts: true, ..Look::default() };
    let line = shown_with(Output::Short, look, &[Shown::Record(&record(b"bad"))]);
    assert!(line.contains("\u{1b}[31mbad\u{1b}[0m"), "{line:?}");
    assert!(line.contains("mweb1\u{1b}[0m"), "{line:?}");
}

/// No byte of theirs acts on a terminal, in any format that goes to one.
#[test]
fn hostile_bytes_are_shown_not_obeyed() {
    let hostile = hostile();
    let boot = BootSummary {
        host: Arc::clone(&hostile.host),
        release: Some(b"6\x1b[1m\n".to_vec()),
        ..boot(3, 60, 2, None)
    };
    let gap = Gap { host: Some(Arc::clone(&hostile.host)), ..gap(Cause::Probable, 1) };
    let all = [
        Shown::Boot(&mark(BootEvent::Begin, &boot)),
        Shown::Gap(&gap),
        Shown::Record(&hostile),
        Shown::Boot(&mark(BootEvent::Named, &boot)),
    ];
    for output in [Output::Short, Output::Full, Output::Json] {
        let look = Look { several_hosts: true, ..Look::default() };
        let text = shown_with(output, look, &all);
        let acting: Vec<char> = text.chars().filter(|c| *c != '\n' && escape::acts(*c)).collect();
        assert!(acting.is_empty(), "{output:?}: {acting:?}\n{text}");
        assert!(!text.lines().any(|line| line.starts_with("2026-11-20 00")), "{output:?}: {text}");
    }
    assert_eq!(
        shown(Output::Short, &[Shown::Record(&hostile)]),
        "2026-11-20 13:44:37.545 \\xc2\\x9b2Jw\\xe2\\x80\\xaeeb [  514.729715][ T\\x07] \
         \\x1b]0;owned\\x07\\xff\\xc2\\x9b31m\n\
         \x20                                                                        \
         2026-11-20 00:00:00.000 db1 forged\\x0d        \\x00\n"
    );
}

/// A reader of JSON gets back exactly what was meant, whatever was escaped on the way.
#[test]
fn json_keeps_the_value_of_what_it_escapes() {
    let line = shown(Output::Json, &[Shown::Record(&hostile())]);
    let value: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(value["host"], "\u{9b}2Jw\u{202e}eb");
    assert_eq!(value["fields"]["k\u{1b}="], "v\n web1 forged\u{7f}");
    assert!(line.contains(r"\u009b2Jw\u202eeb"), "{line}");
}

#[test]
fn a_line_of_pstore_is_marked_in_every_form_but_the_bare_bytes() {
    let line = record(b"its last word");
    let all = [Shown::Pstore(&line)];
    assert!(shown(Output::Short, &all).ends_with("its last word [pstore]\n"));
    assert!(shown(Output::Full, &all).contains("pstore"));
    assert!(shown(Output::Json, &all).starts_with(r#"{"v":1,"type":"pstore","#));
    assert_eq!(shown(Output::Raw, &all), "its last word\n");
}

#[test]
fn an_end_tells_how_much_of_the_death_is_here() {
    let told = |how: End, reason: Reason, missing: u64| {
        let boot = boot(3, 90, 2, Some(how));
        let delivery = Some(Delivery { reason, records: 12, missing });
        words::boot(&BootMark { delivery, ..mark(BootEvent::End(how), &boot) })
    };
    for (how, reason, missing, words) in [
        (End::Panic, Reason::Panic, 0, "boot 3 panicked; its death is here whole, 12 records"),
        (
            End::Panic,
            Reason::Emergency,
            2,
            "boot 3 panicked; 2 of the 12 records of its death are missing",
        ),
        (
            End::Silence,
            Reason::Emergency,
            0,
            "boot 3 restarted at once; its death is here whole, 12 records",
        ),
        (End::Clean, Reason::Oops, 0, "boot 3 shut down; an oops is here whole, 12 records"),
        (
            End::Silence,
            Reason::Oops,
            1,
            "boot 3 silent for 2 s; no last word heard; 1 of the 12 records of an oops are missing",
        ),
    ] {
        assert_eq!(told(how, reason, missing), words);
    }
}
