//! Entry lines on their way to the store, as things to show.
//!
//! A reader of the store knows more: here a hole may yet be filled by a late record, and of a
//! machine that was silent for long not even its name may be known.

use std::net::SocketAddr;
use std::sync::Arc;

use bedside_store::follow::{BootChange, FollowItem};
use bedside_store::read::{BootSummary, Edge, End, Gap, Hole, OwnedRecord};
use bedside_store::{Entry, StoredGap, StoredRecord, StoredRun};
use bedside_stream::{RunId, StreamKey, Verdict, Voice};

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
    /// The record with the highest number heard.
    edge: Option<Edge>,
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
        if let Some(here) = Edge::of(record) {
            let before = known.edge.replace(here);
            known.edge = before.filter(|before| before.seq > here.seq).or(known.edge);
            if let Some(hole) = before.and_then(|before| Hole::between(before, here)) {
                known.hole(hole, record, give);
            }
        }
        give(FollowItem::Record(owned(record, &known.boot)));
    }

    fn gap(&mut self, gap: &StoredGap) -> Gap {
        let known = gap.run.and_then(|run| self.runs.get_mut(&run));
        known.map_or_else(|| Gap::loose(gap), |known| known.gap(gap))
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
    /// Gives what is missing in front of a record.
    fn hole(&self, hole: Hole, record: &StoredRecord<'_>, give: &mut dyn FnMut(FollowItem)) {
        for (cause, count) in hole.causes() {
            let (run, received) = (Some(record.run), record.received);
            let gap = self.gap(&StoredGap { run, received, cause, count });
            let (from_seq, to_seq) = (Some(hole.from), Some(hole.to));
            give(FollowItem::Gap(Gap { from_seq, to_seq, ..gap }));
        }
    }

    fn gap(&self, gap: &StoredGap) -> Gap {
        Gap {
            host: Some(Arc::clone(&self.boot.host)),
            boot: Some(self.boot.number),
            source: self.boot.sources.first().copied(),
            port: self.boot.ports.first().copied(),
            ..Gap::loose(gap)
        }
    }
}

fn summary(stored: &StoredRun) -> BootSummary {
    let run = &stored.run;
    BootSummary {
        host: String::from_utf8_lossy(&stored.host_label()).into(),
        number: stored.boot.unwrap_or(0),
        runs: vec![run.id],
        sources: vec![run.key.source()],
        ports: vec![run.key.port()],
        boot_id: run.boot_id.clone(),
        release: run.release.clone(),
        first_received: run.first_received,
        last_received: run.first_received,
        end: run.last_word.map(End::from),
        superseded: false,
        provisional: run.verdict == Verdict::Provisional,
        voice: run.key.voice(),
        signed_records: 0,
        signs: run.key.voice() == Voice::Signed,
    }
}

fn owned(record: &StoredRecord<'_>, boot: &BootSummary) -> OwnedRecord {
    let source = boot.sources.first().copied().unwrap_or(NOBODY);
    let key = StreamKey::new(source, boot.ports.first().copied().unwrap_or(0));
    OwnedRecord::new(record, &boot.host, boot.number, key.with_voice(boot.voice))
}

/// How many runs at least are kept in mind.
const RUNS: usize = 20_000;
const NOBODY: SocketAddr =
    SocketAddr::V4(std::net::SocketAddrV4::new(std::net::Ipv4Addr::UNSPECIFIED, 0));

#[cfg(test)]
mod tests {
    use super::*;

    /// What is given for these lines, in a word each.
    fn given(lines: &[&str]) -> Vec<String> {
        let mut entries = Entries::new();
        let mut given = Vec::new();
        for line in lines {
            entries.line(line.as_bytes(), &mut |item| given.push(in_a_word(&item)));
        }
        given
    }

    fn in_a_word(item: &FollowItem) -> String {
        match item {
            FollowItem::Record(record) => {
                format!("{} {} {}", record.host, record.boot, String::from_utf8_lossy(&record.text))
            }
            FollowItem::Gap(gap) => format!("{} {}", gap.cause.as_str(), gap.count),
            FollowItem::Boot(change, boot) => format!("{change:?} {} {}", boot.host, boot.number),
        }
    }

    const RUN: &str = "R 7\tsource=10.0.0.7:6665\tport=6666\tfirst=5\tverdict=boot\tboot=3";

    #[test]
    fn holes_are_proven_as_far_as_msgid_goes() {
        assert_eq!(
            given(&[
                RUN,
                "7 5 e ,6,10,1,,;a\tmsgid=4294967295",
                "7 6 e ,6,14,2,,;b\tmsgid=2",
                "7 7 e ,6,12,3,,;late\tmsgid=1",
                "7 8 e ,6,15,4,,;c",
                "7 9 e ,6,18,5,,;d\tmsgid=9",
            ]),
            [
                "Began 10.0.0.7 3",
                "10.0.0.7 3 a",
                "proven 2",
                "probable 1",
                "10.0.0.7 3 b",
                "10.0.0.7 3 late",
                "10.0.0.7 3 c",
                "probable 2",
                "10.0.0.7 3 d",
            ]
        );
    }

    #[test]
    fn an_unfinished_record_proves_nothing() {
        let said = given(&[RUN, "7 5 e! ,6,10,1,,;a\tmsgid=5", "7 6 e ,6,12,2,,;b\tmsgid=9"]);
        assert_eq!(said[2], "probable 1");
    }

    #[test]
    fn a_run_may_get_a_name_an_end_or_a_place_in_another_boot() {
        let named = format!("{RUN}\thost=web1");
        let dead = format!("{named}\tend=panic");
        assert_eq!(
            given(&[RUN, RUN, &named, &dead, &dead]),
            ["Began 10.0.0.7 3", "Named web1 3", "Ended(Panic) web1 3"]
        );
        let unsure = RUN.replace("verdict=boot", "verdict=provisional");
        let same = RUN.replace("verdict=boot", "verdict=same:2").replace("boot=3", "boot=2");
        assert_eq!(
            given(&[&unsure, &same, &same]),
            ["Began 10.0.0.7 3", "Joined { from: 3 } 10.0.0.7 2"]
        );
        assert_eq!(given(&[&same, "7 5 b ,,,,,;goes on"]), ["10.0.0.7 2 goes on"]);
    }

    #[test]
    fn what_is_not_known_is_passed_over() {
        assert_eq!(given(&["", "X what", "8 5 b ,,,,,;whose?"]), Vec::<String>::new());
        assert_eq!(given(&["G 8 5 limit 2", "G - 5 socket 3"]), ["limit 2", "socket 3"]);
    }
}
