//! The death: the tail of the kernel's log, delivered while it dies.
//!
//! 1. The device's locks are looked at; a port whose device can't be used is left out.
//! 2. Records from the first of the tail, or the first that it was not sent in an earlier death, go
//!    out to each target: twice to those of the extended format, as networks drop datagrams and
//!    repeats fall away by their number; once to those of the basic format, which has none.
//!    Where the time is short the newest go out rather than what is before them.
//! 3. A closing record tells the first and the last number and the count; a tenth of the time is
//!    kept for it.
//! 4. Until the device has given all buffers back, or the time is up, it is polled.
//!
//! So an oops, the panic after it and the restart after that send what is new since the last.

mod delivery;

use core::fmt::Write as _;

use netconsole_wire::closing::{Closing, Reason};
use netconsole_wire::{MAX_PRINT_CHUNK, Sequence, SliceSink};

use self::delivery::Delivery;
use crate::live::armed;
use crate::port::Signed;
use crate::{MAX_PORTS, Machine, Ports, Release, line};

/// What is known of earlier deaths of this boot, and what one is put together in. Too large for a
/// kernel's stack.
#[derive(Debug)]
pub struct Death {
    /// For each port, the number after the last that was sent.
    next: [u64; MAX_PORTS],
    /// The first record that was sent since no other CPU runs.
    first_alone: Option<u64>,
    /// How long all deaths together have taken since no other CPU runs, in microseconds.
    spent_alone_us: u64,
    text: [u8; RECORD],
    body: [u8; RECORD],
    datagram: [u8; MAX_PRINT_CHUNK],
    signed: Signed,
}

/// What the kernel calls for.
#[derive(Clone, Copy, Debug)]
pub struct Occasion {
    /// What it dumps its log for.
    pub reason: Reason,
    /// No other CPU runs any more.
    pub alone: bool,
    /// How much is sent, and how long it may take.
    pub limits: Limits,
}

/// How much is sent, and how long it may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of the log, as syslog(2) gives it.
    pub tail: usize,
    /// Microseconds in all.
    pub whole_us: u64,
}

impl Limits {
    /// Two passes of 64 KiB take 27 to 68 ms on virtio and e1000e, and 1.2 s on a card that
    /// empties its queue every 50 ms only; a virtual machine whose host is overloaded takes longer.
    /// All deaths together keep a restart back no longer.
    pub const DEFAULT: Limits = Limits { tail: 64 * 1024, whole_us: 5_000_000 };

    /// A kernel that may go on after an oops is kept from its interrupts for less.
    pub const WHILE_OTHERS_RUN: Limits = Limits { whole_us: 500_000, ..Limits::DEFAULT };
}

/// What a death is made of.
#[derive(Clone, Copy)]
struct Extent {
    first: u64,
    /// The first of those that some of the time is kept for.
    newest: u64,
    last: u64,
    count: u64,
}

impl Death {
    /// Nothing was sent yet.
    pub const fn new() -> Death {
        let (text, body, datagram) = ([0; RECORD], [0; RECORD], [0; MAX_PRINT_CHUNK]);
        let signed = [0; MAX_PRINT_CHUNK];
        Death {
            next: [0; MAX_PORTS],
            first_alone: None,
            spent_alone_us: 0,
            text,
            body,
            datagram,
            signed,
        }
    }

    /// Sends what is new, if anything is. For a target that could not be told to the end, it is new
    /// the next time as well.
    pub fn deliver<M: Machine>(
        &mut self,
        machine: &mut M,
        ports: &Ports<'_>,
        release: Release<'_>,
        mut occasion: Occasion,
    ) {
        let (limits, alone) = (&mut occasion.limits, occasion.alone);
        if alone {
            limits.whole_us = limits.whole_us.saturating_sub(self.spent_alone_us);
        }
        let begun_us = machine.now_us();
        let deadline_us = begun_us.saturating_add(limits.whole_us);
        let Some(extent) = self.extent(machine, ports, limits.tail) else { return };
        let mut out = Delivery::begin(machine, ports, release, occasion, deadline_us, self.next);
        for pass in 0..PASSES {
            self.pass(&mut out, extent, pass);
        }
        let whole = self.whole(&mut out, extent);
        out.late = false;
        self.close(&mut out, whole, occasion.reason);
        out.end();
        self.next = out.next(extent.last);
        if alone {
            self.spent_alone_us += machine.now_us().saturating_sub(begun_us);
        }
    }

