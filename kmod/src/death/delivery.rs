//! One death on its way out: to which targets, and how long each of their devices is waited for.

use netconsole_wire::{MAX_PRINT_CHUNK, Message};

use super::Occasion;
use crate::live::armed;
use crate::port::Signed;
use crate::{Failure, MAX_PORTS, Machine, Port, Ports, Readiness, Release, Urgency};

/// One death on its way out.
pub(super) struct Delivery<'d, M> {
    pub(super) machine: &'d mut M,
    pub(super) ports: &'d Ports<'d>,
    release: Release<'d>,
    pub(super) occasion: Occasion,
    deadline_us: u64,
    /// For each port, the first record that it was not sent yet.
    from: [u64; MAX_PORTS],
    /// The time for this record is up.
    pub(super) late: bool,
    /// It was up for none when they were sent first.
    pub(super) in_time: bool,
    /// Targets that nothing more is sent to, and why.
    given_up: [Option<Failure>; MAX_PORTS],
}

impl<'d, M: Machine> Delivery<'d, M> {
    /// To those targets whose devices can be used.
    pub(super) fn begin(
        machine: &'d mut M,
        ports: &'d Ports<'d>,
        release: Release<'d>,
        occasion: Occasion,
        deadline_us: u64,
        from: [u64; MAX_PORTS],
    ) -> Self {
        let (late, in_time, given_up) = (false, true, [None; MAX_PORTS]);
        let mut out = Delivery {
            machine,
            ports,
            release,
            occasion,
            deadline_us,
            from,
            late,
            in_time,
            given_up,
        };
        for (index, _) in armed(ports) {
            match out.machine.begin(index, occasion.alone) {
                Readiness::Ready => {}
                Readiness::Stopped => out.give_up(index, Failure::Stopped),
                Readiness::Down => out.give_up(index, Failure::Down),
            }
        }
        out
    }

    pub(super) fn message(
        &mut self,
        index: usize,
        port: &Port,
        message: Message<'_>,
        room: &mut [u8; MAX_PRINT_CHUNK],
        signed: &mut Signed,
    ) {
        let release = port.release.then_some(self.release);
        let message = Message { release, ..message };
        let (room, _) = room.split_at_mut(port.longest());
        let send = |datagram: &[u8]| self.send(index, port, datagram, signed);
        // A release, a caller and a tag leave room in 1000 bytes.
        message.emit_within(room, send).ok();
    }

    /// Waits until the device takes the datagram, for as long as the limits allow.
    pub(super) fn send(&mut self, index: usize, port: &Port, payload: &[u8], signed: &mut Signed) {
        let handed_over = match self.why_given_up(index) {
            Some(failure) => Err(failure),
            None if self.late => Err(Failure::Stopped),
            None => self.hand_over(index, port, payload, signed),
        };
        port.counters.count(handed_over);
        if let Err(failure) = handed_over
            && !self.late
        {
            self.give_up(index, failure);
        }
    }

    fn hand_over(
        &mut self,
        index: usize,
        port: &Port,
        payload: &[u8],
        signed: &mut Signed,
    ) -> Result<(), Failure> {
        let mut patience = self.patience();
        loop {
            let failure = match self.machine.readiness(index) {
                Readiness::Ready => {
                    match port.hand_over(self.machine, index, payload, signed, Urgency::Death) {
                        Ok(()) => return Ok(()),
                        Err(failure) => failure,
                    }
                }
                Readiness::Stopped => Failure::Stopped,
                Readiness::Down => Failure::Down,
            };
            if failure == Failure::Down || patience.is_over(self.machine.now_us()) {
                return Err(failure);
            }
            if self.occasion.alone && self.machine.now_us() >= patience.forced_us {
                self.machine.force(index);
            }
            self.machine.poll(index);
            self.machine.pause();
        }
    }

    /// How long a device is waited for: half of the time that is left, as others want some.
    fn patience(&mut self) -> Patience {
        let now_us = self.machine.now_us();
        let half_us = self.deadline_us.saturating_sub(now_us) / 2;
        let forced_us = now_us.saturating_add(FORCED_AFTER_US.min(half_us / 2));
        Patience { forced_us, until_us: now_us.saturating_add(half_us), looks: 0 }
    }

    fn give_up(&mut self, index: usize, failure: Failure) {
        if let Some(given_up) = self.given_up.get_mut(index) {
            *given_up = Some(failure);
        }
    }

    fn why_given_up(&self, index: usize) -> Option<Failure> {
        self.given_up.get(index).copied().flatten()
    }

    /// The targets of a format that were not sent a record in an earlier death.
    pub(super) fn those_without(
        &self,
        record: u64,
        extended: bool,
    ) -> impl Iterator<Item = (usize, &'d Port)> + use<'d, M> {
        let from = self.from;
        armed(self.ports).filter(move |(index, port)| {
            port.extended == extended && from.get(*index).is_some_and(|from| *from <= record)
        })
    }

    /// Where the next death begins for each: behind the last record for those that have taken all.
    pub(super) fn next(&self, last: u64) -> [u64; MAX_PORTS] {
        let mut next = self.from;
        for (next, given_up) in next.iter_mut().zip(self.given_up) {
            if self.in_time && given_up.is_none() {
                *next = last.saturating_add(1);
            }
        }
        next
    }

    /// When the time for a record is up it is counted only.
    pub(super) fn look_at_the_clock(&mut self, newest: bool) {
        let kept_for = if newest { FOR_CLOSING } else { FOR_CLOSING + FOR_NEWEST };
        let kept_us = self.occasion.limits.whole_us / 10 * kept_for;
        self.late = self.machine.now_us() >= self.deadline_us.saturating_sub(kept_us);
    }

    /// What is on its way goes out before a restart can cut it off.
    pub(super) fn end(&mut self) {
        for (index, _) in armed(self.ports) {
            let mut patience = self.patience();
            while self.why_given_up(index).is_none()
                && !self.machine.is_at_rest(index)
                && !patience.is_over(self.machine.now_us())
            {
                self.machine.poll(index);
                self.machine.pause();
            }
            self.machine.end(index, self.occasion.alone);
        }
    }
}

/// How long a device is waited for: until the time is up, but a machine that its host did not let
/// run meanwhile has not waited.
struct Patience {
    /// When what a stopped CPU was at with the device is begun again.
    forced_us: u64,
    until_us: u64,
    /// How often it was looked at.
    looks: u32,
}

impl Patience {
    fn is_over(&mut self, now_us: u64) -> bool {
        self.looks += 1;
        now_us >= self.until_us && self.looks > FEWEST_LOOKS
    }
}

/// At some 20 µs each they take 20 ms.
const FEWEST_LOOKS: u32 = 1000;

/// So long nothing has moved then. Half of its patience, where that is less.
const FORCED_AFTER_US: u64 = 250_000;

/// So many tenths of the whole time are the closing record's: it tells how much of a death is
/// missing.
const FOR_CLOSING: u64 = 1;

/// And so many are for the newest records, which tell what it died of.
const FOR_NEWEST: u64 = 2;
