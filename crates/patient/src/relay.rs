//! `bedside-patient relay`: netconsole in user space, by any way, as long as user space lives.
//!
//! The ring buffer is the memory of what has still to be sent: while there is no way to a doctor
//! nothing is read from it. Each doctor has a thread and a place in the ring buffer of its own, so
//! that none waits for another, nor for another's name.

pub(crate) mod notes;
mod outlet;
pub(crate) mod process;

use std::collections::HashSet;
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use bedside_host::{Kmsg, Machine};
use bedside_plan::Doctor;
use netconsole_wire::{Datagram, MAX_PRINT_CHUNK, Message, parse};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::unistd::getppid;

use self::notes::{Notes, Sent};
use self::outlet::Outlet;
use crate::cli::RelayArgs;
use crate::signals::{self, Signals};
use crate::{Exit, conclude, exit};

pub(crate) fn run(machine: &Machine, args: &RelayArgs) -> anyhow::Result<Exit> {
    let doctors: Result<Vec<Vec<Doctor>>, _> =
        args.doctors.iter().map(|word| Doctor::parse(word)).collect();
    let doctors = match doctors {
        Ok(doctors) => doctors.concat(),
        Err(error) => return Ok(exit::tell(Exit::Usage, &error.to_string())),
    };
    let signals = Signals::catch()?;
    if let Some(parent) = args.with_parent {
        set_pdeathsig(Signal::SIGTERM).context("cannot ask to be told of the agent's end")?;
        // Of one that ended before nobody tells.
        if getppid().as_raw() != parent {
            return Ok(Exit::Well);
        }
    }
    let notes = Arc::new(Notes::read(machine));
    let mut named = HashSet::new();
    for doctor in doctors.into_iter().filter(|doctor| named.insert(doctor.to_string())) {
        let mut relay = Relay::new(machine, doctor, Arc::clone(&notes))?;
        thread::Builder::new().spawn(move || {
            // It does not end otherwise.
            if let Err(error) = relay.work() {
                std::process::exit(conclude(Err(error)) as i32);
            }
        })?;
    }
    signals.wait_for_one()?;
    notes.write_down();
    Ok(Exit::Well)
}

/// What is sent to a doctor.
struct Relay {
    kmsg: Kmsg,
    sender: Sender,
    outlet: Outlet,
    notes: Arc<Notes>,
}

/// Makes datagrams of records.
struct Sender {
    /// The kernel's release.
    release: String,
    /// The lines of the dictionary that say who the machine is.
    userdata: String,
    /// The number of the last record that was made into datagrams.
    last: Option<u64>,
}

impl Relay {
    fn new(machine: &Machine, doctor: Doctor, notes: Arc<Notes>) -> anyhow::Result<Self> {
        let identity = machine.identity();
        let lines = identity.userdata().map(|(key, value)| format!(" {key}={value}\n"));
        let (release, userdata) = (identity.release.clone(), lines.collect());
        let sender =
            Sender { release, userdata, last: notes.last(&doctor).map(|sent| sent.record) };
        Ok(Self { kmsg: machine.kmsg()?, sender, outlet: Outlet::towards(doctor), notes })
    }

    fn work(&mut self) -> anyhow::Result<()> {
        loop {
            while let Some(record) = self.kmsg.read().context("cannot read the kernel's log")? {
                if let Some((record, datagrams)) = self.sender.datagrams(record) {
                    let port = self.outlet.send(&datagrams);
                    self.notes.take(&self.outlet.doctor, Sent { record, port });
                }
            }
            self.notes.write_down();
            self.outlet.look_up_again(Duration::ZERO);
            signals::wait(&[self.kmsg.as_fd()], IDLE)?;
        }
    }
}

impl Sender {
    /// A record's number, and the record as netconsole would send it; nothing, if it was sent
    /// already.
    fn datagrams(&mut self, record: &[u8]) -> Option<(u64, Vec<Vec<u8>>)> {
        let Datagram::Extended(read) = parse(record) else { return None };
        let header = read.header;
        if self.last.is_some_and(|last| header.seq.0 <= last) {
            return None;
        }
        self.last = Some(header.seq.0);
        let message = Message {
            release: Some(self.release.as_bytes()),
            prefix: header.prefix,
            seq: header.seq,
            time: header.time,
            flags: header.flags,
            caller: header.caller,
            body: &[read.body, self.userdata.as_bytes()].concat(),
        };
        let mut datagrams = Vec::new();
        // A header is far shorter than a datagram.
        let _fits =
            message.emit(MAX_PRINT_CHUNK, |datagram: &[u8]| datagrams.push(datagram.to_vec()));
        Some((header.seq.0, datagrams))
    }
}

const IDLE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_goes_out_as_netconsole_would_send_it_and_once() {
        let userdata = " host=web1\n boot_id=b007\n".into();
        let mut sender = Sender { userdata, release: "6.1.0".into(), last: None };
        let record = b"6,416,1758426,-,caller=T1;usb 1-1: new\\x09device\n SUBSYSTEM=usb\n";
        let (number, sent) = sender.datagrams(record).unwrap();
        assert_eq!(number, 416);
        assert_eq!(
            sent.concat(),
            b"6.1.0,6,416,1758426,-,caller=T1;usb 1-1: new\\x09device\n SUBSYSTEM=usb\n \
              host=web1\n boot_id=b007\n"
        );
        assert!(sender.datagrams(record).is_none());
        let long = [b"6,417,1758427,-;".as_slice(), &[b'x'; 1500], b"\n"].concat();
        let (_, sent) = sender.datagrams(&long).unwrap();
        assert_eq!(sent.len(), 2);
        assert!(sent[0].starts_with(b"6.1.0,6,417,1758427,-,ncfrag=0/15"));
        assert_eq!(sent[0].len(), MAX_PRINT_CHUNK);
    }
}
