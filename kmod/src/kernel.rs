//! Between the shim and the logic: the one file with unsafe code, built for the kernel only.
//!
//! What the shim in C offers is declared below as [`shim`]; what it calls is exported with the
//! same names as in `shim/logic.h`, where the rules that both keep are written down.
#![allow(unsafe_code, reason = "C calls this and is called")]

use core::cell::UnsafeCell;
use core::fmt::Write as _;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use core::{ffi::c_int, slice, str};

use netconsole_wire::closing::Reason;
use netconsole_wire::frame::{Addresses, Route};
use netconsole_wire::parameter::{self, Device, Mac, Target};
use netconsole_wire::{Sink, SliceSink};

use crate::death::{Death, Limits, Occasion};
use crate::live::Live;
use crate::{Failure, Frame, MAX_PORTS, Machine, Port, Readiness, RingRecord, Urgency};

/// `shim/logic.h`, `struct bn_wish`.
#[repr(C)]
struct Wish {
    device: [u8; 16],
    mac: [u8; 6],
    by_mac: bool,
    v6: bool,
    has_source: bool,
    target: [u8; 16],
    source: [u8; 16],
}

/// `shim/logic.h`, `struct bn_found`.
#[repr(C)]
struct Found {
    device: [u8; 16],
    mac: [u8; 6],
    source: [u8; 16],
}

/// `shim/logic.h`, `struct bn_frame`.
#[repr(C)]
struct FrameBytes {
    header: *const u8,
    header_length: usize,
    payload: *const u8,
    payload_length: usize,
}

mod shim {
    use super::{Found, FrameBytes, Wish, c_int};

    unsafe extern "C" {
        pub(super) fn bn_now_us() -> u64;
        pub(super) fn bn_pause();
        pub(super) fn bn_record(
            from: u64,
            room: *mut u8,
            size: usize,
            length: *mut usize,
            seq: *mut u64,
        ) -> bool;
        pub(super) fn bn_begin(port: u32, alone: bool) -> c_int;
        pub(super) fn bn_ready(port: u32) -> c_int;
        pub(super) fn bn_poll(port: u32);
        pub(super) fn bn_force(port: u32);
        pub(super) fn bn_send(port: u32, frame: *const FrameBytes, death: bool) -> c_int;
        pub(super) fn bn_at_rest(port: u32) -> bool;
        pub(super) fn bn_end(port: u32, alone: bool);
        pub(super) fn bn_enter(port: u32) -> bool;
        pub(super) fn bn_leave(port: u32);
        pub(super) fn bn_say(level: c_int, text: *const u8, length: usize);
        pub(super) fn bn_open(port: u32, wish: *const Wish, found: *mut Found) -> c_int;
        pub(super) fn bn_release(length: *mut usize) -> *const u8;
    }
}

/// The kernel that this runs in.
struct Kernel;

impl Kernel {
    fn record(from: u64, room: *mut u8, size: usize) -> Option<RingRecord> {
        let (mut length, mut seq) = (0, 0);
        // SAFETY: `room` is null or has `size` bytes; the two numbers outlive the call.
        let found = unsafe { shim::bn_record(from, room, size, &raw mut length, &raw mut seq) };
        found.then_some(RingRecord { seq, length })
    }
}

impl Machine for Kernel {
    fn now_us(&mut self) -> u64 {
        // SAFETY: callable from everywhere.
        unsafe { shim::bn_now_us() }
    }

    fn pause(&mut self) {
        // SAFETY: callable from everywhere.
        unsafe { shim::bn_pause() }
    }

    fn record(&mut self, from: u64, room: &mut [u8]) -> Option<RingRecord> {
        Kernel::record(from, room.as_mut_ptr(), room.len())
    }

    fn measure(&mut self, from: u64) -> Option<RingRecord> {
        Kernel::record(from, core::ptr::null_mut(), 0)
    }

    fn begin(&mut self, port: usize, alone: bool) -> Readiness {
        // SAFETY: the port was entered, see `Entered`.
        readiness(unsafe { shim::bn_begin(port as u32, alone) })
    }

    fn readiness(&mut self, port: usize) -> Readiness {
        // SAFETY: as above.
        readiness(unsafe { shim::bn_ready(port as u32) })
    }

    fn poll(&mut self, port: usize) {
        // SAFETY: as above.
        unsafe { shim::bn_poll(port as u32) }
    }

    fn force(&mut self, port: usize) {
        // SAFETY: as above, and no other CPU runs.
        unsafe { shim::bn_force(port as u32) }
    }

