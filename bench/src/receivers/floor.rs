//! The floor: a process that receives and counts, and does nothing else.

use std::net::{SocketAddrV4, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, Result};
use nix::sys::socket::{setsockopt, sockopt};

use super::Receiver;
use crate::sys::Sink;

/// How it receives.
#[derive(clap::Args, Clone, Copy, Debug)]
pub(crate) struct FloorArgs {
    /// Where to hear
    pub(crate) address: SocketAddrV4,
    /// Datagrams of one system call
    #[arg(long, default_value_t = BATCH)]
    pub(crate) batch: usize,
    /// Ask for the sender's address
    #[arg(long)]
    pub(crate) source: bool,
    /// Ask for the time of receipt
    #[arg(long)]
    pub(crate) time: bool,
    /// Leave the socket alone for so long once it is empty, so that datagrams gather
    #[arg(long, default_value_t = 0)]
    pub(crate) patience_ms: u64,
}

/// Datagrams of one system call.
pub(crate) const BATCH: usize = 128;

/// Starts the floor as a process.
pub(crate) fn start(address: SocketAddrV4, asks: &[&str], dir: &Path) -> Result<Receiver> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("floor").arg(address.to_string()).args(asks);
    Receiver::start(command, address, dir)
}

/// Receives for ever.
pub(crate) fn run(args: FloorArgs) -> Result<()> {
    let socket = UdpSocket::bind(args.address).with_context(|| args.address.to_string())?;
    if args.time {
        setsockopt(&socket, sockopt::ReceiveTimestampns, &true)?;
    }
    let mut sink = Sink::new(args.batch, args.source, args.time);
    let mut count = 0_u64;
    loop {
        let received = sink.receive(&socket)?;
        count += received as u64;
        std::hint::black_box(count);
        if args.patience_ms > 0 && received < args.batch {
            sleep(Duration::from_millis(args.patience_ms));
        }
    }
}
