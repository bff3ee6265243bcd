//! Deaths on a device that does what devices do.

use std::vec;
use std::vec::Vec;

use core::sync::atomic::Ordering::Relaxed;

use netconsole_wire::closing::Reason;
use netconsole_wire::{Datagram, MAX_PRINT_CHUNK, parse};

use super::*;
use crate::Port;
use crate::simulated::{Simulated, is_signed, only, port, signing, twice};

const PANIC: Occasion = Occasion { reason: Reason::Panic, alone: true, limits: Limits::DEFAULT };
const OOPS: Occasion = Occasion { reason: Reason::Oops, alone: false, limits: Limits::DEFAULT };

fn extended() -> Port {
    port("+@/eth0,6666@10.0.2.2/")
}

/// Targets with a gap between them, as one that was taken away leaves it.
fn two<'p>(one: &'p Port, other: &'p Port) -> Ports<'p> {
    let mut ports = only(one);
    ports[3] = Some(other);
    ports
}

fn die(machine: &mut Simulated, port: &Port, occasion: Occasion) {
    Death::new().deliver(machine, &only(port), b"6.1.0", occasion);
}

fn closing(first: u64, last: u64, reason: Reason) -> Closing {
    let count = last - first + 1;
    Closing { reason, first: Sequence(first), last: Sequence(last), count }
}

/// Whatever the device does, so many deaths take no longer: each is looked at a thousand times.
fn assert_within_limits(machine: &Simulated, deaths: u64) {
    let longest = Limits::DEFAULT.whole_us + deaths * 25_000;
    assert!(machine.clock_us < longest, "{} us", machine.clock_us);
}

#[test]
fn each_record_goes_out_twice_and_then_the_closing_record() {
    let (mut machine, port) = (Simulated::new(100), extended());
    die(&mut machine, &port, PANIC);
    assert_eq!(machine.numbers(), twice(0..100));
    assert_eq!(machine.closings(), vec![closing(0, 99, Reason::Panic); 2]);
    assert_eq!(machine.wire[3], b"6,3,3,-;line 3\n");
    assert_eq!(port.counters.sent.load(Relaxed), 202);
    assert!(machine.queue.is_empty(), "it left before all was out");
}

#[test]
fn the_release_stands_in_front_where_it_is_wanted() {
    let (mut machine, port) = (Simulated::new(1), port("+r@/eth0,6666@10.0.2.2/"));
    die(&mut machine, &port, PANIC);
    assert_eq!(machine.wire[0], b"6.1.0,6,0,0,-;line 0\n");
}

#[test]
fn only_the_tail_goes_out() {
    let (mut machine, port) = (Simulated::new(100), extended());
    let length = machine.log[99].1.len();
    let limits = Limits { tail: 10 * length, ..Limits::DEFAULT };
    die(&mut machine, &port, Occasion { limits, ..PANIC });
    assert_eq!(machine.numbers(), twice(90..100));
    assert_eq!(machine.closings()[0], closing(90, 99, Reason::Panic));

    let mut machine = Simulated::new(100);
    let limits = Limits { tail: 0, ..Limits::DEFAULT };
    die(&mut machine, &port, Occasion { limits, ..PANIC });
    assert_eq!(machine.numbers(), [99, 99], "the last record is always told");
}

#[test]
fn a_later_death_brings_what_is_new() {
    let (mut machine, port) = (Simulated::new(10), extended());
    let mut death = Death::new();
    death.deliver(&mut machine, &only(&port), b"", OOPS);
    death.deliver(&mut machine, &only(&port), b"", PANIC);
    assert_eq!(machine.numbers(), twice(0..10), "nothing is new");
    machine.print("Rebooting in 1 seconds..");
    death.deliver(&mut machine, &only(&port), b"", PANIC);
    assert_eq!(machine.numbers()[20..], [10, 10]);
    assert_eq!(machine.closings().last(), Some(&closing(10, 10, Reason::Panic)));
}

