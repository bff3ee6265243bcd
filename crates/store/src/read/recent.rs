//! What hosts said last, and how much lately, as it was received: repeats count.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bedside_stream::{RunId, WallTime};

use super::counts::Hosts;
use super::runs::Runs;
use super::segments::{Segment, Segments, lines};
use crate::entry::{Entry, unescape};
use crate::error::Error;
use crate::segment::RunSpan;

/// Looks for it from the end of the store on.
#[derive(Debug)]
pub(super) struct Recent<'a> {
    segments: &'a Segments,
    /// Where the last minute and the last hour begin, and the moment behind now.
    edges: [WallTime; 3],
    /// The hosts whose last line is looked for, by the segment that may hold it.
    silent: BTreeMap<u64, Vec<usize>>,
}

impl<'a> Recent<'a> {
    pub(super) fn new(
        runs: &Runs,
        segments: &'a Segments,
        hosts: &Hosts,
        now: WallTime,
    ) -> Recent<'a> {
        let ago = |seconds: u64| WallTime(now.0.saturating_sub(seconds * 1_000_000));
        let edges = [ago(60), ago(3600), WallTime(now.0.saturating_add(1))];
        let last = |run: &RunId| runs.get(*run).and_then(|known| known.last_segment());
        let mut silent: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        for host in 0..hosts.len() {
            if let Some(last) = hosts.runs(host).iter().filter_map(last).max() {
                silent.entry(last).or_default().push(host);
            }
        }
        Recent { segments, edges, silent }
    }

    pub(super) fn add_to(mut self, hosts: &mut Hosts) -> Result<(), Error> {
        let numbers: Vec<u64> = self.segments.numbers().rev().collect();
        for number in numbers {
            self.count(number, hosts)?;
            // Those of which the segments behind have no record.
            let later = self.silent.split_off(&number);
            let silent = later.into_values().flatten();
            let silent = self.last_lines(number, silent.collect(), hosts)?;
            if let Some(next) = number.checked_sub(1).filter(|_| !silent.is_empty()) {
                self.silent.entry(next).or_default().extend(silent);
            }
        }
        Ok(())
    }

    /// Counts what was received lately.
    fn count(&self, number: u64, hosts: &mut Hosts) -> Result<(), Error> {
        if let Some(section) = self.segments.section(number, None)?
            && section.received.is_none_or(|(first, last)| self.are_together(first, last))
        {
            if section.received.is_some_and(|(_, last)| self.is_recent(last)) {
                let runs = section.runs();
                runs.for_each(|(run, held)| self.received(run, held.last, held.records, hosts));
            }
            return Ok(());
        }
        let Some(segment) = self.segments.segment(number)? else { return Ok(()) };
        let mut text = Vec::new();
        for (index, block) in segment.blocks.iter().enumerate() {
            if !self.is_recent(block.header.last) {
                continue;
            }
            let spans = segment.runs(index)?;
            if spans.iter().all(|span| self.are_together(span.first, span.last)) {
                for RunSpan { run, last, records, .. } in spans.iter() {
                    self.received(*run, *last, u64::from(*records), hosts);
                }
                continue;
            }
            self.segments.read(&segment.file, block, &mut text)?;
            for line in lines(&text) {
                if let Some(Entry::Record(record)) = Entry::decode(line) {
                    self.received(record.run, record.received, 1, hosts);
                }
            }
        }
        Ok(())
    }

    fn is_recent(&self, last: WallTime) -> bool {
        last >= self.edges[1]
    }

    /// Whether no edge lies between these times.
    fn are_together(&self, first: WallTime, last: WallTime) -> bool {
        !self.edges.iter().any(|edge| first < *edge && *edge <= last)
    }

    fn received(&self, run: RunId, received: WallTime, records: u64, hosts: &mut Hosts) {
        let [minute, hour, later] = self.edges;
        if let Some(host) = hosts.of_run(run).filter(|_| received < later) {
            host.last_minute += if received >= minute { records } else { 0 };
            host.last_hour += if received >= hour { records } else { 0 };
        }
    }

    /// Finds what `silent` hosts said last in a segment; answers those that said nothing in it.
    fn last_lines(
        &self,
        number: u64,
        mut silent: Vec<usize>,
        hosts: &mut Hosts,
    ) -> Result<Vec<usize>, Error> {
        if silent.is_empty() {
            return Ok(silent);
        }
        let Some(segment) = self.segments.segment(number)? else { return Ok(silent) };
        let mut wanted: BTreeSet<RunId> = runs_of(&silent, hosts);
        for index in (0..segment.blocks.len()).rev() {
            if wanted.is_empty() {
                break;
            }
            // Not all others are gone through for each block: there may be very many of both.
            for host in self.last_lines_of(&segment, index, &wanted, hosts)? {
                for run in hosts.runs(host) {
                    wanted.remove(run);
                }
            }
        }
        silent.retain(|host| hosts.lacks_line(*host));
        Ok(silent)
    }

    /// The hosts of which a block, which stands behind all that were not looked at yet, has a line.
    fn last_lines_of(
        &self,
        segment: &Segment,
        index: usize,
        wanted: &BTreeSet<RunId>,
        hosts: &mut Hosts,
    ) -> Result<Vec<usize>, Error> {
        let block = &segment.blocks[index];
        let reached = |(low, high)| wanted.range(low..=high).next().is_some();
        if !block.reach.is_some_and(reached)
            || !segment.runs(index)?.iter().any(|span| wanted.contains(&span.run))
        {
            return Ok(Vec::new());
        }
        let (mut text, mut last) = (Vec::new(), HashMap::new());
        self.segments.read(&segment.file, block, &mut text)?;
        for line in lines(&text) {
            if let Some(Entry::Record(record)) = Entry::decode(line)
                && wanted.contains(&record.run)
                && let Some(host) = hosts.place(record.run)
            {
                last.insert(host, record.text);
            }
        }
        for (host, text) in &last {
            hosts.said_last(*host, unescape(text));
        }
        Ok(last.into_keys().collect())
    }
}

fn runs_of(silent: &[usize], hosts: &Hosts) -> BTreeSet<RunId> {
    silent.iter().flat_map(|host| hosts.runs(*host)).copied().collect()
}
