//! Signals as orders.

use std::io::{self, IsTerminal as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;
use bedside_udp::Waker;
use nix::libc::{SIGHUP, SIGINT, SIGTERM};

/// What the outside asks for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Orders {
    stop: Arc<AtomicBool>,
    reload: Arc<AtomicBool>,
}

impl Orders {
    /// Asks to stop; a wait that is under way has to be ended with its [`Waker`].
    pub(crate) fn give_stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// SIGTERM and SIGINT say stop. SIGHUP says to read the configuration again; on a terminal it
    /// says that the terminal is gone, and so stop.
    pub(crate) fn from_signals() -> anyhow::Result<Orders> {
        let orders = Orders::default();
        let hangup = if io::stdout().is_terminal() { &orders.stop } else { &orders.reload };
        for (signal, flag) in [(SIGTERM, &orders.stop), (SIGINT, &orders.stop), (SIGHUP, hangup)] {
            signal_hook::flag::register(signal, Arc::clone(flag))
                .context("cannot catch signals")?;
        }
        Ok(orders)
    }

    pub(crate) fn wake_on_signals(waker: &Waker) -> anyhow::Result<()> {
        for signal in [SIGTERM, SIGINT, SIGHUP] {
            let fd = waker.to_fd().context("cannot catch signals")?;
            signal_hook::low_level::pipe::register(signal, fd).context("cannot catch signals")?;
        }
        // One that came before there was somebody to wake.
        waker.wake();
        Ok(())
    }

    pub(crate) fn stop(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    pub(super) fn reload(&self) -> bool {
        self.reload.swap(false, Ordering::Relaxed)
    }
}
