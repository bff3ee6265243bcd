//! Which machines live, and which boots make room.

use super::*;

const S: u64 = 1_000_000;

fn id(text: &str) -> BootId {
    BootId::parse(text).unwrap()
}

fn beat(boot_id: &str, goodbye: bool) -> Vec<u8> {
    let (every_s, uptime_s) = (10, 100);
    Heartbeat {
        host: Some("web1"),
        pid: 1,
        goodbye,
        boot_id,
        uptime_s,
        every_s,
        armed: true,
        errors: 0,
    }
    .to_string()
    .into_bytes()
}

fn felt(pulses: &mut Pulses, at: u64, payload: &[u8]) -> bool {
    let said = Said { payload, counter: None };
    pulses.take([10, 0, 0, 7].into(), WallTime(at), &said) == Felt::Beat
}

fn found(beats: &[(u64, &str, bool)], since: u64, until: u64) -> Found {
    let mut pulses = Pulses { most: 9, ..Pulses::default() };
    for (at, boot_id, goodbye) in beats {
        assert!(felt(&mut pulses, at * S, &beat(boot_id, *goodbye)));
    }
    Found::of(pulses.slots, Watch { v: 1, since: since * S, until: until * S })
}

#[test]
fn a_machine_falls_silent_when_three_beats_are_missing() {
    for (until, life) in [(105, Life::Alive), (130, Life::Alive), (132, Life::Flatline)] {
        let found = found(&[(90, "a", false), (100, "a", false)], 0, until);
        assert_eq!(found.life(&found.pulses[0]), life, "{until}");
    }
    let left = found(&[(90, "a", false), (100, "a", true)], 0, 500);
    assert_eq!(left.life(&left.pulses[0]), Life::Left);
}

#[test]
fn who_seals_its_heartbeats_is_not_dead_because_somebody_says_so() {
    let (here, elsewhere) = (IpAddr::from([10, 0, 0, 7]), IpAddr::from([10, 0, 0, 66]));
    for counter in [None, Some(5)] {
        let mut pulses = Pulses { most: 9, ..Pulses::default() };
        let said = Said { payload: &beat("a", false), counter };
        assert_eq!(pulses.take(here, WallTime(S), &said), Felt::Beat);
        let pulse = &pulses.slots[0];
        assert!(pulse.may_have_died(Some(here), false) && pulse.may_have_died(None, true));
        assert_eq!(pulse.may_have_died(Some(elsewhere), false), counter.is_none());
    }
}

#[test]
fn nobody_keeps_a_place_for_longer_than_an_hour_or_three() {
    let mut pulses = Pulses { most: 9, ..Pulses::default() };
    let forever =
        String::from_utf8(beat("a", false)).unwrap().replace("every=10s", "every=4294967295s");
    assert!(felt(&mut pulses, S, forever.as_bytes()));
    assert!(!pulses.slots[0].is_over(3600 * S) && pulses.slots[0].is_over(4 * 3600 * S));
}

#[test]
fn without_a_doctor_nobody_fell_silent() {
    // It ended soon after the last beat, or began again just now.
    let ended = found(&[(100, "a", false)], 0, 110);
    assert_eq!(ended.life(&ended.pulses[0]), Life::Alive);
    let again = found(&[(100, "a", false)], 5000, 5020);
    assert_eq!(again.life(&again.pulses[0]), Life::Alive);
    let by_now = found(&[(100, "a", false)], 5000, 5040);
    assert_eq!(by_now.life(&by_now.pulses[0]), Life::Flatline);
}

#[test]
fn a_boot_after_it_shows_that_one_ended_without_a_word() {
    let found = found(&[(100, "a", false), (105, "b", false)], 0, 106);
    assert_eq!(found.life(&found.pulses[0]), Life::Flatline);
    assert_eq!(found.life(&found.pulses[1]), Life::Alive);
    assert_eq!(found.of_host("web1", &[]).unwrap().boot_id, id("b"));
}

fn boot(boot_id: Option<&[u8]>, first: u64) -> BootSummary {
    BootSummary {
        host: "web1".into(),
        number: 1,
        runs: Vec::new(),
        sources: vec!["10.0.0.7:6665".parse().unwrap()],
        ports: vec![6666],
        boot_id: boot_id.map(<[u8]>::to_vec),
        release: None,
        first_received: WallTime(first * S),
        last_received: WallTime(first * S),
        end: None,
        superseded: false,
        provisional: false,
        voice: bedside_stream::Voice::Plain,
        signed_records: 0,
        signs: false,
    }
}

