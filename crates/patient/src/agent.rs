//! `bedside-patient agent`: whatever happens to the network, the kernel sends to its doctor.
//!
//! It knows no cases. Something happened, so the facts are gathered again, and what differs from
//! the wish is mended; mostly nothing does.

use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use bedside_host::{Changes, Machine, touch};
use bedside_plan::facts::Way;
use bedside_plan::{Facts, Wish};

use crate::harvest::Harvest;
use crate::heart::{Heart, State};
use crate::reach::{Goal, Reached, Turn, reach};
use crate::relay::process::Process;
use crate::seal::Sealer;
use crate::signals::{Signals, Woken};
use crate::tell::say;
use crate::up::tell_step;
use crate::{Exit, exit};

pub(crate) fn run(machine: &Machine) -> anyhow::Result<Exit> {
    let machine = &machine.impatient(A_NAME_IS_WAITED_FOR);
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
    // Where it can't be shown, `status` says less than it could.
    let shown = machine.show_agent().ok();
    // Before the first look, so that nothing falls between.
    let changes = Changes::listen().context("cannot hear of changes from the kernel")?;
    let heart = goal.wish.heartbeat_s.map(Heart::new);
    let (harvest, told) = (Harvest::new(machine), String::new());
    let (facts, sealer) = (Facts::default(), Sealer::new(None));
    let (armed, yielded, relay) = (false, false, None);
    let mut agent =
        Agent { machine, goal, told, armed, yielded, facts, heart, harvest, sealer, relay };
    agent.live(&changes, &signals)?;
    // With it goes its relay, which writes down how far it came.
    drop((agent, shown));
    leave(machine)?;
    Ok(Exit::Well)
}

/// `down` does not wait for an agent that no init system ended: then that one is the last to go,
/// unless somebody else is at the machine again.
fn leave(machine: &Machine) -> anyhow::Result<()> {
    let down = || matches!((machine.wish(), machine.undoable()), (Ok(None), Ok(0)));
    let lock = if down() { machine.try_lock()? } else { None };
    match lock {
        Some(lock) if down() => Ok(machine.leave(lock)?),
        _ => Ok(()),
    }
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
    /// What sends where the kernel can't.
    relay: Option<Process>,
}

impl Agent<'_> {
    /// Until it is told to end, or nothing is wished any more.
    fn live(&mut self, changes: &Changes, signals: &Signals) -> anyhow::Result<()> {
        while self.look() {
            self.beat();
            self.harvest();
            if !await_news(changes, signals, self.rest())? {
                break;
            }
        }
        self.part();
        Ok(())
    }

    /// Mends what differs from the wish, which `up` may have changed. Trouble is tried again with
    /// the next news. False, if nothing is wished any more.
    fn look(&mut self) -> bool {
        let goal = || Goal::now(self.machine);
        let reached = reach(self.machine, Turn::Yield, &goal, &mut tell_step);
        self.yielded = matches!(reached, Ok(Reached::Yielded));
        if matches!(reached, Ok(Reached::NothingWished)) {
            say!("nothing is wished of this machine any more");
            return false;
        }
        self.see();
        if !self.yielded {
            self.conclude(reached);
        }
        true
    }

    /// Tells trouble, once, and that it has passed.
    fn conclude(&mut self, reached: anyhow::Result<Reached>) {
        let mut troubles: Vec<String> = match reached {
            Ok(Reached::Refused(refusals)) => refusals.iter().map(ToString::to_string).collect(),
            Ok(_) => Vec::new(),
            Err(error) => vec![format!("{error:#}")],
        };
        troubles.extend(self.relay().err().map(|error| format!("{error:#}")));
        self.armed = troubles.is_empty();
        troubles.extend(self.sealer.look(self.machine).err().map(|error| error.to_string()));
        let trouble = troubles.join("\n");
        if trouble != self.told {
            say!("{}", if trouble.is_empty() { "well again" } else { &trouble });
            self.told = trouble;
        }
    }

    /// Has user space send, or not, as is wished. That it ended by itself is trouble, though it is
    /// started again.
    fn relay(&mut self) -> anyhow::Result<()> {
        let Wish { relay, words, .. } = &self.goal.wish;
        let ended = self.relay.as_mut().and_then(Process::ended).filter(|_| *relay);
        let serves = self.relay.as_ref().is_some_and(|process| *relay && process.serves(words));
        if ended.is_some() || !serves {
            // The last one writes down how far it came before the next one reads it.
            self.relay = None;
        }
        if *relay && self.relay.is_none() {
            self.relay = Some(Process::start(&self.machine.at("/"), words)?);
        }
        match ended {
            Some(how) => anyhow::bail!("the relay ended ({how}); it is started again"),
            None => Ok(()),
        }
    }

    /// What there is to tell of, and a look at who is next on the way.
    fn see(&mut self) {
        let mut last = std::mem::take(&mut self.facts.ways);
        if let Ok(Some(goal)) = Goal::now(self.machine) {
            if goal.doctors != self.goal.doctors {
                last.clear();
            }
            if goal.wish.heartbeat_s != self.goal.wish.heartbeat_s {
                self.heart = goal.wish.heartbeat_s.map(Heart::new);
            }
            self.goal = goal;
        }
        match self.machine.facts(&self.goal.doctors) {
            Ok(facts) => {
                let ways = known(facts.ways, last);
                touch(&ways);
                self.facts = Facts { ways, ..facts };
            }
            Err(_) => self.facts.ways = last,
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

/// The ways as they are now. To a doctor whose name has no address at the moment the last one: what
/// sends goes on sending there, and without heartbeats the machine would be taken for dead.
fn known(now: Vec<Way>, last: Vec<Way>) -> Vec<Way> {
    let last = last.into_iter().map(Some).chain(std::iter::repeat(None));
    let ways = now.into_iter().zip(last).map(|ways| match ways {
        (Way::Unresolved(_), Some(last @ Way::Route(_))) => last,
        (now, _) => now,
    });
    ways.collect()
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

/// Heartbeats wait for it, and one doctor's for another's name.
const A_NAME_IS_WAITED_FOR: Duration = Duration::from_secs(2);
/// A router that is replaced without a word is noticed by looking.
const BETWEEN_LOOKS: Duration = Duration::from_secs(10);
/// Until somebody else has done at the machine.
const BETWEEN_TURNS: Duration = Duration::from_millis(500);
/// After the first news of a burst, the facts are gathered this much later.
const BURST: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use bedside_plan::facts::{Route, RouteKind};

    use super::*;

    #[test]
    fn a_doctor_whose_name_is_lost_is_where_it_was() {
        let route = |last| {
            let address = [10, 0, 0, last].into();
            let (next_hop, kind) = (address, RouteKind::Unicast);
            Way::Route(Route { address, device: 1, source: None, next_hop, mac: None, kind })
        };
        let lost = || Way::Unresolved("nobody answers".into());
        assert_eq!(known(vec![lost(), route(3)], vec![route(1), lost()]), [route(1), route(3)]);
        assert_eq!(known(vec![lost()], vec![lost()]), [lost()]);
        assert_eq!(known(vec![lost()], Vec::new()), [lost()]);
        let gone = Way::NoRoute([10, 0, 0, 1].into(), "unreachable".into());
        assert_eq!(known(vec![gone.clone()], vec![route(1)]), [gone]);
    }
}
