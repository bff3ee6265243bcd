//! What the lines that arrive mean: for their boots, and for what is missing.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use bedside_stream::{LastWord, RunId};

use super::{BootChange, FollowItem};
use crate::entry::{Entry, StoredGap, StoredRecord, StoredRun};
use crate::read::boots::{by_root, summary};
use crate::read::holes::{Edge, Hole};
use crate::read::items::Names;
use crate::read::runs::Runs;
use crate::read::view::View;
use crate::read::{BootSummary, Damage, End, Gap};

/// All that is known up to the line that came last.
#[derive(Debug)]
pub(super) struct News {
    view: Arc<View>,
    runs: Runs,
    /// The runs of each boot, by its first.
    boots: BTreeMap<RunId, Vec<RunId>>,
    /// The boots that were told of, and the segment in which each spoke last.
    begun: HashMap<RunId, u64>,
    /// The latest boot of each host, by the exact bytes of its name.
    latest: HashMap<Vec<u8>, RunId>,
    /// The highest number heard of each boot at each of our ports; `None`: none yet.
    edges: HashMap<(RunId, u16), Option<Edge>>,
    /// Runs that turned out to repeat an older one, and up to which number.
    repeats: HashMap<RunId, u64>,
    /// Made when needed.
    names: HashMap<RunId, Names>,
    /// The segment that is being read.
    segment: u64,
}

/// What a line may change about a run.
struct Before {
    root: RunId,
    label: Vec<u8>,
    number: Option<u32>,
    last_word: Option<LastWord>,
    end: Option<End>,
}

impl News {
    pub(super) fn new(view: Arc<View>) -> News {
        let runs = view.runs().clone();
        let boots = by_root(&runs);
        let mut news = News {
            view,
            begun: HashMap::new(),
            segment: 0,
            latest: HashMap::new(),
            edges: HashMap::new(),
            repeats: HashMap::new(),
            names: HashMap::new(),
            boots,
            runs,
        };
        let mut begun: Vec<(RunId, BootSummary)> =
            news.boots.keys().filter_map(|&root| Some((root, news.summary(root)?))).collect();
        begun.sort_by_key(|(_, boot)| boot.first_received);
        for (root, _) in begun {
            news.begun.insert(root, 0);
            if let Some(label) = news.label(root) {
                news.latest.insert(label, root);
            }
        }
        news
    }

    pub(super) fn damage(&self) -> Vec<Damage> {
        self.view.segments().damage()
    }

    /// Takes in a line of `segment`.
    pub(super) fn line(&mut self, segment: u64, line: &[u8], out: &mut VecDeque<FollowItem>) {
        if segment != self.segment {
            self.forget();
            self.segment = segment;
        }
        match Entry::decode(line) {
            Some(Entry::Record(record)) => self.record(&record, out),
            Some(Entry::Gap(gap)) => self.gap(&gap, out),
            Some(Entry::Run(stored)) => self.run(segment, stored, out),
            None => {}
        }
    }

    fn record(&mut self, record: &StoredRecord<'_>, out: &mut VecDeque<FollowItem>) {
        self.runs.heard(record.run, record.received);
        let root = self.runs.root(record.run);
        self.begin(root, out);
        let repeated = self.repeats.get(&record.run).copied();
        if record.seq.zip(repeated).is_some_and(|(seq, upto)| seq.0 <= upto) {
            return;
        }
        self.name(record.run);
        self.hole(root, record, out);
        let names = self.names.get(&record.run);
        let record = names.and_then(|names| names.record(record));
        out.extend(record.map(FollowItem::Record));
    }

    fn gap(&mut self, gap: &StoredGap, out: &mut VecDeque<FollowItem>) {
        let Some(run) = gap.run else {
            return out.push_back(FollowItem::Gap(Gap::loose(gap)));
        };
        self.runs.missed(gap);
        self.begin(self.runs.root(run), out);
        self.name(run);
        out.extend(self.names.get(&run).map(|names| FollowItem::Gap(names.gap(gap))));
    }

    /// Tells of a boot whose first entry this is.
    fn begin(&mut self, root: RunId, out: &mut VecDeque<FollowItem>) {
        if self.begun.insert(root, self.segment).is_some() {
            return;
        }
        let (Some(boot), Some(label)) = (self.summary(root), self.label(root)) else { return };
        let before = self.latest.insert(label, root).filter(|&before| before != root);
        let before = before.and_then(|before| self.summary(before));
        if let Some(before) = before.filter(|before| before.end.is_none()) {
            let boot = BootSummary { end: Some(End::Silence), superseded: true, ..before };
            out.push_back(change(BootChange::Ended(End::Silence), boot));
        }
        out.push_back(change(BootChange::Began, boot));
    }

    /// Tells of the numbers in front of a record that did not come before it.
    fn hole(&mut self, root: RunId, record: &StoredRecord<'_>, out: &mut VecDeque<FollowItem>) {
        let (Some(here), Some(names)) = (Edge::of(record), self.names.get(&record.run)) else {
            return;
        };
        let Some(key) = names.keys.get(&record.run) else { return };
        let port = key.port();
        let edge = self.edge(root, port);
        let before = edge.replace(here);
        let Some(before) = before else { return };
        if before.seq >= here.seq {
            *edge = Some(before);
        }
        let Some(hole) = Hole::between(before, here) else { return };
        let Some(names) = self.names.get(&record.run) else { return };
        out.extend(hole.causes().map(|(cause, count)| {
            let (run, received) = (Some(record.run), record.received);
            let (from_seq, to_seq) = (Some(hole.from), Some(hole.to));
            let gap = names.gap(&StoredGap { run, received, cause, count });
            FollowItem::Gap(Gap { from_seq, to_seq, ..gap })
        }));
    }

