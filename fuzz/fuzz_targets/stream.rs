//! Any datagrams from any senders in any order at any time: the stream core stays within its
//! bounds, names each run before its records, and gives the same answer twice.
//!
//! The input is a row of steps of `kind`, `length`, bytes; see [`Steps`].
#![no_main]

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use bedside_stream::{Core, Event, Limits, Memory, Monotonic, RunId, StreamKey, WallTime, World};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let first = said(input);
    assert_eq!(first, said(input), "the same input, another answer");
});

/// All that a core says of an input.
fn said(input: &[u8]) -> Vec<String> {
    let mut core = Core::new(limits(), RunId(1));
    let mut desk = Desk::default();
    let mut now = 0u64;
    for step in Steps(input) {
        now += step.pause_us;
        let wall = WallTime(1_000_000 + now);
        core.handle_timeout(Monotonic(now), &mut desk);
        core.handle_datagram(Monotonic(now), &step.key, wall, step.payload, &mut desk);
        assert!(core.poll_timeout().is_none_or(|due| due.0 > now), "due, but not done");
        assert!(core.pending_bytes() <= limits().pending_bytes + limits().message_bytes);
        assert!(core.streams() <= limits().proven_streams + limits().unproven_streams);
        if step.restart {
            core = restarted(&core, &mut desk);
        }
    }
    core.flush(&mut desk);
    assert_eq!(core.pending_bytes(), 0);
    desk.said
}

/// The core of a doctor that was started again with the memories of the one before.
fn restarted(core: &Core, desk: &mut Desk) -> Core {
    let next = desk.runs.last().map_or(1, |run| run.0 + 1);
    let mut again = Core::new(limits(), RunId(next));
    core.memories().for_each(|memory| again.restore(memory));
    again
}

/// Small, so that a short input reaches every bound.
fn limits() -> Limits {
    Limits {
        proven_streams: 3,
        unproven_streams: 2,
        message_bytes: 4096,
        pending_bytes: 6000,
        pending_messages: 2,
        line_bytes: 2048,
        ..Limits::default()
    }
}

/// Writes down what it is told, checks its order, and keeps what was evicted.
#[derive(Default)]
struct Desk {
    said: Vec<String>,
    runs: BTreeSet<RunId>,
    evicted: BTreeMap<String, Memory>,
}

impl World for Desk {
    fn event(&mut self, event: Event<'_>) {
        match &event {
            Event::Run(run) => {
                self.runs.insert(run.id);
            }
            Event::Record { run, .. } => assert!(self.runs.contains(run), "a record of no run"),
            Event::Dropped { run, .. } => assert!(self.runs.contains(&run)),
            Event::Evicted(memory) => {
                self.evicted.insert(format!("{:?}", memory.key()), (*memory).clone());
            }
        }
        self.said.push(format!("{event:?}"));
    }

    fn recall(&mut self, key: &StreamKey) -> Option<Memory> {
        self.evicted.get(&format!("{key:?}")).cloned()
    }
}

/// One datagram, and what happens around it.
struct Step<'a> {
    pause_us: u64,
    key: StreamKey,
    restart: bool,
    payload: &'a [u8],
}

/// The input taken apart: a byte whose bits 0 to 2 choose the sender, 3 to 5 the pause, 6 a
/// restart after it; then the payload up to a byte 0xff, which ends it.
struct Steps<'a>(&'a [u8]);

impl<'a> Iterator for Steps<'a> {
    type Item = Step<'a>;

    fn next(&mut self) -> Option<Step<'a>> {
        let (kind, rest) = self.0.split_first()?;
        let length = rest.iter().position(|byte| *byte == 0xff).unwrap_or(rest.len());
        let (payload, rest) = rest.split_at(length);
        self.0 = rest.get(1..).unwrap_or_default();
        let sender = kind & 7;
        let source = SocketAddr::from(([10, 0, 0, sender / 2], 6665 + u16::from(sender % 2)));
        let pause_us = [0, 1, 1000, 100_000, 499_999, 500_000, 3_000_000, 60_000_000];
        let pause_us = pause_us.get(usize::from(kind >> 3 & 7)).copied().unwrap_or(0);
        let key = StreamKey::new(source, 6666);
        Some(Step { pause_us, key, restart: kind & 0x40 != 0, payload })
    }
}
