//! The doctor goes away in the middle of a boot and comes back: same boot, nothing twice, and
//! what was said meanwhile is a gap.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use bedside_lab::answer::{Gap, Item};
use bedside_lab::capture::{Capture, Datagram};
use bedside_lab::doctor::{Bedside, Doctor};
use bedside_lab::patient::{Patient, drained};
use bedside_lab::{check, oracle};

/// Extended, basic, fragments and dictionary, two targets of one machine.
const CAPTURES: &[&str] =
    &["6.1.0/ext_kmsg_panic0", "7.2.12/basic_kmsg_panic0", "7.3.4/cfg_udsys", "7.3.4/cfg_two"];

/// A machine and a doctor with a store that outlives it.
struct Ward {
    capture: Capture,
    bedside: Bedside,
    addresses: Vec<SocketAddr>,
    patient: Patient,
    _data: tempfile::TempDir,
}

impl Ward {
    fn open(name: &str) -> Result<(Self, Doctor)> {
        let capture = Capture::load(name)?;
        let data = tempfile::tempdir()?;
        let bedside = Bedside::new(env!("CARGO_BIN_EXE_bedside"), data.path());
        let targets = capture.targets();
        let listen: Vec<_> = targets.iter().map(|t| SocketAddr::new(t.ip(), 0)).collect();
        let doctor = bedside.serve::<&str>(&listen, &[])?;
        let addresses = doctor.addresses().to_vec();
        let patient = Patient::new(targets.into_iter().zip(addresses.iter().copied()));
        Ok((Self { capture, bedside, addresses, patient, _data: data }, doctor))
    }

    fn reopen(&self) -> Result<Doctor> {
        self.bedside.serve::<&str>(&self.addresses, &[])
    }

    fn send(&mut self, from: usize, to: usize) -> Result<()> {
        self.patient.send(&self.capture.datagrams[from..to])?;
        self.addresses.iter().try_for_each(|address| drained(address.port(), 0))
    }

    /// The first place from `datagram` on that cuts no message in two.
    fn seam(&self, datagram: usize) -> usize {
        let whole = |d: &Datagram| {
            let head = d.payload.split(|&byte| byte == b';').next().unwrap_or_default();
            d.payload.ends_with(b"\n") && !head.windows(7).any(|word| word == b"ncfrag=")
        };
        let later = &self.capture.datagrams[datagram - 1..];
        datagram + later.iter().position(whole).unwrap_or(later.len())
    }

    fn len(&self) -> usize {
        self.capture.datagrams.len()
    }

    /// The answer holds all of the capture but the datagrams that nobody heard.
    fn check(&self, unheard: std::ops::Range<usize>) -> Result<Vec<Item>> {
        let mut heard = self.capture.datagrams.clone();
        heard.drain(unheard);
        let items = self.bedside.log(&[])?;
        let ports: BTreeMap<_, _> =
            self.capture.targets().into_iter().zip(self.addresses.iter()).collect();
        let port_of = |target| ports.get(&target).map_or(0, |address| address.port());
        check::records(&items, &oracle::streams(&heard), port_of)?;
        Ok(items)
    }
}

fn gaps(items: &[Item]) -> Vec<&Gap> {
    let gaps = items.iter().filter_map(|item| match item {
        Item::Gap(gap) => Some(gap),
        _ => None,
    });
    gaps.collect()
}

#[test]
fn a_clean_restart_in_the_middle_of_a_boot_leaves_no_trace() -> Result<()> {
    for name in CAPTURES {
        let (mut ward, doctor) = Ward::open(name)?;
        let (first, second) = (ward.seam(ward.len() / 3), ward.seam(ward.len() * 2 / 3));
        ward.send(0, first)?;
        doctor.terminate()?;
        let doctor = ward.reopen()?;
        ward.send(first, second)?;
        doctor.terminate()?;
        let doctor = ward.reopen()?;
        ward.send(second, ward.len())?;
        doctor.terminate()?;
        ward.check(0..0).with_context(|| (*name).to_owned())?;
    }
    Ok(())
}

#[test]
fn kill_9_in_the_middle_of_a_boot_leaves_no_trace_in_what_was_kept() -> Result<()> {
    for name in CAPTURES {
        let (mut ward, doctor) = Ward::open(name)?;
        let middle = ward.seam(ward.len() / 2);
        ward.send(0, middle)?;
        let streams = oracle::streams(&ward.capture.datagrams[..middle]);
        let records = streams.iter().flat_map(|s| &s.boots).map(|boot| boot.records.len()).sum();
        ward.bedside.log_of(records, &[])?;
        doctor.kill()?;
        let doctor = ward.reopen()?;
        ward.send(middle, ward.len())?;
        doctor.terminate()?;
        ward.check(0..0).with_context(|| (*name).to_owned())?;
    }
    Ok(())
}

#[test]
fn what_was_said_to_nobody_is_a_gap_of_the_same_boot() -> Result<()> {
    let (mut ward, doctor) = Ward::open("6.1.0/ext_panic1")?;
    ward.send(0, 200)?;
    doctor.terminate()?;
    let doctor = ward.reopen()?;
    ward.send(220, ward.len())?;
    doctor.terminate()?;
    let items = ward.check(200..220)?;
    let gaps = gaps(&items);
    ensure!(gaps.len() == 1, "one hole, but {gaps:?}");
    let gap = gaps[0];
    ensure!((gap.cause.as_str(), gap.count) == ("probable", 20), "{gap:?}");
    ensure!((gap.from_seq, gap.to_seq) == (Some(200), Some(219)), "{gap:?}");
    Ok(())
}

#[test]
fn a_ring_buffer_replayed_to_the_next_doctor_is_told_once() -> Result<()> {
    for name in ["6.1.0/ext_panic1", "6.1.0/basic_panic1"] {
        let (mut ward, doctor) = Ward::open(name)?;
        let middle = ward.seam(ward.len() / 2);
        ward.send(0, middle)?;
        doctor.terminate()?;
        let doctor = ward.reopen()?;
        ward.send(0, ward.len())?;
        doctor.terminate()?;
        ward.check(0..0).with_context(|| name.to_owned())?;
    }
    Ok(())
}

#[test]
fn a_new_source_port_that_goes_on_is_the_same_boot() -> Result<()> {
    for name in ["6.1.0/ext_panic1", "7.3.4/cfg_udsys"] {
        let (mut ward, doctor) = Ward::open(name)?;
        let middle = ward.seam(ward.len() / 2);
        ward.send(0, middle)?;
        ward.patient.change_ports();
        ward.send(middle, ward.len())?;
        doctor.terminate()?;
        ward.check(0..0).with_context(|| name.to_owned())?;
    }
    Ok(())
}

#[test]
fn one_machine_with_two_targets_has_one_boot() -> Result<()> {
    let (mut ward, doctor) = Ward::open("7.3.4/cfg_two")?;
    ward.send(0, ward.len())?;
    doctor.terminate()?;
    let items = ward.check(0..0)?;
    let begun = items.iter().filter(|i| matches!(i, Item::Boot(boot) if boot.event == "begin"));
    ensure!(begun.count() == 1, "more than one boot");
    Ok(())
}
