//! How long the sockets are left alone once they are empty.

use std::time::Duration;

use bedside_store::Writer;
use bedside_udp::Socket;

use crate::config::Config;

/// What the patience depends on, besides the configuration and who follows.
pub(crate) struct Patience {
    /// Every socket has room for what may come in a longer while.
    roomy: bool,
}

impl Patience {
    /// For listening on `sockets`.
    pub(crate) fn with<'a>(mut sockets: impl Iterator<Item = &'a Socket>) -> Patience {
        Patience { roomy: sockets.all(|socket| socket.receive_buffer() >= ROOMY) }
    }

    /// Who follows wants to see a line at once; if nobody does, waking up seldom is worth more.
    pub(crate) fn now(&self, config: &Config, writer: &Writer) -> Duration {
        let Config { patience, patience_unfollowed, .. } = config;
        if self.roomy && !writer.is_followed() { patience_unfollowed.0 } else { patience.0 }
    }
}

/// Bytes of receive buffer, as the kernel counts them. In 20 ms 400,000 datagrams/s of the largest
/// lines, with what the kernel counts beside them, take up half of it.
const ROOMY: usize = 32 << 20;
