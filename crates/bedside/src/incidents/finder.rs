//! Entry lines of a store to cases: one triage for each run, as long as it is needed.

use std::collections::hash_map::Entry as Slot;
use std::collections::{HashMap, HashSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use bedside_store::entry::unescape_into;
use bedside_store::{Entry, StoredRecord, StoredRun};
use bedside_stream::{RunId, WallTime};
use bedside_triage::{Caller, Event, Incident, Line, Triage, may_begin};

use super::case::{Case, Key, Patient, Place, weight};
use super::rates::Rates;
use super::runs::Runs;

/// What became known.
#[derive(Debug)]
pub(crate) enum News {
    /// A case, as far as it is known; again whenever more is.
    Case(Box<Case>),
    /// A run turned out to belong to another boot, or has another name.
    Moved(Patient),
}

/// Finds cases in entry lines.
#[derive(Debug)]
pub(crate) struct Finder {
    runs: Runs,
    beds: HashMap<RunId, Bed>,
    /// How many incidents each machine begins, deaths apart.
    begun: Rates,
    /// The text of the record that is being read.
    text: Vec<u8>,
    /// Records that were looked at.
    heard: u64,
    counters: Counters,
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    /// Lines that might have begun something, of strangers and of runs not known any more.
    pub(crate) nameless: u64,
    /// Runs that were looked at no further because too many others were.
    pub(crate) without_bed: u64,
    /// Lines that would have begun another incident of a machine that had very many a moment ago.
    pub(crate) passed_over: u64,
    /// How often looking failed, by a fault of ours: what was open in that run is lost.
    pub(crate) failed: u64,
}

/// A run that is looked at.
#[derive(Debug)]
struct Bed {
    patient: Patient,
    triage: Triage,
    /// The last lines: their position, and where they came from.
    places: VecDeque<(u64, Place)>,
    /// The cases that are open, by their number in the triage.
    keys: HashMap<u64, (Key, WallTime)>,
    /// Lines that were heard, in all and since an incident was open.
    lines: u64,
    idle: u32,
    /// Those of which more is known than was given out.
    changed: HashSet<u64>,
    last: WallTime,
}

impl Finder {
    /// One for the store in `data`.
    pub(crate) fn new(data: &Path) -> Finder {
        Finder {
            runs: Runs::of(data),
            beds: HashMap::new(),
            begun: Rates::new(),
            text: Vec::new(),
            heard: 0,
            counters: Counters::default(),
        }
    }

    pub(crate) fn counters(&self) -> Counters {
        self.counters
    }

    /// Whether nothing is looked at that may be an incident.
    pub(crate) fn is_idle(&self) -> bool {
        !self.beds.values().any(|bed| bed.triage.is_open())
    }

    /// Takes an entry line.
    pub(crate) fn line(&mut self, line: &[u8], give: &mut dyn FnMut(News)) {
        match line.first() {
            Some(b'0'..=b'9') => self.record(line, give),
            Some(b'R') => {
                if let Some(Entry::Run(stored)) = Entry::decode(line) {
                    self.run(&stored, give);
                }
            }
            _ => {}
        }
    }

    /// Gives out what has changed of those that are open, each once, until about so many bytes were
    /// given; whether that was all.
    pub(crate) fn flush(&mut self, mut room: usize, give: &mut dyn FnMut(News)) -> bool {
        let (counters, mut all) = (&mut self.counters, true);
        self.beds.retain(|_, bed| {
            if bed.changed.is_empty() || room == 0 {
                all &= bed.changed.is_empty();
                return true;
            }
            counters.survives(&mut || room = room.saturating_sub(bed.flush(give)))
        });
        all
    }

    /// Ends what has waited too long for more lines.
    pub(crate) fn settle(&mut self, now: WallTime, give: &mut dyn FnMut(News)) {
        self.beds.retain(|_, bed| {
            let waits = now.0.abs_diff(bed.last.0) < QUIET_US;
            if !waits {
                self.counters.survives(&mut || bed.finish(give));
            }
            waits
        });
    }

    fn record(&mut self, line: &[u8], give: &mut dyn FnMut(News)) {
        if !(may_begin(text_of(line)) || self.is_open(line)) {
            return;
        }
        let Some(Entry::Record(record)) = Entry::decode(line) else { return };
        if record.prefix.is_some_and(|prefix| prefix.facility() != KERNEL) {
            return;
        }
        let bed = match self.beds.entry(record.run) {
            Slot::Occupied(bed) => bed.into_mut(),
            Slot::Vacant(slot) => {
                let Some(patient) = self.runs.get(record.run) else {
                    self.counters.nameless += 1;
                    return;
                };
                slot.insert(Bed::of(patient))
            }
        };
        self.text.clear();
        unescape_into(record.text, &mut self.text);
        let (text, begun, mut passed_over) = (&self.text, &mut self.begun, 0);
        let hear = &mut || passed_over += bed.hear(&record, text, begun, give);
        let heard = self.counters.survives(hear);
        self.counters.passed_over += passed_over;
        if !heard || bed.idle > IDLE_LINES {
            self.beds.remove(&record.run);
        }
        self.heard += 1;
        let full = self.heard.is_multiple_of(BEDS_COUNTED) && self.bytes() > BEDS_BYTES;
        if full || self.beds.len() > BEDS {
            self.make_room(record.received, give);
        }
    }

    /// About how many bytes of lines are held.
    fn bytes(&self) -> usize {
        self.beds.values().map(|bed| bed.triage.bytes()).sum()
    }

    /// Whether something is open in the run of this line, so that any line may be of it.
    fn is_open(&self, line: &[u8]) -> bool {
        let bed = || self.beds.get(&run_of(line)?);
        !self.beds.is_empty() && bed().is_some_and(|bed| bed.triage.is_open())
    }

    /// Whoever sends, no more are looked at.
    fn make_room(&mut self, now: WallTime, give: &mut dyn FnMut(News)) {
        self.settle(now, give);
        while self.beds.len() > BEDS * 3 / 4 {
            let oldest = self.beds.iter().min_by_key(|(_, bed)| bed.last).map(|(run, _)| *run);
            self.give_up(oldest, give);
        }
        while self.bytes() > BEDS_BYTES * 3 / 4 {
            let most = self.beds.iter().max_by_key(|(_, bed)| bed.triage.bytes());
            self.give_up(most.map(|(run, _)| *run), give);
        }
    }

    fn give_up(&mut self, run: Option<RunId>, give: &mut dyn FnMut(News)) {
        let Some(mut bed) = run.and_then(|run| self.beds.remove(&run)) else { return };
        self.counters.without_bed += 1;
        self.counters.survives(&mut || bed.finish(give));
    }

    fn run(&mut self, stored: &StoredRun, give: &mut dyn FnMut(News)) {
        let Some(patient) = self.runs.learn(stored) else { return };
        if let Some(bed) = self.beds.get_mut(&stored.run.id) {
            bed.patient = patient.clone();
        }
        give(News::Moved(patient));
    }
}

impl Bed {
    fn of(patient: Patient) -> Bed {
        Bed {
            patient,
            triage: Triage::new(),
            places: VecDeque::new(),
            keys: HashMap::new(),
            lines: 0,
            idle: 0,
            changed: HashSet::new(),
            last: WallTime::default(),
        }
    }

    /// Takes the lines of a record; how many were passed over, for there are too many of the kind.
    fn hear(
        &mut self,
        record: &StoredRecord<'_>,
        text: &[u8],
        begun: &mut Rates,
        give: &mut dyn FnMut(News),
    ) -> u64 {
        let mut passed_over = 0;
        self.last = record.received;
        for text in text.split(|byte| *byte == b'\n') {
            self.lines += 1;
            let address = self.patient.source.ip();
            let who = (address, self.patient.voice.as_str(), is_death(text));
            if begun.of(who, record.received) >= MOST_A_MINUTE && may_begin(text) {
                passed_over += 1;
            } else if self.line(record, text, give)
                && begun.add(who, record.received) == MOST_A_MINUTE
            {
                tracing::warn!(%address, "{MOST_A_MINUTE} incidents within a minute; what else it \
                     says is kept, and no incident for now");
            }
        }
        self.idle = if self.triage.is_open() { 0 } else { self.idle + 1 };
        passed_over
    }

    /// Takes a line; whether an incident began with it.
    fn line(&mut self, record: &StoredRecord<'_>, text: &[u8], give: &mut dyn FnMut(News)) -> bool {
        let (seq, time) = (record.seq.map(|seq| seq.0), record.time.map(|time| time.0));
        let caller = record.caller.and_then(Caller::parse);
        let level = record.prefix.map(netconsole_wire::Prefix::level);
        let at = seq.unwrap_or(self.lines);
        if self.places.len() >= PLACES {
            self.places.pop_front();
        }
        self.places.push_back((at, Place { received: record.received, seq, time }));
        let Bed { patient, triage, places, keys, last, changed, .. } = self;
        let mut began = false;
        let mut sink = |event: Event<'_>| {
            let found = Found::of(event.incident(), patient, places, keys);
            began |= matches!(event, Event::Opened(_));
            match event {
                Event::Opened(incident) | Event::Changed(incident) => {
                    changed.insert(incident.id);
                }
                Event::Closed(incident) => {
                    changed.remove(&incident.id);
                    give(found.close(patient, keys, *last));
                }
            }
        };
        triage.hear(Line { text, level, time, caller, at }, &mut sink);
        began
    }

    /// Answers about how many bytes it gave.
    fn flush(&mut self, give: &mut dyn FnMut(News)) -> usize {
        let mut given = 0;
        let changed = std::mem::take(&mut self.changed);
        for incident in self.triage.open().filter(|incident| changed.contains(&incident.id)) {
            let found = Found::of(incident, &self.patient, &self.places, &mut self.keys);
            given += weight(incident);
            give(found.case(&self.patient, self.last, true));
        }
        given
    }

    fn finish(&mut self, give: &mut dyn FnMut(News)) {
        let Bed { patient, triage, places, keys, last, .. } = self;
        triage.finish(&mut |event| {
            let found = Found::of(event.incident(), patient, places, keys);
            give(found.close(patient, keys, *last));
        });
    }
}

