//! Sends the doctors what the kernel left of its last deaths, once.
//!
//! A doctor says which line is missing until it has kept the dump. Who answers no questions is
//! sent all of it after some waiting, and nobody knows whether it came.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};
use std::{io, thread};

use bedside_host::{Dump, Machine};
use bedside_plan::Doctor;
use bedside_plan::facts::{Facts, Route, Way};
use netconsole_wire::dump::{self, DumpLine};
use netconsole_wire::question::{About, Nonce, Reply};

use crate::ask;
use crate::heart::State;
use crate::tell::say;

/// The dumps that not every doctor has.
#[derive(Default)]
pub(crate) struct Harvest {
    dumps: Vec<Dump>,
    /// Whom each was given: lines `dump doctor`; of one that does not answer `dump doctor hop`.
    given: BTreeSet<String>,
    /// How many of these are noted.
    noted: usize,
    /// Looks at each doctor, and who is next on the way to it, that were in vain.
    in_vain: BTreeMap<String, u32>,
    /// When a doctor that has not kept all is asked again, and how long that is put off next.
    again: Option<Instant>,
    pause: Duration,
}

/// What came of one dump and one doctor.
enum Outcome {
    /// It is on the doctor's disk.
    Kept,
    /// The doctor has not got all of it yet.
    NotYet,
    /// The doctor answers no questions.
    Mute,
}

impl Harvest {
    /// Looks for what has not been given to anybody yet.
    pub(crate) fn new(machine: &Machine) -> Self {
        let found = machine.pstore();
        for name in &found.packed {
            say!("{name} in pstore is packed, and this kernel can't unpack it");
        }
        let there: BTreeSet<String> =
            found.dumps.iter().map(|dump| Nonce(dump.id).to_string()).collect();
        let is_there = |line: &&str| line.split(' ').next().is_some_and(|id| there.contains(id));
        let noted = machine.remembered(NOTE).unwrap_or_default();
        let given: BTreeSet<String> = noted.lines().filter(is_there).map(str::to_owned).collect();
        let (noted, dumps) = (given.len(), found.dumps);
        Self { dumps, given, noted, pause: SOON, ..Self::default() }
    }

    /// Gives what is left to whom there is a way to.
    pub(crate) fn go_on(&mut self, machine: &Machine, state: &State<'_>) {
        if !self.rest().is_zero() && self.again.is_some() {
            return;
        }
        let mut not_yet = false;
        for (doctor, way) in state.doctors.iter().zip(&state.facts.ways) {
            if let Way::Route(route) = way {
                not_yet |= self.give_all(doctor, route, state);
            }
        }
        self.again = not_yet.then(|| Instant::now() + self.pause);
        self.pause = if not_yet { (self.pause * 2).min(LATE) } else { SOON };
        self.note(machine);
    }

    /// Gives a doctor what it has not got; true, if it is to be asked again soon.
    fn give_all(&mut self, doctor: &Doctor, route: &Route, state: &State<'_>) -> bool {
        let Some(here) = here(doctor, route, state.facts) else { return false };
        let at = route.at(doctor.port);
        let (mut not_yet, mut mute) = (false, false);
        for dump in &self.dumps {
            let given = |whom: &str| format!("{} {whom}", Nonce(dump.id));
            let (to_it, to_it_here) = (given(&doctor.to_string()), given(&here));
            if self.given.contains(&to_it) || self.given.contains(&to_it_here) {
                continue;
            }
            let ask = || give(at, dump, state).unwrap_or(Outcome::NotYet);
            match if mute { Outcome::Mute } else { ask() } {
                Outcome::NotYet => not_yet = true,
                Outcome::Kept => {
                    say!("{doctor} has what pstore tells of {}", dump.why);
                    self.given.insert(to_it);
                }
                Outcome::Mute => mute = true,
            }
            if mute && self.in_vain.get(&here) >= Some(&PATIENCE) {
                drop(send(at, dump, state, 1));
                say!("{doctor} was sent what pstore tells of {}; it does not answer", dump.why);
                self.given.insert(to_it_here);
            }
        }
        *self.in_vain.entry(here).or_default() += u32::from(mute);
        not_yet
    }

    /// How long it may wait until it goes on.
    pub(crate) fn rest(&self) -> Duration {
        let rest = |again: Instant| again.saturating_duration_since(Instant::now());
        self.again.map_or(Duration::MAX, rest)
    }

    fn note(&mut self, machine: &Machine) {
        if self.noted == self.given.len() {
            return;
        }
        self.noted = self.given.len();
        let lines: Vec<&str> = self.given.iter().map(String::as_str).collect();
        if let Err(error) = machine.remember(NOTE, &(lines.join("\n") + "\n")) {
            say!("{error}: what pstore tells may be sent again");
        }
    }
}

