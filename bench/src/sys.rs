//! The system calls that no safe wrapper offers in a usable form.
#![allow(
    unsafe_code,
    reason = "nix prepares its headers anew for each sendmmsg and recvmmsg, knows neither \
              pidfd_getfd nor SO_MEMINFO, and cannot bring an interface up"
)]

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, AsRawFd, FromRawFd as _, OwnedFd};
use std::ptr;

use nix::errno::Errno;
use nix::libc;

/// Room for one `struct in_pktinfo`, or one time, with its header.
const CONTROL_BYTES: usize = 32;

/// The kernel's table of one `sendmmsg` call.
pub(crate) struct Outbox {
    messages: Box<[libc::mmsghdr]>,
    vectors: Box<[libc::iovec]>,
    controls: Box<[[u8; CONTROL_BYTES]]>,
}

impl Outbox {
    /// A table for `count` messages.
    pub(crate) fn new(count: usize) -> Self {
        Self {
            messages: vec![empty_message(); count].into_boxed_slice(),
            vectors: vec![empty_vector(); count].into_boxed_slice(),
            controls: vec![[0; CONTROL_BYTES]; count].into_boxed_slice(),
        }
    }

    /// Sends messages, each from an address of this machine if one is given, waiting for room;
    /// says how many were sent. No more are taken than the table has room for.
    pub(crate) fn send<'a>(
        &mut self,
        socket: &impl AsFd,
        messages: impl Iterator<Item = (&'a [u8], Option<Ipv4Addr>)>,
    ) -> io::Result<usize> {
        let mut count = 0;
        let tables = self.messages.iter_mut().zip(&mut self.vectors).zip(&mut self.controls);
        for ((bytes, from), ((message, vector), control)) in messages.zip(tables) {
            vector.iov_base = bytes.as_ptr().cast_mut().cast();
            vector.iov_len = bytes.len();
            let header = &mut message.msg_hdr;
            header.msg_iov = vector;
            header.msg_iovlen = 1;
            header.msg_controllen = 0;
            if let Some(from) = from {
                *control = packet_info(from);
                header.msg_control = control.as_mut_ptr().cast();
                header.msg_controllen = CONTROL_BYTES as _;
            }
            count += 1;
        }
        // SAFETY: the first `count` messages were filled in above with pointers into `bytes`,
        // which live through the call and are only read, and into our own tables.
        let sent = unsafe {
            libc::sendmmsg(socket.as_fd().as_raw_fd(), self.messages.as_mut_ptr(), count, 0)
        };
        Errno::result(sent).map_or_else(|error| Err(error.into()), |sent| Ok(sent as usize))
    }
}

/// A control message `IP_PKTINFO` that asks for `from` as the source address (ip(7)).
fn packet_info(from: Ipv4Addr) -> [u8; CONTROL_BYTES] {
    let mut control = [0; CONTROL_BYTES];
    control[..8].copy_from_slice(&28_usize.to_ne_bytes());
    control[8..12].copy_from_slice(&libc::IPPROTO_IP.to_ne_bytes());
    control[12..16].copy_from_slice(&libc::IP_PKTINFO.to_ne_bytes());
    control[20..24].copy_from_slice(&from.octets());
    control
}

/// The kernel's table of one `recvmmsg` call that throws away what it receives.
pub(crate) struct Sink {
    messages: Box<[libc::mmsghdr]>,
    _vectors: Box<[libc::iovec]>,
    _payloads: Box<[[u8; PAYLOAD_BYTES]]>,
    _addresses: Box<[[u8; ADDRESS_BYTES]]>,
    _controls: Box<[[u8; CONTROL_BYTES]]>,
    address_bytes: usize,
    control_bytes: usize,
}

/// Every netconsole datagram fits.
const PAYLOAD_BYTES: usize = 2048;
/// Any address over IP fits.
const ADDRESS_BYTES: usize = 32;