    fn send(&mut self, port: usize, frame: &Frame<'_>, urgency: Urgency) -> Result<(), Failure> {
        let Frame { header, payload } = frame;
        let death = urgency == Urgency::Death;
        let frame = FrameBytes {
            header: header.as_ptr(),
            header_length: header.len(),
            payload: payload.as_ptr(),
            payload_length: payload.len(),
        };
        // SAFETY: as above; the bytes are copied before the call returns.
        let sent = unsafe { shim::bn_send(port as u32, &raw const frame, death) };
        match -sent {
            0 => Ok(()),
            EAGAIN => Err(Failure::Stopped),
            ENOMEM => Err(Failure::NoMemory),
            _ => Err(Failure::Down),
        }
    }

    fn is_at_rest(&mut self, port: usize) -> bool {
        // SAFETY: as above.
        unsafe { shim::bn_at_rest(port as u32) }
    }

    fn end(&mut self, port: usize, alone: bool) {
        // SAFETY: as above.
        unsafe { shim::bn_end(port as u32, alone) }
    }
}

fn readiness(code: c_int) -> Readiness {
    match -code {
        0 => Readiness::Ready,
        EAGAIN => Readiness::Stopped,
        _ => Readiness::Down,
    }
}

/// A place for a target.
struct Slot(UnsafeCell<Option<Port>>);

// SAFETY: written only while the port is closed, by one task at a time (`bn_configure`); read
// only between `bn_enter` and `bn_leave`, which are so only while it is open.
unsafe impl Sync for Slot {}

static SLOTS: [Slot; MAX_PORTS] = [const { Slot(UnsafeCell::new(None)) }; MAX_PORTS];

/// The targets that are armed, kept from being closed while this lives.
struct Entered {
    ports: [Option<&'static Port>; MAX_PORTS],
}

impl Entered {
    fn all() -> Entered {
        let mut ports = [None; MAX_PORTS];
        for (index, (port, slot)) in ports.iter_mut().zip(&SLOTS).enumerate() {
            // SAFETY: any number below MAX_PORTS is a port's.
            if unsafe { shim::bn_enter(index as u32) } {
                // SAFETY: the port was entered, so nobody writes the slot.
                *port = unsafe { (*slot.0.get()).as_ref() };
            }
        }
        Entered { ports }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        for (index, port) in self.ports.iter().enumerate() {
            if port.is_some() {
                // SAFETY: it was entered.
                unsafe { shim::bn_leave(index as u32) }
            }
        }
    }
}

/// What one at a time may use. Nobody waits for it.
struct Tried<T> {
    held: AtomicU8,
    value: UnsafeCell<T>,
}

// SAFETY: the value is reached only by the one that has changed `held` from FREE, or after a
// panic by the one CPU that is left (`take_over`).
unsafe impl<T> Sync for Tried<T> {}

const FREE: u8 = 0;
const HELD: u8 = 1;
const HELD_FOR_GOOD: u8 = 2;

impl<T> Tried<T> {
    const fn new(value: T) -> Tried<T> {
        Tried { held: AtomicU8::new(FREE), value: UnsafeCell::new(value) }
    }

    fn with(&self, work: impl FnOnce(&mut T)) {
        if self.held.compare_exchange(FREE, HELD, Ordering::Acquire, Ordering::Relaxed).is_ok() {
            // SAFETY: nobody else has it, as `held` was free.
            work(unsafe { &mut *self.value.get() });
            self.held.store(FREE, Ordering::Release);
        }
    }