#[test]
fn a_boot_is_found_by_its_number_or_by_address_and_time() {
    let found = found(&[(100, "a", false), (200, "b", false)], 0, 210);
    let of = |id: Option<&[u8]>, first: u64, next: Option<u64>| {
        let next = next.map(|next| WallTime(next * S));
        found.of_boot(&boot(id, first), next).map(|pulse| pulse.boot_id)
    };
    assert_eq!(of(Some(b"b"), 0, None), Some(id("b")));
    assert_eq!(of(Some(b"c"), 0, None), None);
    assert_eq!(of(None, 99, Some(199)), Some(id("a")));
    assert_eq!(of(None, 199, None), Some(id("b")));
    assert_eq!(of(None, 300, None), None);
}

#[test]
fn what_is_kept_is_found_and_taken_up() {
    let dir = tempfile::tempdir().unwrap();
    let mut pulses = Pulses::open(dir.path(), 9, WallTime(S));
    felt(&mut pulses, 2 * S, &beat("a", false));
    felt(&mut pulses, 3 * S, &beat("b", true));
    pulses.keep(WallTime(4 * S));
    let kept = pulses.slots.clone();
    drop(pulses);
    let found = Found::read(dir.path()).unwrap();
    assert_eq!(found.pulses, kept);
    assert_eq!(found.watch, Watch { v: 1, since: S, until: 4 * S });
    let again = Pulses::open(dir.path(), 9, WallTime(9 * S));
    assert_eq!(again.slots, kept);
}

#[test]
fn whoever_beats_no_more_makes_room_and_whoever_does_is_not_pushed_out() {
    let mut pulses = Pulses { most: 3, ..Pulses::default() };
    let mut take = |at: u64, id: &str, goodbye| felt(&mut pulses, at * S, &beat(id, goodbye));
    assert!(take(0, "a", false) && take(5, "b", false) && take(6, "c", false));
    assert!(!take(7, "d", false), "all three beat");
    assert!(take(10, "a", false) && take(40, "d", false), "b made room, not a");
    assert!(take(40, "c", true) && take(40, "a", false));
    assert!(take(40, "e", false), "c left");
    assert!(!take(41, "f", false));
    let counted = Counters { made_room: 2, no_room: 2 };
    assert_eq!(pulses.counters(), counted);
    let held: BTreeSet<BootId> = pulses.slots.iter().map(|pulse| pulse.boot_id).collect();
    assert_eq!(held, ["a", "d", "e"].map(id).into());
    assert_eq!((pulses.by_boot.len(), pulses.by_last.len()), (3, 3));
}

#[test]
fn a_sealed_one_counts_once_also_for_the_next_doctor() {
    let dir = tempfile::tempdir().unwrap();
    let payload = &beat("a", false)[..];
    let take = |pulses: &mut Pulses, counter| {
        pulses.take([10, 0, 0, 7].into(), WallTime(S), &Said { payload, counter })
    };
    let mut pulses = Pulses::open(dir.path(), 9, WallTime(S));
    assert_eq!(take(&mut pulses, Some(7)), Felt::Beat);
    assert_eq!(take(&mut pulses, Some(7)), Felt::Again);
    assert_eq!(take(&mut pulses, Some(8)), Felt::Beat);
    pulses.keep(WallTime(S));
    drop(pulses);
    let mut pulses = Pulses::open(dir.path(), 9, WallTime(S));
    assert_eq!(take(&mut pulses, Some(8)), Felt::Again);
    assert_eq!(take(&mut pulses, Some(9)), Felt::Beat);
}

#[test]
fn other_datagrams_are_left_alone() {
    let mut pulses = Pulses { most: 3, ..Pulses::default() };
    let other = b"<30>1 - web1 sshd 1 - - hello";
    assert!(!felt(&mut pulses, 9, other));
    assert_eq!(pulses.counters(), Counters::default());
}

#[test]
fn a_file_of_more_boots_than_may_be_held_loses_the_oldest() {
    let dir = tempfile::tempdir().unwrap();
    let mut pulses = Pulses::open(dir.path(), 9, WallTime(S));
    for (at, id) in [(2, "a"), (4, "b"), (3, "c")] {
        felt(&mut pulses, at * S, &beat(id, false));
    }
    pulses.keep(WallTime(5 * S));
    drop(pulses);
    let mut pulses = Pulses::open(dir.path(), 2, WallTime(6 * S));
    assert_eq!(pulses.counters().made_room, 1);
    pulses.keep(WallTime(7 * S));
    drop(pulses);
    let found = Found::read(dir.path()).unwrap();
    let held: Vec<BootId> = found.pulses.iter().map(|pulse| pulse.boot_id).collect();
    assert_eq!(held, ["c", "b"].map(id));
}

#[test]
fn a_boot_takes_little_memory() {
    assert!(size_of::<Pulse>() <= 96, "{}", size_of::<Pulse>());
}
