//! One run as far as it was heard, and where a further record stands to it.

use crate::history::{Heard, Holes, Mark, Marks, NO_SEQ};
use crate::{LastWord, Run, Verdict};

/// What a record says of its place, apart from its words.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line {
    /// Number, time and text; the time is 0 where there is none.
    pub(crate) mark: Mark,
    /// Whether there is a time at all.
    pub(crate) timed: bool,
    /// A part is missing: the text proves nothing.
    pub(crate) incomplete: bool,
    /// The kernel's first line.
    pub(crate) banner: bool,
}

impl Line {
    fn numbered(&self) -> bool {
        self.mark.seq != NO_SEQ
    }
}

/// Where a record stands to a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Beyond all that was heard.
    Forward,
    /// Never heard, and its time fits between its neighbours'.
    Late,
    /// Heard before, for certain.
    Repeat,
    /// Perhaps heard before, perhaps of another boot: the numbers or the time came back.
    Return,
    /// Of this run by number and time, but whether it was heard before is forgotten.
    Unsure,
    /// Of another boot, for certain.
    Elsewhere,
}

/// What a record says of a run that began when the numbers came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Judgement {
    /// The same boot: what came since is a repeat of it.
    Repeats,
    /// The same boot: the old run goes on, and what came since were a few strays.
    GoesOn,
    /// A new boot.
    New,
    /// Still open.
    Open,
}

/// One run as far as it was heard. Bounded: about 1 KiB.
///
/// What every record asks for stands in front, close together.
#[derive(Clone, Debug, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Track {
    /// The lowest and the number after the highest heard; `None` before the first numbered one.
    pub(crate) numbers: Option<(u64, u64)>,
    /// The lowest and the highest time heard.
    pub(crate) times: Option<(u64, u64)>,
    pub(crate) run: Run,
    pub(crate) marks: Marks,
    pub(crate) holes: Holes,
    /// While it may repeat another run: lines since the last one that the other has a mark of.
    pub(crate) strange: u64,
    /// The time of the last word.
    pub(crate) last_word_time: u64,
}

impl Track {
    pub(crate) fn new(run: Run) -> Track {
        Track {
            run,
            numbers: None,
            times: None,
            holes: Holes::default(),
            marks: Marks::default(),
            strange: 0,
            last_word_time: 0,
        }
    }

    /// What this run knows, under the name of another: the numbers go on from another port.
    pub(crate) fn continued_as(&self, run: Run) -> Track {
        Track { run, ..self.clone() }
    }

    /// The number after the highest heard.
    pub(crate) fn next(&self) -> Option<u64> {
        self.numbers.map(|(_, next)| next)
    }

    /// The highest time heard.
    pub(crate) fn last_time(&self) -> Option<u64> {
        self.times.map(|(_, last)| last)
    }

    /// Whether this very line is held, by time and text.
    pub(crate) fn holds(&self, time: u64, hash: u32) -> bool {
        self.marks.holds(time, hash)
    }

    /// Whether this very record is one of the latest.
    pub(crate) fn holds_recent(&self, line: &Line) -> bool {
        self.marks.holds_recent(&line.mark)
    }

    /// Takes a record in.
    pub(crate) fn accept(&mut self, line: &Line) {
        let Mark { seq, time, .. } = line.mark;
        if line.numbered() {
            match self.numbers {
                None => self.numbers = Some((seq, seq.saturating_add(1))),
                Some((first, next)) if seq >= next => {
                    if seq > next {
                        self.holes.open(next, seq);
                    }
                    self.numbers = Some((first, seq.saturating_add(1)));
                }
                Some((first, next)) if seq < first => {
                    if seq + 1 < first {
                        self.holes.open(seq + 1, first);
                    }
                    self.numbers = Some((seq, next));
                }
                Some(_) => self.holes.fill(seq),
            }
        }
        if line.timed {
            let (first, last) = self.times.unwrap_or((time, time));
            self.times = Some((first.min(time), last.max(time)));
            if !line.incomplete {
                self.marks.push(line.mark);
            }
        }
        self.forget_last_word(line);
    }

