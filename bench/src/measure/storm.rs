//! *A storm*: very many machines die of the same at once, while somebody is to be alerted.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use bedside_lab::capture::Datagram;
use bedside_lab::patient::{Patient, drained};
use bedside_lab::wait;
use serde::Serialize;
use serde_json::Value;

use super::figures::{Table, thousands};
use crate::receivers::{Doctor, PATIENCE};
use crate::site::{self, Site};

/// What came out.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Storm {
    pub(crate) machines: u64,
    pub(crate) datagrams: u64,
    /// From the first datagram to the last.
    pub(crate) sent_seconds: f64,
    /// From the first datagram until all are listed.
    pub(crate) listed_seconds: f64,
    /// CPU time of the thread that looks for incidents, for each machine, until all are closed.
    pub(crate) case_us: f64,
    /// Resident bytes of the doctor then.
    pub(crate) resident: u64,
}

/// Has so many machines die this death, a line of each after the other.
pub(crate) fn storm(site: &Site, machines: u16, death: &[Datagram]) -> Result<Storm> {
    let doctor = Doctor::new(site, &site.folder("storm")?);
    let address = site::free_address()?;
    let rule = "[[alert]]\nname = \"page\"\ncommand = [\"/bin/true\"]\n";
    let receiver = doctor.serve(address, rule)?;
    let target = SocketAddr::from(address);
    let began = Instant::now();
    send(machines, death, target)?;
    let sent = began.elapsed();
    wait::until_within(PATIENCE, "all to be listed", || {
        Ok((count(&doctor)? >= u64::from(machines)).then_some(()))
    })?;
    let listed = began.elapsed();
    sleep(CLOSED);
    receiver.settled()?;
    let threads = receiver.process()?.threads()?;
    let cpu = threads.get("bedside-triage").context("nobody looks for incidents")?;
    let storm = Storm {
        machines: u64::from(machines),
        datagrams: u64::from(machines) * death.len() as u64,
        sent_seconds: sent.as_secs_f64(),
        listed_seconds: listed.as_secs_f64(),
        case_us: cpu.as_secs_f64() * 1e6 / f64::from(machines),
        resident: receiver.memory("VmRSS")?,
    };
    receiver.terminate()?;
    Ok(storm)
}

fn send(machines: u16, death: &[Datagram], target: SocketAddr) -> Result<()> {
    let machine = |number: u16| {
        let [high, low] = number.to_be_bytes();
        Patient::new([]).from_address(IpAddr::V4(Ipv4Addr::new(127, 16, high, low)))
    };
    let mut patients: Vec<Patient> = (0..machines).map(machine).collect();
    for datagram in death {
        for (number, patient) in patients.iter_mut().enumerate() {
            patient.send_from(datagram.source, target, &datagram.payload)?;
            if number % BETWEEN_LOOKS == 0 {
                drained(target.port(), QUEUE)?;
            }
        }
    }
    Ok(())
}

/// How many cases are listed.
fn count(doctor: &Doctor) -> Result<u64> {
    let mut command = doctor.command();
    let output = command.args(["incidents", "--json", "--data"]).arg(doctor.data()).output()?;
    let list: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let incidents = list["incidents"].as_array().map(Vec::as_slice).unwrap_or_default();
    Ok(incidents.iter().filter_map(|incident| incident["count"].as_u64()).sum())
}

impl fmt::Display for Storm {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { machines, datagrams, sent_seconds, listed_seconds, case_us, resident } = self;
        writeln!(out, "A storm: {} machines die at once, of the same\n", thousands(*machines))?;
        let mut table =
            Table::new("datagrams | sent in | all listed after | CPU a case | resident");
        let (datagrams, resident) = (thousands(*datagrams), *resident as f64 / 1e6);
        table.row(&format!(
            "{datagrams} | {sent_seconds:.1} s | {listed_seconds:.1} s | {case_us:.0} µs | \
             {resident:.1} MB"
        ));
        write!(out, "{table}")
    }
}

/// Longer than an incident waits for more lines.
const CLOSED: Duration = Duration::from_secs(12);
const BETWEEN_LOOKS: usize = 64;
/// Bytes that may wait in the doctor's socket.
const QUEUE: u64 = 1 << 20;
