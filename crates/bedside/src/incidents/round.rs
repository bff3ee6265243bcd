//! One who goes through the store, line by line, and enters into the book what is found.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use bedside_store::entry::{Head, decode_head};
use bedside_store::follow::{Lines, Nudge};
use bedside_stream::WallTime;

use super::alarm::Alarm;
use super::book::{Book, Entry};
use super::case::{Case, Patient, weight};
use super::finder::{Counters, Finder, News};
use super::flatline;
use crate::time;

/// Where it stands, and what it has found and not entered yet.
#[derive(Debug)]
pub(super) struct Round {
    data: PathBuf,
    book: Book,
    lines: Lines,
    finder: Finder,
    found: Found,
    /// The segment that is read, and the one from which a restart reads again.
    segment: u64,
    resume: u64,
    /// The same, as the book has it.
    entered: u64,
    most: u64,
    /// Nobody is told of what is found, and every line is looked at, also what was found ordinary.
    quietly: bool,
    alarm: Option<Arc<Alarm>>,
    /// When the lines came that were read last.
    reached: WallTime,
    /// A case waits for its title to settle.
    ripens: bool,
    hearts_due: Instant,
    /// How long more is given to gather once something came.
    breath: Duration,
    /// What [`Round::left_out`] has told.
    told_left_out: u64,
}

/// What is to be entered.
#[derive(Debug, Default)]
struct Found {
    cases: HashMap<u64, Case>,
    moved: Vec<Patient>,
    /// About how many bytes the cases take up.
    bytes: usize,
}

impl Round {
    /// Begins where the last one stopped, with its segment; the book takes up `most` bytes.
    pub(super) fn begin(data: &Path, most: u64) -> anyhow::Result<Round> {
        let book = Book::open(data)?;
        let resume = book.resume()?;
        Ok(Round {
            data: data.to_owned(),
            lines: Lines::from(data, resume)?,
            finder: Finder::new(data),
            found: Found::default(),
            segment: resume,
            resume,
            entered: resume,
            most,
            quietly: false,
            alarm: None,
            reached: WallTime(0),
            ripens: false,
            hearts_due: Instant::now(),
            breath: FIRST_BREATH,
            told_left_out: 0,
            book,
        })
    }

    /// Has whoever is to be told of what is found be told.
    pub(super) fn with(self, alarm: Option<Arc<Alarm>>) -> Round {
        Round { alarm, ..self }
    }

    /// Begins with the first segment, for a book that is made anew.
    pub(super) fn anew(data: &Path) -> anyhow::Result<Round> {
        Book::open(data)?.clear()?;
        Round::quietly(data)
    }

    /// Begins where the last one stopped, and wakes nobody.
    pub(super) fn quietly(data: &Path) -> anyhow::Result<Round> {
        Ok(Round { quietly: true, ..Round::begin(data, u64::MAX)? })
    }

    /// Reads on and enters what is found; `false`, once all is read.
    pub(super) fn turn(&mut self) -> anyhow::Result<bool> {
        let began = time::now();
        let (came, more) = self.read_on()?;
        if more {
            self.enter()?;
        } else {
            self.conclude(time::now())?;
        }
        if !came {
            self.book.rest();
            self.lines.rest();
        }
        if let Some(alarm) = &self.alarm {
            // A title waits for lines that come later, not for the search to be given a processor.
            let known = if more { self.reached } else { began };
            self.ripens = alarm.look(&mut self.book, known, time::now())?;
            self.book.bound(self.most)?;
        }
        Ok(more)
    }

    /// Waits until it is worth looking again, and for what else comes in the same breath. While
    /// nothing is open ordinary lines are passed over now and then.
    pub(super) fn wait(&mut self, nudge: &Nudge) {
        let patience = match (self.ripens, self.finder.is_idle()) {
            (true, _) => RIPENING,
            (false, false) => PATIENCE,
            (false, true) => BEAT,
        };
        if nudge.wait(!self.finder.is_idle(), patience) {
            thread::sleep(self.breath);
            self.breath = (self.breath * 2).min(BREATH);
        } else {
            self.breath = FIRST_BREATH;
        }
    }

    /// Reads all that is there, and ends what is open; how many cases there are.
    pub(super) fn finish(mut self) -> anyhow::Result<usize> {
        while self.read_on()?.1 {
            self.enter()?;
        }
        self.conclude(WallTime(u64::MAX))?;
        Ok(self.book.rows()?.len())
    }

    /// All is read: ends what has waited too long for more, and looks after hearts.
    fn conclude(&mut self, now: WallTime) -> anyhow::Result<()> {
        let found = &mut self.found;
        self.finder.settle(now, &mut |news| found.take(news));
        self.enter()?;
        // A machine whose death was heard has no flatline: that is to be known by now.
        self.feel()?;
        self.enter()
    }

