//! Between the shim and the logic: the one place with unsafe code, built for the kernel only.
//!
//! What the shim in C offers is in [`shim`]; what it calls is exported here with the same names as
//! in `shim/logic.h`, where the rules that both keep are written down.
#![allow(unsafe_code, reason = "C calls this and is called")]

mod shim;

use core::cell::UnsafeCell;
use core::fmt::Write as _;
use core::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use core::{ffi::c_int, slice};

use netconsole_wire::SliceSink;
use netconsole_wire::closing::Reason;
use netconsole_wire::parameter::{Mac, Target};
use netconsole_wire::tag::Signer;

use crate::abi::{self, Found, Wish};
use crate::death::{Death, Limits, Occasion};
use crate::live::Live;
use crate::targets::{Devices, Level, Opened, Targets};
use crate::{Backfill, MAX_PORTS, Port, Refusal};
use shim::{Kernel, release, tell};

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
    /// All that are armed.
    fn all() -> Entered {
        Entered::those(|_, _| true)
    }

    fn those(wanted: impl Fn(usize, &Port) -> bool) -> Entered {
        let mut ports = [None; MAX_PORTS];
        for (index, (port, slot)) in ports.iter_mut().zip(&SLOTS).enumerate() {
            // SAFETY: any number below MAX_PORTS is a port's.
            if unsafe { shim::bn_enter(index as u32) } {
                // SAFETY: the port was entered, so nobody writes the slot.
                *port = unsafe { (*slot.0.get()).as_ref() }.filter(|port| wanted(index, port));
                if port.is_none() {
                    // SAFETY: it was entered.
                    unsafe { shim::bn_leave(index as u32) }
                }
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
    let reason = abi::reason(reason);
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

/// What of the administrator's wishes came true. Under the lock of the module's parameters.
static TARGETS: Tried<Targets> = Tried::new(Targets::new());
static BACKFILL: Tried<Backfill> = Tried::new(Backfill::new());

/// Makes the targets those of the parameter, or says in the log why not: 0, or -EINVAL. `fresh`
/// says which ports are new, as bits.
///
/// # Safety
///
/// `text` has `length` bytes; one task at a time.
#[unsafe(no_mangle)]
unsafe extern "C" fn bn_configure(text: *const u8, length: usize, fresh: *mut u32) -> c_int {
    // SAFETY: the caller's promise.
    let (text, fresh) = unsafe { (slice::from_raw_parts(text, length), &mut *fresh) };
    let mut done = -abi::EINVAL;
    TARGETS.with(|targets| match targets.set(&mut Kernel, text) {
        Ok(slots) => (*fresh, done) = (slots, 0),
        Err(error) => tell(Level::Error, format_args!("{error}")),
    });
    done
}

/// Signs with another key, of hex digits, from now on; empty: no more. As [`bn_configure`].
///
/// # Safety
///
/// `text` has `length` bytes; one task at a time.
#[unsafe(no_mangle)]
unsafe extern "C" fn bn_set_key(text: *const u8, length: usize, fresh: *mut u32) -> c_int {
    // SAFETY: the caller's promise.
    let (text, fresh) = unsafe { (slice::from_raw_parts(text, length), &mut *fresh) };
    let mut done = -abi::EINVAL;
    TARGETS.with(|targets| match targets.set_key(&mut Kernel, text) {
        Ok(slots) => (*fresh, done) = (slots, 0),
        Err(error) => tell(Level::Error, format_args!("{error}")),
    });
    done
}

/// Writes the parameter, and a line for each target: how many bytes.
///
/// # Safety
///
/// `room` has `size` bytes; one task at a time.
#[unsafe(no_mangle)]
unsafe extern "C" fn bn_show(wish: bool, room: *mut u8, size: usize) -> usize {
    // SAFETY: the caller's promise.
    let mut text = SliceSink::new(unsafe { slice::from_raw_parts_mut(room, size) });
    // A page holds all.
    TARGETS.with(|targets| {
        if wish {
            writeln!(text, "{targets}").ok();
        } else {
            targets.show(&Kernel, &mut text).ok();
        }
    });
    text.as_bytes().len()
}

/// Sends the log so far to those of the ports `fresh` that are of that format.
#[unsafe(no_mangle)]
extern "C" fn bn_backfill(extended: bool, fresh: u32) {
    let wanted = |slot: usize, port: &Port| fresh & (1 << slot) != 0 && port.extended == extended;
    let entered = Entered::those(wanted);
    if entered.ports.iter().any(Option::is_some) {
        BACKFILL.with(|backfill| backfill.send(&mut Kernel, &entered.ports, release()));
    }
}

/// Under the lock of the module's parameters: one task at a time.
impl Devices for Kernel {
    fn open(&mut self, slot: usize, target: &Target<'_>) -> Result<Opened, Refusal> {
        let (wish, mut found) = (Wish::of(target), Found::default());
        // SAFETY: both outlive the call.
        let opened = unsafe { shim::bn_open(slot as u32, &raw const wish, &raw mut found) };
        if opened < 0 {
            return Err(Refusal::from_errno(-opened));
        }
        Ok(found.opened(target.ip.is_ipv6()))
    }

    fn arm(&mut self, slot: usize, port: Port) {
        if let Some(slot) = SLOTS.get(slot) {
            // SAFETY: the port is not armed yet, so nobody reads the slot; one task writes.
            unsafe { *slot.0.get() = Some(port) }
        }
        // SAFETY: the port was opened.
        unsafe { shim::bn_arm(slot as u32) }
    }

    fn redirect(&mut self, slot: usize, mac: Mac) {
        change(slot, |port| port.route.mac = mac);
    }

    fn sign(&mut self, slot: usize, signer: Option<Signer>) {
        change(slot, |port| port.signer = signer);
    }

    fn nonce(&mut self) -> u64 {
        // SAFETY: callable from tasks, as this is.
        unsafe { shim::bn_nonce() }
    }

    fn close(&mut self, slot: usize) {
        // SAFETY: any number below MAX_PORTS is a port's.
        unsafe { shim::bn_close(slot as u32) }
        // SAFETY: nobody reads the slot, as the port is closed; one task writes.
        if let Some(port) = SLOTS.get(slot).and_then(|slot| unsafe { (*slot.0.get()).as_mut() }) {
            port.signer = None;
        }
    }

    fn is_armed(&self, slot: usize) -> bool {
        // SAFETY: any number below MAX_PORTS is a port's.
        unsafe { shim::bn_is_armed(slot as u32) }
    }

    fn port(&self, slot: usize) -> Option<&Port> {
        // SAFETY: only the task that has the lock of the parameters writes slots: this one.
        SLOTS.get(slot).and_then(|slot| unsafe { (*slot.0.get()).as_ref() })
    }

    fn say(&mut self, level: Level, line: core::fmt::Arguments<'_>) {
        tell(level, line);
    }
}

/// Changes an open port, which is not armed meanwhile.
fn change(slot: usize, change: impl FnOnce(&mut Port)) {
    // SAFETY: any number below MAX_PORTS is a port's.
    unsafe { shim::bn_disarm(slot as u32) }
    // SAFETY: nobody reads the slot, as the port is not armed; one task writes.
    if let Some(port) = SLOTS.get(slot).and_then(|slot| unsafe { (*slot.0.get()).as_mut() }) {
        change(port);
    }
    // SAFETY: the port was opened; one whose device went meanwhile is not armed.
    unsafe { shim::bn_arm(slot as u32) }
}

/// Whether any open port is of that format.
#[unsafe(no_mangle)]
extern "C" fn bn_any(extended: bool) -> bool {
    Entered::all().ports.iter().flatten().any(|port| port.extended == extended)
}

/// Says what went wrong; what follows is an oops of the kernel's.
#[panic_handler]
fn panicked(info: &core::panic::PanicInfo<'_>) -> ! {
    tell(Level::Emergency, format_args!("bug: {info}"));
    // SAFETY: an invalid instruction, as the kernel's own BUG() has it.
    unsafe { core::arch::asm!("ud2", options(noreturn)) }
}
