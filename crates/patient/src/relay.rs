//! `bedside-patient relay`: netconsole in user space, by any way, as long as user space lives.
//!
//! The ring buffer is the memory of what has still to be sent: while there is no way to a doctor
//! nothing is read from it.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsFd as _;
use std::time::Duration;

use anyhow::Context as _;
use bedside_host::{Machine, resolve};
use bedside_plan::Doctor;
use netconsole_wire::{Datagram, MAX_PRINT_CHUNK, Message, parse};

use crate::cli::RelayArgs;
use crate::signals::{Signals, Woken};
use crate::tell::say;
use crate::{Exit, exit};

pub(crate) fn run(machine: &Machine, args: &RelayArgs) -> anyhow::Result<Exit> {
    let doctors: Result<Vec<Vec<Doctor>>, _> =
        args.doctors.iter().map(|word| Doctor::parse(word)).collect();
    let doctors = match doctors {
        Ok(doctors) => doctors.concat(),
        Err(error) => return Ok(exit::tell(Exit::Usage, &error.to_string())),
    };
    let signals = Signals::catch()?;
    let mut kmsg = machine.kmsg()?;
    let mut relay = Relay::new(machine, doctors);
    loop {
        while let Some(record) = kmsg.read().context("cannot read the kernel's log")? {
            let datagrams = relay.datagrams(record);
            while !relay.send(&datagrams) {
                if signals.wait(None, BETWEEN_ATTEMPTS)? == Woken::Signal {
                    relay.remember()?;
                    return Ok(Exit::Well);
                }
            }
        }
        relay.remember()?;
        if signals.wait(Some(kmsg.as_fd()), IDLE)? == Woken::Signal {
            return Ok(Exit::Well);
        }
    }
}

/// What is sent to whom.
struct Relay<'m> {
    machine: &'m Machine,
    outlets: Vec<Outlet>,
    /// The kernel's release.
    release: String,
    /// The lines of the dictionary that say who the machine is.
    userdata: String,
    boot_id: String,
    /// The number of the last record that was sent.
    sent: Option<u64>,
    remembered: Option<u64>,
}

/// A doctor, and the socket towards it while there is a way.
struct Outlet {
    doctor: Doctor,
    socket: Option<UdpSocket>,
    /// The last trouble, which is told once.
    told: String,
}

impl<'m> Relay<'m> {
    fn new(machine: &'m Machine, doctors: Vec<Doctor>) -> Self {
        let identity = machine.identity();
        let lines = identity.userdata().map(|(key, value)| format!(" {key}={value}\n"));
        let outlet = |doctor| Outlet { doctor, socket: None, told: String::new() };
        let sent = machine.noted(NOTE).and_then(|note| sent_in(&note, &identity.boot_id));
        Self {
            machine,
            outlets: doctors.into_iter().map(outlet).collect(),
            userdata: lines.collect(),
            release: identity.release.clone(),
            boot_id: identity.boot_id,
            sent,
            remembered: sent,
        }
    }

    /// A record as netconsole would send it; nothing, if it was sent already.
    fn datagrams(&mut self, record: &[u8]) -> Vec<Vec<u8>> {
        let mut datagrams = Vec::new();
        let Datagram::Extended(read) = parse(record) else { return datagrams };
        let header = read.header;
        if self.sent.is_some_and(|sent| header.seq.0 <= sent) {
            return datagrams;
        }
        self.sent = Some(header.seq.0);
        let message = Message {
            release: Some(self.release.as_bytes()),
            prefix: header.prefix,
            seq: header.seq,
            time: header.time,
            flags: header.flags,
            caller: header.caller,
            body: &[read.body, self.userdata.as_bytes()].concat(),
        };
        // A header is far shorter than a datagram.
        let _fits =
            message.emit(MAX_PRINT_CHUNK, |datagram: &[u8]| datagrams.push(datagram.to_vec()));
        datagrams
    }

