//! A store whose disk is taken away, fills up, hangs or fails while it is written: the doctor goes
//! on hearing, says so, and resumes.
//!
//! What needs a file system of its own needs root:
//! `cargo test -p bedside --features root --test e2e_disk`.

#[cfg(feature = "root")]
mod mounted;

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use bedside_lab::answer::Item;
use bedside_lab::chance::Chance;
use bedside_lab::doctor::{Bedside, Doctor};
use bedside_lab::patient::{Patient, Queue, drained};
use bedside_lab::wait;

const HERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
const CANNOT: &str = "the segments can't be written";
const AGAIN: &str = "the segments are written again";

/// A doctor, its store, and a machine that it hears.
struct Ward {
    dir: PathBuf,
    bedside: Bedside,
    doctor: Doctor,
    target: SocketAddr,
    patient: Patient,
    chance: Chance,
    sent: u64,
}

impl Ward {
    /// The store is `store` in `dir`.
    fn open(dir: PathBuf) -> Result<Ward> {
        let bedside = Bedside::new(env!("CARGO_BIN_EXE_bedside"), dir.join("store"));
        let doctor = bedside.serve::<&str>(&[HERE], &[])?;
        let target = doctor.addresses()[0];
        let (patient, chance) = (Patient::new([]), Chance::new(1));
        Ok(Ward { dir, bedside, doctor, target, patient, chance, sent: 0 })
    }

    /// Sends records that don't compress, and waits until the doctor has taken them.
    fn say(&mut self, count: u64) -> Result<()> {
        for _ in 0..count {
            let seq = self.sent;
            let noise = self.chance.bytes(400);
            let noise: String = noise.iter().map(|byte| char::from(b' ' + byte % 95)).collect();
            let line = format!("6,{seq},{},-;{}\n", 1000 + seq, noise.replace('\\', "/"));
            self.patient.send_from(HERE, self.target, line.as_bytes())?;
            self.sent += 1;
            if self.sent.is_multiple_of(32) {
                drained(self.target.port(), 64 << 10)?;
            }
        }
        drained(self.target.port(), 0)
    }

    fn says(&self, words: &str) -> bool {
        self.doctor.said().iter().any(|line| line.contains(words))
    }

    fn wait_for(&self, words: &str) -> Result<()> {
        wait::until(words, || Ok(self.says(words).then_some(())))
    }

    /// Ends the doctor; the numbers of the records held, and the records that gaps tell of.
    fn end(self) -> Result<(Vec<u64>, u64)> {
        let dropped = Queue::of(self.target.port())?.dropped;
        ensure!(dropped == 0, "{dropped} datagrams were not heard");
        self.doctor.terminate()?;
        let (mut held, mut limit) = (Vec::new(), 0);
        for item in self.bedside.log(&[])? {
            match item {
                Item::Record(record) => held.push(record.seq.context("a record without number")?),
                Item::Gap(gap) if gap.cause == "limit" => limit += gap.count,
                Item::Pstore(_) | Item::Gap(_) | Item::Boot(_) => {}
            }
        }
        ensure!(held.is_sorted_by(|a, b| a < b), "twice or out of order");
        Ok((held, limit))
    }
}

#[test]
fn a_store_that_is_emptied_under_it_is_begun_anew() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut ward = Ward::open(dir.path().to_owned())?;
    ward.say(100)?;
    ward.bedside.log_of(100, &[])?;
    for entry in fs::read_dir(ward.bedside.data())? {
        let path = entry?.path();
        if path.is_dir() { fs::remove_dir_all(path)? } else { fs::remove_file(path)? }
    }
    ward.say(100)?;
    ward.wait_for(CANNOT)?;
    ward.wait_for(AGAIN)?;
    ward.say(100)?;
    // What says how it is is there again, too.
    wait::until("the doctor to be known", || {
        let data = ward.bedside.data();
        Ok((data.join("lock").exists() && data.join("health").exists()).then_some(()))
    })?;
    let (held, limit) = ward.end()?;
    ensure!(limit == 0 && held.ends_with(&(100..300).collect::<Vec<_>>()), "{limit}, {held:?}");
    Ok(())
}

#[test]
fn a_directory_that_is_gone_is_told_and_nothing_is_made_in_its_place() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut ward = Ward::open(dir.path().to_owned())?;
    ward.say(100)?;
    let gone = ward.dir.join("gone");
    fs::rename(ward.bedside.data(), &gone)?;
    fs::remove_dir_all(&gone)?;
    ward.say(100)?;
    ward.wait_for(CANNOT)?;
    // It hears on, and makes no store where perhaps a disk is not mounted.
    ward.say(1000)?;
    ensure!(!ward.bedside.data().exists());
    Ok(())
}
