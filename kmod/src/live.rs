//! Lines as the kernel prints them.

use netconsole_wire::{Datagram, MAX_PRINT_CHUNK, Message, Sink, SliceSink, parse};

use crate::port::Signed;
use crate::{Machine, Port, Ports, Release, Urgency};

/// What a line is put together in. Too large for a kernel's stack.
#[derive(Debug)]
pub struct Live {
    datagram: [u8; MAX_PRINT_CHUNK],
    signed: Signed,
}

impl Live {
    /// One for each console.
    pub const fn new() -> Live {
        Live { datagram: [0; MAX_PRINT_CHUNK], signed: [0; MAX_PRINT_CHUNK] }
    }

    /// Sends what an extended console gets to the targets of that format
    /// (`drivers/net/netconsole.c`, `send_ext_msg_udp`).
    pub fn extended(
        &mut self,
        machine: &mut impl Machine,
        ports: &Ports<'_>,
        release: Release<'_>,
        text: &[u8],
    ) {
        for (index, port) in armed(ports).filter(|(_, port)| port.extended) {
            let (room, _) = self.datagram.split_at_mut(port.longest());
            let (release, signed) = (port.release.then_some(release), &mut self.signed);
            message(release, text, room, |datagram: &[u8]| {
                send(machine, index, port, datagram, signed);
            });
        }
    }

    /// Sends what a console gets to the targets of the basic format (`send_msg_udp`).
    pub fn basic(&mut self, machine: &mut impl Machine, ports: &Ports<'_>, text: &[u8]) {
        for (index, port) in armed(ports).filter(|(_, port)| !port.extended) {
            for datagram in text.chunks(MAX_PRINT_CHUNK) {
                send(machine, index, port, datagram, &mut self.signed);
            }
        }
    }
}

/// As it is where it fits, in fragments where it doesn't.
fn message(release: Option<Release<'_>>, text: &[u8], room: &mut [u8], mut out: impl Sink) {
    let mut whole = SliceSink::new(&mut *room);
    if let Some(release) = release {
        whole.write(release);
        whole.write(b",");
    }
    whole.write(text);
    if !whole.overflowed() {
        return out.write(whole.as_bytes());
    }
    let Datagram::Extended(read) = parse(text) else { return };
    let header = &read.header;
    let message = Message {
        release,
        prefix: header.prefix,
        seq: header.seq,
        time: header.time,
        flags: header.flags,
        caller: header.caller,
        body: read.body,
    };
    // A release, a caller and a tag leave room in 1000 bytes.
    message.emit_within(room, out).ok();
}

impl Default for Live {
    fn default() -> Self {
        Live::new()
    }
}

pub(crate) fn send(
    machine: &mut impl Machine,
    index: usize,
    port: &Port,
    datagram: &[u8],
    signed: &mut Signed,
) {
    let handed_over = port.hand_over(machine, index, datagram, signed, Urgency::Live);
    port.counters.count(handed_over);
}

pub(crate) fn armed<'p>(ports: &Ports<'p>) -> impl Iterator<Item = (usize, &'p Port)> {
    ports.iter().enumerate().filter_map(|(index, port)| Some((index, (*port)?)))
}

#[cfg(test)]
mod tests {
    use core::sync::atomic::Ordering::Relaxed;
    use std::format;

    use netconsole_wire::{Datagram, parse};

    use super::*;
    use crate::simulated::{Simulated, is_signed, only, port, signing};

    fn at_once() -> Simulated {
        Simulated { queue_length: usize::MAX, ..Simulated::new(0) }
    }

    #[test]
    fn a_line_goes_out_as_it_is() {
        let (mut machine, port) = (at_once(), port("+r@/eth0,6666@10.0.2.2/"));
        let text = b"6,416,1758426,-,future=1;usb 1-1: new\n SUBSYSTEM=usb\n";
        Live::new().extended(&mut machine, &only(&port), b"6.1.0", text);
        Live::new().basic(&mut machine, &only(&port), b"not for this target\n");
        assert_eq!(machine.queue[0][42..], [b"6.1.0,", &text[..]].concat());
        assert_eq!(machine.queue.len(), 1);
    }

    #[test]
    fn a_long_line_goes_out_in_fragments() {
        let (mut machine, port) = (at_once(), port("+@/eth0,6666@10.0.2.2/"));
        let text = format!("6,1,2,-,caller=T1;{}\n", "x".repeat(1800));
        Live::new().extended(&mut machine, &only(&port), b"", text.as_bytes());
        let first = &machine.queue[0][42..];
        let Datagram::Extended(first) = parse(first) else { panic!("not extended") };
        assert_eq!(first.fragment().map(|fragment| fragment.total), Some(1801));
        assert_eq!(first.header.caller, Some(&b"T1"[..]));
        assert_eq!(machine.queue.len(), 2);
    }

    #[test]
    fn a_full_queue_is_not_waited_for_and_counted() {
        let (mut machine, port) = (Simulated::new(0), port("@/eth0,6666@10.0.2.2/"));
        for _ in 0..10 {
            Live::new().basic(&mut machine, &only(&port), &[b'x'; 1000]);
        }
        machine.down = true;
        Live::new().basic(&mut machine, &only(&port), &[b'x'; 1001]);
        let counters = &port.counters;
        assert_eq!(counters.sent.load(Relaxed), 8);
        assert_eq!(counters.queue_stopped.load(Relaxed), 2);
        assert_eq!(counters.device_down.load(Relaxed), 2);
    }

    /// One that has just room without a tag goes out in two.
    #[test]
    fn each_datagram_has_a_tag_where_there_is_a_key() {
        let (mut machine, port) = (at_once(), signing(port("+@/eth0,6666@10.0.2.2/")));
        for (length, datagrams) in [(0, 1), (950, 1), (951, 2), (988, 2), (3000, 4)] {
            machine.queue.clear();
            let text = format!("6,1,1000,-;{}\n", "x".repeat(length));
            Live::new().extended(&mut machine, &only(&port), b"", text.as_bytes());
            assert_eq!(machine.queue.len(), datagrams, "{length}");
            assert!(machine.queue.iter().all(|frame| is_signed(&frame[42..])));
        }
    }
}
