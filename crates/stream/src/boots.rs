//! Which run a record belongs to: repeats, new boots, and the verdicts between them.

use crate::mind::Mind;
use crate::track::{Judgement, Line, Place, Track};
use crate::{Counters, Run, RunId, StreamKey, Verdict, WallTime};

/// What a record says of its machine, apart from its place.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Evidence<'a> {
    pub(crate) host: Option<&'a [u8]>,
    pub(crate) boot_id: Option<&'a [u8]>,
    pub(crate) release: Option<&'a [u8]>,
}

/// What the admission of a record needs besides the stream itself.
pub(crate) struct Registrar<'a> {
    pub(crate) next_run: &'a mut RunId,
    pub(crate) counters: &'a mut Counters,
    pub(crate) slack: u64,
    pub(crate) received: WallTime,
    /// What begins is a stranger's.
    pub(crate) stranger: bool,
}

impl Registrar<'_> {
    pub(crate) fn begin(&mut self, key: StreamKey, verdict: Verdict) -> Run {
        let id = *self.next_run;
        self.next_run.0 += 1;
        self.counters.runs += 1;
        Run {
            id,
            key,
            first_received: self.received,
            verdict,
            host: None,
            boot_id: None,
            release: None,
            last_word: None,
            stranger: self.stranger,
        }
    }
}

/// Finds the run of a record and takes it in; `None` if it is a repeat. `tell` hears of every
/// run whose verdict changed; the current run, where it is new or changed, is left to
/// [`learn`], which comes next.
pub(crate) fn admit(
    memory: &mut Mind,
    line: &Line,
    evidence: &Evidence<'_>,
    registrar: &mut Registrar<'_>,
    tell: &mut impl FnMut(&Run),
) -> Option<Admitted> {
    if names_another_boot(&memory.current.run, evidence) {
        return Some(begin_boot(memory, line, registrar));
    }
    settle(memory, line, evidence, registrar.slack, tell);
    match memory.current.place(line, registrar.slack) {
        Place::Forward => memory.current.accept(line),
        Place::Late => {
            registrar.counters.late += 1;
            memory.current.accept(line);
        }
        Place::Unsure => {}
        Place::Repeat => {
            registrar.counters.repeats += 1;
            return None;
        }
        Place::Elsewhere => return Some(begin_boot(memory, line, registrar)),
        Place::Return => return Some(begin_provisional(memory, line, registrar)),
    }
    Some(Admitted { began: false })
}

/// A record was taken into the current run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Admitted {
    /// The run began with it.
    pub(crate) began: bool,
}

/// A boot id or a release that is not the run's own decides at once.
pub(crate) fn names_another_boot(run: &Run, evidence: &Evidence<'_>) -> bool {
    differs(run.boot_id.as_deref(), evidence.boot_id)
        || differs(run.release.as_deref(), evidence.release)
}

/// Both are known, and they are not the same.
pub(crate) fn differs(known: Option<&[u8]>, said: Option<&[u8]>) -> bool {
    known.zip(said).is_some_and(|(known, said)| known != said)
}

fn begin_boot(memory: &mut Mind, line: &Line, registrar: &mut Registrar<'_>) -> Admitted {
    memory.current = Track::new(registrar.begin(memory.current.run.key, Verdict::Boot));
    memory.held = None;
    memory.undecided.clear();
    began(memory, line)
}

fn begin_provisional(memory: &mut Mind, line: &Line, registrar: &mut Registrar<'_>) -> Admitted {
    let fresh = Track::new(registrar.begin(memory.current.run.key, Verdict::Provisional));
    memory.provisionally(fresh);
    began(memory, line)
}

fn began(memory: &mut Mind, line: &Line) -> Admitted {
    memory.continues = None;
    memory.linked = false;
    memory.current.accept(line);
    Admitted { began: true }
}

/// What a record says of the run that began when the numbers came back.
///
/// A verdict of "the same boot" stands until the old run goes on: equal times to the microsecond
/// are possible where the early clock is coarse, and then a later record takes it back. So what
/// comes meanwhile is kept in its own run, and the reader leaves out what is there twice.
fn settle(
    memory: &mut Mind,
    line: &Line,
    evidence: &Evidence<'_>,
    slack: u64,
    tell: &mut impl FnMut(&Run),
) {
    let Some(held) = memory.held.take() else {
        return;
    };
    let same_id = evidence.boot_id.is_some() && held.run.boot_id.as_deref() == evidence.boot_id;
    let judgement = match held.judge(&memory.current, line, slack) {
        Judgement::New | Judgement::Open if same_id => Judgement::Repeats,
        judgement => judgement,
    };
    match judgement {
        Judgement::Open => {
            memory.current.count_strange(line);
            memory.held = Some(held);
        }
        Judgement::New => memory.decide(Verdict::Boot, tell),
        Judgement::Repeats => {
            memory.decide(Verdict::SameAs(held.run.id), tell);
            memory.current.forget_strange();
            memory.held = Some(held);
        }
        Judgement::GoesOn => {
            memory.decide(Verdict::SameAs(held.run.id), tell);
            memory.current = *held;
        }
    }
}

impl Mind {
    /// Goes on with a run that may be another boot, or the same again.
    pub(crate) fn provisionally(&mut self, fresh: Track) {
        const UNDECIDED: usize = 4;
        let old = std::mem::replace(&mut self.current, fresh);
        if self.held.is_none() {
            self.held = Some(Box::new(old));
        } else if self.undecided.len() < UNDECIDED {
            self.undecided.push(old.run);
        }
    }

    /// Gives the current run its verdict, and the undecided ones before it theirs.
    fn decide(&mut self, verdict: Verdict, tell: &mut impl FnMut(&Run)) {
        if self.current.run.verdict != verdict {
            self.current.run.verdict = verdict;
            tell(&self.current.run);
        }
        for mut run in self.undecided.drain(..) {
            if let Verdict::SameAs(_) = verdict {
                run.verdict = verdict;
                tell(&run);
            }
        }
    }
}

/// Notes what a record says of its machine; `true` if the run is changed by it.
pub(crate) fn learn(run: &mut Run, evidence: &Evidence<'_>) -> bool {
    let mut news = false;
    for (known, said) in [
        (&mut run.host, evidence.host),
        (&mut run.boot_id, evidence.boot_id),
        (&mut run.release, evidence.release),
    ] {
        if let (None, Some(said)) = (&known, said) {
            *known = Some(said.to_vec());
            news = true;
        }
    }
    news
}
