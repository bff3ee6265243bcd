//! Whether a death is here whole: what its sender says it was made of, held against what the store
//! holds.

use std::collections::HashSet;
use std::fmt;

use bedside_store::read::{BootSummary, Error, Item, OwnedRecord, Reader, Search, Window};
use bedside_store::{Needle, StoredRecord, Word};
use bedside_stream::{RunId, Voice, WallTime};
use netconsole_wire::Format;
use netconsole_wire::closing::{Closing, MESSAGE_ID, PROGRAM, Reason};
use serde::{Serialize, Serializer};

/// A death that was delivered, as far as it is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Delivery {
    /// What its kernel did.
    #[serde(serialize_with = "word")]
    pub reason: Reason,
    /// How many records it was made of.
    pub records: u64,
    /// How many of them are not held.
    pub missing: u64,
}

/// `its death is here whole, 405 records`.
impl fmt::Display for Delivery {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Delivery { reason, records, missing } = self;
        let what = match reason {
            Reason::Oops => "an oops",
            Reason::Panic | Reason::Emergency => "its death",
        };
        match missing {
            0 => write!(out, "{what} is here whole, {records} records"),
            _ => write!(out, "{missing} of the {records} records of {what} are missing"),
        }
    }
}

impl Delivery {
    /// What the last closing record of a boot tells, if it is one of the last records. Reads the
    /// boot's end.
    pub(crate) fn of(reader: &Reader, boot: &BootSummary) -> Result<Option<Delivery>, Error> {
        Delivery::until(reader, boot, None)
    }

    /// What the first closing record tells that came after a time. Reads the boot from there to
    /// that.
    pub(crate) fn after(
        reader: &Reader,
        boot: &BootSummary,
        time: WallTime,
    ) -> Result<Option<Delivery>, Error> {
        let window = Window { since: Some(time), until: None };
        for item in reader.items(boot, window)?.take(LONGEST) {
            if let Item::Record(record) = item?
                && closing(&record).is_some()
            {
                return Delivery::until(reader, boot, Some(record.received));
            }
        }
        Ok(None)
    }

    fn until(
        reader: &Reader,
        boot: &BootSummary,
        until: Option<WallTime>,
    ) -> Result<Option<Delivery>, Error> {
        let mut tail = Tail { signed: boot.voice == Voice::Signed, ..Tail::default() };
        for item in reader.items_rev(boot, Window { since: None, until })? {
            if let Item::Record(record) = item?
                && !tail.take(&record)
            {
                break;
            }
        }
        Ok(tail.delivery())
    }

    /// Whether the kernel said that it restarts at once.
    pub(crate) fn is_restart(&self) -> bool {
        self.reason == Reason::Emergency
    }
}

/// The boots that hold a closing record, found by its wording: of many few have one, and the ends of
/// the others need not be read.
#[derive(Debug)]
pub(crate) struct Closings {
    /// The first run of each such boot; `None`: it was not looked for.
    boots: Option<HashSet<RunId>>,
}

impl Closings {
    /// Of whichever boot, there may be one.
    pub(crate) fn unknown() -> Closings {
        Closings { boots: None }
    }