/// A doctor as it is met here, by who is next on the way; nothing if nobody is.
///
/// One that does not answer may be a receiver that never does. In another network it is somebody
/// else, or nobody, that does not answer, and what was sent there was given to nobody.
fn here(doctor: &Doctor, route: &Route, facts: &Facts) -> Option<String> {
    let asked = facts.link(route.device).is_some_and(|link| link.ethernet);
    match doctor.mac.or(route.mac) {
        Some(mac) => Some(format!("{doctor} {mac}")),
        None => (!asked).then(|| format!("{doctor} -")),
    }
}

/// Asks for what is missing and sends it, as long as that helps.
fn give(at: SocketAddr, dump: &Dump, state: &State<'_>) -> io::Result<Outcome> {
    let mut before = 0;
    loop {
        match ask::patiently(at, Nonce(dump.id), About::Dump) {
            Ok(Reply::Kept) => return Ok(Outcome::Kept),
            Ok(Reply::Missing(from)) if from > before => {
                send(at, dump, state, from)?;
                before = from;
            }
            Ok(Reply::Missing(_) | Reply::Waiting) => return Ok(Outcome::NotYet),
            // Nobody is there to hear it.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                return Ok(Outcome::NotYet);
            }
            Ok(_) | Err(_) => return Ok(Outcome::Mute),
        }
    }
}

/// Sends the lines from that number on, no faster than a network takes them.
fn send(at: SocketAddr, dump: &Dump, state: &State<'_>, from: u32) -> io::Result<()> {
    let any: IpAddr = if at.is_ipv4() { [0; 4].into() } else { [0; 16].into() };
    let socket = UdpSocket::bind((any, 0))?;
    let identity = &state.facts.identity;
    let whole = dump::Dump {
        id: Nonce(dump.id),
        host: identity.name(),
        pid: std::process::id(),
        boot_id: &identity.boot_id,
        lines: dump.lines.len() as u32,
        died_s: dump.died_s,
        from: &dump.from,
        why: &dump.why,
    };
    for (number, text) in (1..).zip(&dump.lines).skip(from as usize - 1) {
        let line = DumpLine { dump: whole, number, text };
        let datagram = [line.head().to_string().as_bytes(), text].concat();
        socket.send_to(&state.sealer.seal(datagram), at)?;
        if number.is_multiple_of(BURST) {
            thread::sleep(BREATH);
        }
    }
    Ok(())
}