impl Sink {
    /// Room for `count` datagrams, with the `source` of each if asked for, and the `time` that
    /// the socket gives.
    pub(crate) fn new(count: usize, source: bool, time: bool) -> Self {
        let mut payloads = vec![[0_u8; PAYLOAD_BYTES]; count].into_boxed_slice();
        let mut addresses = vec![[0_u8; ADDRESS_BYTES]; count].into_boxed_slice();
        let mut controls = vec![[0_u8; CONTROL_BYTES]; count].into_boxed_slice();
        let mut vectors = vec![empty_vector(); count].into_boxed_slice();
        let mut messages = vec![empty_message(); count].into_boxed_slice();
        for (at, message) in messages.iter_mut().enumerate() {
            vectors[at].iov_base = payloads[at].as_mut_ptr().cast();
            vectors[at].iov_len = PAYLOAD_BYTES;
            message.msg_hdr.msg_iov = &raw mut vectors[at];
            message.msg_hdr.msg_iovlen = 1;
            if source {
                message.msg_hdr.msg_name = addresses[at].as_mut_ptr().cast();
            }
            if time {
                message.msg_hdr.msg_control = controls[at].as_mut_ptr().cast();
            }
        }
        Self {
            messages,
            _vectors: vectors,
            _payloads: payloads,
            _addresses: addresses,
            _controls: controls,
            address_bytes: if source { ADDRESS_BYTES } else { 0 },
            control_bytes: if time { CONTROL_BYTES } else { 0 },
        }
    }

    /// Waits for a datagram and takes all that are there, up to the table's size.
    pub(crate) fn receive(&mut self, socket: &impl AsFd) -> io::Result<usize> {
        if self.address_bytes + self.control_bytes > 0 {
            for message in &mut self.messages {
                message.msg_hdr.msg_namelen = self.address_bytes as _;
                message.msg_hdr.msg_controllen = self.control_bytes as _;
            }
        }
        // SAFETY: every pointer in the table points into boxes that `self` owns, of the lengths
        // that stand beside them.
        let received = unsafe {
            libc::recvmmsg(
                socket.as_fd().as_raw_fd(),
                self.messages.as_mut_ptr(),
                self.messages.len() as _,
                libc::MSG_WAITFORONE as _,
                ptr::null_mut(),
            )
        };
        Errno::result(received).map_or_else(|error| Err(error.into()), |count| Ok(count as usize))
    }
}

fn empty_message() -> libc::mmsghdr {
    // SAFETY: all zeroes is a valid `mmsghdr`: null pointers and lengths of 0.
    unsafe { std::mem::zeroed() }
}

fn empty_vector() -> libc::iovec {
    libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 }
}

/// What the kernel holds for a socket and what it dropped there (`sk_get_meminfo` in
/// net/core/sock.c): bytes waiting, size of the buffer, datagrams dropped.
pub(crate) fn memory(socket: &impl AsFd) -> io::Result<(u64, u64, u64)> {
    const SO_MEMINFO: libc::c_int = 55;
    let mut info = [0_u32; 9];
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
    Errno::result(result)?;
    Ok((info[0].into(), info[1].into(), info[8].into()))
}

/// Another process's file, under a number of our own (`pidfd_getfd`(2)).
pub(crate) fn borrow_file(pid: i32, fd: i32) -> io::Result<OwnedFd> {
    // SAFETY: `pidfd_open` takes numbers only and gives a file that nobody else owns.
    let process = unsafe {
        let process = Errno::result(libc::syscall(libc::SYS_pidfd_open, pid, 0))?;
        OwnedFd::from_raw_fd(process as i32)
    };
    // SAFETY: likewise.
    unsafe {
        let copy = libc::syscall(libc::SYS_pidfd_getfd, process.as_raw_fd(), fd, 0);
        Ok(OwnedFd::from_raw_fd(Errno::result(copy)? as i32))
    }
}

/// Brings the loopback interface of this namespace up (netdevice(7)).
pub(crate) fn raise_loopback(socket: &impl AsFd) -> io::Result<()> {
    // SAFETY: all zeroes is a valid `ifreq`.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (out, byte) in request.ifr_name.iter_mut().zip(c"lo".to_bytes()) {
        *out = libc::c_char::from_ne_bytes([*byte]);
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as i16;
    // SAFETY: SIOCSIFFLAGS reads the name and the flags of a `ifreq` that lives through the call.
    let result =
        unsafe { libc::ioctl(socket.as_fd().as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) };
    Errno::result(result).map_or_else(|error| Err(error.into()), |_| Ok(()))
}