    /// Sends to everybody whom there is a way to; false, if there is none to anybody.
    fn send(&mut self, datagrams: &[Vec<u8>]) -> bool {
        let mut sent = datagrams.is_empty();
        for outlet in &mut self.outlets {
            match outlet.send(datagrams) {
                Ok(()) => {
                    sent = true;
                    outlet.told.clear();
                }
                Err(error) => outlet.tell(&error),
            }
        }
        sent
    }

    /// So that the next one goes on from here.
    fn remember(&mut self) -> anyhow::Result<()> {
        if let Some(sent) = self.sent.filter(|_| self.sent != self.remembered) {
            self.machine.note_down(NOTE, &format!("{} {sent}\n", self.boot_id))?;
            self.remembered = self.sent;
        }
        Ok(())
    }
}

impl Outlet {
    fn send(&mut self, datagrams: &[Vec<u8>]) -> io::Result<()> {
        let socket = match self.socket.take() {
            Some(socket) => socket,
            None => self.connect()?,
        };
        for datagram in datagrams {
            match socket.send(datagram) {
                // Nobody listened to an earlier one; netconsole would not know.
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                    drop(socket.send(datagram));
                }
                sent => drop(sent?),
            }
        }
        self.socket = Some(socket);
        Ok(())
    }

    fn connect(&self) -> io::Result<UdpSocket> {
        let addresses = resolve(&self.doctor.host)?;
        let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for address in addresses {
            match connect(SocketAddr::new(address, self.doctor.port)) {
                Ok(socket) => return Ok(socket),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn tell(&mut self, error: &io::Error) {
        let trouble = error.to_string();
        if trouble != self.told {
            say!("{}: no way at present: {trouble}", self.doctor);
            self.told = trouble;
        }
    }
}

fn connect(address: SocketAddr) -> io::Result<UdpSocket> {
    let any: IpAddr = if address.is_ipv4() { [0; 4].into() } else { [0; 16].into() };
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect(address)?;
    Ok(socket)
}

/// The number in a note of this boot.
fn sent_in(note: &str, boot_id: &str) -> Option<u64> {
    let (boot, sent) = note.split_once(' ')?;
    (boot == boot_id).then(|| sent.trim().parse().ok()).flatten()
}

const NOTE: &str = "relayed";
const BETWEEN_ATTEMPTS: Duration = Duration::from_secs(1);
const IDLE: Duration = Duration::from_mins(1);

#[cfg(test)]
mod tests {
    use super::*;

    fn relay(machine: &Machine) -> Relay<'_> {
        Relay {
            userdata: " host=web1\n boot_id=b007\n".into(),
            release: "6.1.0".into(),
            boot_id: "b007".into(),
            ..Relay::new(machine, Vec::new())
        }
    }

    #[test]
    fn a_record_goes_out_as_netconsole_would_send_it_and_once() {
        let machine = Machine::new("/nonexistent");
        let mut relay = relay(&machine);
        let record = b"6,416,1758426,-,caller=T1;usb 1-1: new\\x09device\n SUBSYSTEM=usb\n";
        let sent = relay.datagrams(record);
        assert_eq!(
            sent.concat(),
            b"6.1.0,6,416,1758426,-,caller=T1;usb 1-1: new\\x09device\n SUBSYSTEM=usb\n \
              host=web1\n boot_id=b007\n"
        );
        assert!(relay.datagrams(record).is_empty());
        let long = [b"6,417,1758427,-;".as_slice(), &[b'x'; 1500], b"\n"].concat();
        let sent = relay.datagrams(&long);
        assert_eq!(sent.len(), 2);
        assert!(sent[0].starts_with(b"6.1.0,6,417,1758427,-,ncfrag=0/15"));
        assert_eq!(sent[0].len(), MAX_PRINT_CHUNK);
    }

    #[test]
    fn a_note_of_another_boot_is_none_of_ours() {
        assert_eq!(sent_in("b007 41\n", "b007"), Some(41));
        assert_eq!(sent_in("b006 41", "b007"), None);
        assert_eq!(sent_in("b007", "b007"), None);
    }
}
