//! Memory that was freed, given back to the system.
#![allow(unsafe_code, reason = "the C library keeps what is freed until asked; no crate asks it")]

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// Gives memory back after a burst, once all threads are done with what it brought.
#[derive(Debug, Default)]
pub(crate) struct Heap {
    /// CPU time of all threads when it was looked at last.
    cpu: Duration,
    /// Looks since something was done.
    calm: u32,
}

impl Heap {
    /// To be called once a second. `freed`: much was freed since the last time, whatever it cost.
    pub(crate) fn look(&mut self, freed: bool) {
        const BUSY: Duration = Duration::from_millis(50);
        const CALM: u32 = 3;
        let Ok(cpu) = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID) else { return };
        let before = std::mem::replace(&mut self.cpu, cpu.into());
        let busy = freed || self.cpu.saturating_sub(before) > BUSY;
        self.calm = if busy { 0 } else { self.calm.saturating_add(1) };
        if self.calm == CALM {
            give_back();
        }
    }
}

/// Gives back what many threads have freed in turns: glibc itself gives back only what lies at the
/// end of each thread's heap (`malloc_trim`(3)). Takes some milliseconds where there is much.
fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it takes a number and touches nothing but memory that is free.
    unsafe {
        nix::libc::malloc_trim(0);
    }
}