    /// Takes in what is now known of a run.
    fn run(&mut self, segment: u64, stored: StoredRun, out: &mut VecDeque<FollowItem>) {
        let run = stored.run.id;
        let before = self.before(run);
        self.runs.learn(segment, stored);
        self.names.clear();
        let root = self.runs.root(run);
        let Some(before) = before else {
            self.boots.entry(root).or_default().push(run);
            return;
        };
        let told = self.begun.contains_key(&before.root);
        if before.root != root {
            self.note_repeat(run, root);
            self.regroup(&before, root);
        }
        if told {
            self.changed(run, root, &before, out);
        }
    }

    /// Tells what became of a boot that was told of.
    fn changed(
        &mut self,
        run: RunId,
        root: RunId,
        before: &Before,
        out: &mut VecDeque<FollowItem>,
    ) {
        let (Some(boot), Some(label)) = (self.summary(root), self.label(root)) else { return };
        if before.root == run && root != run {
            let from = before.number.unwrap_or(0);
            out.push_back(change(BootChange::Joined { from }, boot.clone()));
        }
        let number = self.runs.get(run).and_then(|known| known.state.stored.boot);
        let other = (&label, number) != (&before.label, before.number);
        if before.root == run && root == run && other {
            self.latest.insert(label, root);
            out.push_back(change(BootChange::Named, boot.clone()));
        }
        let word = self.runs.get(run).and_then(|known| known.run().last_word);
        if word != before.last_word && boot.end != before.end {
            out.extend(boot.end.map(|end| change(BootChange::Ended(end), boot)));
        }
    }

    /// A run that is no boot of its own after all says again what its boot had said; one that is
    /// a boot after all does not.
    fn note_repeat(&mut self, run: RunId, root: RunId) {
        let port = self.runs.get(run).map(|known| known.run().key.port());
        let held = port.filter(|_| run != root).and_then(|port| *self.edge(root, port));
        match held {
            Some(edge) => self.repeats.insert(run, edge.seq),
            None => self.repeats.remove(&run),
        };
    }

    fn before(&self, run: RunId) -> Option<Before> {
        let known = self.runs.get(run)?;
        let root = self.runs.root(run);
        Some(Before {
            root,
            label: known.state.stored.host_label(),
            number: known.state.stored.boot,
            last_word: known.run().last_word,
            end: self.summary(root).and_then(|boot| boot.end),
        })
    }

    /// Moves the runs of a boot that no longer lead where they did, and what was heard of them.
    fn regroup(&mut self, before: &Before, to: RunId) {
        let from = before.root;
        let moved = self.boots.remove(&from).unwrap_or_default();
        for &run in &moved {
            self.boots.entry(self.runs.root(run)).or_default().push(run);
        }
        if self.boots.contains_key(&from) {
            return;
        }
        for run in moved {
            let port = self.runs.get(run).map(|known| known.run().key.port());
            let Some(port) = port else { continue };
            let Some(Some(edge)) = self.edges.remove(&(from, port)) else { continue };
            let held = self.edge(to, port);
            if held.is_none_or(|held| held.seq < edge.seq) {
                *held = Some(edge);
            }
        }
        if let Some(latest) = self.latest.get_mut(&before.label).filter(|latest| **latest == from) {
            *latest = to;
        }
    }

    /// The highest number heard of a boot at one of our ports.
    fn edge(&mut self, root: RunId, port: u16) -> &mut Option<Edge> {
        self.edges.entry((root, port)).or_insert_with(|| {
            let runs = self.boots.get(&root).map(Vec::as_slice).unwrap_or_default();
            self.view.last_numbered(runs, port)
        })
    }

    /// Makes room when there are too many runs: of those that did not speak in the segment
    /// before this one, a line will come again before they do.
    fn forget(&mut self) {
        if self.runs.len() <= RUNS_MAX {
            return;
        }
        let silent = |root: &RunId| self.begun.get(root).is_none_or(|&last| last < self.segment);
        let gone: Vec<RunId> = self.boots.keys().copied().filter(silent).collect();
        for root in gone {
            self.begun.remove(&root);
            for run in self.boots.remove(&root).unwrap_or_default() {
                if let Some(port) = self.runs.get(run).map(|known| known.run().key.port()) {
                    self.edges.remove(&(root, port));
                }
                self.repeats.remove(&run);
                self.runs.forget(run);
            }
        }
        self.latest.retain(|_, root| self.boots.contains_key(root));
        self.names.clear();
    }

    /// Makes sure that a run's names are at hand.
    fn name(&mut self, run: RunId) {
        if self.names.contains_key(&run) {
            return;
        }
        let root = self.runs.root(run);
        let Some(boot) = self.summary(root) else { return };
        let Some(known) = self.runs.get(run) else { return };
        let keys = HashMap::from([(run, known.run().key)]);
        self.names.insert(run, Names { host: boot.host, boot: boot.number, keys });
    }

    fn summary(&self, root: RunId) -> Option<BootSummary> {
        summary(&self.runs, root, self.boots.get(&root)?).map(|(_, boot)| boot)
    }

    fn label(&self, root: RunId) -> Option<Vec<u8>> {
        summary(&self.runs, root, self.boots.get(&root)?).map(|(label, _)| label)
    }
}

fn change(change: BootChange, boot: BootSummary) -> FollowItem {
    FollowItem::Boot(change, Box::new(boot))
}

/// How many runs are known at a time; more only as long as one segment has more.
const RUNS_MAX: usize = 1 << 18;