#[test]
fn the_last_closing_record_tells_of_all_that_a_panic_sent() {
    let (mut machine, port) = (Simulated::new(10), extended());
    let mut death = Death::new();
    death.deliver(&mut machine, &only(&port), b"", PANIC);
    machine.print("Rebooting in 1 seconds..");
    death.deliver(&mut machine, &only(&port), b"", PANIC);
    assert_eq!(machine.numbers()[20..], [10, 10], "only what is new is sent");
    assert_eq!(machine.closings().last(), Some(&closing(0, 10, Reason::Panic)));
}

/// What is printed meanwhile waits for the next death, so that this one comes to an end.
#[test]
fn what_is_printed_meanwhile_is_no_part_of_it() {
    let (mut machine, port) = (Simulated::new(10), extended());
    machine.prints_at.insert(3, "meanwhile".into());
    let mut death = Death::new();
    death.deliver(&mut machine, &only(&port), b"", OOPS);
    assert_eq!(machine.numbers(), twice(0..10));
    death.deliver(&mut machine, &only(&port), b"", PANIC);
    assert_eq!(machine.numbers()[20..], [10, 10]);
}

/// Records that the ring has let go leave a hole in the numbers, not in the count.
#[test]
fn the_count_is_of_what_was_there() {
    let (mut machine, port) = (Simulated::new(10), extended());
    machine.log.remove(4);
    die(&mut machine, &port, PANIC);
    let told = machine.closings()[0];
    assert_eq!((told.first, told.last, told.count), (Sequence(0), Sequence(9), 9));
}

#[test]
fn a_slow_device_is_waited_for() {
    let (mut machine, port) = (Simulated::new(100), extended());
    machine.drains_every_us = 50_000;
    die(&mut machine, &port, PANIC);
    assert_eq!(machine.numbers(), twice(0..100));
}

/// What a host takes away of the time, the device has not had.
#[test]
fn a_device_is_not_given_up_for_a_host_that_lets_the_machine_sleep() {
    let (mut machine, port) = (Simulated::new(16), extended());
    machine.sleeps_us = Limits::DEFAULT.whole_us / 10;
    die(&mut machine, &port, OOPS);
    assert_eq!(machine.numbers(), twice(0..16));
    assert_eq!(machine.closings(), vec![closing(0, 15, Reason::Oops); 2]);
}

/// A virtual card is a thread of the host's.
#[test]
fn a_device_is_waited_for_that_its_host_lets_sleep() {
    let (mut machine, port) = (Simulated::new(60), extended());
    (machine.queue_length, machine.buffers, machine.drains_every_us) = (100, 100, 1_500_000);
    die(&mut machine, &port, PANIC);
    assert_eq!(machine.numbers(), twice(0..60));
    assert_eq!(machine.closings(), vec![closing(0, 59, Reason::Panic); 2]);
}

#[test]
fn a_target_that_was_given_up_is_told_all_the_next_time_and_others_what_is_new() {
    let (mut machine, one, other) = (Simulated::new(10), extended(), extended());
    let ports = two(&one, &other);
    machine.takes_nothing = Some(0);
    let mut death = Death::new();
    death.deliver(&mut machine, &ports, b"", PANIC);
    assert_eq!(machine.numbers(), twice(0..10));
    machine.takes_nothing = None;
    machine.wire.clear();
    machine.print("Rebooting in 1 seconds..");
    death.deliver(&mut machine, &ports, b"", PANIC);
    let of_both: Vec<u64> = (0..10).chain([10, 10]).collect();
    assert_eq!(machine.numbers(), [of_both.clone(), of_both].concat());
    assert_eq!(machine.closings(), vec![closing(0, 10, Reason::Panic); 4]);
    let sent = [&one, &other].map(|port| port.counters.sent.load(Relaxed));
    assert_eq!(sent, [2 * 11 + 2, 2 * 11 + 4]);
}

/// More words than a panic has after its death.
#[test]
fn a_target_whose_device_never_sends_leaves_time_for_others() {
    let (mut machine, dead, well) = (Simulated::new(10), extended(), extended());
    let ports = two(&dead, &well);
    machine.takes_nothing = Some(0);
    let mut death = Death::new();
    for more in 10..15 {
        death.deliver(&mut machine, &ports, b"", PANIC);
        assert_eq!(machine.closings().last(), Some(&closing(0, more - 1, Reason::Panic)));
        machine.print("more");
    }
    assert_eq!(well.counters.sent.load(Relaxed), 2 * 14 + 5 * 2);
    assert_eq!(machine.numbers()[..20], twice(0..10));
    assert_within_limits(&machine, 5);
}

