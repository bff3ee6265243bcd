//! Boots, repeats and the verdicts between them, each as a situation.

mod world;

use bedside_stream::{LastWord, StreamKey, Verdict};
use world::{Doctor, stream};

/// The first lines of a boot as they look every time, then those that tell boots apart.
fn boot_log(doctor: &mut Doctor, key: StreamKey, jitter: u64, upto: u64) {
    for seq in 0..upto {
        let time = if seq < 20 { 0 } else { (seq - 19) * 1000 + jitter };
        doctor.ext(key, seq, time, &format!("line {seq}"));
    }
}

#[test]
fn a_repeat_of_the_ring_buffer_is_no_boot() {
    let mut doctor = Doctor::new();
    boot_log(&mut doctor, stream(1), 7, 400);
    boot_log(&mut doctor, stream(1), 7, 420);
    let boots = doctor.book.boots();
    assert_eq!(boots.len(), 1);
    assert_eq!(boots[0].len(), 420);
}

/// Where the early clock ticks in milliseconds, a whole boot can begin like the one before.
#[test]
fn a_boot_that_looks_like_a_repeat_at_first_loses_nothing() {
    let mut doctor = Doctor::new();
    boot_log(&mut doctor, stream(1), 7, 400);
    boot_log(&mut doctor, stream(1), 7, 30);
    for seq in 30..390 {
        doctor.ext(stream(1), seq, (seq - 19) * 1000 + 900, &format!("line {seq}"));
    }
    let lens: Vec<usize> = doctor.book.boots().iter().map(Vec::len).collect();
    assert_eq!(lens, [400, 390]);
}

#[test]
fn a_repeat_that_begins_in_the_middle_is_no_boot() {
    let mut doctor = Doctor::new();
    boot_log(&mut doctor, stream(1), 7, 400);
    for seq in 137..410 {
        doctor.ext(stream(1), seq, (seq - 19) * 1000 + 7, &format!("line {seq}"));
    }
    let boots = doctor.book.boots();
    assert_eq!((boots.len(), boots[0].len()), (1, 410));
}

#[test]
fn the_same_first_lines_with_other_times_are_a_new_boot() {
    let mut doctor = Doctor::new();
    boot_log(&mut doctor, stream(1), 7, 400);
    boot_log(&mut doctor, stream(1), 9, 380);
    let boots = doctor.book.boots();
    assert_eq!(boots.iter().map(Vec::len).collect::<Vec<_>>(), [400, 380]);
    assert!(doctor.book.runs.values().all(|run| run.verdict == Verdict::Boot));
}

#[test]
fn lines_at_time_zero_leave_the_verdict_open_but_are_given_out() {
    let mut doctor = Doctor::new();
    boot_log(&mut doctor, stream(1), 7, 400);
    boot_log(&mut doctor, stream(1), 7, 20);
    assert_eq!(doctor.book.records.len(), 420);
    let last = doctor.book.runs.values().last().unwrap();
    assert_eq!(last.verdict, Verdict::Provisional);
}

#[test]
fn a_machine_that_resets_at_time_zero_again_and_again() {
    let mut doctor = Doctor::new();
    for _ in 0..3 {
        boot_log(&mut doctor, stream(1), 0, 12);
    }
    boot_log(&mut doctor, stream(1), 3, 300);
    let lens: Vec<usize> = doctor.book.boots().iter().map(Vec::len).collect();
    assert_eq!(lens, [12, 12, 12, 300]);
}

#[test]
fn a_repeat_cut_short_at_time_zero_shares_the_verdict_of_the_next() {
    let mut doctor = Doctor::new();
    boot_log(&mut doctor, stream(1), 7, 400);
    boot_log(&mut doctor, stream(1), 7, 12);
    boot_log(&mut doctor, stream(1), 7, 400);
    assert_eq!(doctor.book.boots().len(), 1);
}

#[test]
fn early_boot_replayed_to_a_target_that_began_late_is_the_same_boot() {
    let mut doctor = Doctor::new();
    for seq in 380..400 {
        doctor.ext(stream(1), seq, (seq - 19) * 1000 + 7, &format!("line {seq}"));
    }
    boot_log(&mut doctor, stream(1), 7, 420);
    let boots = doctor.book.boots();
    assert_eq!((boots.len(), boots[0].len()), (1, 420));
}

#[test]
fn numbers_ahead_with_the_clock_back_are_a_new_boot() {
    let mut doctor = Doctor::new();
    doctor.ext(stream(1), 500, 90_000_000, "old");
    doctor.ext(stream(1), 800, 12_000_000, "new");
    assert_eq!(doctor.book.texts(), [["old"], ["new"]]);
}

