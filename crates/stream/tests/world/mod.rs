//! A world that writes everything down, and reads it as a reader of the store would.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part")]

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::SocketAddr;

use bedside_stream::{
    Core, Event, Kept, Limits, Memory, Monotonic, Run, RunId, StreamKey, Verdict, WallTime, World,
};
use netconsole_wire::{PrintkTime, Sequence, Text};

/// A record, owned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    pub run: RunId,
    pub seq: Option<u64>,
    pub time: Option<u64>,
    pub text: String,
    pub incomplete: bool,
}

/// What the store would hold, in the order in which it was written.
#[derive(Clone, Debug)]
pub enum Written {
    Run(Run),
    Record(usize),
}

#[derive(Default)]
pub struct Book {
    pub journal: Vec<Written>,
    pub runs: BTreeMap<RunId, Run>,
    pub records: Vec<Heard>,
    pub dropped: Vec<(RunId, u64)>,
    pub evicted: HashMap<StreamKey, Memory>,
}

impl World for Book {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Run(run) => {
                if let Verdict::SameAs(root) = run.verdict {
                    assert!(root < run.id, "the boot is the older one's: {run:?}");
                }
                self.runs.insert(run.id, run.clone());
                self.journal.push(Written::Run(run.clone()));
            }
            Event::Record { run, record, .. } => {
                assert!(self.runs.contains_key(&run), "a record before its run");
                let bytes: Vec<u8> = match record.text {
                    Text::Escaped(bytes) => netconsole_wire::unescape(bytes).collect(),
                    Text::Plain(bytes) => bytes.to_vec(),
                };
                self.journal.push(Written::Record(self.records.len()));
                self.records.push(Heard {
                    run,
                    seq: record.seq.map(|seq| seq.0),
                    time: record.time.map(|time| time.0),
                    text: String::from_utf8_lossy(&bytes).into_owned(),
                    incomplete: record.incomplete,
                });
            }
            Event::Dropped { run, count, .. } => self.dropped.push((run, count)),
            Event::Evicted(memory) => {
                self.evicted.insert(memory.key(), memory.clone());
            }
        }
    }

    fn recall(&mut self, key: &StreamKey) -> Option<Memory> {
        self.evicted.remove(key)
    }
}

impl Book {
    /// The run that stands for a run's boot.
    pub fn root(&self, mut run: RunId) -> RunId {
        while let Some(Verdict::SameAs(of)) = self.runs.get(&run).map(|run| run.verdict) {
            run = of;
        }
        run
    }

    /// The boots in order of first receipt, each as a reader shows it: by number, each record
    /// once and whole if it ever came whole; lines without a number by arrival, those of a repeat only as often as they are new.
    pub fn boots(&self) -> Vec<Vec<Heard>> {
        let mut boots: BTreeMap<RunId, Vec<Heard>> = BTreeMap::new();
        let mut held: HashMap<RunId, HashMap<(Option<u64>, String), usize>> = HashMap::new();
        let mut in_run: HashMap<RunId, HashMap<(Option<u64>, String), usize>> = HashMap::new();
        let mut known = HashSet::new();
        let place = |record: &Heard| (self.root(record.run), record.seq, record.time);
        let whole = self.records.iter().filter(|record| !record.incomplete);
        let whole: HashSet<_> = whole.map(place).collect();
        for record in &self.records {
            if record.incomplete && record.seq.is_some() && whole.contains(&place(record)) {
                continue;
            }
            let root = self.root(record.run);
            let boot = boots.entry(root).or_default();
            let very = (root, record.seq, record.time, record.text.as_str());
            if record.seq.is_some() && !known.insert(very) {
                continue;
            }
            if record.seq.is_none() {
                let line = (record.time, record.text.clone());
                let nth = in_run.entry(record.run).or_default().entry(line.clone()).or_default();
                *nth += 1;
                let most = held.entry(root).or_default().entry(line).or_default();
                if record.time.is_some() && record.run != root && *nth <= *most {
                    continue;
                }
                *most = (*most).max(*nth);
            }
            boot.push(record.clone());
        }
        let mut boots: Vec<Vec<Heard>> = boots.into_values().collect();
        for boot in &mut boots {
            boot.sort_by_key(|record| record.seq.unwrap_or(0));
        }
        boots
    }

    pub fn texts(&self) -> Vec<Vec<&str>> {
        // Leaks on purpose: tests read better with string slices.
        let boots: &'static Vec<Vec<Heard>> = Box::leak(Box::new(self.boots()));
        boots.iter().map(|boot| boot.iter().map(|record| record.text.as_str()).collect()).collect()
    }
}

/// A core, its world and its clocks.
pub struct Doctor {
    pub core: Core,
    pub book: Book,
    pub now: Monotonic,
}

impl Doctor {
    pub fn new() -> Doctor {
        Doctor::with(Limits::default())
    }

    pub fn with(limits: Limits) -> Doctor {
        Doctor { core: Core::new(limits, RunId(1)), book: Book::default(), now: Monotonic(0) }
    }

    pub fn hear(&mut self, key: StreamKey, payload: impl AsRef<[u8]>) {
        self.now.0 += 10;
        let received = WallTime(1_700_000_000_000_000 + self.now.0);
        self.core.handle_datagram(self.now, &key, received, payload.as_ref(), &mut self.book);
    }

    /// An extended record.
    pub fn ext(&mut self, key: StreamKey, seq: u64, time: u64, text: &str) {
        self.hear(key, format!("6,{seq},{time},-;{text}\n"));
    }

    /// Time passes; the core is called when it asks for it, and not else.
    pub fn pass(&mut self, micros: u64) {
        self.now.0 += micros;
        while let Some(due) = self.core.poll_timeout().filter(|due| *due <= self.now) {
            self.core.handle_timeout(due, &mut self.book);
        }
    }

    /// What brings the streams back, as the store would keep it, and how much was written by then.
    pub fn checkpoint(&self) -> (Vec<Memory>, usize) {
        let bytes = self.core.memories().map(|memory| Box::from(memory.bytes()));
        let memories = bytes.map(|bytes| Memory::from_bytes(bytes).expect("own bytes")).collect();
        (memories, self.book.journal.len())
    }

    /// The doctor is killed: a new one knows `memories`, how many runs there were then, and what
    /// was written since.
    pub fn restart(&mut self, limits: Limits, memories: Vec<Memory>, since: usize) {
        let runs = self.book.journal[..since].iter().filter_map(|written| match written {
            Written::Run(run) => Some(run.id.0),
            Written::Record(_) => None,
        });
        let mut core = Core::new(limits, RunId(runs.max().unwrap_or(0) + 1));
        for memory in memories {
            core.restore(memory);
        }
        for written in &self.book.journal[since..] {
            let record = match written {
                Written::Run(run) => {
                    core.replay_run(run);
                    continue;
                }
                Written::Record(at) => &self.book.records[*at],
            };
            let kept = Kept {
                run: record.run,
                received: WallTime(0),
                seq: record.seq.map(Sequence),
                time: record.time.map(PrintkTime),
                text: Text::Plain(record.text.as_bytes()),
                incomplete: record.incomplete,
            };
            core.replay_record(&kept, &self.book.runs[&record.run].clone());
        }
        self.core = core;
    }
}

/// A stream: the sender `10.0.0.<n>:6665`, our port 6666.
pub fn stream(n: u8) -> StreamKey {
    StreamKey::new(SocketAddr::from(([10, 0, 0, n], 6665)), 6666)
}
