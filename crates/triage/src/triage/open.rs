//! An incident that is not over.

use super::follows::follows;
use super::shape::is_report_line;
use super::{Event, Limits};
use crate::report::{OWNER, analyse, severity};
use crate::rules::{Rule, rule_of, rule_of_rest};
use crate::trace::is_trace_line;
use crate::{Caller, Corruption, Incident, Kind, Line, ReportLine};

#[derive(Debug)]
pub(super) struct Open {
    incident: Incident,
    /// Index of the sentence among the lines.
    head: usize,
    bytes: usize,
    /// A frame was seen.
    traced: bool,
    /// The task's trace was seen to its end, as far as a kernel says so.
    whole: bool,
    /// Its last line was seen, as far as a kernel says so.
    ended: bool,
    /// Lines of others since its last one.
    others: usize,
    /// printk's time of its last line that is surely its own.
    last: Option<u64>,
    /// Lines up to the last one that can be part of a report.
    solid: usize,
    /// With how many lines it is read again.
    due: usize,
    /// Lines for which it was read again at once.
    told: u8,
}

impl Open {
    pub(super) fn new(id: u64, preamble: Vec<ReportLine>, line: &Line<'_>, text: &str) -> Open {
        let head = preamble.len();
        let first_line = preamble.first().map_or(line.at, |first| first.at);
        let mut lines = preamble;
        let bytes = lines.iter().map(|line| line.text.len()).sum::<usize>() + text.len();
        lines.push(ReportLine { at: line.at, text: text.to_owned() });
        let incident = Incident {
            id,
            caller: line.caller,
            first_line,
            last_line: line.at,
            time: line.time,
            lines,
            ..Incident::default()
        };
        Open {
            incident,
            head,
            bytes,
            traced: false,
            whole: false,
            ended: false,
            others: 0,
            last: line.time,
            solid: head + 1,
            due: head + 4,
            told: 0,
        }
    }

    pub(super) fn begin(&mut self, sink: &mut dyn FnMut(Event<'_>)) {
        analyse(&mut self.incident, self.head, false);
        sink(Event::Opened(&self.incident));
    }

    /// Of its lines.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn incident(&self) -> &Incident {
        &self.incident
    }

    pub(super) fn caller(&self) -> Option<Caller> {
        self.incident.caller
    }

    /// Whether a sentence belongs to this incident: the panic after it, an exception's second
    /// sentence, what a machine says that is dying anyway.
    pub(super) fn absorbs(&self, line: &Line<'_>, text: &str, rule: &Rule) -> bool {
        let panic = is_panic(rule.kind);
        let own = self.incident.caller.is_none() || self.incident.caller == line.caller;
        let same = rule.kind == self.incident.kind;
        let worse = severity(rule, text) > self.incident.severity;
        match self.incident.kind {
            _ if self.incident.panicked => true,
            _ if own && self.is_message_of(rule) => true,
            // A failing disk says the same again and again, and its file system follows.
            Kind::Io => {
                matches!(rule.kind, Kind::Io | Kind::Filesystem) && !worse && self.is_on(text)
            }
            kind @ (Kind::Filesystem | Kind::Hardware | Kind::Mce) => {
                (same && !worse && self.is_on(text) && self.is_like(rule))
                    || (panic && follows(kind, text))
            }
            Kind::OomKill | Kind::OomPanic => {
                (same && !text.contains("invoked oom-killer")) || (panic && text.contains("emory"))
            }
            // mm/kmemleak.c: `kmemleak_scan` counts them below.
            Kind::MemoryLeak => same && text.contains("new suspected memory leak"),
            Kind::AllocationFailure | Kind::Program => false,
            Kind::AtomicSleep if same && own && self.is_task(line, text) => true,
            Kind::HungTask if same && text.contains(OWNER) => true,
            Kind::HardLockup if same && self.is_answer(text) => true,
            kind if panic && follows(kind, text) => true,
            _ => own && !self.is_headless() && self.goes_on(line, panic),
        }
    }

    /// Whether its first line was not heard so far.
    fn is_headless(&self) -> bool {
        self.incident.corrupted == Some(Corruption::NoBeginning)
    }

    /// Whether a sentence that comes late was said just before what is known of it.
    pub(super) fn lacks(&self, line: &Line<'_>, rule: &Rule) -> bool {
        let before = |(said, first): (u64, u64)| said <= first && first - said < MOMENT_US;
        self.is_headless()
            && self.incident.caller == line.caller
            && !is_panic(rule.kind)
            && line.time.zip(self.incident.time).is_some_and(before)
    }

