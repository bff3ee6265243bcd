//! The three system calls that `nix` does not offer in a usable form.
#![allow(
    unsafe_code,
    reason = "nix's recvmmsg never resets the lengths that the kernel shortens, so its headers \
              serve one call only, and it cannot leave this thread"
)]
#![allow(clippy::unnecessary_cast, reason = "the C libraries differ in the types of lengths")]

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::ptr;

use nix::errno::Errno;
use nix::libc;

use crate::control::{ADDRESS_BYTES, CONTROL_BYTES};

/// `SO_MEMINFO` in include/uapi/asm-generic/socket.h; the same on every architecture that Rust's
/// Linux targets cover but SPARC.
const SO_MEMINFO: libc::c_int = if cfg!(target_arch = "sparc64") { 0x39 } else { 55 };

/// `SK_MEMINFO_VARS` in include/uapi/linux/sock_diag.h.
const MEMINFO_VARS: usize = 9;

/// The socket's drop counter now (`sk_get_meminfo` in net/core/sock.c); `None` where the kernel does
/// not tell it, as before 4.12.
pub(crate) fn drops(socket: &impl AsFd) -> io::Result<Option<u32>> {
    let mut info = [0_u32; MEMINFO_VARS];
    let mut length = size_of_val(&info) as libc::socklen_t;
    // SAFETY: `info` and `length` are exclusively ours and live through the call, and `length`
    // says how many bytes `info` has.
    let result = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            SO_MEMINFO,
            info.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    unless_unknown(Errno::result(result).map(|_| info[libc::SK_MEMINFO_DROPS as usize]))
}

/// What an option says, or `None` where the kernel has no such option.
fn unless_unknown<T>(said: Result<T, Errno>) -> io::Result<Option<T>> {
    match said {
        Ok(said) => Ok(Some(said)),
        Err(Errno::ENOPROTOOPT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The time of receipt of the datagram that was taken from the socket last (`sock_gettstamp` in
/// net/core/sock.c; since Linux 5.1), in microseconds since 1970; `None` while each datagram
/// comes with its own.
pub(crate) fn last_received_us(socket: &impl AsFd) -> io::Result<Option<u64>> {
    let mut time = [0_i64; 2];
    // SAFETY: the request writes 16 bytes, which `time` has, exclusively ours, through the call.
    match unsafe { gstampns(socket.as_fd().as_raw_fd(), &raw mut time) } {
        Ok(_) => {}
        Err(Errno::ENOENT) => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    let [seconds, nanos] = time.map(|part| u64::try_from(part).unwrap_or(0));
    Ok(Some(seconds.saturating_mul(1_000_000).saturating_add(nanos / 1_000)))
}

// `SIOCGSTAMPNS_NEW` in include/uapi/linux/sockios.h.
nix::ioctl_read!(gstampns, 0x89, 0x07, [i64; 2]);

/// What the kernel writes beside one payload.
#[repr(C, align(8))]
#[derive(Clone)]
pub(crate) struct Beside {
    pub(crate) control: [u8; CONTROL_BYTES],
    pub(crate) address: [u8; ADDRESS_BYTES],
}

impl Beside {
    pub(crate) const EMPTY: Self =
        Self { control: [0; CONTROL_BYTES], address: [0; ADDRESS_BYTES] };
}

/// The kernel's table of one `recvmmsg` call.
pub(crate) struct Headers {
    messages: Box<[libc::mmsghdr]>,
    vectors: Box<[libc::iovec]>,
}

// SAFETY: the pointers inside are written at the start of each `receive`, from references that
// it holds, and are not followed after it returns.
unsafe impl Send for Headers {}

impl Headers {
    /// A table for `count` datagrams.
    pub(crate) fn new(count: usize) -> Self {
        // SAFETY: all zeroes is a valid `mmsghdr`: null pointers and lengths of 0.
        let message: libc::mmsghdr = unsafe { std::mem::zeroed() };
        let vector = libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 };
        Self {
            messages: vec![message; count].into_boxed_slice(),
            vectors: vec![vector; count].into_boxed_slice(),
        }
    }

    /// Receives what is there without waiting, one datagram into each chunk of `payloads`, and
    /// says how many came.
    pub(crate) fn receive<'a>(
        &mut self,
        socket: &impl AsFd,
        payloads: impl Iterator<Item = &'a mut [u8]>,
        beside: &'a mut [Beside],
    ) -> Result<usize, Errno> {
        let tables = self.messages.iter_mut().zip(&mut self.vectors);
        let mut count = 0;
        for ((payload, beside), (message, vector)) in payloads.zip(beside).zip(tables) {
            vector.iov_base = payload.as_mut_ptr().cast();
            vector.iov_len = payload.len();
            let header = &mut message.msg_hdr;
            header.msg_name = beside.address.as_mut_ptr().cast();
            header.msg_namelen = ADDRESS_BYTES as _;
            header.msg_iov = vector;
            header.msg_iovlen = 1;
            header.msg_control = beside.control.as_mut_ptr().cast();
            header.msg_controllen = CONTROL_BYTES as _;
            count += 1;
        }
        // SAFETY: the first `count` messages were filled in above; each pointer in them comes
        // from an exclusive reference that lives through this call and goes with its length.
        let received = unsafe {
            libc::recvmmsg(
                socket.as_fd().as_raw_fd(),
                self.messages.as_mut_ptr(),
                count,
                libc::MSG_DONTWAIT as _,
                ptr::null_mut(),
            )
        };
        Errno::result(received).map(|received| received as usize)
    }

    /// How long the payload and the control messages of datagram `at` of the last call are.
    pub(crate) fn lengths(&self, at: usize) -> (usize, usize) {
        let message = &self.messages[at];
        (message.msg_len as usize, message.msg_hdr.msg_controllen as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_option_that_the_kernel_does_not_know_is_done_without() {
        assert_eq!(unless_unknown(Ok(3)).unwrap(), Some(3));
        assert_eq!(unless_unknown::<u32>(Err(Errno::ENOPROTOOPT)).unwrap(), None);
        assert!(unless_unknown::<u32>(Err(Errno::EBADF)).is_err());
    }
}