/// The name of the note that outlives a start.
pub(crate) const NOTE: &str = "pstore";
/// Looks at a doctor that does not answer, ten seconds apart, before it is sent all unasked: it
/// may only be starting.
const PATIENCE: u32 = 30;
/// A doctor keeps house once a second; one that can't keep it now is asked twice as late each time.
const SOON: Duration = Duration::from_secs(1);
const LATE: Duration = Duration::from_hours(1);
/// Lines between two breaths.
const BURST: u32 = 16;
const BREATH: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use std::fs;

    use bedside_plan::facts::{Identity, RouteKind};
    use netconsole_wire::parameter::Mac;
    use netconsole_wire::question::{Answer, QUESTION_LENGTH, Question};

    use super::*;
    use crate::seal::Sealer;

    /// A machine with a dump of 40 lines.
    fn machine() -> (tempfile::TempDir, Machine) {
        let root = tempfile::tempdir().unwrap();
        let lines: Vec<String> = (1..=40).map(|n| format!("<6>[{n:5}.000000] line {n}")).collect();
        let lines = lines.join("\n");
        let dir = root.path().join("sys/fs/pstore");
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("dmesg-ramoops-0"), format!("Panic#1 Part1\n{lines}")).unwrap();
        let machine = Machine::new(root.path());
        (root, machine)
    }

    fn facts() -> Facts {
        let address = [127, 0, 0, 1].into();
        let route = Route {
            address,
            device: 1,
            source: None,
            next_hop: address,
            mac: None,
            kind: RouteKind::Unicast,
        };
        let identity = Identity { boot_id: "b007".into(), ..Identity::default() };
        Facts { identity, ways: vec![Way::Route(route)], ..Facts::default() }
    }

    /// A doctor who loses line 7 once, and answers until it was told that all is kept.
    fn doctor(socket: &UdpSocket) -> Vec<u32> {
        let mut heard = BTreeSet::new();
        let mut numbers = Vec::new();
        let mut room = [0; 2048];
        loop {
            let (got, from) = socket.recv_from(&mut room).unwrap();
            if let Some(line) = DumpLine::parse(&room[..got]) {
                let lost = line.number == 7 && !numbers.contains(&7);
                numbers.push(line.number);
                heard.extend((!lost).then_some(line.number));
                continue;
            }
            let question = Question::parse(&room[..got]).unwrap();
            let missing = (1..=40).find(|number| !heard.contains(number));
            let reply = missing.map_or(Reply::Kept, Reply::Missing);
            let mut room = [0; QUESTION_LENGTH];
            let answer = Answer { nonce: question.nonce, reply };
            socket.send_to(answer.emit(&mut room), from).unwrap();
            if reply == Reply::Kept {
                return numbers;
            }
        }
    }

    #[test]
    fn what_was_lost_is_sent_again_and_what_is_kept_never() {
        let (_root, machine) = machine();
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        let doctors = Doctor::parse(&format!("127.0.0.1:{port}")).unwrap();
        let facts = facts();
        let sealer = Sealer::new(None);
        let state = State { facts: &facts, doctors: &doctors, armed: true, sealer: &sealer };
        let hears = thread::spawn(move || (doctor(&socket), socket));
        Harvest::new(&machine).go_on(&machine, &state);
        let (numbers, socket) = hears.join().unwrap();
        assert_eq!(numbers, (1..=40).chain(7..=40).collect::<Vec<u32>>());
        // An agent that starts anew does not even ask.
        Harvest::new(&machine).go_on(&machine, &state);
        socket.set_nonblocking(true).unwrap();
        assert_eq!(socket.recv(&mut [0; 64]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        machine.forget(NOTE).unwrap();
        assert_eq!(machine.remembered(NOTE), None);
    }

    #[test]
    fn a_doctor_that_cannot_keep_it_is_asked_ever_later() {
        let (_root, machine) = machine();
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        let doctors = Doctor::parse(&format!("127.0.0.1:{port}")).unwrap();
        let facts = facts();
        let sealer = Sealer::new(None);
        let state = State { facts: &facts, doctors: &doctors, armed: true, sealer: &sealer };
        let answers = thread::spawn(move || {
            let mut room = [0; 2048];
            for _ in 0..3 {
                let (got, from) = socket.recv_from(&mut room).unwrap();
                let question = Question::parse(&room[..got]).expect("nothing is sent");
                let answer = Answer { nonce: question.nonce, reply: Reply::Waiting };
                socket.send_to(answer.emit(&mut [0; QUESTION_LENGTH]), from).unwrap();
            }
        });
        let mut harvest = Harvest::new(&machine);
        for pause in [1, 2, 4] {
            assert_eq!(harvest.pause, Duration::from_secs(pause));
            harvest.go_on(&machine, &state);
            assert!(harvest.rest() <= Duration::from_secs(pause));
            harvest.again = None;
        }
        answers.join().unwrap();
    }

    #[test]
    fn whoever_does_not_answer_is_sent_it_once_after_a_while() {
        let (_root, machine) = machine();
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        let doctors = Doctor::parse(&format!("127.0.0.1:{port}")).unwrap();
        let facts = facts();
        let sealer = Sealer::new(None);
        let state = State { facts: &facts, doctors: &doctors, armed: true, sealer: &sealer };
        let in_vain = [(format!("{} -", doctors[0]), PATIENCE)].into();
        let mut harvest = Harvest { in_vain, ..Harvest::new(&machine) };
        harvest.go_on(&machine, &state);
        harvest.go_on(&machine, &state);
        socket.set_nonblocking(true).unwrap();
        let mut room = [0; 2048];
        let datagrams = std::iter::from_fn(|| {
            let got = socket.recv(&mut room).ok()?;
            Some(DumpLine::parse(&room[..got]).is_some())
        });
        assert_eq!(datagrams.filter(|is_line| *is_line).count(), 40);
    }

    #[test]
    fn what_was_sent_to_nobody_elsewhere_is_given_at_home() {
        let (_root, machine) = machine();
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        let doctors = Doctor::parse(&format!("127.0.0.1:{port}")).unwrap();
        let sealer = Sealer::new(None);
        let at = |hop: u8| {
            let mut facts = facts();
            for way in &mut facts.ways {
                if let Way::Route(route) = way {
                    route.mac = Some(Mac([2, 0, 0, 0, 0, hop]));
                }
            }
            facts
        };
        let elsewhere = at(1);
        let state = State { facts: &elsewhere, doctors: &doctors, armed: true, sealer: &sealer };
        let in_vain = [(format!("{} 02:00:00:00:00:01", doctors[0]), PATIENCE)].into();
        let mut harvest = Harvest { in_vain, ..Harvest::new(&machine) };
        harvest.go_on(&machine, &state);
        socket.set_nonblocking(true).unwrap();
        while socket.recv(&mut [0; 2048]).is_ok() {}
        socket.set_nonblocking(false).unwrap();
        let home = at(2);
        let state = State { facts: &home, ..state };
        let hears = thread::spawn(move || doctor(&socket));
        Harvest::new(&machine).go_on(&machine, &state);
        assert!(hears.join().unwrap().contains(&40));
    }
}
