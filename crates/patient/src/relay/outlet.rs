//! The way to a doctor, by whatever device: found, lost, and found anew where its name moves.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::thread;
use std::time::{Duration, Instant};

use bedside_host::{Name, resolve};
use bedside_plan::facts::reached;
use bedside_plan::{Doctor, Host};
use nix::net::if_::if_nametoindex;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrStorage, bind, setsockopt, socket, sockopt,
};

use crate::tell::say;

/// A doctor, and the way to it while there is one.
pub(super) struct Outlet {
    pub(super) doctor: Doctor,
    /// The socket that is sent from, and where to.
    way: Option<(UdpSocket, SocketAddr)>,
    /// The last trouble, which is told once.
    told: String,
    name: Name,
    /// When its name is looked up again.
    look_up_at: Instant,
}

impl Outlet {
    pub(super) fn towards(doctor: Doctor) -> Self {
        let name = Name::new(doctor.host.clone(), resolve);
        Self { doctor, way: None, told: String::new(), name, look_up_at: Instant::now() }
    }

    /// Waits until there is a way; says from which port it was sent.
    pub(super) fn send(&mut self, datagrams: &[Vec<u8>]) -> u16 {
        loop {
            self.look_up_again(Duration::ZERO);
            match self.try_to_send(datagrams) {
                Ok(port) => {
                    self.told.clear();
                    return port;
                }
                Err(error) => self.tell(&error),
            }
            thread::sleep(BETWEEN_ATTEMPTS);
        }
    }

    fn try_to_send(&mut self, datagrams: &[Vec<u8>]) -> io::Result<u16> {
        let (socket, to) = match self.way.take() {
            Some(way) => way,
            None => self.find_way()?,
        };
        for datagram in datagrams {
            socket.send_to(datagram, to)?;
        }
        let port = socket.local_addr()?.port();
        self.way = Some((socket, to));
        Ok(port)
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
    pub(super) fn look_up_again(&mut self, patience: Duration) {
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
/// comes from where the last one came from; another one where somebody has it.
///
/// It is not connected: a connected one keeps its address when another way opens (a VPN whose peer
/// drops what comes from elsewhere), IPv6 even when the machine has that address no more.
fn open(port: u16, to: SocketAddr) -> io::Result<UdpSocket> {
    let any: IpAddr = if to.is_ipv4() { [0; 4].into() } else { [0; 16].into() };
    UdpSocket::bind((any, 0))?.connect(to)?;
    shared((any, port).into()).or_else(|why| {
        say!("port {port} can't be sent from ({}): another one is", why.desc());
        UdpSocket::bind((any, 0))
    })
}

/// A socket on a port that those towards other doctors have too.
fn shared(at: SocketAddr) -> nix::Result<UdpSocket> {
    let family = if at.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let fd = socket(family, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
    setsockopt(&fd, sockopt::ReuseAddr, &true)?;
    bind(fd.as_raw_fd(), &SockaddrStorage::from(at))?;
    Ok(fd.into())
}

const BETWEEN_ATTEMPTS: Duration = Duration::from_secs(1);
const A_NAME_HOLDS: Duration = Duration::from_mins(1);
/// Where it is known what it stood for last; the line that waits would not get away anyhow.
const A_NAME_IS_WAITED_FOR: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU8, Ordering};

    use super::*;

    #[test]
    fn several_doctors_are_sent_to_from_one_port() {
        let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let doctors = [0, 1].map(|_| UdpSocket::bind("127.0.0.1:0").unwrap());
        let outlets = doctors.each_ref().map(|doctor| {
            let word = doctor.local_addr().unwrap().to_string();
            let [doctor] = &Doctor::parse(&word).unwrap()[..] else { panic!("{word}") };
            let mut outlet = Outlet::towards(Doctor { source_port: port, ..doctor.clone() });
            assert_eq!(outlet.send(&[b"hello".to_vec()]), port);
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
            outlet.send(&[b"hello".to_vec()]);
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
}