    /// How many lines and runs more were not looked at, or not to the end.
    pub(super) fn left_out(&mut self) -> u64 {
        let Counters { without_bed, passed_over, failed, .. } = self.finder.counters();
        let left_out = without_bed + passed_over + failed;
        left_out - std::mem::replace(&mut self.told_left_out, left_out)
    }

    /// Says what was left out.
    pub(super) fn sum_up(&self) {
        let Counters { nameless, without_bed, passed_over, failed } = self.finder.counters();
        tracing::info!(nameless, without_bed, passed_over, failed, "looked for incidents");
    }

    /// Takes in what is there, or as much of it as may be entered together; whether there was
    /// something, and whether there may be more.
    fn read_on(&mut self) -> anyhow::Result<(bool, bool)> {
        let (mut looks, mut more) = (0, true);
        while more && looks < MOST_LOOKS && self.found.has_room() {
            more = self.look()?;
            looks += usize::from(more);
        }
        let found = &mut self.found;
        let all = self.finder.flush(MOST_BYTES, &mut |news| found.take(news));
        Ok((looks > 0, more || !all))
    }

    /// Takes in what comes next; false if nothing has come.
    fn look(&mut self) -> anyhow::Result<bool> {
        let Round { lines, finder, found, segment, reached, .. } = self;
        let mut clock = None;
        let ordinary = self.quietly || !finder.is_idle();
        let came = lines.next(ordinary, |line| {
            clock = clock.or_else(|| received(line));
            finder.line(line, &mut |news| found.take(news));
        })?;
        if let Some(now) = clock {
            *reached = now;
            finder.settle(now, &mut |news| found.take(news));
        }
        if let Some(last) = came.filter(|last| last != segment) {
            // What began in the segment before it is read again from there.
            self.resume = if finder.is_idle() { last } else { *segment };
            self.segment = last;
        }
        Ok(came.is_some())
    }

    /// Looks after hearts now and then.
    fn feel(&mut self) -> anyhow::Result<()> {
        if self.hearts_due <= Instant::now() {
            let began = Instant::now();
            let cases = flatline::cases(&self.data, &self.book, MOST_CASES)?;
            // Of very many machines it takes a while.
            let rest = if cases.len() < MOST_CASES { 50 } else { 4 };
            self.hearts_due = Instant::now() + HEARTS_EVERY.max(began.elapsed() * rest);
            for case in cases {
                self.found.take(News::Case(Box::new(case)));
            }
        }
        Ok(())
    }

    /// Enters what was found; what can't be entered now is the next time.
    fn enter(&mut self) -> anyhow::Result<()> {
        let resume = (self.resume != self.entered).then_some(self.resume);
        if self.found.is_none() && resume.is_none() {
            return Ok(());
        }
        let Found { cases, moved, .. } = std::mem::take(&mut self.found);
        let now = time::now().0;
        // Whom rules name that are written later is not told of it either.
        let tells = self.alarm.is_some() && !self.quietly;
        let since = if tells { now.saturating_sub(TELL_WITHIN_US) } else { u64::MAX };
        let mut cases: Vec<Case> = cases.into_values().collect();
        cases.sort_by_key(|case| case.first);
        let entry = Entry { cases, moved, resume, tell_since: WallTime(since) };
        self.book.enter(&entry)?;
        self.entered = self.resume;
        self.book.bound(self.most)?;
        Ok(())
    }
}

impl Found {
    fn take(&mut self, news: News) {
        match news {
            News::Case(case) => {
                self.bytes += weight(&case.incident);
                self.cases.insert(case.key.heard, *case);
            }
            News::Moved(patient) => self.moved.push(patient),
        }
    }

    fn has_room(&self) -> bool {
        self.cases.len() < MOST_CASES && self.bytes < MOST_BYTES
    }

    fn is_none(&self) -> bool {
        self.cases.is_empty() && self.moved.is_empty()
    }
}

fn received(line: &[u8]) -> Option<WallTime> {
    match decode_head(line)? {
        Head::Record { received, .. } => Some(received),
        _ => None,
    }
}

/// While nothing is open and nothing comes that may begin an incident, ordinary lines are passed
/// over, and hearts looked after, this often.
const BEAT: Duration = Duration::from_secs(1);
/// How long news of what is open are waited for, before it is looked whether that is over.
const PATIENCE: Duration = Duration::from_millis(250);
/// The same while a case waits for its title to settle.
const RIPENING: Duration = Duration::from_millis(50);
/// The first lines of a death are followed by the others within some milliseconds.
const FIRST_BREATH: Duration = Duration::from_millis(4);
/// Where news follow upon news, waking up costs more than reading.
const BREATH: Duration = Duration::from_millis(20);
/// Blocks, cases, and bytes of these, of which about no more are entered together.
const MOST_LOOKS: usize = 64;
const MOST_CASES: usize = 1024;
const MOST_BYTES: usize = 16 << 20;
const HEARTS_EVERY: Duration = Duration::from_secs(2);
/// Nobody is woken for what is older when it is found: one hour.
const TELL_WITHIN_US: u64 = 3_600_000_000;

#[cfg(test)]
mod tests;
