//! A lap of datagrams, ready to be sent.

use std::net::SocketAddrV4;
use std::ops::Range;

use super::address::{Network, SOURCE_PORT};
use super::frame::{HEADERS, TARGET_PORT_AT, push_headers, readdress, sum_up};

/// Datagrams in order of sending, and what is true of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Load {
    pub(super) frames: Vec<u8>,
    pub(super) slots: Vec<Slot>,
    /// Records of each source in a lap, those that are never sent among them.
    pub(super) numbered: Vec<u32>,
    /// How long a lap takes by the senders' clocks, in microseconds.
    pub(super) lap_us: u64,
    /// Laps before this one.
    pub(super) laps: u64,
}

/// One datagram.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Slot {
    /// Where its frame begins.
    pub(super) at: usize,
    /// The length of the frame.
    pub(super) length: u16,
    /// Where its number stands in the payload, if it has one.
    pub(super) sequence_at: Option<u16>,
    /// Where its time stands in the payload.
    pub(super) time_at: u16,
    /// The number of its source.
    pub(crate) source: u32,
    pub(super) sequence: u64,
    pub(super) time_us: u64,
    /// The number of its record in the lap, which a tag shows.
    pub(crate) record: u32,
    /// It is the last, or the only, datagram of its record.
    pub(super) ends_record: bool,
}

impl Load {
    /// Datagrams of somebody else's making, each with the number of its source; for one lap.
    pub(crate) fn of(payloads: &[(u32, &[u8])], network: Network, target: SocketAddrV4) -> Self {
        let mut load = Self::default();
        for &(source, payload) in payloads {
            let at = load.frames.len();
            let from = SocketAddrV4::new(network.address(source), SOURCE_PORT);
            push_headers(&mut load.frames, from, target, payload.len());
            load.frames.extend_from_slice(payload);
            sum_up(&mut load.frames[at..]);
            let length = (HEADERS + payload.len()) as u16;
            load.slots.push(Slot { at, length, source, ..Slot::default() });
        }
        load
    }

    /// How many datagrams there are in a lap.
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// The datagrams in order.
    pub(crate) fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// The lap in parts of so many datagrams.
    pub(crate) fn parts(&self, datagrams: usize) -> impl Iterator<Item = Range<usize>> + use<> {
        let length = self.slots.len();
        (0..length).step_by(datagrams).map(move |at| at..length.min(at + datagrams))
    }

    /// A datagram with its headers.
    pub(crate) fn frame(&self, slot: &Slot) -> &[u8] {
        &self.frames[slot.at..slot.at + usize::from(slot.length)]
    }

    /// A datagram's payload.
    pub(crate) fn payload(&self, slot: &Slot) -> &[u8] {
        &self.frame(slot)[HEADERS..]
    }

    /// Bytes of a lap's payloads.
    pub(crate) fn bytes(&self) -> u64 {
        self.slots.iter().map(|slot| u64::from(slot.length) - HEADERS as u64).sum()
    }

    /// Laps that were done.
    pub(crate) fn laps(&self) -> u64 {
        self.laps
    }

    /// Sends all of it to another port from now on.
    pub(crate) fn retarget(&mut self, port: u16) {
        for slot in &self.slots {
            let frame = &mut self.frames[slot.at..slot.at + usize::from(slot.length)];
            frame[TARGET_PORT_AT..][..2].copy_from_slice(&port.to_be_bytes());
            sum_up(frame);
        }
    }

    /// The next lap: each source goes on where it stopped.
    pub(crate) fn next_lap(&mut self) {
        self.advance(0..self.slots.len());
        self.laps += 1;
    }

    /// Moves part of the lap on to the next; who does so for all parts, one after the other, has
    /// the next lap.
    pub(crate) fn advance(&mut self, part: Range<usize>) {
        for slot in &mut self.slots[part] {
            slot.sequence += u64::from(self.numbered[slot.source as usize]);
            slot.time_us += self.lap_us;
            let frame = &mut self.frames[slot.at..slot.at + usize::from(slot.length)];
            slot.number(&mut frame[HEADERS..]);
            sum_up(frame);
        }
    }

    /// The same datagrams, but from sources with numbers higher by `by`.
    pub(crate) fn shift(&mut self, part: Range<usize>, network: Network, by: u32) {
        for slot in &mut self.slots[part] {
            slot.source += by;
            let frame = &mut self.frames[slot.at..slot.at + usize::from(slot.length)];
            readdress(frame, network.address(slot.source));
        }
    }

    /// Counts, per source, the records that a part of the lap brings to an end.
    pub(crate) fn count(&self, part: Range<usize>, records: &mut Vec<u64>) {
        records.resize(self.numbered.len().max(records.len()), 0);
        for slot in &self.slots[part] {
            records[slot.source as usize] += u64::from(slot.ends_record);
        }
    }
}

impl Slot {
    /// Writes number and time over those in the payload.
    fn number(&self, payload: &mut [u8]) {
        let time = &mut payload[usize::from(self.time_at)..];
        if let Some(at) = self.sequence_at {
            write_digits(&mut time[..TIME_DIGITS], self.time_us);
            write_digits(&mut payload[usize::from(at)..][..SEQUENCE_DIGITS], self.sequence);
        } else {
            // Basic: seconds, a dot, microseconds.
            let (seconds, micros) = time.split_at_mut(TIME_DIGITS - 6);
            write_digits(seconds, self.time_us / 1_000_000);
            write_digits(&mut micros[1..7], self.time_us % 1_000_000);
        }
    }
}

/// Writes a number with leading zeroes.
fn write_digits(out: &mut [u8], mut number: u64) {
    for digit in out.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

/// Sequence numbers have as many digits from first to last.
pub(super) const SEQUENCE_DIGITS: usize = 8;
/// Times in microseconds have as many digits from first to last.
pub(super) const TIME_DIGITS: usize = 12;
