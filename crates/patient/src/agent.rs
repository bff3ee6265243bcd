//! `bedside-patient agent`: whatever happens to the network, the kernel sends to its doctor.
//!
//! It knows no cases. Something happened, so the facts are gathered again, and what differs from
//! the wish is mended; mostly nothing does.

use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use bedside_host::{Changes, Machine, touch};
use bedside_plan::Facts;

use crate::harvest::Harvest;
use crate::heart::{Heart, State};
use crate::reach::{Goal, Reached, Turn, reach};
use crate::seal::Sealer;
use crate::signals::{Signals, Woken};
use crate::tell::say;
use crate::up::tell_step;
use crate::{Exit, exit};

pub(crate) fn run(machine: &Machine) -> anyhow::Result<Exit> {
    let goal = match Goal::now(machine) {
        Err(error) if is_nonsense(&error) => {
            return Ok(exit::tell(Exit::Usage, &format!("{error:#}")));
        }
        goal => goal?,
    };
    let Some(goal) = goal else {
        let why = "nothing is wished of this machine: `bedside-patient up DOCTOR`";
        return Ok(exit::tell(Exit::Usage, why));
    };
    let signals = Signals::catch()?;
    // Before the first look, so that nothing falls between.
    let changes = Changes::listen().context("cannot hear of changes from the kernel")?;
    let heart = goal.wish.heartbeat_s.map(Heart::new);
    let (harvest, told) = (Harvest::new(machine), String::new());
    let (facts, sealer) = (Facts::default(), Sealer::new(None));
    let (armed, yielded) = (false, false);
    let mut agent = Agent { machine, goal, told, armed, yielded, facts, heart, harvest, sealer };
    while agent.look() {
        agent.beat();
        agent.harvest();
        if !await_news(&changes, &signals, agent.rest())? {
            break;
        }
    }
    agent.part();
    Ok(Exit::Well)
}

/// Whether it is the wish that makes no sense, and will make none the next time.
fn is_nonsense(error: &anyhow::Error) -> bool {
    let kind = match error.downcast_ref::<bedside_host::Error>() {
        Some(bedside_host::Error::Read { cause, .. }) => cause.kind(),
        _ => return false,
    };
    kind == std::io::ErrorKind::InvalidData
}

/// What it keeps true.
struct Agent<'m> {
    machine: &'m Machine,
    goal: Goal,
    /// The last trouble, which is told once.
    told: String,
    /// Whether the kernel is as wished.
    armed: bool,
    /// Whether somebody else was at the machine.
    yielded: bool,
    /// What the last look saw.
    facts: Facts,
    heart: Option<Heart>,
    harvest: Harvest,
    sealer: Sealer,
}

impl Agent<'_> {
    /// Mends what differs from the wish, which `up` may have changed. Trouble is tried again with
    /// the next news. False, if nothing is wished any more.
    fn look(&mut self) -> bool {
        let goal = || Goal::now(self.machine);
        let reached = reach(self.machine, Turn::Yield, &goal, &mut tell_step);
        self.yielded = matches!(reached, Ok(Reached::Yielded));
        let mut trouble = match reached {
            Ok(Reached::Yielded) => {
                self.see();
                return true;
            }
            Ok(Reached::NothingWished) => {
                say!("nothing is wished of this machine any more");
                return false;
            }
            Ok(Reached::Done(_)) => String::new(),
            Ok(Reached::Refused(refusals)) => {
                let lines: Vec<String> = refusals.iter().map(ToString::to_string).collect();
                lines.join("\n")
            }
            Err(error) => format!("{error:#}"),
        };
        self.armed = trouble.is_empty();
        if let Err(error) = self.sealer.look(self.machine) {
            trouble = format!("{trouble}{}{error}", if self.armed { "" } else { "\n" });
        }
        if trouble != self.told {
            say!("{}", if trouble.is_empty() { "well again" } else { &trouble });
            self.told = trouble;
        }
        self.see();
        true
    }

    /// What there is to tell of, and a look at who is next on the way.
    fn see(&mut self) {
        if let Ok(Some(goal)) = Goal::now(self.machine) {
            if goal.wish.heartbeat_s != self.goal.wish.heartbeat_s {
                self.heart = goal.wish.heartbeat_s.map(Heart::new);
            }
            self.goal = goal;
        }
        if let Ok(facts) = self.machine.facts(&self.goal.doctors) {
            touch(&facts.ways);
            self.facts = facts;
        }
    }

    fn beat(&mut self) {
        if let Some(mut heart) = self.heart.take() {
            heart.beat(&self.state());
            self.heart = Some(heart);
        }
    }

    /// What the kernel left of its last death goes to whoever has not got it.
    fn harvest(&mut self) {
        let mut harvest = std::mem::take(&mut self.harvest);
        harvest.go_on(self.machine, &self.state());
        self.harvest = harvest;
    }

    fn part(&self) {
        if let Some(heart) = &self.heart {
            heart.goodbye(&self.state());
        }
    }

    /// How the machine is.
    fn state(&self) -> State<'_> {
        let Self { facts, goal: Goal { doctors, .. }, armed, sealer, .. } = self;
        State { facts, doctors, armed: *armed, sealer }
    }

    /// How long it may wait for news.
    fn rest(&self) -> Duration {
        let rest = self.heart.as_ref().map_or(BETWEEN_LOOKS, Heart::rest);
        let looks = if self.yielded { BETWEEN_TURNS } else { BETWEEN_LOOKS };
        rest.min(looks).min(self.harvest.rest())
    }
}

/// Waits until something happens, or for a while; false if it is to end. What happens comes in
/// bursts: their end is waited for, but not for long.
fn await_news(changes: &Changes, signals: &Signals, patience: Duration) -> anyhow::Result<bool> {
    let mut until = Instant::now() + patience;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        match signals.wait(Some(changes.as_fd()), left)? {
            Woken::Signal => return Ok(false),
            Woken::Late => return Ok(true),
            Woken::Ready if changes.take() => until = until.min(Instant::now() + BURST),
            Woken::Ready => {}
        }
    }
}

/// A router that is replaced without a word is noticed by looking.
const BETWEEN_LOOKS: Duration = Duration::from_secs(10);
/// Until somebody else has done at the machine.
const BETWEEN_TURNS: Duration = Duration::from_millis(500);
/// After the first news of a burst, the facts are gathered this much later.
const BURST: Duration = Duration::from_millis(100);