    /// Takes a record in that may be in already.
    pub(crate) fn accept_again(&mut self, line: &Line) {
        let heard = match self.numbers {
            Some((first, next))
                if line.numbered() && (first..next).contains(&{ line.mark.seq }) =>
            {
                self.holes.heard(line.mark.seq) == Heard::Yes
            }
            _ => false,
        };
        if !heard {
            self.accept(line);
        }
    }

    /// A machine that goes on speaking long after its last word did not end with it.
    fn forget_last_word(&mut self, line: &Line) {
        const AFTERMATH_US: u64 = 60_000_000;
        if self.run.last_word == Some(LastWord::Clean)
            && line.timed
            && line.mark.time > self.last_word_time.saturating_add(AFTERMATH_US)
        {
            self.run.last_word = None;
        }
    }

    /// Hears a last word; `true` if that is news.
    pub(crate) fn hear_last_word(&mut self, word: LastWord, line: &Line) -> bool {
        self.last_word_time = line.mark.time;
        let news = self.run.last_word != Some(word);
        self.run.last_word = Some(word);
        news
    }

    /// Where a record stands to this run. `slack` as in `Limits::clock_slack_us`.
    pub(crate) fn place(&self, line: &Line, slack: u64) -> Place {
        if line.numbered() {
            self.place_numbered(line, slack)
        } else {
            self.place_timed(line, slack)
        }
    }

    /// 1. Beyond the highest number: forward, unless the time went back by more than the slack.
    /// 2. Below the lowest: late where the run has only just begun, else a return.
    /// 3. A number with an exact mark: a repeat or another boot, but at time 0 a return, unless
    ///    it is one of the latest (a datagram doubled by the network).
    /// 4. A time that does not fit between the neighbours': another boot.
    /// 5. Never heard: late. Heard, as far as is known: a return.
    fn place_numbered(&self, line: &Line, slack: u64) -> Place {
        let Mark { seq, time, .. } = line.mark;
        let last_time = self.last_time().unwrap_or(0);
        let Some((first, next)) = self.numbers else {
            return if time.saturating_add(slack) < last_time {
                Place::Return
            } else {
                Place::Forward
            };
        };
        if seq >= next {
            // A CPU just brought up prints at time 0 (`kernel/sched/clock.c`).
            let back = time.saturating_add(slack) < last_time && (time > 0 || seq > next);
            return if back { Place::Elsewhere } else { Place::Forward };
        }
        if seq < first {
            return self.place_before_first(line, first, slack);
        }
        if let Some(mark) = self.marks.numbered(seq)
            && !line.incomplete
        {
            if *mark != line.mark {
                return Place::Elsewhere;
            }
            let doubled =
                seq > first && seq.saturating_add(2) >= next && self.marks.holds_recent(mark);
            return if time > 0 || doubled { Place::Repeat } else { Place::Return };
        }
        if !self.fits(seq, time, slack) {
            return Place::Elsewhere;
        }
        match self.holes.heard(seq) {
            Heard::No => Place::Late,
            Heard::Unsure if time > 0 => Place::Unsure,
            Heard::Yes if line.incomplete => Place::Unsure,
            Heard::Yes | Heard::Unsure => Place::Return,
        }
    }

    fn place_before_first(&self, line: &Line, first: u64, slack: u64) -> Place {
        const JUST_BEFORE: u64 = 8;
        let (earliest, latest) = self.times.unwrap_or((0, 0));
        let time = line.mark.time;
        if time > earliest.saturating_add(slack) {
            Place::Elsewhere
        } else if latest == 0
            || (time > 0
                && line.mark.seq.saturating_add(JUST_BEFORE) >= first
                && time.saturating_add(slack) >= earliest)
        {
            Place::Late
        } else {
            Place::Return
        }
    }