#[test]
fn a_doubled_datagram_is_dropped_at_time_zero_too() {
    let mut doctor = Doctor::new();
    for (seq, time) in [(0, 0), (1, 0), (1, 0), (2, 0), (3, 500), (3, 500), (4, 600)] {
        doctor.ext(stream(1), seq, time, &format!("line {seq}"));
    }
    assert_eq!(doctor.book.texts(), [["line 0", "line 1", "line 2", "line 3", "line 4"]]);
    assert_eq!(doctor.core.counters().repeats, 2);
}

#[test]
fn a_late_record_is_of_its_boot_whether_first_or_in_a_hole() {
    let mut doctor = Doctor::new();
    for (seq, time) in [(1, 0), (0, 0), (2, 0), (5, 4000), (4, 3000), (3, 2000), (6, 5000)] {
        doctor.ext(stream(1), seq, time, &format!("{seq}"));
    }
    assert_eq!(doctor.book.texts(), [["0", "1", "2", "3", "4", "5", "6"]]);
    assert_eq!(doctor.book.runs.len(), 1);
}

#[test]
fn an_old_datagram_delayed_by_the_network_makes_no_boot() {
    let mut doctor = Doctor::new();
    boot_log(&mut doctor, stream(1), 7, 400);
    doctor.ext(stream(1), 333, (333 - 19) * 1000 + 7, "line 333");
    for seq in 400..420 {
        doctor.ext(stream(1), seq, (seq - 19) * 1000 + 7, &format!("line {seq}"));
    }
    let boots = doctor.book.boots();
    assert_eq!((boots.len(), boots[0].len()), (1, 420));
}

#[test]
fn basic_lines_repeat_or_boot_by_time_and_text() {
    let log = |doctor: &mut Doctor, jitter: u64, upto: u64| {
        for n in 0..upto {
            let time = if n < 20 { 0 } else { (n - 19) * 1000 + jitter };
            doctor.hear(stream(1), format!("[    0.{time:06}] line {n}\n"));
        }
    };
    let mut doctor = Doctor::new();
    log(&mut doctor, 7, 300);
    log(&mut doctor, 7, 320);
    log(&mut doctor, 9, 100);
    let lens: Vec<usize> = doctor.book.boots().iter().map(Vec::len).collect();
    assert_eq!(lens, [320, 100]);
}

/// The first lines count jiffies, the same in every boot; then a better clock begins below them.
#[test]
fn basic_lines_of_a_clock_that_is_coarse_at_first() {
    let log = |doctor: &mut Doctor, jitter: u64, upto: u64| {
        for n in 0..upto {
            let time = match n {
                0..20 => 0,
                20..60 => (n - 18) / 4 * 4000,
                _ => 500 + (n - 59) * 1000 + jitter,
            };
            doctor.hear(stream(1), format!("[    0.{time:06}] line {n}\n"));
        }
    };
    let mut doctor = Doctor::new();
    log(&mut doctor, 7, 300);
    log(&mut doctor, 7, 320);
    log(&mut doctor, 9, 100);
    log(&mut doctor, 9, 400);
    let lens: Vec<usize> = doctor.book.boots().iter().map(Vec::len).collect();
    assert_eq!(lens, [320, 400]);
}

#[test]
fn without_times_the_kernels_first_line_begins_a_boot() {
    let mut doctor = Doctor::new();
    for text in ["Linux version 6.1.0 (x)", "Command line: quiet", "Linux version 6.1.0 (x)"] {
        doctor.hear(stream(1), format!("{text}\n"));
    }
    let lens: Vec<usize> = doctor.book.boots().iter().map(Vec::len).collect();
    assert_eq!(lens, [2, 1]);
}

#[test]
fn a_stray_at_time_zero_hides_no_repeat() {
    let log = |doctor: &mut Doctor, upto: u64| {
        for n in 0..upto {
            let time = if n < 20 || n == 97 { 0 } else { (n - 19) * 1000 + 7 };
            doctor.hear(stream(1), format!("[    0.{time:06}] line {n}\n"));
        }
    };
    let mut doctor = Doctor::new();
    log(&mut doctor, 100);
    log(&mut doctor, 150);
    let lens: Vec<usize> = doctor.book.boots().iter().map(Vec::len).collect();
    assert_eq!(lens, [150]);
}

#[test]
fn equal_basic_lines_of_one_moment_are_all_kept() {
    let mut doctor = Doctor::new();
    for _ in 0..3 {
        doctor.hear(stream(1), "[    4.267609] ? ret_from_fork\n");
    }
    assert_eq!(doctor.book.records.len(), 3);
}

