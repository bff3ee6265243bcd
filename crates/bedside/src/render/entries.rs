//! Entry lines on their way to the store, as things to show.
//!
//! A reader of the store knows more: here a hole may yet be filled by a late record, and of a
//! machine that was silent for long not even its name may be known.

use std::net::SocketAddr;
use std::sync::Arc;

use bedside_store::entry::unescape;
use bedside_store::follow::{BootChange, FollowItem};
use bedside_store::read::{BootSummary, End, Gap, OwnedRecord};
use bedside_store::{Entry, StoredGap, StoredRecord, StoredRun};
use bedside_stream::{Cause, LastWord, RunId, Verdict};

use super::recent::Recent;

/// Reads entry lines, and knows the runs that were told of lately.
#[derive(Debug)]
pub(super) struct Entries {
    runs: Recent<RunId, Known>,
}

/// What is known of a run.
#[derive(Debug)]
struct Known {
    boot: BootSummary,
    verdict: Verdict,
    /// The highest number heard, and its `msgid`.
    edge: Option<(u64, Option<u32>)>,
}

impl Entries {
    pub(super) fn new() -> Entries {
        Entries { runs: Recent::new(RUNS) }
    }

    /// Reads one line and gives what it shows.
    pub(super) fn line(&mut self, line: &[u8], give: &mut dyn FnMut(FollowItem)) {
        match Entry::decode(line) {
            Some(Entry::Record(record)) => self.record(&record, give),
            Some(Entry::Gap(gap)) => give(FollowItem::Gap(self.gap(&gap))),
            Some(Entry::Run(run)) => self.run(&run, give),
            None => {}
        }
    }

    fn record(&mut self, record: &StoredRecord<'_>, give: &mut dyn FnMut(FollowItem)) {
        let Some(known) = self.runs.get_mut(&record.run) else { return };
        known.boot.last_received = record.received;
        if let Some(seq) = record.seq {
            let here = (seq.0, record.msgid());
            let before = known.edge.replace(here);
            known.edge = known.edge.max(before);
            if let Some(before) = before {
                known.hole(before, here, record, give);
            }
        }
        give(FollowItem::Record(owned(record, &known.boot)));
    }

    fn gap(&mut self, gap: &StoredGap) -> Gap {
        let known = gap.run.and_then(|run| self.runs.get_mut(&run));
        known.map_or_else(|| bare(gap), |known| known.gap(gap))
    }

    fn run(&mut self, stored: &StoredRun, give: &mut dyn FnMut(FollowItem)) {
        let boot = summary(stored);
        let verdict = stored.run.verdict;
        let known = Known { boot: boot.clone(), verdict, edge: None };
        let Some(before) = self.runs.insert(stored.run.id, known) else {
            if !matches!(verdict, Verdict::SameAs(_)) {
                give(FollowItem::Boot(BootChange::Began, Box::new(boot)));
            }
            return;
        };
        if let Some(known) = self.runs.get_mut(&stored.run.id) {
            known.edge = before.edge;
        }
        let mut tell = |change| give(FollowItem::Boot(change, Box::new(boot.clone())));
        if matches!(verdict, Verdict::SameAs(_)) && before.verdict != verdict {
            tell(BootChange::Joined { from: before.boot.number });
        } else if before.boot.host != boot.host {
            tell(BootChange::Named);
        }
        if let Some(end) = boot.end.filter(|_| before.boot.end != boot.end) {
            tell(BootChange::Ended(end));
        }
    }
}

impl Known {
    /// Gives the numbers between two records, if any are missing.
    fn hole(
        &self,
        (before, msgid_before): (u64, Option<u32>),
        (here, msgid): (u64, Option<u32>),
        record: &StoredRecord<'_>,
        give: &mut dyn FnMut(FollowItem),
    ) {
        let Some(missing) = here.checked_sub(before).filter(|step| *step > 1).map(|step| step - 1)
        else {
            return;
        };
        let sent = msgid_before.zip(msgid).map_or(0, |(a, b)| b.wrapping_sub(a).wrapping_sub(1));
        let proven = if sent < 1 << 31 { u64::from(sent).min(missing) } else { 0 };
        for (cause, count) in [(Cause::Proven, proven), (Cause::Probable, missing - proven)] {
            if count > 0 {
                let (run, received) = (Some(record.run), record.received);
                let gap = self.gap(&StoredGap { run, received, cause, count });
                let (from_seq, to_seq) = (Some(before + 1), Some(here - 1));
                give(FollowItem::Gap(Gap { from_seq, to_seq, ..gap }));
            }
        }
    }

    fn gap(&self, gap: &StoredGap) -> Gap {
        Gap {
            host: Some(Arc::clone(&self.boot.host)),
            boot: Some(self.boot.number),
            source: self.boot.sources.first().copied(),
            port: self.boot.ports.first().copied(),
            ..bare(gap)
        }
    }
}

fn bare(gap: &StoredGap) -> Gap {
    Gap {
        cause: gap.cause,
        count: gap.count,
        from_seq: None,
        to_seq: None,
        received: gap.received,
        host: None,
        boot: None,
        source: None,
        port: None,
    }
}

fn summary(stored: &StoredRun) -> BootSummary {
    let run = &stored.run;
    BootSummary {
        host: String::from_utf8_lossy(&stored.host_label()).into(),
        number: stored.boot.unwrap_or(0),
        runs: vec![run.id],
        sources: vec![run.key.source],
        ports: vec![run.key.port],
        boot_id: run.boot_id.clone(),
        release: run.release.clone(),
        first_received: run.first_received,
        last_received: run.first_received,
        end: run.last_word.map(|word| match word {
            LastWord::Clean => End::Clean,
            LastWord::Panic => End::Panic,
        }),
        superseded: false,
        provisional: run.verdict == Verdict::Provisional,
    }
}

fn owned(record: &StoredRecord<'_>, boot: &BootSummary) -> OwnedRecord {
    let fields = record.fields.iter().map(|(key, value)| (unescape(key), unescape(value)));
    OwnedRecord {
        host: Arc::clone(&boot.host),
        boot: boot.number,
        run: record.run,
        source: boot.sources.first().copied().unwrap_or(NOBODY),
        port: boot.ports.first().copied().unwrap_or(0),
        received: record.received,
        format: record.format,
        incomplete: record.incomplete,
        release: record.release_bytes(),
        prefix: record.prefix.map(|prefix| prefix.0),
        seq: record.seq.map(|seq| seq.0),
        time_us: record.time.map(|time| time.0),
        continued: record.continued,
        caller: record.caller_bytes(),
        text: record.text_bytes(),
        fields: fields.collect(),
    }
}

/// How many runs at least are kept in mind.
const RUNS: usize = 20_000;
const NOBODY: SocketAddr =
    SocketAddr::V4(std::net::SocketAddrV4::new(std::net::Ipv4Addr::UNSPECIFIED, 0));
