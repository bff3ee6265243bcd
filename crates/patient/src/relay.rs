//! `bedside-patient relay`: netconsole in user space, by any way, as long as user space lives.
//!
//! The ring buffer is the memory of what has still to be sent: while there is no way to a doctor
//! nothing is read from it. Each doctor has a thread and a place in the ring buffer of its own, so
//! that none waits for another, nor for another's name.

pub(crate) mod process;

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use bedside_host::{Kmsg, Machine, Name, resolve};
use bedside_plan::facts::reached;
use bedside_plan::{Doctor, Host};
use netconsole_wire::{Datagram, MAX_PRINT_CHUNK, Message, parse};
use nix::net::if_::if_nametoindex;
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrStorage, bind, setsockopt, socket, sockopt,
};
use nix::unistd::getppid;

use crate::cli::RelayArgs;
use crate::signals::{self, Signals};
use crate::tell::say;
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

/// Which record each doctor was sent last, so that the next relay goes on from there.
struct Notes {
    machine: Machine,
    boot_id: String,
    sent: Mutex<BTreeMap<String, u64>>,
}

/// A doctor, and the way to it while there is one.
struct Outlet {
    doctor: Doctor,
    /// The socket that is sent from, and where to.
    way: Option<(UdpSocket, SocketAddr)>,
    /// The last trouble, which is told once.
    told: String,
    name: Name,
    /// When its name is looked up again.
    look_up_at: Instant,
}

impl Relay {
    fn new(machine: &Machine, doctor: Doctor, notes: Arc<Notes>) -> anyhow::Result<Self> {
        let identity = machine.identity();
        let lines = identity.userdata().map(|(key, value)| format!(" {key}={value}\n"));
        let (release, userdata) = (identity.release.clone(), lines.collect());
        let sender = Sender { release, userdata, last: notes.last(&doctor) };
        Ok(Self { kmsg: machine.kmsg()?, sender, outlet: Outlet::towards(doctor), notes })
    }

    fn work(&mut self) -> anyhow::Result<()> {
        loop {
            while let Some(record) = self.kmsg.read().context("cannot read the kernel's log")? {
                let datagrams = self.sender.datagrams(record);
                while !datagrams.is_empty() && !self.outlet.send(&datagrams) {
                    thread::sleep(BETWEEN_ATTEMPTS);
                }
                self.notes.take(&self.outlet.doctor, self.sender.last);
            }
            self.notes.write_down();
            self.outlet.look_up_again(Duration::ZERO);
            signals::wait(&[self.kmsg.as_fd()], IDLE)?;
        }
    }
}

impl Sender {
    /// A record as netconsole would send it; nothing, if it was sent already.
    fn datagrams(&mut self, record: &[u8]) -> Vec<Vec<u8>> {
        let mut datagrams = Vec::new();
        let Datagram::Extended(read) = parse(record) else { return datagrams };
        let header = read.header;
        if self.last.is_some_and(|last| header.seq.0 <= last) {
            return datagrams;
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
        // A header is far shorter than a datagram.
        let _fits =
            message.emit(MAX_PRINT_CHUNK, |datagram: &[u8]| datagrams.push(datagram.to_vec()));
        datagrams
    }
}

impl Notes {
    /// Those of this boot.
    fn read(machine: &Machine) -> Self {
        let boot_id = machine.identity().boot_id;
        let note = machine.noted(NOTE).unwrap_or_default();
        let sent = note.lines().filter_map(|line| sent_in(line, &boot_id)).collect();
        Self { machine: machine.clone(), boot_id, sent: Mutex::new(sent) }
    }

    fn last(&self, doctor: &Doctor) -> Option<u64> {
        self.sent().get(&doctor.to_string()).copied()
    }

    fn take(&self, doctor: &Doctor, sent: Option<u64>) {
        if let Some(sent) = sent {
            self.sent().insert(doctor.to_string(), sent);
        }
    }

    /// Where that can't be done the next relay sends more again, and a doctor knows it again.
    fn write_down(&self) {
        let sent = self.sent();
        let line = |(doctor, sent)| format!("{} {sent} {doctor}\n", self.boot_id);
        let note: String = sent.iter().map(line).collect();
        if self.machine.noted(NOTE).unwrap_or_default() != note.trim() {
            drop(self.machine.note_down(NOTE, &note));
        }
    }

