//! From facts to a plan, from a plan to deeds, until nothing is left to do.

use anyhow::Context as _;
use bedside_host::Machine;
use bedside_plan::{Doctor, Plan, Refusal, Step, Wish, arm};

use crate::down::take_back;
use crate::tell::say;

/// What is wanted, and of whom.
#[derive(Clone, Debug)]
pub(crate) struct Goal {
    pub(crate) wish: Wish,
    pub(crate) doctors: Vec<Doctor>,
}

/// What to do while somebody else changes the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Wait until they have done.
    Wait,
    /// Leave it to them: `down` and `up` end the agent, and wait for that.
    Yield,
}

/// What came of it.
#[derive(Debug)]
pub(crate) enum Reached {
    /// The machine is as wished, after so many steps.
    Done(usize),
    /// Somebody else is at it.
    Yielded,
    /// It can't be.
    Refused(Vec<Refusal>),
    /// Nothing is wished of it, or not any more.
    NothingWished,
}

impl Goal {
    /// Reads the doctors of a wish.
    pub(crate) fn of(wish: Wish) -> anyhow::Result<Goal> {
        let doctors = wish.doctors()?;
        Ok(Goal { wish, doctors })
    }

    /// What is wished of the machine now.
    pub(crate) fn now(machine: &Machine) -> anyhow::Result<Option<Goal>> {
        let wish = machine.wish()?.filter(|wish| !wish.words.is_empty());
        wish.map(Goal::of).transpose()
    }
}

/// Makes the machine what is wished. What a step that fails leaves behind is taken back.
///
/// `goal` is asked again once nobody else is at the machine: until then it may have changed.
pub(crate) fn reach(
    machine: &Machine,
    turn: Turn,
    goal: &dyn Fn() -> anyhow::Result<Option<Goal>>,
    tell: &mut dyn FnMut(&Step),
) -> anyhow::Result<Reached> {
    let mut lock = None;
    let (mut done, mut mark) = (0, 0);
    for _ in 0..ROUNDS {
        let Some(Goal { wish, doctors }) = goal()? else { return Ok(Reached::NothingWished) };
        let mut facts = machine.facts(&doctors)?;
        // The agent itself knows that it runs.
        facts.agent = if turn == Turn::Wait { machine.agent_runs() } else { None };
        let plan = match arm(&facts, &wish, &doctors) {
            Ok(plan) => plan,
            Err(refusals) => return Ok(Reached::Refused(refusals)),
        };
        if plan.is_empty() {
            return Ok(Reached::Done(done));
        }
        if lock.is_none() {
            lock = match turn {
                Turn::Wait => Some(machine.lock()?),
                Turn::Yield => machine.try_lock()?,
            };
            if lock.is_none() {
                return Ok(Reached::Yielded);
            }
            mark = machine.undoable()?;
            continue;
        }
        for note in plan.notes.iter().filter(|_| done == 0) {
            say!("note: {note}");
        }
        carry_out(machine, &plan, mark, tell)?;
        done += plan.steps.len();
    }
    anyhow::bail!("the machine does not become what it should be: is another tool at it too?")
}

fn carry_out(
    machine: &Machine,
    plan: &Plan,
    mark: usize,
    tell: &mut dyn FnMut(&Step),
) -> anyhow::Result<()> {
    for step in &plan.steps {
        tell(step);
        if let Err(error) = machine.apply(&step.action) {
            say!("failed; taking back what was begun:");
            take_back(machine, mark)?;
            return Err(error).with_context(|| format!("could not do this: {}", step.action));
        }
    }
    Ok(())
}

/// The lock, the module, what it shows once it is there, what depends on that; and some to spare.
const ROUNDS: usize = 6;
