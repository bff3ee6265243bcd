//! One run that is looked at: its triage, and where its lines came from.

use std::collections::{HashMap, HashSet, VecDeque};

use bedside_store::StoredRecord;
use bedside_stream::WallTime;
use bedside_triage::{Caller, Corruption, Event, Incident, Line, Triage, may_begin};

use super::News;
use crate::incidents::case::{Case, Key, Patient, Place, weight};
use crate::incidents::rates::Rates;

/// A run that is looked at.
#[derive(Debug)]
pub(super) struct Bed {
    pub(super) patient: Patient,
    pub(super) triage: Triage,
    /// The last lines: their position, and where they came from.
    places: VecDeque<(u64, Place)>,
    /// The cases that are open, by their number in the triage.
    keys: HashMap<u64, (Key, WallTime)>,
    /// Lines that were heard.
    lines: u64,
    /// Lines since an incident was open.
    pub(super) idle: u32,
    /// Those of which more is known than was given out.
    pub(super) changed: HashSet<u64>,
    pub(super) last: WallTime,
}

impl Bed {
    pub(super) fn of(patient: Patient) -> Bed {
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
    pub(super) fn hear(
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

    /// Answers about how many bytes it gave. What has no beginning so far is given once it is over:
    /// its beginning may still come, here or in another stream of the boot.
    pub(super) fn flush(&mut self, give: &mut dyn FnMut(News)) -> usize {
        let mut given = 0;
        let changed = std::mem::take(&mut self.changed);
        let known = |incident: &&Incident| {
            changed.contains(&incident.id)
                && (incident.panicked || incident.corrupted != Some(Corruption::NoBeginning))
        };
        for incident in self.triage.open().filter(known) {
            let found = Found::of(incident, &self.patient, &self.places, &mut self.keys);
            given += weight(incident);
            give(found.case(&self.patient, self.last, true));
        }
        given
    }

    pub(super) fn finish(&mut self, give: &mut dyn FnMut(News)) {
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

/// Whether a line tells of a death: those count by themselves, so that no storm of warnings hides
/// one.
fn is_death(text: &[u8]) -> bool {
    ["Kernel panic - not syncing", "Oops"]
        .iter()
        .any(|words| memchr::memmem::find(text, words.as_bytes()).is_some())
}

/// Incidents that a machine may begin in a minute of the log, and deaths of it: whoever makes up
/// more does not keep anybody else's from being found.
pub(super) const MOST_A_MINUTE: u16 = 1000;
/// Lines of a run of which it is known where they came from.
const PLACES: usize = 256;
