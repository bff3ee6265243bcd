//! What the doctor says of what it does not hold: each hole with its cause, none that it holds.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use anyhow::{Result, ensure};
use bedside_lab::answer::Item;
use bedside_lab::doctor::{Bedside, Doctor};
use bedside_lab::patient::{Patient, drained};

/// A running doctor and a machine that speaks to it.
struct Ward {
    bedside: Bedside,
    doctor: Doctor,
    patient: Patient,
    _data: tempfile::TempDir,
}

/// Cause, count, first and last number.
type Gap = (String, u64, Option<u64>, Option<u64>);

impl Ward {
    fn open(more: &[&str]) -> Result<Self> {
        let data = tempfile::tempdir()?;
        let bedside = Bedside::new(env!("CARGO_BIN_EXE_bedside"), data.path());
        let doctor = bedside.serve(&[SocketAddr::from((Ipv4Addr::LOCALHOST, 0))], more)?;
        Ok(Self { bedside, doctor, patient: Patient::new([]), _data: data })
    }

    fn hears(&mut self, datagrams: &[&str]) -> Result<()> {
        let target = self.doctor.addresses()[0];
        for datagram in datagrams {
            self.patient.send_from(SOURCE, target, datagram.as_bytes())?;
        }
        drained(target.port(), 0)
    }

    fn gaps(&self, args: &[&str]) -> Result<Vec<Gap>> {
        let items = self.bedside.log(args)?;
        let gaps = items.into_iter().filter_map(|item| match item {
            Item::Gap(gap) => Some((gap.cause, gap.count, gap.from_seq, gap.to_seq)),
            _ => None,
        });
        Ok(gaps.collect())
    }
}

const SOURCE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 6665);

fn gap(cause: &str, count: u64, from: u64, to: u64) -> Gap {
    (cause.to_owned(), count, Some(from), Some(to))
}

#[test]
fn a_hole_in_the_numbers_is_probable_and_a_late_record_shrinks_it() -> Result<()> {
    let mut ward = Ward::open(&[])?;
    ward.hears(&["6,10,1000,-;ten\n", "6,11,1001,-;eleven\n", "6,15,1005,-;fifteen\n"])?;
    ward.bedside.log_of(3, &[])?;
    ensure!(ward.gaps(&[])? == [gap("probable", 3, 12, 14)]);
    ward.hears(&["6,13,1003,-;thirteen, late\n"])?;
    ward.bedside.log_of(4, &[])?;
    ensure!(ward.gaps(&[])? == [gap("probable", 1, 12, 12), gap("probable", 1, 14, 14)]);
    ward.hears(&["6,12,1002,-;twelve\n", "6,14,1004,-;fourteen\n"])?;
    let items = ward.bedside.log_of(6, &[])?;
    ensure!(ward.gaps(&[])?.is_empty());
    let numbers = items.iter().filter_map(|item| match item {
        Item::Record(record) => record.seq,
        _ => None,
    });
    ensure!(numbers.eq(10..16), "in the order of their numbers");
    ward.doctor.terminate()
}

#[test]
fn what_msgid_shows_is_proven_and_the_rest_of_the_hole_is_not() -> Result<()> {
    let mut ward = Ward::open(&[])?;
    ward.hears(&[
        "6,20,2000,-;a\n cpu=0\n msgid=7\n",
        // Two messages lost, three numbers filtered.
        "6,26,2006,-;b\n cpu=0\n msgid=10\n",
        // Nothing lost, one number filtered.
        "6,28,2008,-;c\n cpu=0\n msgid=11\n",
    ])?;
    ward.bedside.log_of(3, &[])?;
    let proven = gap("proven", 2, 21, 25);
    ensure!(ward.gaps(&[])? == [proven, gap("probable", 3, 21, 25), gap("probable", 1, 27, 27)]);
    ward.doctor.terminate()
}

#[test]
fn the_senders_own_word_is_a_gap_and_no_filter_takes_it_away() -> Result<()> {
    let mut ward = Ward::open(&[])?;
    ward.hears(&[
        "[    1.000000] before\n",
        "** 12 printk messages dropped **\n[    2.000000] after\n",
    ])?;
    ward.bedside.log_of(2, &[])?;
    let dropped = ("dropped_by_sender".to_owned(), 12, None, None);
    for args in [&[][..], &["-g", "no such words"], &["-p", "0"]] {
        ensure!(ward.gaps(args)? == [dropped.clone()], "log {args:?}");
    }
    ward.doctor.terminate()
}

#[test]
fn only_networks_allowed_are_heard() -> Result<()> {
    let mut ward = Ward::open(&["--allow", "127.0.0.9/32"])?;
    ward.hears(&["6,1,1000,-;not from here\n"])?;
    ward.patient = Patient::new([]).from_address([127, 0, 0, 9].into());
    ward.hears(&["6,2,1000,-;from here\n"])?;
    let items = ward.bedside.log_of(1, &[])?;
    ensure!(items.iter().all(|item| item.place().host.as_deref() == Some("127.0.0.9")));
    ward.doctor.terminate()
}