    /// Basic lines have only time and text; where they have no time, only the kernel's first line
    /// tells.
    fn place_timed(&self, line: &Line, slack: u64) -> Place {
        let Mark { time, hash, .. } = line.mark;
        let Some((first, last)) = self.times.filter(|_| line.timed) else {
            let again = line.banner && !line.timed && self.run.release.is_some();
            return if again { Place::Return } else { Place::Forward };
        };
        if time >= last {
            Place::Forward
        } else if time == 0 {
            Place::Return
        } else if time >= first && last - time <= slack {
            if self.marks.holds(time, hash) { Place::Repeat } else { Place::Late }
        } else if !self.marks.holds(time, hash) && self.marks.dense_at(time) {
            Place::Elsewhere
        } else {
            Place::Return
        }
    }

    /// Whether the verdict on this run is, so far, that it shares a boot with another.
    fn is_same_boot(&self) -> bool {
        matches!(self.run.verdict, Verdict::SameAs(_))
    }

    /// What a record says of `newer`, the run that began when the numbers came back.
    pub(crate) fn judge(&self, newer: &Track, line: &Line, slack: u64) -> Judgement {
        if line.incomplete || !line.timed {
            Judgement::Open
        } else if line.numbered() {
            self.judge_numbered(newer, line, slack)
        } else {
            self.judge_timed(newer, line)
        }
    }

    /// A record held here for certain says that nothing has changed; one with the number but not
    /// the time or text of one held here, or beyond all that is held, says that it is a new boot;
    /// unless it follows on the old numbers more closely than on the new ones: then a few strays
    /// have come late.
    fn judge_numbered(&self, newer: &Track, line: &Line, slack: u64) -> Judgement {
        let Mark { seq, time, .. } = line.mark;
        let Some(next) = self.next() else {
            return Judgement::New;
        };
        match self.marks.numbered(seq) {
            Some(mark) if *mark == line.mark => {
                return if time > 0 { Judgement::Repeats } else { Judgement::Open };
            }
            Some(_) => return Judgement::New,
            None => {}
        }
        if seq >= next {
            let forward = time.saturating_add(slack) >= self.last_time().unwrap_or(0);
            let closer = newer.is_same_boot()
                || newer.next().is_some_and(|newer| seq - next < seq.saturating_sub(newer));
            return match (forward && closer, time) {
                (true, _) => Judgement::GoesOn,
                (false, 0) => Judgement::Open,
                (false, _) => Judgement::New,
            };
        }
        if self.fits(seq, time, slack) { Judgement::Open } else { Judgement::New }
    }

    /// A CPU just brought up prints at time 0 in the middle of a boot (`kernel/sched/clock.c`):
    /// lines at time 0, then one beyond all that is held, are no new boot. Of a repeat every so
    /// manieth line has a mark here; where far more pass without, it is none.
    fn judge_timed(&self, newer: &Track, line: &Line) -> Judgement {
        const FEW_LINES: u64 = 8;
        let Mark { time, hash, .. } = line.mark;
        let (last, since) = (self.last_time().unwrap_or(0), newer.last_time().unwrap_or(0));
        if time == 0 {
            Judgement::Open
        } else if self.marks.holds(time, hash) {
            Judgement::Repeats
        } else if time > last {
            let closer = newer.is_same_boot()
                || last > 0 && (since == 0 || time - last <= time.abs_diff(since) / 2);
            if closer { Judgement::GoesOn } else { Judgement::New }
        } else if self.marks.dense_at(time) || newer.strange > 2 * self.marks.stride() + FEW_LINES {
            Judgement::New
        } else {
            Judgement::Open
        }
    }

    /// Counts a line that leaves open whether this run repeats another.
    pub(crate) fn count_strange(&mut self, line: &Line) {
        self.strange += u64::from(line.timed && line.mark.time > 0);
    }

    /// A line of this run stands in the other too.
    pub(crate) fn forget_strange(&mut self) {
        self.strange = 0;
    }

    fn fits(&self, seq: u64, time: u64, slack: u64) -> bool {
        let (below, above) = self.marks.bracket(seq);
        let (first, _) = self.numbers.unwrap_or((0, 0));
        let below = if seq < first { 0 } else { below };
        below <= time.saturating_add(slack) && time <= above.saturating_add(slack)
    }
}
