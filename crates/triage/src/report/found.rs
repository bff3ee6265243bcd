//! The trace that counts, and who is guilty in it.

use super::{Verdict, facts};
use crate::guilty::{GRACE_PERIODS, entry, innermost, is_messenger, plain};
use crate::rules::{Blame, rule_of};
use crate::trace::{Heading, Stack, frame, is_trace_line, stacks};
use crate::words::between;
use crate::{Frame, Kind, ReportLine};

#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) trace: Vec<Frame>,
    pub(super) guilty: Option<usize>,
    pub(super) function: Option<String>,
    /// The frame that counts to the reader, if it is not the one in the title.
    pub(super) inner: Option<usize>,
    /// There was a trace, not only a place.
    pub(super) stacked: bool,
    /// Another report stands in this one.
    pub(super) interrupted: bool,
    /// The trace was seen to its end.
    pub(super) settled: bool,
}

impl Found {
    fn stands_in(&self, stack: &Stack) -> bool {
        self.function
            .as_ref()
            .is_some_and(|name| stack.frames.iter().any(|frame| frame.function == *name))
    }

    fn has(&self, name: &str) -> bool {
        self.trace.iter().any(|frame| plain(&frame.function) == plain(name))
    }
}

pub(super) fn search(verdict: &Verdict, own: &[ReportLine]) -> Found {
    let all = stacks(own);
    let injection = all.iter().find(|stack| is_injection(&stack.frames)).map(|stack| stack.last);
    let mut stacks = own_stacks(verdict.kind, own, all);
    let cut = verdict.kind == Kind::Oops && begins_empty(&stacks);
    stacks.retain(|stack| !stack.frames.is_empty());
    let mut found = match verdict.blame {
        Blame::Entry => by_entry(verdict, &stacks),
        Blame::Owner => by_owner(verdict, &stacks),
        _ => by_innermost(verdict, &stacks),
    };
    found.stacked = !cut && stacks.iter().any(is_trace);
    found.settled = is_settled(&stacks, own);
    name(verdict, own, &mut found);
    let told = stacks.iter().find(|stack| found.stands_in(stack)).map(|stack| stack.last);
    if injection.zip(told).is_some_and(|(injection, told)| injection <= told) {
        found.interrupted = true;
        found.function = None;
    }
    found
}

/// Whether the first heading has no frame below it.
fn begins_empty(stacks: &[Stack]) -> bool {
    let first = stacks.iter().find(|stack| stack.heading == Heading::Call);
    first.is_some_and(|stack| stack.frames.is_empty())
}

/// Whether it is a trace, and not only what was left on the stack.
fn is_trace(stack: &Stack) -> bool {
    stack.heading == Heading::Call && stack.frames.iter().any(|frame| frame.reliable)
}

/// Whether something follows the first trace.
fn is_settled(stacks: &[Stack], own: &[ReportLine]) -> bool {
    let first = stacks.iter().find(|stack| stack.heading == Heading::Call);
    first.is_some_and(|stack| {
        let mut after = own.iter().skip(stack.last + 1);
        after.any(|line| !line.text.trim().is_empty() && !is_trace_line(&line.text))
    })
}

/// The stacks without those of other tasks, and without stray frames where a heading is printed.
fn own_stacks(kind: Kind, own: &[ReportLine], mut stacks: Vec<Stack>) -> Vec<Stack> {
    let pid = facts::pid(own);
    stacks.retain(|stack| stack.pid.is_none() || pid.is_none() || stack.pid == pid);
    let headless = matches!(
        kind,
        Kind::Kmsan
            | Kind::Kfence
            | Kind::Kcsan
            | Kind::MemoryLeak
            | Kind::RcuStall
            | Kind::SoftLockup
            | Kind::HardLockup
    );
    let headed = |stack: &Stack| stack.headed && stack.heading == Heading::Call;
    if !headless && stacks.iter().any(headed) {
        stacks.retain(|stack| stack.headed || stack.heading != Heading::Call);
    }
    stacks
}

/// What kernel/hung_task.c shows of everybody else.
const OTHERS_STACKS: &[&str] =
    &["Showing all locks held", "NMI backtrace for cpu", "Sending NMI from"];

/// What stands above the stack of the task that holds the lock (`debug_show_blocker`).
pub(crate) const OWNER: &str = " likely owned by task ";