/// An incident, and what its case is known by.
struct Found<'a> {
    incident: &'a Incident,
    key: Key,
    first: WallTime,
}

impl<'a> Found<'a> {
    fn of(
        incident: &'a Incident,
        patient: &Patient,
        places: &VecDeque<(u64, Place)>,
        keys: &mut HashMap<u64, (Key, WallTime)>,
    ) -> Found<'a> {
        let (key, first) = *keys.entry(incident.id).or_insert_with(|| {
            let is_first = |(at, _): &&(u64, Place)| *at == incident.first_line;
            let place = places.iter().rfind(is_first).or(places.back()).map(|(_, place)| *place);
            let place = place.unwrap_or_default();
            let text = incident.lines.first().map_or("", |line| line.text.as_str());
            (Key::new(patient.run, place, text), place.received)
        });
        Found { incident, key, first }
    }

    fn case(&self, patient: &Patient, last: WallTime, open: bool) -> News {
        let (of, incident) = (patient.clone(), self.incident.clone());
        News::Case(Box::new(Case { key: self.key, of, first: self.first, last, open, incident }))
    }

    fn close(
        &self,
        patient: &Patient,
        keys: &mut HashMap<u64, (Key, WallTime)>,
        last: WallTime,
    ) -> News {
        keys.remove(&self.incident.id);
        self.case(patient, last, false)
    }
}