    /// Looks for those of `boots`.
    pub(crate) fn of(reader: &Reader, boots: &[&BootSummary]) -> Result<Closings, Error> {
        let said = Word { text: WORDING.into(), case_matters: true };
        let needle = Needle::new(&[vec![said]]);
        let wants = |record: &StoredRecord<'_>, text: &[u8]| {
            record.format == Format::Rfc5424 && text.starts_with(WORDING.as_bytes())
        };
        let search = Search { needle: &needle, wants: &wants, window: Window::default() };
        let Some(matches) = reader.search(boots, &search)? else { return Ok(Closings::unknown()) };
        let held = matches.map(|found| Ok(boots[found?.boot].runs.first().copied()));
        Ok(Closings { boots: Some(held.filter_map(Result::transpose).collect::<Result<_, _>>()?) })
    }

    /// Whether a boot may have one.
    pub(crate) fn may_be_of(&self, boot: &BootSummary) -> bool {
        let first = boot.runs.first();
        self.boots.as_ref().is_none_or(|boots| first.is_some_and(|run| boots.contains(run)))
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn word<S: Serializer>(reason: &Reason, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(reason.as_str())
}

/// The end of a boot, from its last record on.
#[derive(Default)]
struct Tail {
    closing: Option<Closing>,
    /// Of the records taken, newest first.
    numbers: Vec<u64>,
    taken: usize,
    looked_at: usize,
    /// Only what was signed tells what the death was made of, or how far behind it something came.
    signed: bool,
}

impl Tail {
    /// Whether an earlier record may tell more.
    fn take(&mut self, record: &OwnedRecord) -> bool {
        self.looked_at += 1;
        let counts = !self.signed || record.voice == Voice::Signed;
        self.taken += usize::from(counts);
        if counts
            && let Some(closing) = closing(record)
            && self.closing.is_none_or(|known| known.last < closing.last)
        {
            self.closing = Some(closing);
        }
        self.numbers.extend(record.seq);
        match self.closing {
            None => self.taken < LATE && self.looked_at < LONGEST,
            Some(closing) => {
                self.looked_at < LONGEST && record.seq.is_none_or(|seq| seq > closing.first.0)
            }
        }
    }

    fn delivery(self) -> Option<Delivery> {
        let Closing { reason, first, last, count } = self.closing?;
        let of_it = |seq: &&u64| (first.0..=last.0).contains(seq);
        let held = self.numbers.iter().filter(of_it).count() as u64;
        Some(Delivery { reason, records: count, missing: count.saturating_sub(held) })
    }
}

fn closing(record: &OwnedRecord) -> Option<Closing> {
    let is = |name: &str, value: &str| {
        record.fields.iter().any(|(key, held)| key == name.as_bytes() && held == value.as_bytes())
    };
    if record.format != Format::Rfc5424 || !is("app_name", PROGRAM) || !is("msgid", MESSAGE_ID) {
        return None;
    }
    Closing::read(std::str::from_utf8(&record.text).ok()?)
}

/// How a closing record begins.
const WORDING: &str = "reason=";

/// So many records may stand behind a closing record.
const LATE: usize = 64;

/// No death has more records: anybody can claim any.
const LONGEST: usize = 100_000;

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};
    use std::sync::Arc;

    use bedside_stream::{RunId, WallTime};

    use super::*;

    fn record(seq: Option<u64>, said: &str) -> OwnedRecord {
        let fields = match seq {
            Some(_) => vec![],
            None => vec![("app_name", PROGRAM), ("msgid", MESSAGE_ID)],
        };
        let bytes = |(key, value): (&str, &str)| (key.as_bytes().to_vec(), value.into());
        OwnedRecord {
            host: Arc::from("web1"),
            boot: 1,
            run: RunId(1),
            source: SocketAddr::from((Ipv4Addr::LOCALHOST, 6665)),
            port: 6666,
            voice: Voice::Plain,
            received: WallTime(0),
            format: if seq.is_some() { Format::Extended } else { Format::Rfc5424 },
            incomplete: false,
            release: None,
            prefix: Some(6),
            seq,
            time_us: None,
            continued: false,
            caller: None,
            text: said.into(),
            fields: fields.into_iter().map(bytes).collect(),
        }
    }

    /// What is told of a boot with these records, oldest first.
    fn told(records: &[OwnedRecord]) -> Option<Delivery> {
        let mut tail = Tail::default();
        let _more = records.iter().rev().all(|record| tail.take(record));
        tail.delivery()
    }

    fn delivery(reason: Reason, records: u64, missing: u64) -> Delivery {
        Delivery { reason, records, missing }
    }

    fn numbered(numbers: impl IntoIterator<Item = u64>) -> Vec<OwnedRecord> {
        numbers.into_iter().map(|seq| record(Some(seq), "text")).collect()
    }

    #[test]
    fn a_death_is_whole_when_all_its_numbers_are_held() {
        let mut boot = numbered(0..100);
        boot.push(record(None, "reason=panic first=90 last=99 count=10"));
        assert_eq!(told(&boot), Some(delivery(Reason::Panic, 10, 0)));
        boot.retain(|record| !matches!(record.seq, Some(92 | 95 | 3)));
        assert_eq!(told(&boot), Some(delivery(Reason::Panic, 10, 2)));
    }

    #[test]
    fn the_last_closing_record_counts() {
        let mut boot = numbered(0..100);
        boot.push(record(None, "reason=panic first=90 last=99 count=10"));
        boot.extend(numbered([100]));
        boot.push(record(None, "reason=panic first=90 last=100 count=11"));
        boot.push(record(None, "reason=panic first=90 last=100 count=11"));
        assert_eq!(told(&boot), Some(delivery(Reason::Panic, 11, 0)));
    }

    /// What the ring buffer had let go before was never part of it.
    #[test]
    fn a_count_below_the_numbers_is_enough() {
        let mut boot = numbered((0..10).chain(12..20));
        boot.push(record(None, "reason=oops first=5 last=19 count=13"));
        assert_eq!(told(&boot), Some(delivery(Reason::Oops, 13, 0)));
    }

    #[test]
    fn without_a_closing_record_near_the_end_nothing_is_told() {
        let mut boot = numbered(0..10);
        assert_eq!(told(&boot), None);
        boot.push(record(None, "reason=oops first=5 last=9 count=5"));
        boot.extend(numbered(10..200));
        assert_eq!(told(&boot), None);
        boot.push(record(None, "reason=panic first=5 last=9 count=6"));
        assert_eq!(told(&boot), None, "no such count can be");
    }
}
