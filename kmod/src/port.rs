//! A target: where it is, how it is spoken to, what became of what was said.

use core::fmt;
use core::sync::atomic::{AtomicU16, AtomicU64, Ordering::Relaxed};

use netconsole_wire::MAX_PRINT_CHUNK;
use netconsole_wire::frame::{FRAME_HEADER, Route};
use netconsole_wire::parameter::Target;
use netconsole_wire::tag::{self, Signer};

use crate::{Failure, Frame, MAX_PORTS, Machine, Urgency};

/// A target that is armed.
#[derive(Debug)]
pub struct Port {
    /// Its device's name when it was opened, zeros behind it.
    device: [u8; 16],
    /// From where to where.
    pub route: Route,
    /// The extended format.
    pub extended: bool,
    /// The kernel's release in front.
    pub release: bool,
    /// What puts a tag on each datagram of the extended format, where there is a key.
    pub signer: Option<Signer>,
    /// What became of the frames.
    pub counters: Counters,
    /// The number of the next IPv4 datagram.
    id: AtomicU16,
}

/// The targets; a slot that is not armed is empty.
pub type Ports<'p> = [Option<&'p Port>; MAX_PORTS];

/// Room for a datagram with its tag. Too large for a kernel's stack.
pub(crate) type Signed = [u8; MAX_PRINT_CHUNK];

/// `uname -r`.
pub type Release<'r> = &'r [u8];

/// What became of a target's frames.
#[derive(Debug, Default)]
pub struct Counters {
    /// Handed to the device.
    pub sent: AtomicU64,
    /// Met a full queue: live ones were left to netpoll's worker, those of a death are lost.
    pub queue_stopped: AtomicU64,
    /// Lost: there was no buffer.
    pub no_memory: AtomicU64,
    /// Lost: the device was down.
    pub device_down: AtomicU64,
}

impl Port {
    /// What `target` says, by the device and the route that were found for it.
    pub fn new(target: &Target<'_>, device: [u8; 16], route: Route) -> Port {
        Port {
            device,
            route,
            extended: target.extended,
            release: target.release,
            signer: None,
            counters: Counters::default(),
            id: AtomicU16::new(0),
        }
    }

    /// The name that its device had when it was opened.
    pub fn device(&self) -> &str {
        let name = self.device.split(|byte| *byte == 0).next().unwrap_or_default();
        str::from_utf8(name).unwrap_or_default()
    }

    /// How long a datagram may be that still gets its tag.
    pub(crate) fn longest(&self) -> usize {
        MAX_PRINT_CHUNK - if self.signer.is_some() { tag::LENGTH } else { 0 }
    }

    /// Puts a tag on a datagram, where that is wanted, and headers in front, and hands it over.
    pub(crate) fn hand_over(
        &self,
        machine: &mut impl Machine,
        index: usize,
        datagram: &[u8],
        signed: &mut Signed,
        urgency: Urgency,
    ) -> Result<(), Failure> {
        let signed = self.signer.as_ref().and_then(|signer| signer.sign(datagram, signed));
        let payload = signed.unwrap_or(datagram);
        let mut room = [0; FRAME_HEADER];
        let id = self.id.fetch_add(1, Relaxed);
        // Datagrams of at most 1000 bytes have headers.
        let Some(header) = self.route.header(payload, id, &mut room) else { return Ok(()) };
        machine.send(index, &Frame { header, payload }, urgency)
    }
}

impl Counters {
    /// Counts what became of a datagram.
    pub(crate) fn count(&self, handed_over: Result<(), Failure>) {
        let counter = match handed_over {
            Ok(()) => &self.sent,
            Err(Failure::Stopped) => &self.queue_stopped,
            Err(Failure::NoMemory) => &self.no_memory,
            Err(Failure::Down) => &self.device_down,
        };
        counter.fetch_add(1, Relaxed);
    }
}

/// `sent=3 queue_stopped=0 no_memory=0 device_down=0`
impl fmt::Display for Counters {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [sent, queue_stopped, no_memory, device_down] =
            [&self.sent, &self.queue_stopped, &self.no_memory, &self.device_down]
                .map(|counter| counter.load(Relaxed));
        write!(out, "sent={sent} queue_stopped={queue_stopped} ")?;
        write!(out, "no_memory={no_memory} device_down={device_down}")
    }
}