#[test]
fn a_line_sent_again_at_a_take_over_is_dropped_with_its_notice() {
    let mut doctor = Doctor::new();
    doctor.hear(stream(1), "[    4.000001] last words\n");
    doctor.hear(stream(1), "** replaying previous printk message **\n[    4.000001] last words\n");
    doctor.hear(stream(2), "6,7,4000001,-;last words\n");
    doctor.hear(stream(2), "** replaying previous printk message **\n6,7,4000001,-;last words\n");
    assert_eq!(doctor.book.records.len(), 2);
    assert_eq!(doctor.core.counters().replay_notices, 2);
    let notice = "** replaying previous printk message **";
    doctor.hear(stream(1), format!("{notice}\n[    4.000002] not heard before\n"));
    assert_eq!(doctor.book.records[2].text, "not heard before");
}

#[test]
fn the_senders_own_loss_is_a_gap_of_its_run() {
    let mut doctor = Doctor::new();
    doctor.hear(stream(1), "** 18511 printk messages dropped **\n");
    doctor.hear(stream(1), "** 3 printk messages dropped **\n[    4.000001] next\n");
    let run = doctor.book.records[0].run;
    assert_eq!(doctor.book.dropped, [(run, 18511), (run, 3)]);
    assert_eq!(doctor.book.records.len(), 1);
}

/// Boards without a better clock count jiffies all their lives; nearly every line begins as in the
/// boot before.
#[test]
fn a_clock_of_jiffies_tells_a_repeat_from_a_boot() {
    let time = |n: u64, slower: u64| 10_000 * (n.saturating_sub(19) / 3 * (3 + slower) / 3);
    let extended = |doctor: &mut Doctor, slower, upto| {
        (0..upto).for_each(|n| doctor.ext(stream(1), n, time(n, slower), &format!("line {n}")));
    };
    let basic = |doctor: &mut Doctor, slower, upto| {
        for n in 0..upto {
            let time = time(n, slower);
            let (s, us) = (time / 1_000_000, time % 1_000_000);
            doctor.hear(stream(1), format!("[{s:5}.{us:06}] line {n}\n"));
        }
    };
    for log in [&extended as &dyn Fn(&mut Doctor, u64, u64), &basic] {
        let mut doctor = Doctor::new();
        log(&mut doctor, 0, 400);
        log(&mut doctor, 0, 24);
        let last = doctor.book.runs.values().last().unwrap();
        assert!(matches!(last.verdict, Verdict::SameAs(_)), "known by the first lines: {last:?}");
        log(&mut doctor, 0, 420);
        log(&mut doctor, 1, 380);
        let lens: Vec<usize> = doctor.book.boots().iter().map(Vec::len).collect();
        assert_eq!(lens, [420, 380]);
    }
}

/// That the boot before was being sent again says nothing of one with another name, whose early
/// lines are the same to the jiffy.
#[test]
fn a_boot_of_another_name_is_none_that_is_sent_again() {
    let mut doctor = Doctor::new();
    for id in ["a", "a", "b", "b"] {
        for seq in 0..40 {
            let time = seq / 4 * 4_000;
            doctor.hear(stream(1), format!("6,{seq},{time},-;line {seq}\n boot_id={id}\n"));
        }
    }
    let lens: Vec<usize> = doctor.book.boots().iter().map(Vec::len).collect();
    assert_eq!(lens, [40, 40]);
}

#[test]
fn a_name_that_comes_later_is_told() {
    let mut doctor = Doctor::new();
    doctor.hear(stream(1), "6,1,1,-;x\n");
    doctor.hear(stream(1), "6,2,2,-;x\n host=web1\n");
    let run = doctor.book.runs.values().next().unwrap();
    assert_eq!((doctor.book.runs.len(), run.host.as_deref()), (1, Some(&b"web1"[..])));
}

#[test]
fn boot_id_decides_at_once() {
    let mut doctor = Doctor::new();
    for (id, seq) in [("a", 0), ("a", 1), ("b", 0), ("b", 1), ("b", 0), ("b", 1), ("b", 2)] {
        doctor.hear(stream(1), format!("6,{seq},0,-;same\n boot_id={id}\n host=web1\n"));
    }
    let lens: Vec<usize> = doctor.book.boots().iter().map(Vec::len).collect();
    assert_eq!(lens, [2, 3]);
    assert!(doctor.book.runs.values().all(|run| run.host.as_deref() == Some(b"web1")));
}

#[test]
fn a_task_name_cannot_forge_the_host() {
    let mut doctor = Doctor::new();
    doctor.hear(stream(1), "6,1,1,-;x\n cpu=0\n taskname=z\n host=victim\n");
    assert_eq!(doctor.book.runs.values().next().unwrap().host, None);
}

