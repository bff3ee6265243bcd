//! Seeded stores: what several machines may say, arriving as it may arrive.

use bedside_store::StoredRun;
use bedside_stream::{Cause, LastWord};
use netconsole_wire::Format;

use super::store::{Line, Said, With, gap, run};

/// A small generator (xorshift64*), so that a seed names a store for good.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        (self.next() >> 11) % bound.max(1)
    }

    pub(crate) fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

/// What is going on at one of the machines.
struct Stream {
    run: StoredRun,
    numbered: bool,
    counts: bool,
    seq: u64,
    msgid: u32,
    time: u64,
    /// What it said since its boot.
    said: Vec<Said>,
}

/// The entries of a store, in order of arrival.
pub(crate) fn lines(random: &mut Random, length: usize) -> Vec<Line> {
    let mut world = World { lines: Vec::new(), now: 1_000_000, runs: 0, streams: Vec::new() };
    for source in 1..=1 + random.below(3) {
        world.machine(random, source);
    }
    while world.lines.len() < length {
        let index = random.below(world.streams.len() as u64) as usize;
        world.happen(random, index);
    }
    world.lines
}

struct World {
    lines: Vec<Line>,
    now: u64,
    runs: u64,
    streams: Vec<Stream>,
}

impl World {
    /// One machine, with one or two targets.
    fn machine(&mut self, random: &mut Random, source: u64) {
        let root = self.runs + 1;
        for port in 6666..=6666 + random.below(2) as u16 {
            let first = self.begin();
            let mut run = first.source(&format!("10.0.0.{source}:6665")).port(port);
            if run.run.id.0 != root {
                run = run.same_as(root);
            }
            self.lines.push(run.clone().into());
            let (numbered, counts) = (random.below(3) > 0, random.one_in(2));
            let stream =
                Stream { run, numbered, counts, seq: 0, msgid: 0, time: 0, said: Vec::new() };
            self.streams.push(stream);
        }
    }

    fn begin(&mut self) -> StoredRun {
        self.runs += 1;
        run(self.runs, self.now)
    }

    fn happen(&mut self, random: &mut Random, index: usize) {
        self.now += random.below(3) * 1000;
        match random.below(100) {
            0..80 => self.say(random, index),
            80..84 => self.repeat(random, index),
            84..86 => self.replay(random, index),
            86..88 => self.reboot(random, index),
            88..91 => self.stored_gap(random, index),
            91..93 => self.describe(random, index),
            93..95 => self.late(random),
            _ => self.streams[index].lose(random),
        }
    }

    fn say(&mut self, random: &mut Random, index: usize) {
        let said = self.streams[index].say(random, self.now);
        self.lines.push(Line::Said(said));
    }

    /// Something that was said comes once more, in the same run.
    fn repeat(&mut self, random: &mut Random, index: usize) {
        let stream = &self.streams[index];
        let Some(said) = pick(random, &stream.said) else { return };
        self.lines.push(Line::Said(Said { received: self.now, ..said.clone() }));
    }

    /// The module was inserted again: all that the ring buffer holds comes in a run of its own,
    /// which then goes on.
    fn replay(&mut self, random: &mut Random, index: usize) {
        let id = self.begin().run.id;
        let stream = &mut self.streams[index];
        let root = stream.run.run.id.0;
        let mut run = stream.run.clone().same_as(root);
        (run.run.id, run.run.first_received.0) = (id, self.now);
        let from = random.below(stream.said.len() as u64) as usize;
        self.lines.push(run.clone().into());
        for said in &mut stream.said[from..] {
            self.now += 10;
            let again = Said { run: id.0, received: self.now, ..said.clone() };
            self.lines.push(Line::Said(again));
        }
        if random.one_in(2) {
            stream.run = run;
        }
    }

    fn reboot(&mut self, random: &mut Random, index: usize) {
        let id = self.begin().run.id;
        let stream = &mut self.streams[index];
        let number = stream.run.boot.unwrap_or(0) + 1;
        let mut run = stream.run.clone().number(number);
        run = run.with(|run| run.verdict = bedside_stream::Verdict::Boot);
        (run.run.id, run.run.first_received.0) = (id, self.now);
        run.run.last_word = None;
        self.lines.push(run.clone().into());
        let numbered = if random.one_in(4) { !stream.numbered } else { stream.numbered };
        let counts = stream.counts;
        *stream = Stream { run, numbered, counts, seq: 0, msgid: 0, time: 0, said: Vec::new() };
    }

    fn stored_gap(&mut self, random: &mut Random, index: usize) {
        let run = self.streams[index].run.run.id.0;
        let count = 1 + random.below(100);
        self.lines.push(match random.below(3) {
            0 => gap(None, self.now, Cause::Socket, count),
            1 => gap(Some(run), self.now, Cause::Limit, count),
            _ => gap(Some(run), self.now, Cause::DroppedBySender, count),
        });
    }

    /// More becomes known of a run.
    fn describe(&mut self, random: &mut Random, index: usize) {
        let stream = &mut self.streams[index];
        let run = stream.run.clone();
        stream.run = match random.below(3) {
            0 => run.host(&format!("host{}", random.below(3))),
            1 => run.word(LastWord::Panic),
            _ => run.with(|run| run.release = Some(b"6.12.94".to_vec())),
        };
        self.lines.push(stream.run.clone().into());
    }

    /// The last line arrives before some of those in front of it.
    fn late(&mut self, random: &mut Random) {
        let back = random.below(8) as usize;
        let Some(to) = self.lines.len().checked_sub(back + 2) else { return };
        let of_run = |line: &Line| match line {
            Line::Said(said) => Some(said.run),
            _ => None,
        };
        let last = self.lines.len() - 1;
        // Never in front of the line of its run.
        if of_run(&self.lines[last]).is_some()
            && self.lines[to..].iter().all(|l| of_run(l).is_some())
        {
            self.lines[to..].rotate_right(1);
        }
    }
}

impl Stream {
    fn say(&mut self, random: &mut Random, received: u64) -> Said {
        self.time += random.below(4) * 500;
        let seq = self.seq;
        self.seq += 1;
        self.msgid = self.msgid.wrapping_add(1);
        // A basic line may come on an extended target, and has no number then.
        let numbered = self.numbered && !random.one_in(40);
        let said = Said {
            run: self.run.run.id.0,
            received,
            format: if numbered { Format::Extended } else { Format::Basic },
            seq: numbered.then_some(seq),
            time: (numbered || !random.one_in(10)).then_some(self.time),
            text: format!("line {}", if numbered { seq } else { random.below(3) }),
            msgid: self.counts.then_some(self.msgid).filter(|_| numbered),
        };
        self.said.push(said.clone());
        said
    }

    /// The network takes some, or the sender filters them.
    fn lose(&mut self, random: &mut Random) {
        let lost = 1 + random.below(5);
        self.seq += lost;
        if random.one_in(2) {
            self.msgid = self.msgid.wrapping_add(random.below(lost + 1) as u32);
        }
    }
}

fn pick<'a, T>(random: &mut Random, of: &'a [T]) -> Option<&'a T> {
    of.get(random.below(of.len() as u64) as usize)
}
