//! How boots are told.

use super::*;

#[test]
fn boots_say_how_they_began_and_ended() {
    let first = boot(1, 900, 600, Some(End::Clean));
    let second = boot(2, 590, 74, Some(End::Silence));
    let third = BootSummary { superseded: true, ..boot(3, 60, 20, Some(End::Silence)) };
    let say = |event, boot, before| {
        let mark = BootMark { before, ..mark(event, boot) };
        shown(Output::Short, &[Shown::Boot(&mark)])
    };
    assert_eq!(say(BootEvent::Begin, &first, None), "── boot 1, 6.12.94 ──\n");
    assert_eq!(
        say(BootEvent::Begin, &second, Some(&first)),
        "── boot 2, 6.12.94, 10 s after boot 1 shut down ──\n"
    );
    assert_eq!(
        say(BootEvent::Begin, &third, Some(&second)),
        "── boot 3, 6.12.94, 14 s after boot 2 fell silent ──\n"
    );
    assert_eq!(
        say(BootEvent::Begin, &second, Some(&third)),
        "── boot 2, 6.12.94, while boot 3 was still heard ──\n"
    );
    assert_eq!(say(BootEvent::End(End::Panic), &third, None), "── boot 3 panicked ──\n");
    assert_eq!(say(BootEvent::End(End::Clean), &first, None), "── boot 1 shut down ──\n");
    assert_eq!(
        say(BootEvent::End(End::Silence), &second, None),
        "── boot 2 silent for 1 min 14 s; no last word heard ──\n"
    );
    assert_eq!(
        say(BootEvent::End(End::Silence), &third, None),
        "── boot 3 fell silent; no last word heard ──\n"
    );
    assert_eq!(
        say(BootEvent::Joined(4), &third, None),
        "── boot 4 is no boot of its own: boot 3 goes on ──\n"
    );
    let unsure = BootSummary { provisional: true, release: None, ..boot(2, 60, 20, None) };
    assert_eq!(
        say(BootEvent::Begin, &unsure, None),
        "── boot 2, or earlier lines again (not known yet) ──\n"
    );
}

#[test]
fn silence_is_said_once_if_the_next_boot_says_it() {
    let second = BootSummary { superseded: true, ..boot(2, 590, 74, Some(End::Silence)) };
    let third = boot(3, 60, 20, Some(End::Panic));
    let end = mark(BootEvent::End(End::Silence), &second);
    let begin = BootMark { before: Some(&second), ..mark(BootEvent::Begin, &third) };
    assert_eq!(
        shown(Output::Short, &[Shown::Boot(&end), Shown::Boot(&begin)]),
        "── boot 3, 6.12.94, 14 s after boot 2 fell silent ──\n"
    );
    let other = mark(BootEvent::Begin, &third);
    assert_eq!(
        shown(Output::Short, &[Shown::Boot(&end), Shown::Boot(&other)]),
        "── boot 2 fell silent; no last word heard ──\n── boot 3, 6.12.94 ──\n"
    );
}

#[test]
fn a_boot_without_a_record_left_is_not_drawn() {
    let look = Look { filtered: true, ..Look::default() };
    let (second, third) = (boot(2, 90, 80, Some(End::Panic)), boot(3, 60, 20, Some(End::Panic)));
    let begin = |boot| mark(BootEvent::Begin, boot);
    let end = |boot| mark(BootEvent::End(End::Panic), boot);
    assert_eq!(
        shown_with(
            Output::Short,
            look,
            &[
                Shown::Boot(&begin(&second)),
                Shown::Gap(&gap(Cause::Probable, 12)),
                Shown::Gap(&gap(Cause::Socket, 2)),
                Shown::Boot(&end(&second)),
                Shown::Boot(&begin(&third)),
                Shown::Gap(&gap(Cause::Probable, 5)),
                Shown::Record(&record(b"x")),
                Shown::Boot(&end(&third)),
            ]
        ),
        "── 2 datagrams lost here, of any machine (the socket's buffer was full) ──\n\
         ── boot 3, 6.12.94 ──\n\
         ── 5 records not seen (filtered or lost) ──\n\
         2026-11-20 13:44:37.545 web1 [  514.729715][  T123] x\n\
         ── boot 3 panicked ──\n"
    );
}

#[test]
fn what_pstore_and_heartbeats_tell_is_told_where_the_boot_ends() {
    let gone = BootSummary { superseded: true, ..boot(3, 60, 2, Some(End::Silence)) };
    for (fate, words) in [
        (Fate::Panic, "── boot 3 panicked, as its pstore tells; no last word heard ──\n"),
        (
            Fate::Flatline,
            "── boot 3 ended in a flatline: its heart stopped; no last word heard ──\n",
        ),
        (Fate::Left, "── boot 3 said goodbye; no last word heard ──\n"),
    ] {
        let mark = BootMark { fate: Some(fate), ..mark(BootEvent::End(End::Silence), &gone) };
        assert_eq!(shown(Output::Short, &[Shown::Boot(&mark)]), words);
        let json = shown(Output::Json, &[Shown::Boot(&mark)]);
        assert!(json.contains(&format!(r#""end":"silence","fate":"{}""#, fate.as_str())), "{json}");
    }
}
