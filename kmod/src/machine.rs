//! What the sender needs of a machine.

/// A kernel, or a simulated one.
pub trait Machine {
    /// A clock that also goes on after a panic, in microseconds.
    fn now_us(&mut self) -> u64;

    /// Lets some 20 µs pass; watchdogs are told that all is well.
    fn pause(&mut self);

    /// Lets others run for a millisecond. Not in a death.
    fn rest(&mut self);

    /// The record of printk's ring with the number `from`, or the next that is still there: its
    /// text as syslog(2) gives it goes into `room`, cut where that ends.
    fn record(&mut self, from: u64, room: &mut [u8]) -> Option<RingRecord>;

    /// Like [`Machine::record`], without the text.
    fn measure(&mut self, from: u64) -> Option<RingRecord>;

    /// Looks at the locks of a port's device before anything of a death is sent. Where this CPU
    /// is `alone`, those of CPUs that were stopped are opened.
    fn begin(&mut self, port: usize, alone: bool) -> Readiness;

    /// Whether the device takes a frame now. What netpoll has parked before goes out first.
    fn readiness(&mut self, port: usize) -> Readiness;

    /// Lets the device finish what it has sent.
    fn poll(&mut self, port: usize);

    /// Begins again what a stopped CPU was at with the device, when nothing else has helped. Only
    /// where this CPU is alone.
    fn force(&mut self, port: usize);

    /// Hands a frame to the device.
    fn send(&mut self, port: usize, frame: &Frame<'_>, urgency: Urgency) -> Result<(), Failure>;

    /// Whether every buffer of the death has come back from the device.
    fn is_at_rest(&mut self, port: usize) -> bool;

    /// A death has been sent as far as it could be.
    fn end(&mut self, port: usize, alone: bool);
}

/// A record of printk's ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingRecord {
    /// printk's number.
    pub seq: u64,
    /// How many bytes its text takes.
    pub length: usize,
}

/// A frame: Ethernet, IP and UDP in front, the datagram behind.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// The headers.
    pub header: &'a [u8],
    /// The datagram.
    pub payload: &'a [u8],
}

/// Whether a device takes a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// It does.
    Ready,
    /// Its queue is full, or a lock is held: later perhaps.
    Stopped,
    /// It is down or away.
    Down,
}

/// What a frame is part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// A line as it is printed: buffers are allocated, and a full queue is left to netpoll.
    Live,
    /// A death: nothing is allocated.
    Death,
}

/// Why a frame was not handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The queue is full; a live line waits in netpoll's, for a worker to send it.
    Stopped,
    /// No buffer.
    NoMemory,
    /// The device is down or away.
    Down,
}
