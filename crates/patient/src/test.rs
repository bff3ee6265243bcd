//! `bedside-patient test`: the kernel says a line, and the doctor is asked whether it heard it.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bedside_host::Machine;
use bedside_plan::facts::{Facts, Way};
use bedside_plan::{Doctor, State, Verdict, check};
use netconsole_wire::question::{About, Heard, MARK, Nonce, Reply};

use crate::cli::TestArgs;
use crate::tell::say;
use crate::{Exit, ask, exit};

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
    let nonce = ask::nonce()?;
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
    if worst != Proof::Heard {
        tell_likeliest(machine, facts, doctors, worst)?;
    }
    Ok(worst)
}

/// What is most probably in the way: of a line that was not heard, or of a question or its answer.
fn tell_likeliest(
    machine: &Machine,
    facts: Facts,
    doctors: &[Doctor],
    proof: Proof,
) -> anyhow::Result<()> {
    let wish = machine.wish()?.unwrap_or_default();
    let facts = Facts { rules: machine.rules(), agent: machine.agent_runs(), ..facts };
    let verdicts = check(&facts, &wish, doctors).into_iter();
    // No rule sees what netconsole sends.
    let seen = wish.relay || proof == Proof::Unknown;
    let concerns = |verdict: &Verdict| seen || verdict.what != "firewall";
    let mut problems = verdicts.filter(|v| v.state == State::Problem && concerns(v));
    match (problems.next(), proof) {
        (Some(Verdict { what, evidence, cure, .. }), _) => {
            say!("the likeliest cause: {what}: {evidence}");
            say!("try: {}", cure.unwrap_or_default());
        }
        (None, Proof::Unknown) => {}
        (None, _) => say!(
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

/// A doctor who is asked.
struct Asked<'d> {
    doctor: &'d Doctor,
    /// Where, if there is a way.
    at: Option<SocketAddr>,
    nonce: Nonce,
}

impl<'d> Asked<'d> {
    fn of(doctor: &'d Doctor, way: &Way, nonce: Nonce) -> Self {
        Self { doctor, at: ask::address(doctor, way), nonce }
    }

    /// Whether it answers at all.
    fn first(&self) -> io::Result<()> {
        let at = self.at.ok_or(io::ErrorKind::HostUnreachable)?;
        ask::patiently(at, self.nonce, About::Line).map(drop)
    }

    fn ask(&self) -> io::Result<Reply> {
        let at = self.at.ok_or(io::ErrorKind::HostUnreachable)?;
        ask::once(at, self.nonce, About::Line)
    }

    /// Tells what came of it.
    fn verdict(&self, answers: bool, begun: Instant) -> Proof {
        let doctor = self.doctor;
        if self.at.is_none() {
            say!("{doctor}: nobody knows whether it was heard: there is no way to ask");
            return Proof::Unknown;
        }
        if !answers {
            let why = match self.first() {
                Ok(()) => return self.verdict(true, begun),
                Err(error) => ask::mute(&error),
            };
            say!("{doctor}: sent, but nobody knows whether it was heard: {why}");
            return Proof::Unknown;
        }
        while begun.elapsed() < LINE_PATIENCE {
            if let Ok(Reply::Heard(heard)) = self.ask() {
                say!("{doctor}: heard after {} ms, {}", begun.elapsed().as_millis(), by(&heard));
                return Proof::Heard;
            }
            std::thread::sleep(BREATH);
        }
        say!("{doctor}: answers questions, but did not hear the kernel within {LINE_PATIENCE:?}");
        Proof::Unheard
    }
}

/// By which way the line came.
fn by(heard: &Heard) -> String {
    let source = SocketAddr::new(heard.source, heard.source_port);
    format!("from {source} on its port {}, {} format", heard.port, heard.format.as_str())
}

/// For a line that leaves from a thread, on a busy machine.
const LINE_PATIENCE: Duration = Duration::from_secs(3);
const BREATH: Duration = Duration::from_millis(20);