/// A record's text, as it stands in its line, and what follows it.
fn text_of(line: &[u8]) -> &[u8] {
    let begin = memchr::memchr(b';', line).map_or(line.len(), |at| at + 1);
    line.get(begin..).unwrap_or_default()
}

/// The run that a record's line begins with.
fn run_of(line: &[u8]) -> Option<RunId> {
    let digits = line.split(|byte| *byte == b' ').next()?;
    std::str::from_utf8(digits).ok()?.parse().ok().map(RunId)
}

/// Whether a line tells of a death: those count by themselves, so that no storm of warnings hides
/// one.
fn is_death(text: &[u8]) -> bool {
    ["Kernel panic - not syncing", "Oops"]
        .iter()
        .any(|words| memchr::memmem::find(text, words.as_bytes()).is_some())
}

/// Incidents that a machine may begin in a minute of the log, and deaths of it: whoever makes up
/// more does not keep anybody else's from being found.
const MOST_A_MINUTE: u16 = 1000;
/// Runs that are looked at at a time.
const BEDS: usize = 1024;
/// Bytes of their lines, counted after so many records.
const BEDS_BYTES: usize = if cfg!(test) { 4 << 20 } else { 64 << 20 };
const BEDS_COUNTED: u64 = 256;
/// Lines that only looked like an incident's, after which a run is looked at no more.
const IDLE_LINES: u32 = 8;
/// Lines of a run of which it is known where they came from.
const PLACES: usize = 256;
/// Without a line for so long, an incident is over.
const QUIET_US: u64 = 10_000_000;
/// printk's own facility, `LOG_KERN`; what programs write to /dev/kmsg has another
/// (kernel/printk/printk.c: `devkmsg_write`).
const KERNEL: u8 = 0;

