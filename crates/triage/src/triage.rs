//! The lines of one boot, one after another, to incidents.

mod follows;
mod open;
mod shape;

use std::collections::VecDeque;

use crate::prefilter::{self, PREAMBLES};
use crate::rules::{LAST, Rule, rule_of, rule_of_rest};
use crate::{Caller, Incident, Line, ReportLine};
use open::Open;

/// The bounds of a [`Triage`]. `Default` gives the values documented here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Incidents open at once (4): a CPU that dies while another warns. Beyond it the oldest is
    /// closed.
    pub open: usize,
    /// Lines that one incident keeps (1,000); later ones are counted.
    pub lines: usize,
    /// Bytes that one incident keeps of its lines (131,072).
    pub bytes: usize,
    /// Lines of others, one after another, after which an incident is over (200).
    pub others: usize,
    /// printk time without a line of its own after which an incident is over, in microseconds
    /// (10,000,000).
    pub quiet_us: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { open: 4, lines: 1000, bytes: 128 << 10, others: 200, quiet_us: 10_000_000 }
    }
}

/// What became known.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// An incident began; it is to be kept and shown from now on.
    Opened(&'a Incident),
    /// More is known of it: a better title, more of the trace, a panic. It has the same `id`.
    Changed(&'a Incident),
    /// It is complete. Each opened incident is closed once.
    Closed(&'a Incident),
}

impl<'a> Event<'a> {
    /// The incident, as far as it is known.
    pub fn incident(self) -> &'a Incident {
        match self {
            Event::Opened(incident) | Event::Changed(incident) | Event::Closed(incident) => {
                incident
            }
        }
    }
}

/// Finds the incidents of one boot. Memory is bounded by [`Limits`]; of a boot in which nothing
/// is open it is a few hundred bytes.
#[derive(Debug, Default)]
pub struct Triage {
    limits: Limits,
    next: u64,
    open: Vec<Open>,
    preambles: VecDeque<Preamble>,
    /// When the kernel panicked, in its own time, as far as it was told and is over.
    died: Option<u64>,
}

/// Lines that stand above a sentence which may follow.
#[derive(Debug)]
struct Preamble {
    caller: Option<Caller>,
    lines: Vec<ReportLine>,
}

/// So much of a line is looked at and kept: more than the kernel makes of one (`LOG_LINE_MAX` in
/// kernel/printk/printk.c).
const LINE_BYTES: usize = 2048;
/// Lines between the first line of a preamble and the sentence, at most.
const PREAMBLE_LINES: usize = 8;
/// Preambles without a sentence yet, at most.
const PREAMBLES_HELD: usize = 4;

impl Triage {
    /// One with the bounds of `Limits::default()`.
    pub fn new() -> Triage {
        Triage::default()
    }

    /// One with these bounds.
    pub fn with_limits(limits: Limits) -> Triage {
        Triage { limits, ..Triage::default() }
    }

    /// Takes the next line, in the order in which the kernel printed them. Each event is given to
    /// `sink` before this returns.
    pub fn hear(&mut self, line: Line<'_>, sink: &mut dyn FnMut(Event<'_>)) {
        let may_begin = prefilter::may_begin(line.text);
        if !may_begin && self.open.is_empty() && self.preambles.is_empty() {
            return;
        }
        self.close_quiet(line.time, sink);
        let text = line.text.get(..LINE_BYTES).unwrap_or(line.text);
        let text = String::from_utf8_lossy(text);
        if is_wish(&text) || text.starts_with("Linux version ") {
            self.finish(sink);
        }
        if let Some((rule, _)) = may_begin.then(|| rule_of(&text)).flatten() {
            self.sentence(&line, &text, rule, sink);
        } else {
            self.follow(&line, &text, may_begin, sink);
        }
    }

    /// About how many bytes of lines it holds.
    pub fn bytes(&self) -> usize {
        let above = self.preambles.iter().flat_map(|preamble| &preamble.lines);
        let above: usize = above.map(|line| line.text.len()).sum();
        above + self.open.iter().map(Open::bytes).sum::<usize>()
    }

    /// Whether an incident is open. One that was silent for long in the caller's time is ended
    /// with [`Triage::finish`]; 10 s are what [`Limits::quiet_us`] is.
    pub fn is_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// The incidents that are open, as far as they are known, in the order in which they began.
    pub fn open(&self) -> impl Iterator<Item = &Incident> {
        self.open.iter().map(Open::incident)
    }

    /// Closes what is open: the boot or the text ended, or nothing came for long. More lines may
    /// follow.
    pub fn finish(&mut self, sink: &mut dyn FnMut(Event<'_>)) {
        self.preambles.clear();
        self.close_if(sink, |_| true);
    }

    /// A sentence that begins an incident, if it does not belong to one that is open.
    fn sentence(
        &mut self,
        line: &Line<'_>,
        text: &str,
        rule: &Rule,
        sink: &mut dyn FnMut(Event<'_>),
    ) {
        let late = self.died.is_some_and(|died| line.time.is_none_or(|time| time >= died));
        if late && text.trim_start().starts_with(LAST) {
            return;
        }
        if let Some(open) = self.open.iter_mut().find(|open| open.lacks(line, rule)) {
            open.take_beginning(line, text, sink);
            return;
        }
        let own = self
            .open
            .iter()
            .rposition(|open| open.caller() == line.caller && open.absorbs(line, text, rule));
        if let Some(index) =
            own.or_else(|| self.open.iter().rposition(|open| open.absorbs(line, text, rule)))
        {
            self.open[index].take(line, text, self.limits, sink);
            return;
        }
        self.close_done(line.caller, sink);
        if self.open.len() >= self.limits.open.max(1) {
            self.close(0, sink);
        }
        self.begin(line, text, sink);
    }

    fn begin(&mut self, line: &Line<'_>, text: &str, sink: &mut dyn FnMut(Event<'_>)) {
        let preamble = self.preamble(line.caller);
        let mut open = Open::new(self.next, preamble, line, text);
        self.next += 1;
        open.begin(sink);
        self.open.push(open);
    }

    /// A line that begins nothing: part of what is open, or perhaps the top of what will be.
    fn follow(
        &mut self,
        line: &Line<'_>,
        text: &str,
        may_begin: bool,
        sink: &mut dyn FnMut(Event<'_>),
    ) {
        let heading = may_begin && PREAMBLES.iter().any(|top| text.trim_start().starts_with(top));
        let own = self.open.iter().rposition(|open| open.caller() == line.caller);
        let others = (0..self.open.len()).rev().filter(|index| Some(*index) != own);
        let taken = own
            .into_iter()
            .chain(others)
            .any(|index| self.open[index].hear(line, text, heading, self.limits, sink));
        self.close_over(sink);
        if taken {
            return;
        }
        // What was closed to make room may go on: that is no report without a beginning.
        let room = self.open.len() + 1 < self.limits.open;
        if may_begin && room && rule_of_rest(text).is_some() {
            self.begin(line, text, sink);
        } else {
            self.keep_preamble(line, text, heading);
        }
    }

    fn keep_preamble(&mut self, line: &Line<'_>, text: &str, heading: bool) {
        let kept = ReportLine { at: line.at, text: text.to_owned() };
        let known = self.preambles.iter().position(|preamble| preamble.caller == line.caller);
        match known {
            Some(index) if heading && text.contains("cut here") => {
                self.preambles[index].lines = vec![kept];
            }
            Some(index) => {
                self.preambles[index].lines.push(kept);
                if self.preambles[index].lines.len() > PREAMBLE_LINES {
                    self.preambles.remove(index);
                }
            }
            None if heading => {
                if self.preambles.len() >= PREAMBLES_HELD {
                    self.preambles.pop_front();
                }
                self.preambles.push_back(Preamble { caller: line.caller, lines: vec![kept] });
            }
            None => {}
        }
    }

    fn preamble(&mut self, caller: Option<Caller>) -> Vec<ReportLine> {
        let found = self.preambles.iter().position(|preamble| preamble.caller == caller);
        found
            .and_then(|index| self.preambles.remove(index))
            .map(|preamble| preamble.lines)
            .unwrap_or_default()
    }

    /// Who begins another report has ended the last.
    fn close_done(&mut self, caller: Option<Caller>, sink: &mut dyn FnMut(Event<'_>)) {
        self.close_if(sink, |open| open.caller() == caller);
    }

    fn close_over(&mut self, sink: &mut dyn FnMut(Event<'_>)) {
        let limits = self.limits;
        self.close_if(sink, |open| open.is_over(limits));
    }

    fn close_quiet(&mut self, now: Option<u64>, sink: &mut dyn FnMut(Event<'_>)) {
        let quiet_us = self.limits.quiet_us;
        self.close_if(sink, |open| open.is_quiet(now, quiet_us));
    }

    fn close_if(&mut self, sink: &mut dyn FnMut(Event<'_>), over: impl Fn(&Open) -> bool) {
        let mut index = 0;
        while index < self.open.len() {
            if over(&self.open[index]) {
                self.close(index, sink);
            } else {
                index += 1;
            }
        }
    }

    fn close(&mut self, index: usize, sink: &mut dyn FnMut(Event<'_>)) {
        let open = self.open.remove(index);
        if open.incident().panicked {
            self.died = Some(open.incident().time.unwrap_or(0));
        }
        open.close(sink);
    }
}

/// Somebody wants the kernel to crash: what follows has no other cause (drivers/tty/sysrq.c:
/// `__handle_sysrq`).
fn is_wish(text: &str) -> bool {
    text.starts_with("sysrq: ") && text.contains("rigger a crash")
}