/// The lines up to where another report begins. An exception says the same more than once before
/// its trace; after anything else another sentence is another report's.
pub(super) fn own_lines(kind: Kind, alone: bool, report: &[ReportLine]) -> (&[ReportLine], bool) {
    let exception = matches!(kind, Kind::Oops | Kind::Bug | Kind::ListCorruption | Kind::Panic);
    let mut frames = 0;
    for (index, line) in report.iter().enumerate().skip(1) {
        if is_trace_line(&line.text) {
            frames += 1;
            continue;
        }
        let other = OTHERS_STACKS.iter().any(|other| line.text.starts_with(other));
        if kind == Kind::HungTask && (other || line.text.contains(OWNER)) {
            return (&report[..index], false);
        }
        if line.text.starts_with("FAULT_INJECTION: ") && frames < 40 {
            return (&report[..index], true);
        }
        let Some((rule, _)) = rule_of(&line.text) else { continue };
        let same = matches!(rule.kind, Kind::Panic | Kind::InitDeath | Kind::OomPanic)
            || (rule.kind == kind && (frames == 0 || kind == Kind::OomKill))
            || ((exception || alone) && frames == 0 && matches!(rule.kind, Kind::Oops | Kind::Bug))
            || (frames == 0 && is_of_message(kind, rule.kind, index));
        if !same {
            return (&report[..index], frames == 0);
        }
    }
    (report, false)
}

/// Whether a sentence in this line is the `WARN()` or `BUG()` that the first line is the message of,
/// or the other way round: before 4.17 a warning's message stood below it.
fn is_of_message(kind: Kind, other: Kind, index: usize) -> bool {
    match (kind, other) {
        (Kind::Warning, _) => index == 1,
        (Kind::Bug | Kind::ListCorruption, Kind::Warning) => index <= 2,
        (Kind::Filesystem, Kind::Warning | Kind::Bug | Kind::Oops) => index <= 3,
        _ => false,
    }
}

/// A place and the stack below it are one trace.
fn joined(stacks: &[Stack]) -> Vec<Vec<Frame>> {
    let mut traces: Vec<Vec<Frame>> = Vec::new();
    let mut place: Vec<Frame> = Vec::new();
    for stack in stacks {
        match stack.heading {
            Heading::History | Heading::Owner => {}
            Heading::Place => place.clone_from(&stack.frames),
            Heading::Call => {
                let mut trace = std::mem::take(&mut place);
                let again = trace.last().map(|frame| &frame.function)
                    == stack.frames.first().map(|frame| &frame.function);
                trace.extend(stack.frames.iter().skip(usize::from(again)).cloned());
                traces.push(trace);
            }
        }
    }
    if traces.is_empty() && !place.is_empty() {
        traces.push(place);
    }
    traces
}

fn by_innermost(verdict: &Verdict, stacks: &[Stack]) -> Found {
    let mut traces = joined(stacks);
    if traces.is_empty() {
        return Found::default();
    }
    let best =
        traces.iter().position(|trace| innermost(trace, verdict.kind).is_some()).unwrap_or(0);
    let trace = traces.swap_remove(best);
    let guilty = innermost(&trace, verdict.kind);
    Found {
        guilty,
        function: guilty.map(|guilty| trace[guilty].function.clone()),
        trace,
        ..Found::default()
    }
}

/// Whether it is what lib/fault-inject.c `fail_dump` shows: another CPU's, in the middle of a
/// report.
fn is_injection(trace: &[Frame]) -> bool {
    let mut reliable = trace.iter().filter(|frame| frame.reliable && !frame.inline);
    reliable
        .find(|frame| !plain(&frame.function).contains("dump"))
        .is_some_and(|frame| plain(&frame.function).contains("should_fail"))
}

/// The stack of the page's allocation.
fn by_owner(verdict: &Verdict, stacks: &[Stack]) -> Found {
    let owner = stacks.iter().find(|stack| stack.heading == Heading::Owner);
    let Some(owner) = owner else {
        let found = by_innermost(verdict, stacks);
        return Found { function: None, guilty: None, ..found };
    };
    let guilty = innermost(&owner.frames, verdict.kind);
    let function = guilty.map(|guilty| owner.frames[guilty].function.clone());
    Found { guilty, function, trace: owner.frames.clone(), ..Found::default() }
}