#[test]
fn buffers_are_waited_for() {
    let (mut machine, port) = (Simulated::new(100), extended());
    machine.buffers = 2;
    die(&mut machine, &port, PANIC);
    assert_eq!(machine.numbers(), twice(0..100));
    assert_eq!(port.counters.no_memory.load(Relaxed), 0);
}

#[test]
fn a_device_that_never_sends_is_given_up() {
    let (mut machine, port) = (Simulated::new(100), extended());
    machine.drains_every_us = u64::MAX;
    let begun = machine.clock_us;
    die(&mut machine, &port, PANIC);
    let took = machine.clock_us - begun;
    assert!(took < Limits::DEFAULT.whole_us / 2 + 100_000, "{took} us");
    assert_eq!(port.counters.sent.load(Relaxed), 8, "its queue holds as many");
    assert_eq!(port.counters.queue_stopped.load(Relaxed), 202 - 8);
}

/// Slow enough that two passes take longer than is allowed.
#[test]
fn a_death_ends_when_its_time_is_up() {
    let (mut machine, port) = (Simulated::new(1000), extended());
    machine.drains_every_us = 100_000;
    die(&mut machine, &port, PANIC);
    assert_within_limits(&machine, 1);
    let lost = port.counters.queue_stopped.load(Relaxed);
    assert_eq!(port.counters.sent.load(Relaxed) + lost, 2002);
    assert!(lost > 0);
    assert_eq!(machine.closings(), vec![closing(0, 999, Reason::Panic); 2], "it tells of all");
}

/// The last word has a share of what time is left, and all were sent once.
#[test]
fn a_last_word_goes_out_after_a_death_that_took_nearly_all_the_time() {
    let (mut machine, port) = (Simulated::new(1000), extended());
    machine.drains_every_us = 25_000;
    let mut death = Death::new();
    death.deliver(&mut machine, &only(&port), b"", PANIC);
    assert!(machine.clock_us > Limits::DEFAULT.whole_us * 8 / 10, "{} us", machine.clock_us);
    let sent = machine.wire.len();
    machine.print("Rebooting in 1 seconds..");
    death.deliver(&mut machine, &only(&port), b"", PANIC);
    assert_eq!(machine.wire[sent..].len(), 4, "it and a closing record, twice");
    assert_eq!(machine.closings().last(), Some(&closing(0, 1000, Reason::Panic)));
}

/// What tells why it died comes at the end.
#[test]
fn the_newest_go_out_where_there_is_no_time_for_all() {
    let (mut machine, port) = (Simulated::new(2000), extended());
    machine.drains_every_us = 25_000;
    die(&mut machine, &port, PANIC);
    let numbers = machine.numbers();
    let cut = numbers.windows(2).position(|two| two[0] + 1 != two[1]).expect("a hole");
    let bytes: usize = machine.log[numbers[cut + 1] as usize..].iter().map(|it| it.1.len()).sum();
    assert!(bytes <= NEWEST && bytes > NEWEST - 100, "{bytes}");
    assert!(numbers[..=cut].iter().copied().eq(0..=cut as u64) && cut > 1000, "{cut}");
    let newest = numbers[cut + 1]..2000;
    assert!(numbers[cut + 1..].iter().copied().take(newest.clone().count()).eq(newest));
    let lost = port.counters.queue_stopped.load(Relaxed);
    assert_eq!(port.counters.sent.load(Relaxed) + lost, 4002);
    assert_eq!(machine.closings(), vec![closing(0, 1999, Reason::Panic); 2]);
}

/// What there was no time for is tried again, where a panic has time of its own.
#[test]
fn a_panic_brings_what_an_oops_had_no_time_for() {
    let (mut machine, port) = (Simulated::new(1000), extended());
    machine.drains_every_us = 10_000;
    let (mut death, limits) = (Death::new(), Limits::WHILE_OTHERS_RUN);
    death.deliver(&mut machine, &only(&port), b"", Occasion { limits, ..OOPS });
    let of_the_oops = machine.wire.len();
    assert!(of_the_oops < 1000, "{of_the_oops}");
    machine.drains_every_us = 100;
    death.deliver(&mut machine, &only(&port), b"", PANIC);
    assert_eq!(machine.wire.len() - of_the_oops, 2002);
}

