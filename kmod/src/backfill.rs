//! What the kernel has said before a target was there.

use netconsole_wire::{MAX_PRINT_CHUNK, Message};

use crate::death::RECORD;
use crate::live::{armed, send};
use crate::port::Signed;
use crate::{Machine, Port, Ports, Release, RingRecord, line};

/// What a record is put together in. Too large for a kernel's stack.
#[derive(Debug)]
pub struct Backfill {
    text: [u8; RECORD],
    body: [u8; RECORD],
    datagram: [u8; MAX_PRINT_CHUNK],
    signed: Signed,
}

impl Backfill {
    /// One is enough.
    pub const fn new() -> Backfill {
        let (datagram, signed) = ([0; MAX_PRINT_CHUNK], [0; MAX_PRINT_CHUNK]);
        Backfill { text: [0; RECORD], body: [0; RECORD], datagram, signed }
    }

    /// Sends the whole ring of the moment, in a task that may sleep.
    ///
    /// A console with `CON_PRINTBUFFER` would bring only what no reader of `/proc/kmsg` has taken
    /// (`kernel/printk/printk.c`, `register_console`, `syslog_seq`): with a syslog daemon nothing.
    pub fn send(&mut self, machine: &mut impl Machine, ports: &Ports<'_>, release: Release<'_>) {
        let (mut from, mut last) = (0, None);
        while let Some(record) = machine.measure(from) {
            last = Some(record.seq);
            from = record.seq.saturating_add(1);
        }
        from = 0;
        while let Some(record) = machine.record(from, &mut self.text) {
            if Some(record.seq) > last {
                return;
            }
            for (index, port) in armed(ports) {
                self.tell(machine, index, port, release, record);
            }
            if record.seq % BETWEEN_RESTS == 0 {
                machine.rest();
            }
            from = record.seq.saturating_add(1);
        }
    }

    fn tell(
        &mut self,
        machine: &mut impl Machine,
        index: usize,
        port: &Port,
        release: Release<'_>,
        record: RingRecord,
    ) {
        let text = self.text.get(..record.length).unwrap_or(&self.text);
        let signed = &mut self.signed;
        let mut send = |datagram: &[u8]| send(machine, index, port, datagram, signed);
        if !port.extended {
            let text = line::plain(text, &mut self.body);
            return text.chunks(MAX_PRINT_CHUNK).for_each(send);
        }
        let message = line::message(record.seq, text, &mut self.body);
        let message = Message { release: port.release.then_some(release), ..message };
        let (room, _) = self.datagram.split_at_mut(port.longest());
        // A release, a caller and a tag leave room in 1000 bytes.
        message.emit_within(room, &mut send).ok();
    }
}

impl Default for Backfill {
    fn default() -> Self {
        Backfill::new()
    }
}

/// So many records go out without a pause: a card's queue holds more.
const BETWEEN_RESTS: u64 = 64;

#[cfg(test)]
mod tests {
    use core::sync::atomic::Ordering::Relaxed;

    use super::*;
    use crate::simulated::{Simulated, is_signed, only, port, signing};

    #[test]
    fn the_whole_ring_goes_out_once_and_in_order() {
        let (mut machine, port) = (Simulated::new(1000), port("+@/eth0,6666@10.0.2.2/"));
        machine.queue_length = 65;
        Backfill::new().send(&mut machine, &only(&port), b"6.1.0");
        machine.rest();
        assert_eq!(machine.numbers(), (0..1000).collect::<std::vec::Vec<_>>());
        assert_eq!(port.counters.sent.load(Relaxed), 1000);
    }

    #[test]
    fn a_basic_target_gets_text() {
        let (mut machine, port) = (Simulated::new(1), port("@/eth0,6666@10.0.2.2/"));
        Backfill::new().send(&mut machine, &only(&port), b"");
        machine.rest();
        assert_eq!(machine.wire, [b"[    0.000000] line 0\n"]);
    }

    #[test]
    fn what_was_said_has_tags_where_there_is_a_key() {
        let (mut machine, port) = (Simulated::new(100), signing(port("+@/eth0,6666@10.0.2.2/")));
        machine.queue_length = 200;
        Backfill::new().send(&mut machine, &only(&port), b"6.1.0");
        machine.rest();
        assert_eq!(machine.numbers(), (0..100).collect::<std::vec::Vec<_>>());
        assert!(machine.wire.iter().all(|datagram| is_signed(datagram)));
    }
}
