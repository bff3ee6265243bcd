//! Questions to a doctor.

use std::fs::File;
use std::io::{self, Read as _};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use anyhow::Context as _;
use bedside_plan::Doctor;
use bedside_plan::facts::Way;
use netconsole_wire::question::{About, Answer, Nonce, QUESTION_LENGTH, Question, Reply};

/// Where a doctor is asked, if there is a way.
pub(crate) fn address(doctor: &Doctor, way: &Way) -> Option<SocketAddr> {
    match way {
        Way::Route(route) => Some(route.at(doctor.port)),
        Way::Unresolved(_) | Way::NoRoute(..) => None,
    }
}

/// A number that nobody had before.
pub(crate) fn nonce() -> anyhow::Result<Nonce> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .context("no random numbers from /dev/urandom")?;
    Ok(Nonce(bytes))
}

/// Asks from a socket of its own, which hears only whom it asked.
pub(crate) fn once(at: SocketAddr, nonce: Nonce, about: About) -> io::Result<Reply> {
    let any: IpAddr = if at.is_ipv4() { [0; 4].into() } else { [0; 16].into() };
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect(at)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.send(&Question { nonce, asked: at.ip(), about }.emit())?;
    let mut room = [0; QUESTION_LENGTH];
    loop {
        let got = socket.recv(&mut room)?;
        let answer = room.get(..got).and_then(Answer::parse);
        if let Some(answer) = answer.filter(|answer| answer.nonce == nonce) {
            return Ok(answer.reply);
        }
    }
}

/// The same, again if no answer comes.
pub(crate) fn patiently(at: SocketAddr, nonce: Nonce, about: About) -> io::Result<Reply> {
    (1..ATTEMPTS)
        .find_map(|_| once(at, nonce, about).ok())
        .map_or_else(|| once(at, nonce, about), Ok)
}

/// Why a doctor says nothing.
pub(crate) fn mute(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            "no program listens there (try: `bedside serve` on the doctor)".into()
        }
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            "no answer came (a receiver other than bedside, `answer = false` there, or a firewall \
             on the way; try: `bedside check` on the doctor)"
                .into()
        }
        _ => error.to_string(),
    }
}

const ATTEMPTS: usize = 2;
/// For a datagram there and back, and a doctor that looks every few milliseconds.
const PATIENCE: Duration = Duration::from_millis(400);

#[cfg(test)]
mod tests {
    use bedside_plan::facts::{Route, RouteKind};

    use super::*;

    #[test]
    fn an_address_that_every_link_has_is_asked_through_its_link() {
        let doctor = Doctor::parse("fe80::2").unwrap().remove(0);
        let (ours, others) = ([0xfe80, 0, 0, 0, 0, 0, 0, 2].into(), [0xfd00, 0, 0, 0, 0, 0, 0, 2]);
        for (ip, scope) in [(ours, 7), (others.into(), 0)] {
            let kind = RouteKind::Unicast;
            let way = Route { address: ip, device: 7, source: None, next_hop: ip, mac: None, kind };
            let Some(SocketAddr::V6(at)) = address(&doctor, &Way::Route(way)) else { panic!() };
            assert_eq!((at.port(), at.scope_id()), (6666, scope));
        }
    }
}
