//! The lines of one boot, one after another, to incidents.

use crate::{Incident, Line};

/// The bounds of a [`Triage`]. `Default` gives the values documented here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Incidents open at once (4): a CPU that dies while another warns. Beyond it the oldest is
    /// closed.
    pub open: usize,
    /// Lines that one incident keeps (1,000); later ones are counted.
    pub lines: usize,
    /// Bytes that one incident keeps of its lines (131,072).
    pub bytes: usize,
    /// Lines of others, one after another, after which an incident is over (200).
    pub others: usize,
    /// printk time without a line of its own after which an incident is over, in microseconds
    /// (10,000,000).
    pub quiet_us: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { open: 4, lines: 1000, bytes: 128 << 10, others: 200, quiet_us: 10_000_000 }
    }
}

/// What became known.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// An incident began; it is to be kept and shown from now on.
    Opened(&'a Incident),
    /// More is known of it: a better title, more of the trace, a panic. It has the same `id`.
    Changed(&'a Incident),
    /// It is complete. Each opened incident is closed once.
    Closed(&'a Incident),
}

impl<'a> Event<'a> {
    /// The incident, as far as it is known.
    pub fn incident(self) -> &'a Incident {
        match self {
            Event::Opened(incident) | Event::Changed(incident) | Event::Closed(incident) => {
                incident
            }
        }
    }
}

/// Finds the incidents of one boot. Memory is bounded by [`Limits`]; of a boot in which nothing
/// is open it is a few hundred bytes.
#[derive(Debug, Default)]
pub struct Triage {
    limits: Limits,
    open: Vec<Incident>,
}

impl Triage {
    /// One with the bounds of `Limits::default()`.
    pub fn new() -> Triage {
        Triage::default()
    }

    /// One with these bounds.
    pub fn with_limits(limits: Limits) -> Triage {
        Triage { limits, open: Vec::new() }
    }

    /// Takes the next line, in the order in which the kernel printed them. Each event is given to
    /// `sink` before this returns.
    pub fn hear(&mut self, _line: Line<'_>, _sink: &mut dyn FnMut(Event<'_>)) {
        self.open.truncate(self.limits.open);
    }

    /// Whether an incident is open. One that was silent for long in the caller's time is ended
    /// with [`Triage::finish`]; 10 s are what [`Limits::quiet_us`] is.
    pub fn is_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// Closes what is open: the boot or the text ended, or nothing came for long. More lines may
    /// follow.
    pub fn finish(&mut self, sink: &mut dyn FnMut(Event<'_>)) {
        for incident in self.open.drain(..) {
            sink(Event::Closed(&incident));
        }
    }
}
