//! Memory that was freed, given back to the system.
#![allow(unsafe_code, reason = "the C library keeps what is freed until asked; no crate asks it")]

/// Gives back what many threads have freed in turns, after a burst: glibc itself gives back only
/// what lies at the end of each thread's heap (`malloc_trim`(3)). Takes some milliseconds where
/// there is much.
pub(crate) fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it takes a number and touches nothing but memory that is free.
    unsafe {
        nix::libc::malloc_trim(0);
    }
}