    /// Like [`Tried::with`], where all other CPUs were stopped: one that holds it never comes
    /// back, nor does what this CPU was at. But a panic within a panic's own use stays out.
    fn take_over(&self, work: impl FnOnce(&mut T)) {
        if self.held.swap(HELD_FOR_GOOD, Ordering::Acquire) != HELD_FOR_GOOD {
            // SAFETY: see above; a value that was left half-changed is as good as any.
            work(unsafe { &mut *self.value.get() });
            self.held.store(FREE, Ordering::Release);
        }
    }
}

static DEATH: Tried<Death> = Tried::new(Death::new());
static EXTENDED: Tried<Live> = Tried::new(Live::new());
static BASIC: Tried<Live> = Tried::new(Live::new());
static TAIL: AtomicUsize = AtomicUsize::new(Limits::DEFAULT.tail);
/// A panic's death has been called for: what comes after it comes by death as well.
static PANICKED: AtomicBool = AtomicBool::new(false);

/// How many bytes of the log a death brings.
#[unsafe(no_mangle)]
extern "C" fn bn_set_tail(bytes: usize) {
    TAIL.store(bytes, Ordering::Relaxed);
}

/// The kernel dumps its log; `reason` as in `enum kmsg_dump_reason`.
#[unsafe(no_mangle)]
extern "C" fn bn_dump(reason: c_int) {
    let reason = match reason {
        1 => Reason::Panic,
        2 => Reason::Oops,
        _ => Reason::Emergency,
    };
    if reason == Reason::Panic {
        PANICKED.store(true, Ordering::Relaxed);
    }
    let alone = PANICKED.load(Ordering::Relaxed);
    let limits = if alone { Limits::DEFAULT } else { Limits::WHILE_OTHERS_RUN };
    let limits = Limits { tail: TAIL.load(Ordering::Relaxed), ..limits };
    let occasion = Occasion { reason, alone, limits };
    let deliver = |death: &mut Death| {
        death.deliver(&mut Kernel, &Entered::all().ports, release(), occasion);
    };
    if alone { DEATH.take_over(deliver) } else { DEATH.with(deliver) }
}

/// A console's line.
///
/// # Safety
///
/// `text` has `length` bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn bn_live(extended: bool, text: *const u8, length: usize) {
    if PANICKED.load(Ordering::Relaxed) {
        return;
    }
    // SAFETY: the caller's promise.
    let text = unsafe { slice::from_raw_parts(text, length) };
    let entered = Entered::all();
    if extended {
        EXTENDED.with(|live| live.extended(&mut Kernel, &entered.ports, release(), text));
    } else {
        BASIC.with(|live| live.basic(&mut Kernel, &entered.ports, text));
    }
}

fn release() -> &'static [u8] {
    let mut length = 0;
    // SAFETY: the release stands in the kernel's memory as long as it runs.
    unsafe {
        let text = shim::bn_release(&raw mut length);
        slice::from_raw_parts(text, length)
    }
}

/// Opens a port for each target of the parameter and says so in the log. The number of targets,
/// or what is wrong as a negative number.
///
/// # Safety
///
/// `text` has `length` bytes; one task at a time, and no port is open.
#[unsafe(no_mangle)]
unsafe extern "C" fn bn_configure(text: *const u8, length: usize) -> c_int {
    // SAFETY: the caller's promise.
    let text = unsafe { slice::from_raw_parts(text, length) };
    let parameter = match str::from_utf8(text).map(parameter::parse) {
        Ok(Ok(parameter)) => parameter,
        Ok(Err(error)) => {
            say!(ERR, "{error}");
            return -EINVAL;
        }
        Err(_) => return -EINVAL,
    };
    if parameter.targets().count() > MAX_PORTS {
        say!(ERR, "more than {MAX_PORTS} targets: leave some out");
        return -E2BIG;
    }
    let mut opened = 0;
    for (index, target) in parameter.targets().enumerate() {
        match open(index, &target) {
            Ok(()) => opened += 1,
            Err(error) => return error,
        }
    }
    opened
}

/// The lines are those of netconsole (`drivers/net/netconsole.c`, `net/core/netpoll.c`).
fn open(index: usize, target: &Target<'_>) -> Result<(), c_int> {
    say!(INFO, "local port {}", target.source_port);
    if let Some(source) = target.source_ip {
        say!(INFO, "local {}", Address(source));
    }
    match target.device {
        Device::Name(name) => say!(INFO, "interface name '{name}'"),
        Device::Mac(mac) => say!(INFO, "interface mac '{mac}'"),
    }
    say!(INFO, "remote port {}", target.port);
    say!(INFO, "remote {}", Address(target.ip));
    say!(INFO, "remote ethernet address {}", target.mac);
    let wish = wish(target);
    let mut found = Found { device: [0; 16], mac: [0; 6], source: [0; 16] };
    // SAFETY: both outlive the call.
    let opened = unsafe { shim::bn_open(index as u32, &raw const wish, &raw mut found) };
    if opened < 0 {
        refused(target, -opened);
        return Err(opened);
    }
    let source = address(wish.v6, found.source);
    if target.source_ip.is_none() {
        say!(INFO, "local {}", Address(source));
    }
    // Of one family, as the shim looks for an address of the target's.
    let addresses = Addresses::pair(source, target.ip).ok_or(-EINVAL)?;
    let route = Route {
        source_mac: Mac(found.mac),
        mac: target.mac,
        addresses,
        source_port: target.source_port,
        port: target.port,
    };
    if let Some(slot) = SLOTS.get(index) {
        // SAFETY: the port is not armed yet, so nobody reads the slot; one task writes.
        unsafe { *slot.0.get() = Some(Port::new(target, route)) }
    }
    Ok(())
}