#[test]
fn last_words_are_heard_from_the_kernel_only() {
    let mut doctor = Doctor::new();
    doctor.hear(stream(1), "0,5,1000,-;reboot: Restarting system\n");
    doctor.hear(stream(2), "0,5,1000,-;Kernel panic - not syncing: sysrq\n");
    doctor.hear(stream(3), "12,5,1000,-;Kernel panic - not syncing: a joke\n");
    doctor.hear(stream(4), "[    1.000000] reboot: Power down\n");
    doctor.hear(stream(5), "0,5,1000,-;reboot: Restarting system\n");
    doctor.hear(stream(5), "6,6,99000000,-;still here\n");
    let end = "---[ end Kernel panic - not syncing: sysrq ]---";
    doctor.hear(stream(6), format!("0,5,1000,-;{end}\n"));
    doctor.hear(stream(7), format!("12,5,1000,-;{end}\n"));
    doctor.hear(stream(8), "4,5,1000,-;---[ end trace 0000000000000000 ]---\n");
    let words: Vec<_> = doctor.book.runs.values().map(|run| run.last_word).collect();
    let (clean, panic) = (Some(LastWord::Clean), Some(LastWord::Panic));
    assert_eq!(words, [clean, panic, None, clean, clean, panic, None, None]);
}

#[test]
fn the_release_comes_from_the_header_or_the_banner() {
    let mut doctor = Doctor::new();
    doctor.hear(stream(1), "5,0,0,-;Linux version 6.12.94 (builder@host)\n");
    doctor.hear(stream(2), "7.3.4+deb13-amd64,6,380,2616974,-;x\n");
    let releases: Vec<_> =
        doctor.book.runs.values().map(|run| run.release.clone().unwrap()).collect();
    assert_eq!(releases, [b"6.12.94".to_vec(), b"7.3.4+deb13-amd64".to_vec()]);
}

/// Found by fuzzing: of an unfinished message only its head is there, and a line of the other
/// format has a time between the two runs.
#[test]
fn a_time_between_those_of_two_runs_is_no_trap() {
    let mut doctor = Doctor::new();
    doctor.hear(stream(1), "6,2,8,-;");
    doctor.hear(stream(1), "6,1,0,-;");
    doctor.hear(stream(1), "4,4,7509442,-,ncfrag=2/9;");
    doctor.pass(500_000);
    doctor.hear(stream(1), "[    1.000000] x");
    doctor.pass(500_000);
    assert_eq!(doctor.book.boots().iter().map(Vec::len).sum::<usize>(), 4);
}

#[test]
fn the_highest_numbers_are_numbers() {
    let mut doctor = Doctor::new();
    for back in [3, 5, 0, 1, 7] {
        doctor.ext(stream(1), u64::MAX - back, 5_000_000, &format!("{back} before the last"));
    }
    assert_eq!(doctor.book.boots().iter().map(Vec::len).collect::<Vec<_>>(), [5]);
}

/// rsyslog's imklog: the kernel's time and caller stand in the message.
#[test]
fn a_daemon_forwards_a_death_and_the_next_boot() {
    let mut doctor = Doctor::new();
    let said = |line: &str| format!("<4>Nov 22 21:10:56 web1 kernel: {line}\n");
    doctor.hear(stream(1), said("[    0.000000] Linux version 6.12.94 (builder@host)"));
    doctor.hear(stream(1), said("[   12.000001][  T117] Kernel panic - not syncing: x"));
    doctor.hear(stream(1), said("[    0.000000] Linux version 6.12.94 (builder@host)"));
    doctor.hear(stream(1), said("[    1.000000] usb 1-1: new device"));
    let runs: Vec<_> = doctor.book.runs.values().collect();
    let words: Vec<_> = runs.iter().map(|run| run.last_word).collect();
    assert_eq!(words, [Some(LastWord::Panic), None]);
    assert_eq!(doctor.book.records[1].time, Some(12_000_001));
}

#[test]
fn a_daemon_that_forwards_for_two_machines_makes_no_boots_of_their_clocks() {
    let mut doctor = Doctor::new();
    for second in 0..50 {
        for (host, time) in [("web1", 1_000_000 + second), ("web2", 50 + second)] {
            let line = format!("<4>Nov 22 21:10:56 {host} kernel: [{time:5}.000001] x {second}\n");
            doctor.hear(stream(1), line);
        }
    }
    assert_eq!(doctor.book.boots().iter().map(Vec::len).collect::<Vec<_>>(), [100]);
}
