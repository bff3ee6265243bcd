//! A machine that logs without end, some 1,500 lines a second.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bedside_lab::patient::{Patient, drained};

/// Datagrams at once, and how often.
const BURST: usize = 4;
const BETWEEN_BURSTS: Duration = Duration::from_millis(2);

/// A machine that logs without end.
pub(crate) struct Load {
    pub(crate) target: SocketAddr,
    stop: AtomicBool,
    /// Whoever holds it keeps the machine from speaking.
    said: Mutex<Said>,
}

pub(crate) struct Said {
    patient: Patient,
    /// When each record was sent.
    pub(crate) sent: Vec<Instant>,
}

impl Load {
    pub(crate) fn new(target: SocketAddr) -> Arc<Load> {
        let said = Said { patient: Patient::new([]), sent: Vec::new() };
        Arc::new(Load { target, stop: AtomicBool::new(false), said: Mutex::new(said) })
    }

    /// Sends numbered records until told to stop.
    pub(crate) fn begin(self: &Arc<Load>) -> JoinHandle<Result<()>> {
        let load = Arc::clone(self);
        std::thread::spawn(move || {
            while !load.stop.load(Ordering::Relaxed) {
                let mut said = load.lock();
                for _ in 0..BURST {
                    said.say(load.target, "load")?;
                }
                drop(said);
                std::thread::sleep(BETWEEN_BURSTS);
            }
            Ok(())
        })
    }

    /// Stops, and waits until the doctor has taken all.
    pub(crate) fn end(&self, sender: JoinHandle<Result<()>>) -> Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        sender.join().ok().context("the sender panicked")??;
        drained(self.target.port(), 0)
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Said {
    pub(crate) fn say(&mut self, target: SocketAddr, what: &str) -> Result<()> {
        let seq = self.sent.len();
        let time = 1_000_000 + seq * 250;
        let line = format!("6,{seq},{time},-;{what}: line {seq} {:a>120}\n SUBSYSTEM=x\n", "");
        self.sent.push(Instant::now());
        let source = SocketAddr::from((Ipv4Addr::LOCALHOST, 6665));
        self.patient.send_from(source, target, line.as_bytes())
    }
}