impl Counters {
    /// Whether looking at a run's lines came to its end, and counts if not. It always should; but
    /// what somebody sends must not end the search for everybody, now and after each restart.
    fn survives(&mut self, look: &mut dyn FnMut()) -> bool {
        let failed = catch_unwind(AssertUnwindSafe(look)).is_err();
        if failed {
            self.failed += 1;
            tracing::error!(
                "looking for incidents failed in what was heard last; that machine's is given up. \
                 This is a bug of bedside: please report it with the message above"
            );
        }
        !failed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_in_one_machines_lines_does_not_end_the_search_in_others() {
        let mut finder = Finder::new(Path::new("/nonexistent"));
        let mut found = 0;
        let mut give = |_| {
            found += 1;
            assert!(found > 1, "as if there were a fault");
        };
        for run in 1..=2 {
            let of = format!("R {run}\tsource=10.0.0.{run}:6665\tport=6666\tfirst=1\tverdict=boot");
            finder.line(format!("{of}\tboot=1\n").as_bytes(), &mut give);
            let bug = "BUG: kernel NULL pointer dereference, address: 0000000000000008";
            finder.line(format!("{run} 5 e ,1,7,1000,,;{bug}\n").as_bytes(), &mut give);
        }
        assert!(!finder.is_idle());
        assert!(finder.flush(usize::MAX, &mut give));
        finder.settle(WallTime(10 * QUIET_US), &mut give);
        assert_eq!((found, finder.counters().failed), (3, 1), "one is told of, then ends");
    }

    /// The titles of all cases that are found in these lines.
    fn titles(lines: impl Iterator<Item = String>) -> Vec<String> {
        let mut finder = Finder::new(Path::new("/nonexistent"));
        let mut titles = HashMap::new();
        let mut give = |news| {
            if let News::Case(case) = news {
                titles.insert(case.key.heard, case.incident.title);
            }
        };
        for line in lines {
            finder.line(line.as_bytes(), &mut give);
        }
        finder.flush(usize::MAX, &mut give);
        titles.into_values().collect()
    }

    #[test]
    fn who_makes_up_incidents_without_end_hides_no_death() {
        let of = |run| {
            format!("R {run}\tsource=10.0.0.{run}:6665\tport=6666\tfirst=1\tverdict=boot\tboot=1\n")
        };
        let said = |run, seq, text: &str| format!("{run} 5 e ,1,{seq},1000,,;{text}\n");
        let storm = (0..5000).flat_map(|at| {
            let warning = "WARNING: CPU: 1 PID: 7 at a.c:1 f+0x1/0x2";
            [said(1, 2 * at, warning), said(1, 2 * at + 1, "Linux version 6.12")]
        });
        let panic = "Kernel panic - not syncing: VFS: Unable to mount root fs";
        let deaths = [said(1, 20_000, panic), said(2, 1, panic)];
        let titles = titles([of(1), of(2)].into_iter().chain(storm).chain(deaths));
        let deaths = titles.iter().filter(|title| title.starts_with("kernel panic: VFS")).count();
        assert_eq!(deaths, 2);
        assert!(titles.len() <= 2 + usize::from(MOST_A_MINUTE), "{}", titles.len());
    }

    #[test]
    fn what_is_held_of_all_lines_is_bounded_in_bytes() {
        let mut finder = Finder::new(Path::new("/nonexistent"));
        let long = "x".repeat(4000);
        for run in 1..=60 {
            let of = format!("R {run}\tsource=10.0.0.7:{run}\tport=6666\tfirst=1\tverdict=boot");
            finder.line(format!("{of}\tboot=1\n").as_bytes(), &mut drop);
            let bug = "BUG: kernel NULL pointer dereference, address: 0000000000000008";
            finder.line(format!("{run} 5 e ,1,7,1000,,;{bug}\n").as_bytes(), &mut drop);
            for seq in 8..88 {
                let line = format!("{run} 5 e ,1,{seq},1000,,;{long}\n");
                finder.line(line.as_bytes(), &mut drop);
            }
            let slack = BEDS_COUNTED as usize * 2 * 2048;
            assert!(finder.bytes() < BEDS_BYTES + slack, "{run}: {}", finder.bytes());
        }
        assert!(finder.counters().without_bed > 0);
    }
}
