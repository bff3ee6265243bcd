//! UDP datagrams from Linux in batches, each with the time at which the kernel took it from the
//! network, and the count of those the kernel had no room for. Knows no netconsole.
//!
//! A [`Socket`] is bound or taken over from a service manager; a [`Receiver`] listens on several
//! of them with one preallocated [`Batch`]. Nothing is allocated, copied or asked of the kernel
//! per datagram.
//!
//! ```
//! use std::net::UdpSocket;
//! use std::time::Duration;
//!
//! use bedside_udp::{Heard, Receiver, ReceiverOptions, Socket, SocketOptions};
//!
//! let socket = Socket::bind("127.0.0.1:0".parse()?, &SocketOptions::default())?;
//! let sender = UdpSocket::bind("127.0.0.1:0")?;
//! sender.send_to(b"hello", socket.local())?;
//!
//! let mut receiver = Receiver::new(vec![socket], ReceiverOptions::default())?;
//! let mut heard = Vec::new();
//! receiver.receive(Some(Duration::from_secs(5)), &mut |_socket, what| {
//!     if let Heard::Datagram(datagram) = what {
//!         heard.push((datagram.source, datagram.payload.to_vec()));
//!     }
//! })?;
//! assert_eq!(heard, [(sender.local_addr()?, b"hello".to_vec())]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is deliberately absent
//! Sending, GRO (it shares one time among merged datagrams), an async runtime, threads.

mod batch;
mod control;
mod drops;
mod error;
mod receiver;
mod socket;
mod sys;
mod waker;

pub use batch::{Batch, Datagram};
pub use error::Error;
pub use receiver::{Heard, Receiver, ReceiverOptions, Round};
pub use socket::{Socket, SocketOptions};
pub use waker::Waker;
