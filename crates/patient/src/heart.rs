//! Tells the doctors, now and then, that the machine lives.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use bedside_plan::Doctor;
use bedside_plan::facts::{Facts, Way};
use netconsole_wire::heartbeat::Heartbeat;

use crate::seal::Sealer;

/// Beats as long as the agent lives.
pub(crate) struct Heart {
    every_s: u32,
    last: Option<Instant>,
}

/// How the machine is, for the next beat.
pub(crate) struct State<'f> {
    pub(crate) facts: &'f Facts,
    pub(crate) doctors: &'f [Doctor],
    pub(crate) armed: bool,
    pub(crate) sealer: &'f Sealer,
}

impl Heart {
    /// Beats every so many seconds.
    pub(crate) fn new(every_s: u32) -> Self {
        Self { every_s, last: None }
    }

    /// How long it is until the next beat.
    pub(crate) fn rest(&self) -> Duration {
        let every = Duration::from_secs(self.every_s.into());
        self.last.map_or(Duration::ZERO, |last| every.saturating_sub(last.elapsed()))
    }

    /// Beats if it is time to.
    pub(crate) fn beat(&mut self, state: &State<'_>) {
        if self.rest().is_zero() {
            self.last = Some(Instant::now());
            self.tell(state, false);
        }
    }

    /// The last beat.
    pub(crate) fn goodbye(&self, state: &State<'_>) {
        self.tell(state, true);
    }

    fn tell(&self, State { facts, doctors, armed, sealer }: &State<'_>, goodbye: bool) {
        let errors = facts.targets.iter().filter_map(|target| target.transmit_errors).sum();
        let heartbeat = Heartbeat {
            host: facts.identity.name(),
            pid: std::process::id(),
            goodbye,
            boot_id: &facts.identity.boot_id,
            uptime_s: facts.uptime_s,
            every_s: self.every_s,
            armed: *armed,
            errors,
        };
        let said = heartbeat.to_string();
        for (doctor, way) in doctors.iter().zip(&facts.ways) {
            if let Way::Route(route) = way {
                // A beat that gets lost is followed by the next one.
                let said = sealer.seal(said.clone().into_bytes());
                drop(send(&said, route.at(doctor.port)));
            }
        }
    }
}

fn send(said: &[u8], to: SocketAddr) -> std::io::Result<usize> {
    let any: IpAddr = if to.is_ipv4() { [0; 4].into() } else { [0; 16].into() };
    UdpSocket::bind((any, 0))?.send_to(said, to)
}