fn by_entry(verdict: &Verdict, stacks: &[Stack]) -> Found {
    let mut traces = joined(stacks);
    traces.retain(|trace| !trace.iter().any(|frame| frame.function == GRACE_PERIODS));
    if traces.is_empty() {
        return Found::default();
    }
    // A task that was preempted or only interrupted stands in `__schedule`: it does not stall.
    let trace = traces.swap_remove(
        traces.iter().position(|trace| trace.len() > 1 && kernel_trace(trace)).unwrap_or(0),
    );
    if trace.iter().find(|frame| frame.reliable).is_some_and(|frame| frame.function == "__schedule")
    {
        return Found { trace, ..Found::default() };
    }
    let guilty = entry(&trace, verdict.kind);
    let function = guilty.map(|guilty| trace[guilty].function.clone());
    let inner = guilty.and_then(|guilty| in_module(&trace, guilty, verdict.kind));
    Found { trace, guilty, function, inner, ..Found::default() }
}

/// Where a module goes round in circles: the innermost frame, if it is the same module's that was
/// entered.
fn in_module(trace: &[Frame], entry: usize, kind: Kind) -> Option<usize> {
    let inner = innermost(trace, kind)?;
    let module = trace[inner].module.as_ref();
    (inner < entry && module.is_some() && module == trace[entry].module.as_ref()).then_some(inner)
}

fn kernel_trace(trace: &[Frame]) -> bool {
    trace.iter().filter(|frame| frame.reliable).count() > 1
}

/// What the report says outside of traces goes before or behind what the trace says.
fn name(verdict: &Verdict, own: &[ReportLine], found: &mut Found) {
    let named = verdict.named.clone().filter(|name| !is_messenger(name, verdict.kind));
    match verdict.blame {
        Blame::Hole(_) => found.function.clone_from(&verdict.named),
        Blame::InnermostOr(_) => {
            let foreign = verdict.named.as_ref().is_some_and(|name| !found.has(name));
            if foreign || found.function.is_none() {
                found.function = named.or_else(|| found.function.take());
            }
        }
        Blame::Stated => {
            if let Some(named) = named.filter(|name| found.function.is_some() && !found.has(name)) {
                let place = Frame { function: named.clone(), reliable: true, ..Frame::default() };
                found.trace.insert(0, place);
                found.function = Some(named);
            }
        }
        Blame::InnermostOrLocker if found.function.is_some() => {}
        Blame::Past => {
            let past = chained(&stacks(own), verdict.kind);
            found.function =
                past.or_else(|| locker(own, verdict.kind)).or_else(|| found.function.take());
        }
        Blame::Locker | Blame::OnlyLocker | Blame::InnermostOrLocker => {
            let named = locker(own, verdict.kind).or_else(|| found.function.take());
            found.function = named.or_else(|| chained(&stacks(own), verdict.kind));
        }
        _ if verdict.named.is_some() => found.function.clone_from(&verdict.named),
        _ => {}
    }
    if let Some(function) = &found.function {
        let same = |frame: &Frame| frame.function == *function;
        found.guilty = found.trace.iter().position(same).or(found.guilty);
    }
}

/// Who stands in the histories of locks: of work that waits for work the trace tells nothing.
fn chained(stacks: &[Stack], kind: Kind) -> Option<String> {
    let histories = stacks.iter().filter(|stack| stack.heading == Heading::History);
    histories
        .flat_map(|stack| &stack.frames)
        .find(|frame| !is_messenger(&frame.function, kind))
        .map(|frame| frame.function.clone())
}

/// Who took the first lock that the report names: `(lock){+.+.}, at: [<addr>] function+0x1/0x2`.
fn locker(own: &[ReportLine], kind: Kind) -> Option<String> {
    let told = own.iter().take_while(|line| {
        let text = line.text.trim();
        !["the existing dep", "other info", "stack backtrace"]
            .iter()
            .any(|end| text.starts_with(end))
            && !text.ends_with("registered at:")
    });
    told.filter_map(|line| between(&line.text, ", at: ", "")).find_map(|place| {
        let taker = frame(place).filter(|taker| !taker.inline)?.function;
        (!is_messenger(&taker, kind)).then_some(taker)
    })
}
