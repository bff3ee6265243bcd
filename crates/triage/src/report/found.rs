//! The trace that counts, and who is guilty in it.

use super::{Verdict, facts};
use crate::guilty::{GRACE_PERIODS, entry, innermost, is_messenger, plain};
use crate::rules::{Blame, rule_of};
use crate::trace::{Heading, Stack, is_trace_line, stacks};
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
    fn has(&self, name: &str) -> bool {
        self.trace.iter().any(|frame| plain(&frame.function) == plain(name))
    }
}

pub(super) fn search(verdict: &Verdict, own: &[ReportLine]) -> Found {
    let stacks = own_stacks(verdict.kind, own);
    let mut found = match verdict.blame {
        Blame::Entry => by_entry(verdict, &stacks),
        Blame::Owner => by_owner(verdict, &stacks),
        _ => by_innermost(verdict, &stacks),
    };
    found.stacked = stacks.iter().any(|stack| stack.heading == Heading::Call);
    let last = stacks.iter().find(|stack| stack.heading == Heading::Call).map(|stack| stack.last);
    found.settled = last.is_some_and(|last| {
        own.iter()
            .skip(last + 1)
            .any(|line| !line.text.trim().is_empty() && !is_trace_line(&line.text))
    });
    name(verdict, own, &mut found);
    found
}

/// The stacks without those of other tasks, and without stray frames where a heading is printed.
fn own_stacks(kind: Kind, own: &[ReportLine]) -> Vec<Stack> {
    let mut stacks = stacks(own);
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
        if kind == Kind::HungTask && OTHERS_STACKS.iter().any(|other| line.text.starts_with(other))
        {
            return (&report[..index], false);
        }
        if line.text.starts_with("FAULT_INJECTION: ") && frames < 40 {
            return (&report[..index], true);
        }
        let Some((rule, _)) = rule_of(&line.text) else { continue };
        let same = matches!(rule.kind, Kind::Panic | Kind::InitDeath | Kind::OomPanic)
            || (rule.kind == kind && (frames == 0 || kind == Kind::OomKill))
            || ((exception || alone) && frames == 0 && matches!(rule.kind, Kind::Oops | Kind::Bug));
        if !same {
            return (&report[..index], frames == 0);
        }
    }
    (report, false)
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
        Blame::InnermostOrLocker if found.function.is_some() => {}
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
        let symbol = place.trim().rsplit(' ').find(|word| word.contains("+0x"))?;
        let name = symbol.split('+').next()?;
        (!is_messenger(name, kind)).then(|| name.to_owned())
    })
}
