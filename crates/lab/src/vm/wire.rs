//! A cable out of a machine.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, UdpSocket};
use std::thread::JoinHandle;

use anyhow::{Context, Result};
use nix::sys::socket::{setsockopt, sockopt};

/// The other end of a machine's cable: what is in the frames that come, with a VLAN's tag or
/// without, goes to the same port of this host's loopback. Nothing goes back.
#[derive(Debug)]
pub struct Wire {
    port: u16,
    thread: Option<JoinHandle<()>>,
}

impl Wire {
    /// Begins to listen.
    pub fn lay() -> Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).context("no socket for a wire")?;
        setsockopt(&socket, sockopt::RcvBufForce, &ROOM)
            .or_else(|_| setsockopt(&socket, sockopt::RcvBuf, &ROOM))
            .context("no room for what is on a wire")?;
        let port = socket.local_addr()?.port();
        let thread = Some(std::thread::spawn(move || forward(&socket)));
        Ok(Self { port, thread })
    }

    /// Where QEMU sends frames.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        // A frame of no bytes ends it.
        let end = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0));
        let sent = end.and_then(|socket| socket.send_to(&[], (Ipv4Addr::LOCALHOST, self.port)));
        if let (Ok(_), Some(thread)) = (sent, self.thread.take()) {
            thread.join().ok();
        }
    }
}

fn forward(socket: &UdpSocket) {
    let mut room = [0; 2048];
    loop {
        match socket.recv(&mut room) {
            Ok(0) => return,
            Ok(length) => {
                if let Some((port, payload)) = datagram(&room[..length]) {
                    // Nobody may listen there.
                    socket.send_to(payload, (Ipv4Addr::LOCALHOST, port)).ok();
                }
            }
            // Somebody did not listen.
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
            Err(_) => return,
        }
    }
}

/// The UDP datagram in a frame of IPv4, and where it is meant to go.
fn datagram(frame: &[u8]) -> Option<(u16, &[u8])> {
    let (_, rest) = frame.split_at_checked(12)?;
    let ([0x08, 0x00, packet @ ..] | [0x81, 0x00, _, _, 0x08, 0x00, packet @ ..]) = rest else {
        return None;
    };
    let header = usize::from(packet.first()? & 0xf) * 4;
    let (header, udp) = packet.split_at_checked(header)?;
    let [_, _, p0, p1, l0, l1, _, _, payload @ ..] = udp else { return None };
    let length = usize::from(u16::from_be_bytes([*l0, *l1])).checked_sub(8)?;
    let is_udp = header.get(9) == Some(&17);
    Some((u16::from_be_bytes([*p0, *p1]), payload.get(..length)?)).filter(|_| is_udp)
}

/// A cable holds what a busy host is slow to take from it: 1,400 frames of a death take 2 MB.
const ROOM: usize = 16 << 20;
