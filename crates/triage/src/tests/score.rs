//! How many of the cases get their title: the promise, and the figures behind it.

use std::collections::BTreeMap;

use super::cases::{self, Case};
use super::renamed;
use crate::{Incident, Kind, incidents};

/// Right ones, and all.
#[derive(Clone, Copy, Debug, Default)]
struct Share {
    right: usize,
    all: usize,
}

impl Share {
    fn count(&mut self, right: bool) {
        self.right += usize::from(right);
        self.all += 1;
    }

    fn percent(self) -> f64 {
        100.0 * self.right as f64 / self.all.max(1) as f64
    }
}

impl std::fmt::Display for Share {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:5.1} %  {} of {}", self.percent(), self.right, self.all)
    }
}

#[derive(Debug, Default)]
struct Score {
    whole: Share,
    corrupted: Share,
    silent: Share,
    class: Share,
    sure: Share,
    function: Share,
    kinds: BTreeMap<Option<Kind>, Share>,
    wrong: Vec<String>,
}

impl Score {
    fn of(cases: &[Case]) -> Score {
        let mut score = Score::default();
        for case in cases {
            score.count(case, incidents(case.log.as_bytes()).first());
        }
        score
    }

    fn count(&mut self, case: &Case, found: Option<&Incident>) {
        if case.title.is_empty() {
            self.silent.count(found.is_none());
            return;
        }
        let title = found.map_or("", |incident| &incident.title);
        let right = title == case.title || case.alternatives.iter().any(|other| other == title);
        let share = if case.corrupted { &mut self.corrupted } else { &mut self.whole };
        share.count(right);
        self.kinds.entry(found.map(|incident| incident.kind)).or_default().count(right);
        if !right {
            self.wrong.push(format!("{}: {title:?}, not {:?}", case.name, case.title));
        }
        let Some(incident) = found else { return };
        self.class.count(incident.class == case.class);
        self.sure.count(incident.corrupted.is_some() == case.corrupted);
        if let Some(function) = &case.function {
            let found = incident.function.as_deref().unwrap_or("corrupted");
            self.function.count(found == function);
        }
    }
}

impl std::fmt::Display for Score {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "title, whole logs      {}", self.whole)?;
        writeln!(f, "title, corrupted logs  {}", self.corrupted)?;
        writeln!(f, "nothing in it          {}", self.silent)?;
        writeln!(f, "type                   {}", self.class)?;
        writeln!(f, "corrupted or not       {}", self.sure)?;
        writeln!(f, "function               {}", self.function)?;
        for (kind, share) in &self.kinds {
            writeln!(f, "  {:20} {share}", kind.map_or("nothing found", Kind::as_str))?;
        }
        self.wrong.iter().try_for_each(|wrong| writeln!(f, "  {wrong}"))
    }
}

#[test]
#[expect(clippy::print_stdout, reason = "the figures are what people want to see")]
fn known_cases_get_their_titles() {
    let score = Score::of(&cases::all());
    println!("{score}");
    assert_eq!(score.silent.right, score.silent.all, "something was found where nothing is");
    assert!(score.whole.percent() >= 95.0, "{score}");
    assert!(score.corrupted.percent() >= 75.0, "{score}");
}

#[test]
#[expect(clippy::print_stdout, reason = "the figures are what people want to see")]
fn names_of_functions_do_not_matter() {
    let cases: Vec<Case> = cases::all().iter().map(renamed::case).collect();
    let score = Score::of(&cases);
    println!("every function that the rules do not name has a random name:\n{score}");
    assert_eq!(score.silent.right, score.silent.all, "something was found where nothing is");
    assert!(score.whole.percent() >= 95.0, "{score}");
    assert!(score.corrupted.percent() >= 75.0, "{score}");
}
