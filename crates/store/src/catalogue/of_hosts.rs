//! What the catalogue knows of some machines, without what it knows of all others.

use std::collections::{BTreeSet, HashSet};
use std::net::IpAddr;

use bedside_stream::{RunId, Verdict};
use foldhash::fast::RandomState;
use rusqlite::Row;

use super::load::{run_row, span_row, unsigned};
use super::source::read_source;
use super::{Catalogue, RunState, SELECT_RUNS, Summary, failed};
use crate::error::Error;

/// Says of a host's label and a sender's address whether they are meant.
pub(crate) type AreMeant<'a> = dyn Fn(&[u8], IpAddr) -> bool + 'a;

/// The runs that are asked for, and with them all that share a boot or a host's label with one.
pub(crate) struct Asked<'a> {
    are_meant: &'a AreMeant<'a>,
    pub(crate) runs: BTreeSet<RunId>,
    pub(crate) labels: HashSet<Vec<u8>, RandomState>,
    /// The labels of all runs, whoever is asked for, if those are wanted.
    pub(crate) all_labels: Option<HashSet<Vec<u8>, RandomState>>,
}

/// What decides whether a run belongs to others.
struct Brief {
    run: RunId,
    same_as: Option<RunId>,
    label: Vec<u8>,
    is_meant: bool,
}

impl<'a> Asked<'a> {
    pub(crate) fn new(are_meant: &'a AreMeant<'a>) -> Asked<'a> {
        let (runs, labels) = (BTreeSet::new(), HashSet::default());
        Asked { are_meant, runs, labels, all_labels: None }
    }

    /// Asks for these, and for the labels of all.
    pub(crate) fn runs(runs: BTreeSet<RunId>) -> Asked<'a> {
        let all_labels = Some(HashSet::default());
        Asked { runs, all_labels, ..Asked::new(&|_, _| false) }
    }

    /// Whether a run is among those that are asked for, as far as is known yet.
    fn asks_for(&self, brief: &Brief) -> bool {
        brief.is_meant
            || self.runs.contains(&brief.run)
            || brief.same_as.is_some_and(|root| self.runs.contains(&root))
            || self.labels.contains(&brief.label)
    }

    /// Takes those of `briefs` in that are asked for; others may be because of them.
    fn take_in(&mut self, mut briefs: Vec<Brief>) {
        loop {
            let (found, rest): (Vec<_>, Vec<_>) =
                briefs.into_iter().partition(|brief| self.asks_for(brief));
            if found.is_empty() {
                return;
            }
            for Brief { run, same_as, label, .. } in found {
                self.runs.insert(run);
                self.runs.extend(same_as);
                self.labels.insert(label);
            }
            briefs = rest;
        }
    }

    /// Takes in what `states` tell of the runs that are asked for.
    pub(crate) fn take_in_states<'s>(&mut self, states: impl Iterator<Item = &'s RunState>) {
        let brief = |state: &RunState| {
            let run = &state.stored.run;
            let label = state.stored.host_label();
            let is_meant = (self.are_meant)(&label, run.key.source.ip());
            let same_as = match run.verdict {
                Verdict::SameAs(root) => Some(root),
                Verdict::Boot | Verdict::Provisional => None,
            };
            Brief { run: run.id, same_as, label, is_meant }
        };
        let briefs = states.map(brief).collect();
        self.take_in(briefs);
    }
}

impl Catalogue {
    /// All that it knows of the segments, but of runs only those that are asked for. `asked` knows
    /// all of them afterwards.
    pub(crate) fn load_of(&self, asked: &mut Asked<'_>) -> Result<Summary, Error> {
        let failed = failed("read");
        let transaction = self.connection.unchecked_transaction().map_err(&failed)?;
        let mut summary = self.load_outline().map_err(&failed)?;
        let briefs = self.briefs(asked.are_meant, &mut asked.all_labels);
        asked.take_in(briefs.map_err(&failed)?);
        self.load_asked(asked, &mut summary).map_err(&failed)?;
        transaction.finish().map_err(&failed)?;
        Ok(summary)
    }

    fn briefs(
        &self,
        are_meant: &AreMeant<'_>,
        labels: &mut Option<HashSet<Vec<u8>, RandomState>>,
    ) -> rusqlite::Result<Vec<Brief>> {
        let sql = "SELECT id, same_as, label, source FROM runs";
        let mut statement = self.connection.prepare(sql)?;
        let mut rows = statement.query([])?;
        let mut briefs = Vec::new();
        while let Some(row) = rows.next()? {
            let same_as = row.get::<_, Option<i64>>(1)?.map(|root| RunId(root.cast_unsigned()));
            let label = row.get_ref(2)?.as_blob().unwrap_or_default();
            let source = row.get_ref(3)?.as_blob().unwrap_or_default();
            let Some(source) = read_source(source) else { continue };
            let is_meant = (are_meant)(label, source.ip());
            let run = RunId(unsigned(row, 0)?);
            if let Some(labels) = labels.as_mut().filter(|labels| !labels.contains(label)) {
                labels.insert(label.to_vec());
            }
            briefs.push(Brief { run, same_as, label: label.to_vec(), is_meant });
        }
        Ok(briefs)
    }

    /// The rows of the runs that are asked for.
    fn load_asked(&self, asked: &Asked<'_>, summary: &mut Summary) -> rusqlite::Result<()> {
        let mut states = self.connection.prepare(&format!("{SELECT_RUNS} WHERE id = ?"))?;
        // CROSS: one look for each segment, not one at all spans.
        let mut spans = self.connection.prepare(
            "SELECT segment, run, records, first, last, dropped, limited, mixed
            FROM segments CROSS JOIN spans ON segment = number AND run = ?",
        )?;
        for run in &asked.runs {
            let id = run.0.cast_signed();
            for state in states.query_map([id], run_row)? {
                summary.runs.extend(state?.map(|state| (*run, state)));
            }
            let tally = |row: &Row<'_>| Ok((unsigned(row, 0)?, span_row(row)?));
            for span in spans.query_map([id], tally)? {
                let (segment, tally) = span?;
                summary.segments.entry(segment).or_default().spans.insert(*run, tally);
            }
        }
        Ok(())
    }
}