#[test]
fn a_device_that_is_down_costs_nothing() {
    let (mut machine, port) = (Simulated::new(100), extended());
    machine.down = true;
    die(&mut machine, &port, PANIC);
    assert!(machine.clock_us < 2_000, "{} us", machine.clock_us);
    assert_eq!(port.counters.device_down.load(Relaxed), 202);
}

/// The simulated device fails the test when it is touched.
#[test]
fn a_device_whose_lock_is_held_is_left_alone() {
    let (mut machine, port) = (Simulated::new(10), extended());
    machine.locked = true;
    die(&mut machine, &port, OOPS);
    assert_eq!(port.counters.queue_stopped.load(Relaxed), 22);
    die(&mut machine, &port, PANIC);
    assert_eq!(machine.numbers(), twice(0..10), "alone it opens the lock");
}

#[test]
fn what_nobody_took_is_tried_again_until_the_time_of_all_is_up() {
    let (mut machine, port) = (Simulated::new(100), extended());
    machine.drains_every_us = u64::MAX;
    let mut death = Death::new();
    death.deliver(&mut machine, &only(&port), b"", PANIC);
    machine.drains_every_us = 100;
    death.deliver(&mut machine, &only(&port), b"", PANIC);
    assert_eq!(machine.numbers()[8..], twice(0..100));
    machine.print("more");
    machine.drains_every_us = u64::MAX;
    for _ in 0..20 {
        death.deliver(&mut machine, &only(&port), b"", PANIC);
    }
    assert_within_limits(&machine, 22);
}

/// A CPU was stopped while it polled the device.
#[test]
fn a_device_that_is_stuck_is_forced_when_nothing_else_helps() {
    let (mut machine, port) = (Simulated::new(100), extended());
    machine.stuck = true;
    die(&mut machine, &port, OOPS);
    assert_eq!(machine.numbers(), [], "other CPUs run: it may come free by itself");
    machine.queue.clear();
    die(&mut machine, &port, PANIC);
    assert_eq!(machine.numbers(), twice(0..100));
}

#[test]
fn a_long_record_goes_out_in_fragments() {
    let (mut machine, port) = (Simulated::new(0), extended());
    machine.print(&"\t".repeat(1000));
    die(&mut machine, &port, PANIC);
    let fragments = machine.wire.iter().filter_map(|datagram| match parse(datagram) {
        Datagram::Extended(message) => message.fragment(),
        _ => None,
    });
    let fragments: Vec<_> = fragments.collect();
    assert_eq!(fragments.len(), 2 * 5);
    assert!(fragments.iter().all(|fragment| fragment.total == 4001));
}

#[test]
fn a_basic_target_gets_the_text_once() {
    let (mut machine, port) = (Simulated::new(3), port("@/eth0,6666@10.0.2.2/"));
    machine.print(&"x".repeat(1500));
    die(&mut machine, &port, PANIC);
    assert_eq!(machine.wire[1], b"[    0.000001] line 1\n");
    assert_eq!(machine.wire.len(), 5);
    assert_eq!(machine.wire[3].len(), 1000);
}

/// Records, those in fragments too, and the closing record.
#[test]
fn each_datagram_of_a_death_has_a_tag_where_there_is_a_key() {
    let (mut machine, port) = (Simulated::new(20), signing(port("+r@/eth0,6666@10.0.2.2/")));
    machine.print(&"x".repeat(3000));
    die(&mut machine, &port, PANIC);
    assert_eq!(machine.closings(), vec![closing(0, 20, Reason::Panic); 2]);
    assert_eq!(machine.wire.len(), 2 * (20 + 4 + 1));
    for datagram in &machine.wire {
        assert!(is_signed(datagram) && datagram.len() <= MAX_PRINT_CHUNK);
    }
    machine.wire.retain(|datagram| !datagram.windows(7).any(|bytes| bytes == b"ncfrag="));
    assert_eq!(machine.numbers(), twice(0..20));
}