    /// The newest records that fit into `tail` bytes and some target was not sent yet; nothing, if
    /// there is none.
    fn extent(&self, machine: &mut impl Machine, ports: &Ports<'_>, tail: usize) -> Option<Extent> {
        let next = armed(ports).filter_map(|(index, _)| self.next.get(index).copied()).min()?;
        let (mut bytes, mut from, mut last) = (0usize, next, None);
        while let Some(record) = machine.measure(from) {
            bytes = bytes.saturating_add(record.length);
            last = Some(record.seq);
            from = record.seq.checked_add(1)?;
        }
        let (last, mut from) = (last?, next);
        let mut extent: Option<Extent> = None;
        while let Some(record) = machine.measure(from).filter(|record| record.seq <= last) {
            from = record.seq.checked_add(1)?;
            if bytes <= tail || record.seq == last {
                let (first, newest) = (record.seq, record.seq);
                let begun = extent.unwrap_or(Extent { first, newest, last, count: 0 });
                let newest = if bytes > NEWEST { from.min(last) } else { begun.newest };
                extent = Some(Extent { newest, count: begun.count + 1, ..begun });
            }
            bytes = bytes.saturating_sub(record.length);
        }
        extent
    }

    /// What a panic sends in several deliveries is one death: the last closing record tells of all.
    fn whole<M: Machine>(&mut self, out: &mut Delivery<'_, M>, extent: Extent) -> Extent {
        if !out.occasion.alone {
            return extent;
        }
        let first = *self.first_alone.get_or_insert(extent.first);
        let (mut from, mut count) = (first, 0);
        while let Some(record) = out.machine.measure(from).filter(|it| it.seq <= extent.last) {
            from = record.seq.saturating_add(1);
            count += 1;
        }
        Extent { first, count, ..extent }
    }

    fn pass<M: Machine>(&mut self, out: &mut Delivery<'_, M>, extent: Extent, pass: u32) {
        let mut from = extent.first;
        while let Some(record) = out.machine.record(from, &mut self.text) {
            if record.seq > extent.last {
                return;
            }
            out.look_at_the_clock(record.seq >= extent.newest);
            out.in_time &= pass > 0 || !out.late;
            let text = self.text.get(..record.length).unwrap_or(&self.text);
            let message = line::message(record.seq, text, &mut self.body);
            for (index, port) in out.those_without(record.seq, true) {
                out.message(index, port, message, &mut self.datagram, &mut self.signed);
            }
            if pass == 0 {
                let text = line::plain(text, &mut self.body);
                for (index, port) in out.those_without(record.seq, false) {
                    let mut send = |piece| out.send(index, port, piece, &mut self.signed);
                    text.chunks(MAX_PRINT_CHUNK).for_each(&mut send);
                }
            }
            from = record.seq.saturating_add(1);
        }
    }

    fn close<M: Machine>(&mut self, out: &mut Delivery<'_, M>, extent: Extent, reason: Reason) {
        let Extent { first, last, count, .. } = extent;
        let closing = Closing { reason, first: Sequence(first), last: Sequence(last), count };
        let mut said = SliceSink::new(&mut self.datagram);
        // 1000 bytes hold it.
        write!(said, "{closing}").ok();
        for _ in 0..PASSES {
            for (index, port) in out.those_without(last, true) {
                out.send(index, port, said.as_bytes(), &mut self.signed);
            }
        }
    }
}

impl Default for Death {
    fn default() -> Self {
        Death::new()
    }
}

/// So many bytes of the log are the newest: an oops with a long trace, and the panic after it.
const NEWEST: usize = 8192;

/// How often records are sent to targets of the extended format.
const PASSES: u32 = 2;

/// Room for a record's text, and for what its escapes make of it. printk's own records have at
/// most 1024 bytes (`kernel/printk/printk.c`, `LOG_LINE_MAX`, `PRINTKRB_RECORD_MAX`); those of a
/// thousand empty lines are cut here.
pub(crate) const RECORD: usize = 8192;

#[cfg(test)]
mod tests;