    /// Takes the sentence that it began with.
    pub(super) fn take_beginning(
        &mut self,
        line: &Line<'_>,
        text: &str,
        sink: &mut dyn FnMut(Event<'_>),
    ) {
        self.bytes += text.len();
        self.solid += 1;
        let first = ReportLine { at: line.at, text: text.to_owned() };
        self.incident.lines.insert(self.head, first);
        self.incident.first_line = self.incident.lines[0].at;
        self.incident.time = line.time;
        self.read_again(sink);
    }

    /// Whether all that it said is what a `WARN()` or `BUG()` is about (fs/dcache.c: `umount_check`;
    /// fs/super.c, fs/open.c by `CHECK_DATA_CORRUPTION` of include/linux/bug.h): one prints its
    /// message below the cut, the other above it. Other sentences may have come in between.
    fn is_message_of(&self, rule: &Rule) -> bool {
        let (before, said) = self.incident.lines.split_at(self.head);
        let ends_in = |lines: &[ReportLine], words| {
            lines.last().is_some_and(|line| line.text.contains(words))
        };
        let title = &self.incident.title;
        if !title.starts_with("VFS: ") && !title.starts_with("BUG: Dentry") {
            return false;
        }
        match rule.kind {
            Kind::Warning => said.len() == 1 && ends_in(before, "[ cut here ]"),
            Kind::Bug => said.len() == 2 && ends_in(said, "[ cut here ]"),
            Kind::Oops => said.len() == 3 && ends_in(said, "kernel BUG at"),
            _ => false,
        }
    }

    /// Whether its own report may have more sentences: before its trace, or, of a death, before its
    /// end.
    fn goes_on(&self, line: &Line<'_>, panic: bool) -> bool {
        let dying = is_death(self.incident.kind) && !self.ended && (panic || !self.whole);
        self.is_fresh(line) && (!self.traced || dying)
    }

    /// Whether it said something a moment ago: the sentences of one report come together.
    fn is_fresh(&self, line: &Line<'_>) -> bool {
        !self.is_quiet(line.time, MOMENT_US)
    }

    /// Whether the same task says it: its lines name it, or else the sentence does
    /// (kernel/sched/core.c: `__schedule_bug`).
    fn is_task(&self, line: &Line<'_>, text: &str) -> bool {
        let task = |text: &str| {
            let (task, _) = text.split_once("scheduling while atomic: ")?.1.rsplit_once('/')?;
            Some(task.to_owned())
        };
        let first = self.incident.lines.get(self.head).and_then(|first| task(&first.text));
        line.caller.is_some() || (first.is_some() && first == task(text))
    }

    /// Whether a sentence is about the same disk, as far as both name one.
    fn is_on(&self, text: &str) -> bool {
        let first = self.incident.lines.get(self.head).map_or("", |line| &line.text);
        let (Some(ours), Some(theirs)) = (disk(first), disk(text)) else { return true };
        ours.starts_with(theirs) || theirs.starts_with(ours)
    }

    /// Whether the same part of the hardware says it: titles begin with its name. A file system and
    /// its journal are one.
    fn is_like(&self, rule: &Rule) -> bool {
        let part = |title: &str| title.split(' ').next().map(str::to_owned);
        rule.kind == Kind::Filesystem || part(rule.title) == part(&self.incident.title)
    }

    /// Whether another CPU tells of the same lockup (arch/powerpc/kernel/watchdog.c:
    /// `watchdog_smp_panic`, `wd_lockup_ipi`).
    fn is_answer(&self, text: &str) -> bool {
        text.contains("LOCKUP on other CPUs") || (!self.traced && text.contains(" Hard LOCKUP"))
    }

    /// Whether more of a report that names no caller may follow what has not its shape.
    fn may_go_on(&self, line: &Line<'_>) -> bool {
        !self.ended && self.others < BETWEEN && self.is_fresh(line)
    }

    /// Whether the line was said after all of what is known of it.
    fn is_past(&self, line: &Line<'_>) -> bool {
        line.time.zip(self.last).is_some_and(|(now, last)| now > last)
    }

    /// Takes the line if it is part of this incident.
    pub(super) fn hear(
        &mut self,
        line: &Line<'_>,
        text: &str,
        heading: bool,
        limits: Limits,
        sink: &mut dyn FnMut(Event<'_>),
    ) -> bool {
        if self.is_told_by_sentences() {
            self.others += 1;
            return false;
        }
        let likely = || is_report_line(self.incident.kind, text);
        let own = match self.incident.caller {
            Some(caller) if line.caller == Some(caller) => true,
            Some(_) => (self.is_wide() || self.incident.panicked) && likely(),
            None => !self.traced || likely() || self.may_go_on(line),
        };
        let another = || self.is_past(line) && rule_of_rest(text).is_some();
        if !own
            || (self.ended && (!likely() || another()))
            || (heading && self.traced && (self.ended || !self.closes(text)))
        {
            self.others += 1;
            return false;
        }
        self.take(line, text, limits, sink);
        true
    }

    pub(super) fn take(
        &mut self,
        line: &Line<'_>,
        text: &str,
        limits: Limits,
        sink: &mut dyn FnMut(Event<'_>),
    ) {
        let solid = is_report_line(self.incident.kind, text) || rule_of(text).is_some();
        if solid {
            self.last = line.time.or(self.last);
        }
        self.traced |= is_trace_line(text);
        self.whole |= self.traced && text.trim() == "</TASK>";
        let end = self.traced && self.closes(text);
        self.ended |= end;
        if !self.keep(line, text, solid, limits) {
            return;
        }
        // Whoever says it again and again does not have all of it read again and again.
        let tells = self.told < TELLING && (end || text.contains("Kernel panic - not syncing"));
        self.told += u8::from(tells);
        if tells || self.incident.lines.len() >= self.due {
            self.read_again(sink);
            let lines = self.incident.lines.len();
            // Whose title is final can wait for its end.
            self.due = if self.incident.settled { lines * 3 } else { lines * 3 / 2 };
        }
    }

    /// Keeps the line, if there is room.
    fn keep(&mut self, line: &Line<'_>, text: &str, solid: bool, limits: Limits) -> bool {
        if self.incident.lines.len() >= limits.lines || self.bytes + text.len() > limits.bytes {
            self.incident.omitted += 1;
            self.incident.last_line = line.at;
            return false;
        }
        if solid && self.traced && self.others >= BETWEEN {
            self.drop_others();
        }
        self.bytes += text.len();
        self.incident.lines.push(ReportLine { at: line.at, text: text.to_owned() });
        if solid {
            self.others = 0;
            self.solid = self.incident.lines.len();
            self.incident.last_line = line.at;
        } else {
            self.others += 1;
        }
        true
    }

    /// What stood between two of its lines was too much to be part of it.
    fn drop_others(&mut self) {
        let others = self.incident.lines.drain(self.solid..);
        self.bytes -= others.map(|line| line.text.len()).sum::<usize>();
    }

    fn read_again(&mut self, sink: &mut dyn FnMut(Event<'_>)) {
        let before = (
            self.incident.title.clone(),
            self.incident.trace.len(),
            self.incident.severity,
            self.incident.settled,
        );
        analyse(&mut self.incident, self.head, false);
        let incident = &self.incident;
        if before
            != (incident.title.clone(), incident.trace.len(), incident.severity, incident.settled)
        {
            sink(Event::Changed(incident));
        }
    }

    pub(super) fn close(mut self, sink: &mut dyn FnMut(Event<'_>)) {
        self.incident.lines.truncate(self.solid);
        analyse(&mut self.incident, self.head, true);
        sink(Event::Closed(&self.incident));
    }

    pub(super) fn is_over(&self, limits: Limits) -> bool {
        self.others > if self.ended { limits.others.min(20) } else { limits.others }
    }

    pub(super) fn is_quiet(&self, now: Option<u64>, quiet_us: u64) -> bool {
        now.zip(self.last).is_some_and(|(now, last)| now > last.saturating_add(quiet_us))
    }

    /// Whether what it consists of are sentences, and no lines between them: a failing disk says
    /// the same a thousand times a second (block/blk-core.c: `blk_print_req_error`).
    fn is_told_by_sentences(&self) -> bool {
        self.incident.kind == Kind::Io
    }

    /// Whether other CPUs and tasks have their say in it.
    fn is_wide(&self) -> bool {
        matches!(
            self.incident.kind,
            Kind::RcuStall
                | Kind::SoftLockup
                | Kind::HardLockup
                | Kind::HungTask
                | Kind::WorkqueueLockup
                | Kind::Panic
        )
    }

    /// `---[ end trace`, or the lower line of `=` of the sanitizers.
    fn closes(&self, text: &str) -> bool {
        let framed = matches!(
            self.incident.kind,
            Kind::Kasan | Kind::Kmsan | Kind::Kcsan | Kind::Kfence | Kind::Ubsan
        );
        text.contains("---[ end ") || (framed && text.trim_start().starts_with("======"))
    }
}

/// The disk that a sentence names: `sda1` of `I/O error, dev sda1, sector`, `EXT4-fs error (device
/// sda1)`, `XFS (sda1)`. What lies on others (`dm-0`, `md0`) may be on any, and is left out.
fn disk(text: &str) -> Option<&str> {
    let begins = ["(device ", ", dev ", " on dev ", " on device ", "(", "Disk failure on "];
    let named = begins.iter().find_map(|begin| text.split_once(begin)).map(|(_, rest)| rest);
    let named = named.or_else(|| text.strip_prefix("nvme "))?;
    let name = named.split(|c: char| !c.is_ascii_alphanumeric()).next()?;
    let single =
        ["sd", "hd", "vd", "xvd", "nvme", "mmcblk"].iter().any(|kind| name.starts_with(kind));
    single.then_some(name)
}

fn is_panic(kind: Kind) -> bool {
    matches!(kind, Kind::Panic | Kind::InitDeath | Kind::OomPanic)
}

/// What kills the task that does it.
fn is_death(kind: Kind) -> bool {
    matches!(kind, Kind::Oops | Kind::Bug | Kind::ListCorruption | Kind::Panic)
}

/// The sentences of one report come within such a time.
const MOMENT_US: u64 = 1_000_000;

/// Lines without the shape of a report's between two that have it, at most: nothing tells whose they
/// are.
const BETWEEN: usize = 8;

/// Of so many lines that tell of a panic or an end it is read again at once.
const TELLING: u8 = 8;