fn refused(target: &Target<'_>, error: c_int) {
    let device = target.device;
    match error {
        ENODEV => say!(ERR, "{device} doesn't exist, aborting"),
        EBUSY => {
            say!(ERR, "{device} is a slave device, aborting: name its bridge or bond instead");
        }
        ENOTSUPP => say!(ERR, "{device} doesn't support polling, aborting: name another device"),
        EOPNOTSUPP => {
            say!(ERR, "{device} is Wi-Fi, which can't send while the kernel dies, aborting");
        }
        EADDRNOTAVAIL => say!(ERR, "no IP address for {device}, aborting: give it one first"),
        ENETDOWN => say!(ERR, "failed to open {device}"),
        ENOMEM => say!(ERR, "no memory for {device}'s buffers"),
        EPFNOSUPPORT => say!(ERR, "{device} is no Ethernet device, aborting"),
        _ => say!(ERR, "{device} can't be used: error {error}"),
    }
}

struct Address(IpAddr);

impl core::fmt::Display for Address {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let family = if self.0.is_ipv4() { "IPv4" } else { "IPv6" };
        write!(out, "{family} address {}", self.0)
    }
}

fn wish(target: &Target<'_>) -> Wish {
    let (mut device, mut mac) = ([0; 16], [0; 6]);
    match target.device {
        Device::Name(name) => {
            device.iter_mut().zip(name.bytes()).for_each(|(to, from)| *to = from);
        }
        Device::Mac(address) => mac = address.0,
    }
    Wish {
        device,
        mac,
        by_mac: matches!(target.device, Device::Mac(_)),
        v6: target.ip.is_ipv6(),
        has_source: target.source_ip.is_some(),
        target: octets(target.ip),
        source: target.source_ip.map_or([0; 16], octets),
    }
}

fn octets(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, c, d] = ip.octets();
            [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        }
        IpAddr::V6(ip) => ip.octets(),
    }
}

fn address(v6: bool, octets: [u8; 16]) -> IpAddr {
    let [a, b, c, d, ..] = octets;
    if v6 { Ipv6Addr::from(octets).into() } else { Ipv4Addr::new(a, b, c, d).into() }
}

/// A port's counter: sent, queue stopped, no memory, device down.
#[unsafe(no_mangle)]
extern "C" fn bn_counter(port: u32, which: u32) -> u64 {
    let entered = Entered::all();
    let Some(Some(port)) = entered.ports.get(port as usize) else { return 0 };
    let counters = &port.counters;
    let counter = match which {
        0 => &counters.sent,
        1 => &counters.queue_stopped,
        2 => &counters.no_memory,
        _ => &counters.device_down,
    };
    counter.load(Ordering::Relaxed)
}

/// Whether any open port is of that format.
#[unsafe(no_mangle)]
extern "C" fn bn_any(extended: bool) -> bool {
    Entered::all().ports.iter().flatten().any(|port| port.extended == extended)
}

macro_rules! say {
    ($level:expr, $($what:tt)*) => { tell($level, format_args!($($what)*)) };
}
use say;

fn tell(level: c_int, what: core::fmt::Arguments<'_>) {
    let mut room = [0; 200];
    let mut text = Text(SliceSink::new(&mut room));
    // What is longer is cut.
    text.write_fmt(what).ok();
    let text = text.0.as_bytes();
    // SAFETY: the text outlives the call.
    unsafe { shim::bn_say(level, text.as_ptr(), text.len()) }
}

struct Text<'b>(SliceSink<'b>);

impl core::fmt::Write for Text<'_> {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        self.0.write(text.as_bytes());
        Ok(())
    }
}

/// Says what went wrong; what follows is an oops of the kernel's.
#[panic_handler]
fn panicked(info: &core::panic::PanicInfo<'_>) -> ! {
    say!(EMERG, "bug: {info}");
    // SAFETY: an invalid instruction, as the kernel's own BUG() has it.
    unsafe { core::arch::asm!("ud2", options(noreturn)) }
}

/// printk's levels.
const EMERG: c_int = 0;
const ERR: c_int = 3;
const INFO: c_int = 6;

/// The kernel's own numbers (`include/uapi/asm-generic/errno*.h`, `include/linux/errno.h`).
const E2BIG: c_int = 7;
const EAGAIN: c_int = 11;
const ENOMEM: c_int = 12;
const EBUSY: c_int = 16;
const ENODEV: c_int = 19;
const EINVAL: c_int = 22;
const EOPNOTSUPP: c_int = 95;
const EPFNOSUPPORT: c_int = 96;
const EADDRNOTAVAIL: c_int = 99;
const ENETDOWN: c_int = 100;
const ENOTSUPP: c_int = 524;