    fn sent(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, u64>> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Outlet {
    fn towards(doctor: Doctor) -> Self {
        let name = Name::new(doctor.host.clone(), resolve);
        Self { doctor, way: None, told: String::new(), name, look_up_at: Instant::now() }
    }

    /// Whether there was a way.
    fn send(&mut self, datagrams: &[Vec<u8>]) -> bool {
        self.look_up_again(Duration::ZERO);
        match self.try_to_send(datagrams) {
            Ok(()) => self.told.clear(),
            Err(error) => {
                self.tell(&error);
                return false;
            }
        }
        true
    }

    fn try_to_send(&mut self, datagrams: &[Vec<u8>]) -> io::Result<()> {
        let (socket, to) = match self.way.take() {
            Some(way) => way,
            None => self.find_way()?,
        };
        for datagram in datagrams {
            socket.send_to(datagram, to)?;
        }
        self.way = Some((socket, to));
        Ok(())
    }

    fn find_way(&mut self) -> io::Result<(UdpSocket, SocketAddr)> {
        let addresses = self.name.soon(A_NAME_IS_WAITED_FOR)?;
        let holds = if self.name.is_awaited() { Duration::ZERO } else { A_NAME_HOLDS };
        self.look_up_at = Instant::now() + holds;
        self.way_to(&addresses)
    }

    /// Towards the first of its addresses that there is a way to.
    fn way_to(&self, addresses: &[IpAddr]) -> io::Result<(UdpSocket, SocketAddr)> {
        let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for address in addresses {
            let address = at(&self.doctor, *address);
            match open(self.doctor.source_port, address) {
                Ok(socket) => {
                    let at = match self.doctor.host {
                        Host::Name(_) => format!(" at {}", address.ip()),
                        Host::Address(_) => String::new(),
                    };
                    say!("the kernel's log is sent to {}{at}", self.doctor);
                    return Ok((socket, address));
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// A name may move: where it does not stand for the address any more that is sent to, the way
    /// is found anew. The answer is waited for only so long.
    fn look_up_again(&mut self, patience: Duration) {
        let Some(to) = self.way.as_ref().map(|(_, to)| to.ip()) else { return };
        if Instant::now() < self.look_up_at {
            return;
        }
        let Some(answer) = self.name.answer(patience) else { return };
        self.look_up_at = Instant::now() + A_NAME_HOLDS;
        if let Some(now) = answer.ok().filter(|now| !now.contains(&to)) {
            self.way = self.way_to(&now).ok();
        }
    }

    fn tell(&mut self, error: &io::Error) {
        let trouble = error.to_string();
        if trouble != self.told {
            say!("{}: no way at present: {trouble}", self.doctor);
            self.told = trouble;
        }
    }
}

/// A doctor at one of its addresses, which a link may have of its own.
fn at(doctor: &Doctor, address: IpAddr) -> SocketAddr {
    let link = doctor.device.as_deref().and_then(|name| if_nametoindex(name).ok());
    reached(address, doctor.port, link.unwrap_or(0))
}

/// A socket, if there is a way. It has netconsole's own port, so that a relay that is started anew
/// comes from where the last one came from, and `status` can ask for it; another one where somebody
/// has it.
///
/// It is not connected: a connected one keeps its address when another way opens (a VPN whose peer
/// drops what comes from elsewhere), IPv6 even when the machine has that address no more.
fn open(port: u16, to: SocketAddr) -> io::Result<UdpSocket> {
    let any: IpAddr = if to.is_ipv4() { [0; 4].into() } else { [0; 16].into() };
    UdpSocket::bind((any, 0))?.connect(to)?;
    shared((any, port).into()).or_else(|_| UdpSocket::bind((any, 0)))
}

/// A socket on a port that those towards other doctors have too.
fn shared(at: SocketAddr) -> nix::Result<UdpSocket> {
    let family = if at.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let fd = socket(family, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
    setsockopt(&fd, sockopt::ReuseAddr, &true)?;
    bind(fd.as_raw_fd(), &SockaddrStorage::from(at))?;
    Ok(fd.into())
}

/// A doctor and the number of the last record that it was sent, of a line of this boot.
fn sent_in(line: &str, boot_id: &str) -> Option<(String, u64)> {
    let (boot, rest) = line.split_once(' ')?;
    let (sent, doctor) = rest.split_once(' ')?;
    (boot == boot_id).then_some((doctor.to_owned(), sent.parse().ok()?))
}

const NOTE: &str = "relayed";
const BETWEEN_ATTEMPTS: Duration = Duration::from_secs(1);
const IDLE: Duration = Duration::from_secs(30);
const A_NAME_HOLDS: Duration = Duration::from_mins(1);
/// Where it is known what it stood for last; the line that waits would not get away anyhow.
const A_NAME_IS_WAITED_FOR: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU8, Ordering};

    use super::*;

    #[test]
    fn a_record_goes_out_as_netconsole_would_send_it_and_once() {
        let userdata = " host=web1\n boot_id=b007\n".into();
        let mut sender = Sender { userdata, release: "6.1.0".into(), last: None };
        let record = b"6,416,1758426,-,caller=T1;usb 1-1: new\\x09device\n SUBSYSTEM=usb\n";
        let sent = sender.datagrams(record);
        assert_eq!(
            sent.concat(),
            b"6.1.0,6,416,1758426,-,caller=T1;usb 1-1: new\\x09device\n SUBSYSTEM=usb\n \
              host=web1\n boot_id=b007\n"
        );
        assert!(sender.datagrams(record).is_empty());
        let long = [b"6,417,1758427,-;".as_slice(), &[b'x'; 1500], b"\n"].concat();
        let sent = sender.datagrams(&long);
        assert_eq!(sent.len(), 2);
        assert!(sent[0].starts_with(b"6.1.0,6,417,1758427,-,ncfrag=0/15"));
        assert_eq!(sent[0].len(), MAX_PRINT_CHUNK);
    }

    #[test]
    fn several_doctors_are_sent_to_from_one_port() {
        let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let doctors = [0, 1].map(|_| UdpSocket::bind("127.0.0.1:0").unwrap());
        let outlets = doctors.each_ref().map(|doctor| {
            let word = doctor.local_addr().unwrap().to_string();
            let [doctor] = &Doctor::parse(&word).unwrap()[..] else { panic!("{word}") };
            let mut outlet = Outlet::towards(Doctor { source_port: port, ..doctor.clone() });
            assert!(outlet.send(&[b"hello".to_vec()]));
            outlet
        });
        for doctor in &doctors {
            assert_eq!(doctor.recv_from(&mut [0; 8]).unwrap().1.port(), port);
        }
        drop(outlets);
    }

    /// Stands for one address, then for another, and then nobody tells.
    fn moving(_: &Host) -> io::Result<Vec<IpAddr>> {
        static ASKED: AtomicU8 = AtomicU8::new(0);
        match ASKED.fetch_add(1, Ordering::Relaxed) {
            at @ 0..=1 => Ok(vec![[127, 0, 0, at + 1].into()]),
            _ => loop {
                thread::park();
            },
        }
    }

    #[test]
    fn a_name_that_moves_is_followed_and_a_silent_name_server_not_waited_for() {
        let one = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = one.local_addr().unwrap().port();
        let two = UdpSocket::bind(("127.0.0.2", port)).unwrap();
        let doctor = Doctor { port, ..Doctor::at(Host::Name("doctor.example".into())) };
        let mut outlet = Outlet::towards(doctor);
        outlet.name = Name::new(outlet.doctor.host.clone(), moving);
        let mut send = |patience: Option<Duration>| {
            if let Some(patience) = patience {
                outlet.look_up_at = Instant::now();
                outlet.look_up_again(patience);
            }
            assert!(outlet.send(&[b"hello".to_vec()]));
        };
        let hears = |doctor: &UdpSocket| doctor.recv(&mut [0; 8]).is_ok();
        send(None);
        assert!(hears(&one));
        send(Some(Duration::from_mins(1)));
        assert!(hears(&two));
        for _ in 0..2 {
            send(Some(Duration::ZERO));
            assert!(hears(&two));
        }
    }

    #[test]
    fn an_address_that_every_link_has_is_told_with_its_link() {
        let [doctor] = &Doctor::parse("+@/lo,@fe80::2/").unwrap()[..] else { panic!() };
        let index = if_nametoindex("lo").unwrap();
        let SocketAddr::V6(found) = at(doctor, [0xfe80, 0, 0, 0, 0, 0, 0, 2].into()) else {
            panic!()
        };
        assert_eq!((found.port(), found.scope_id()), (6666, index));
        assert_eq!(at(doctor, [10, 0, 0, 2].into()), ([10, 0, 0, 2], 6666).into());
    }

    #[test]
    fn a_note_of_another_boot_is_none_of_ours() {
        assert_eq!(sent_in("b007 41 a.example", "b007"), Some(("a.example".to_owned(), 41)));
        assert_eq!(sent_in("b006 41 a.example", "b007"), None);
        assert_eq!(sent_in("b007 41", "b007"), None);
    }
}
