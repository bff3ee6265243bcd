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

/// What decides of each run whether it belongs to others. There may be a million.
#[derive(Default)]
struct Briefs {
    all: Vec<Brief>,
    /// One behind the other.
    labels: Vec<u8>,
}

struct Brief {
    run: RunId,
    /// The run itself, if it is a boot of its own.
    root: RunId,
    /// Where its label ends.
    label_end: usize,
}

impl Briefs {
    fn push(&mut self, run: RunId, same_as: Option<RunId>, label: &[u8]) {
        self.labels.extend_from_slice(label);
        let (root, label_end) = (same_as.unwrap_or(run), self.labels.len());
        self.all.push(Brief { run, root, label_end });
    }
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

    /// Takes those of `briefs` in that belong to what is asked for, until none is because of
    /// another.
    fn take_in(&mut self, briefs: &Briefs) {
        loop {
            let (before, mut start) = ((self.runs.len(), self.labels.len()), 0);
            for Brief { run, root, label_end } in &briefs.all {
                let label = &briefs.labels[start..*label_end];
                start = *label_end;
                if self.runs.contains(run)
                    || self.runs.contains(root)
                    || self.labels.contains(label)
                {
                    self.runs.extend([*run, *root]);
                    self.labels.insert(label.to_vec());
                }
            }
            if before == (self.runs.len(), self.labels.len()) {
                return;
            }
        }
    }

    /// Takes in what `states` tell of the runs that are asked for.
    pub(crate) fn take_in_states<'s>(&mut self, states: impl Iterator<Item = &'s RunState>) {
        let mut briefs = Briefs::default();
        for state in states {
            let (run, label) = (&state.stored.run, state.stored.host_label());
            let same_as = match run.verdict {
                Verdict::SameAs(root) => Some(root),
                Verdict::Boot | Verdict::Provisional => None,
            };
            let is_meant = (self.are_meant)(&label, run.key.ip());
            self.runs.extend(is_meant.then_some(run.id));
            briefs.push(run.id, same_as, &label);
        }
        self.take_in(&briefs);
    }
}

impl Catalogue {
    /// All that it knows of the segments, but of runs only those that are asked for. `asked` knows
    /// all of them afterwards.
    pub(crate) fn load_of(&self, asked: &mut Asked<'_>) -> Result<Summary, Error> {
        let failed = failed("read");
        let transaction = self.connection.unchecked_transaction().map_err(&failed)?;
        let mut summary = self.load_outline().map_err(&failed)?;
        let briefs = self.briefs(asked).map_err(&failed)?;
        asked.take_in(&briefs);
        self.load_asked(asked, &mut summary).map_err(&failed)?;
        transaction.finish().map_err(&failed)?;
        Ok(summary)
    }

    /// What decides of all runs; those that are meant are asked for afterwards.
    fn briefs(&self, asked: &mut Asked<'_>) -> rusqlite::Result<Briefs> {
        let sql = "SELECT id, same_as, label, source FROM runs";
        let mut statement = self.connection.prepare(sql)?;
        let mut rows = statement.query([])?;
        let mut briefs = Briefs::default();
        while let Some(row) = rows.next()? {
            let same_as = row.get::<_, Option<i64>>(1)?.map(|root| RunId(root.cast_unsigned()));
            let label = row.get_ref(2)?.as_blob().unwrap_or_default();
            let source = row.get_ref(3)?.as_blob().unwrap_or_default();
            let Some(source) = read_source(source) else { continue };
            let run = RunId(unsigned(row, 0)?);
            let is_meant = (asked.are_meant)(label, source.ip());
            asked.runs.extend(is_meant.then_some(run));
            if let Some(labels) = asked.all_labels.as_mut().filter(|l| !l.contains(label)) {
                labels.insert(label.to_vec());
            }
            briefs.push(run, same_as, label);
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
