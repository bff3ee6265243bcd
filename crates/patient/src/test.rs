//! `bedside-patient test`: the kernel says a line, and the doctor is asked whether it heard it.

use std::fs::File;
use std::io::{self, Read as _};
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use bedside_host::Machine;
use bedside_plan::facts::{Facts, Way};
use bedside_plan::{Doctor, State, Verdict, check};
use netconsole_wire::question::{Answer, Heard, MARK, Nonce, QUESTION_LENGTH, Question};

use crate::cli::TestArgs;
use crate::tell::say;
use crate::{Exit, exit};

/// What a test came to, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Proof {
    /// A doctor answers, but did not hear it.
    Unheard,
    /// A doctor does not answer.
    Unknown,
    /// Every doctor heard it.
    Heard,
}

impl Proof {
    pub(crate) fn exit(self) -> Exit {
        match self {
            Proof::Unheard => Exit::Problem,
            Proof::Unknown => Exit::CouldNot,
            Proof::Heard => Exit::Well,
        }
    }
}

pub(crate) fn run(machine: &Machine, args: &TestArgs) -> anyhow::Result<Exit> {
    let words = if args.doctors.is_empty() {
        machine.wish()?.map(|wish| wish.words).unwrap_or_default()
    } else {
        args.doctors.clone()
    };
    if words.is_empty() {
        let why = "nobody is to hear this machine yet: `bedside-patient up DOCTOR`, or name one";
        return Ok(exit::tell(Exit::Problem, why));
    }
    let doctors: Result<Vec<Vec<Doctor>>, _> = words.iter().map(|w| Doctor::parse(w)).collect();
    match doctors {
        Ok(doctors) => Ok(prove(machine, &doctors.concat())?.exit()),
        Err(error) => Ok(exit::tell(Exit::Usage, &error.to_string())),
    }
}

/// Has the kernel say a line, and asks each doctor for it. The worst verdict counts.
pub(crate) fn prove(machine: &Machine, doctors: &[Doctor]) -> anyhow::Result<Proof> {
    let facts = machine.facts(doctors)?;
    let nonce = nonce().context("no random numbers from /dev/urandom")?;
    let asked: Vec<Asked> = doctors
        .iter()
        .zip(&facts.ways)
        .map(|(doctor, way)| Asked::of(doctor, way, nonce))
        .collect();
    // Asked first: a doctor looks for the line only from then on.
    let answering: Vec<bool> = asked.iter().map(|asked| asked.first().is_ok()).collect();
    let mark = String::from_utf8_lossy(MARK);
    machine.say(level(&facts), &format!("{mark}{nonce}"))?;
    let begun = Instant::now();
    let mut worst = Proof::Heard;
    for (asked, answers) in asked.iter().zip(answering) {
        worst = worst.min(asked.verdict(answers, begun));
    }
    if worst == Proof::Unheard {
        tell_likeliest(machine, doctors)?;
    }
    Ok(worst)
}

/// What is most probably in the way of a line that was not heard.
fn tell_likeliest(machine: &Machine, doctors: &[Doctor]) -> anyhow::Result<()> {
    let wish = machine.wish()?.unwrap_or_default();
    let verdicts = check(&machine.facts(doctors)?, &wish, doctors);
    match verdicts.into_iter().find(|verdict| verdict.state == State::Problem) {
        Some(Verdict { what, evidence, cure, .. }) => {
            say!("the likeliest cause: {what}: {evidence}");
            say!("try: {}", cure.unwrap_or_default());
        }
        None => say!(
            "nothing is wrong here: something on the way drops it (a switch, a router, a firewall \
             of the doctor; try: `bedside check` there)"
        ),
    }
    Ok(())
}

/// One that passes the console log level: informational, or as bad as it takes.
fn level(facts: &Facts) -> u8 {
    facts.console_level.unwrap_or(8).saturating_sub(1).min(6)
}

fn nonce() -> io::Result<Nonce> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(Nonce(bytes))
}

/// A doctor who is asked.
struct Asked<'d> {
    doctor: &'d Doctor,
    /// Where, if there is a way.
    at: Option<SocketAddr>,
    nonce: Nonce,
}

impl<'d> Asked<'d> {
    fn of(doctor: &'d Doctor, way: &Way, nonce: Nonce) -> Self {
        let at = match way {
            Way::Route(route) => Some(SocketAddr::new(route.address, doctor.port)),
            Way::Unresolved(_) | Way::NoRoute(..) => None,
        };
        Self { doctor, at, nonce }
    }

    /// Whether it answers at all.
    fn first(&self) -> io::Result<()> {
        let mut last = io::Error::from(io::ErrorKind::NotConnected);
        for _ in 0..ATTEMPTS {
            match self.ask(ANSWER_PATIENCE) {
                Ok(_) => return Ok(()),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Tells what came of it.
    fn verdict(&self, answers: bool, begun: Instant) -> Proof {
        let doctor = self.doctor;
        if !answers {
            let why = match self.first() {
                Ok(()) => return self.verdict(true, begun),
                Err(error) => mute(&error),
            };
            say!("{doctor}: sent, but nobody knows whether it was heard: {why}");
            return Proof::Unknown;
        }
        while begun.elapsed() < LINE_PATIENCE {
            if let Ok(Some(heard)) = self.ask(ANSWER_PATIENCE) {
                say!("{doctor}: heard after {} ms, {}", begun.elapsed().as_millis(), by(&heard));
                return Proof::Heard;
            }
            std::thread::sleep(BREATH);
        }
        say!("{doctor}: answers questions, but did not hear the kernel within {LINE_PATIENCE:?}");
        Proof::Unheard
    }

    /// From a socket of its own, which hears only whom it asked.
    fn ask(&self, patience: Duration) -> io::Result<Option<Heard>> {
        let at = self.at.ok_or(io::ErrorKind::HostUnreachable)?;
        let any: std::net::IpAddr = if at.is_ipv4() { [0; 4].into() } else { [0; 16].into() };
        let socket = UdpSocket::bind((any, 0))?;
        socket.connect(at)?;
        socket.set_read_timeout(Some(patience))?;
        socket.send(&Question { nonce: self.nonce, asked: at.ip() }.emit())?;
        let mut room = [0; QUESTION_LENGTH];
        loop {
            let got = socket.recv(&mut room)?;
            let answer = room.get(..got).and_then(Answer::parse);
            if let Some(answer) = answer.filter(|answer| answer.nonce == self.nonce) {
                return Ok(answer.heard);
            }
        }
    }
}

/// By which way the line came.
fn by(heard: &Heard) -> String {
    let source = SocketAddr::new(heard.source, heard.source_port);
    format!("from {source} on its port {}, {} format", heard.port, heard.format.as_str())
}

/// Why a doctor says nothing.
fn mute(error: &io::Error) -> String {
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
const ANSWER_PATIENCE: Duration = Duration::from_millis(400);
/// For a line that leaves from a thread, on a busy machine.
const LINE_PATIENCE: Duration = Duration::from_secs(3);
const BREATH: Duration = Duration::from_millis(20);
