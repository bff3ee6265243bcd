//! What the shim in C offers, by the names of `shim/logic.h`, where the rules are; and the machine
//! that the logic sees in it.

use core::fmt::Write as _;
use core::{ffi::c_int, slice};

use netconsole_wire::SliceSink;

use crate::abi::{self, Found, FrameBytes, Wish};
use crate::machine::{Failure, Frame, Machine, Readiness};
use crate::targets::Level;
use crate::{RingRecord, Urgency};

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
    pub(super) fn bn_arm(port: u32);
    pub(super) fn bn_disarm(port: u32);
    pub(super) fn bn_is_armed(port: u32) -> bool;
    pub(super) fn bn_close(port: u32);
    pub(super) fn bn_rest();
    pub(super) fn bn_nonce() -> u64;
    pub(super) fn bn_release(length: *mut usize) -> *const u8;
}

/// The kernel that this runs in.
pub(super) struct Kernel;

impl Kernel {
    fn record(from: u64, room: *mut u8, size: usize) -> Option<RingRecord> {
        let (mut length, mut seq) = (0, 0);
        // SAFETY: `room` is null or has `size` bytes; the two numbers outlive the call.
        let found = unsafe { bn_record(from, room, size, &raw mut length, &raw mut seq) };
        found.then_some(RingRecord { seq, length })
    }
}

impl Machine for Kernel {
    fn now_us(&mut self) -> u64 {
        // SAFETY: callable from everywhere.
        unsafe { bn_now_us() }
    }

    fn pause(&mut self) {
        // SAFETY: callable from everywhere.
        unsafe { bn_pause() }
    }

    fn rest(&mut self) {
        // SAFETY: only a backfill asks for it, which runs in a task.
        unsafe { bn_rest() }
    }

    fn record(&mut self, from: u64, room: &mut [u8]) -> Option<RingRecord> {
        Kernel::record(from, room.as_mut_ptr(), room.len())
    }

    fn measure(&mut self, from: u64) -> Option<RingRecord> {
        Kernel::record(from, core::ptr::null_mut(), 0)
    }

    fn begin(&mut self, port: usize, alone: bool) -> Readiness {
        // SAFETY: the port was entered, see `Entered`.
        abi::readiness(unsafe { bn_begin(port as u32, alone) })
    }

    fn readiness(&mut self, port: usize) -> Readiness {
        // SAFETY: as above.
        abi::readiness(unsafe { bn_ready(port as u32) })
    }

    fn poll(&mut self, port: usize) {
        // SAFETY: as above.
        unsafe { bn_poll(port as u32) }
    }

    fn force(&mut self, port: usize) {
        // SAFETY: as above, and no other CPU runs.
        unsafe { bn_force(port as u32) }
    }

    fn send(&mut self, port: usize, frame: &Frame<'_>, urgency: Urgency) -> Result<(), Failure> {
        let (frame, death) = (FrameBytes::of(frame), urgency == Urgency::Death);
        // SAFETY: as above; the bytes are copied before the call returns.
        abi::sent(unsafe { bn_send(port as u32, &raw const frame, death) })
    }

    fn is_at_rest(&mut self, port: usize) -> bool {
        // SAFETY: as above.
        unsafe { bn_at_rest(port as u32) }
    }

    fn end(&mut self, port: usize, alone: bool) {
        // SAFETY: as above.
        unsafe { bn_end(port as u32, alone) }
    }
}

/// The kernel's, as `uname -r` tells it.
pub(super) fn release() -> &'static [u8] {
    let mut length = 0;
    // SAFETY: the release stands in the kernel's memory as long as it runs.
    unsafe {
        let text = bn_release(&raw mut length);
        slice::from_raw_parts(text, length)
    }
}

/// Says it in the kernel's log.
pub(super) fn tell(level: Level, what: core::fmt::Arguments<'_>) {
    let mut room = [0; 200];
    let mut text = SliceSink::new(&mut room);
    // What is longer is cut.
    text.write_fmt(what).ok();
    let text = text.as_bytes();
    // SAFETY: the text outlives the call.
    unsafe { bn_say(abi::level(level), text.as_ptr(), text.len()) }
}
