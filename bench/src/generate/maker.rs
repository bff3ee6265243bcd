//! Makes a lap.

use std::fmt;
use std::io::Write as _;
use std::net::SocketAddrV4;

use bedside_lab::chance::Chance;
use serde::Serialize;

use super::address::{Network, SOURCE_PORT};
use super::frame::{HEADERS, push_headers, sum_up};
use super::load::{Load, Slot};
use super::texts::Kind;

/// How the sources speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    /// `[12345.678901] text`.
    Basic,
    /// `6,1234,12345678901,-;text`, with fragments and dictionaries.
    Extended,
}

impl fmt::Display for Format {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Format::Basic => "basic",
            Format::Extended => "extended",
        })
    }
}

/// What load to make.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Profile {
    pub(crate) format: Format,
    /// How many sources speak, in turns by chance.
    pub(crate) sources: u32,
    /// The number of the first.
    pub(crate) first: u32,
    /// Datagrams of a lap; a few more where the last record comes in pieces.
    pub(crate) datagrams: usize,
    /// Datagrams a second by the senders' clocks.
    pub(crate) rate: u64,
    pub(crate) seed: u64,
    pub(crate) network: Network,
    pub(crate) life: Life,
    /// The sources speak one after the other instead of by chance.
    pub(crate) in_turn: bool,
    /// Begin each text with the number of its record, `#00000000 `.
    pub(crate) tagged: bool,
    pub(crate) target: SocketAddrV4,
}

/// Where in their lives the sources are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    /// Booted long ago; laps can follow.
    Going,
    /// At the kernel's first line, whose clock stands still at first; one lap only.
    Booting,
}

impl Profile {
    /// A hundred sources that go on speaking the extended format.
    pub(crate) fn new(network: Network, target: SocketAddrV4) -> Self {
        Self {
            format: Format::Extended,
            sources: 100,
            first: 0,
            datagrams: 100_000,
            rate: 100_000,
            seed: 1,
            network,
            life: Life::Going,
            in_turn: false,
            tagged: false,
            target,
        }
    }

    /// Makes the first lap.
    pub(crate) fn make(self) -> Load {
        let mut maker = Maker::new(self);
        while maker.load.slots.len() + maker.held < self.datagrams {
            maker.record();
        }
        maker.finish()
    }
}

struct Maker {
    profile: Profile,
    chance: Chance,
    load: Load,
    sources: Vec<Source>,
    /// Datagrams that wait for a later one to pass them.
    held: usize,
    now_us: u64,
    /// Records so far.
    made: u32,
    text: Vec<u8>,
}

/// A record's number and time, each with its place in the payload.
#[derive(Clone, Copy, Debug)]
struct Stamp {
    sequence: Option<(u64, u16)>,
    time: (u64, u16),
}

/// A machine that speaks.
#[derive(Clone, Debug, Default)]
struct Source {
    /// When it was booted, by the clock of all, in microseconds before 0.
    uptime_us: u64,
    sequence: u64,
    /// A record that the next one will pass.
    held: Vec<Slot>,
}

impl Maker {
    fn new(profile: Profile) -> Self {
        let mut chance = Chance::new(profile.seed);
        let source = |_| match profile.life {
            Life::Going => {
                let uptime_us = FIRST_TIME + chance.within(0..FIRST_TIME);
                Source { uptime_us, sequence: FIRST_SEQUENCE, held: Vec::new() }
            }
            Life::Booting => Source::default(),
        };
        let sources: Vec<Source> = (0..profile.sources).map(source).collect();
        let counts = vec![0; (profile.first + profile.sources) as usize];
        let load = Load { numbered: counts, ..Load::default() };
        Self { profile, chance, load, sources, held: 0, now_us: 0, made: 0, text: Vec::new() }
    }

    /// One record of one source.
    fn record(&mut self) {
        let sources = self.profile.sources;
        let number = if self.profile.in_turn {
            self.made % sources
        } else {
            self.chance.within(0..u64::from(sources)) as u32
        };
        let source = self.profile.first + number;
        self.now_us += 1_000_000 / self.profile.rate.max(1);
        self.made += 1;
        self.load.numbered[source as usize] += 1;
        if self.one_in(1000) {
            self.sources[number as usize].sequence += 1;
            return;
        }
        let slots = self.datagrams(number);
        let late = self.one_in(100);
        let state = &mut self.sources[number as usize];
        if late && state.held.is_empty() {
            self.held += slots.len();
            state.held = slots;
        } else {
            self.held -= state.held.len();
            self.load.slots.extend(slots);
            self.load.slots.append(&mut state.held);
        }
    }

    /// All are sent, those too that nobody passed.
    fn finish(mut self) -> Load {
        for source in &mut self.sources {
            self.load.slots.append(&mut source.held);
        }
        self.load.lap_us = self.now_us;
        self.load
    }

    fn datagrams(&mut self, number: u32) -> Vec<Slot> {
        match self.profile.format {
            Format::Basic => vec![self.basic(number)],
            Format::Extended => self.extended(number),
        }
    }

    fn basic(&mut self, number: u32) -> Slot {
        let (_, time_us) = self.next_number(number);
        let (seconds, micros) = (time_us / 1_000_000, time_us % 1_000_000);
        self.text.clear();
        push(&mut self.text, format_args!("[{seconds:>5}.{micros:06}] "));
        self.tag();
        Kind::any(&mut self.chance).write(&mut self.text, &mut self.chance);
        self.text.push(b'\n');
        let payload = std::mem::take(&mut self.text);
        let slot = self.push_datagram(
            number,
            &[&payload],
            Stamp { sequence: None, time: (time_us, 1) },
            true,
        );
        self.text = payload;
        slot
    }

    fn extended(&mut self, number: u32) -> Vec<Slot> {
        let kind = Kind::any(&mut self.chance);
        let (sequence, time_us) = self.next_number(number);
        let mut head = Vec::new();
        if number.is_multiple_of(2) {
            head.extend_from_slice(b"6.12.94+deb13-amd64,");
        }
        push(&mut head, format_args!("{},", kind.prefix));
        let sequence_at = head.len() as u16;
        push(&mut head, format_args!("{sequence},"));
        let time_at = head.len() as u16;
        push(&mut head, format_args!("{time_us},-"));
        if number.is_multiple_of(4) {
            push(&mut head, format_args!(",caller=T{}", self.chance.within(1..100_000)));
        }
        let body = self.body(kind);
        let stamp = Stamp { sequence: Some((sequence, sequence_at)), time: (time_us, time_at) };
        self.pieces(number, &head, &body, stamp)
    }

    /// The number and the time of a source's next record.
    fn next_number(&mut self, number: u32) -> (u64, u64) {
        let source = &mut self.sources[number as usize];
        let sequence = source.sequence;
        source.sequence += 1;
        let time_us = match self.profile.life {
            Life::Going => source.uptime_us + self.now_us,
            // The clock begins to run once the kernel has found one.
            Life::Booting => sequence.saturating_sub(32) * 20_000,
        };
        (sequence, time_us)
    }

    /// Words that are searched for: one in a million, and one in ten thousand.
    fn mark(&self, text: &mut Vec<u8>) {
        if self.made % 1_000_000 == 500_000 {
            text.extend_from_slice(RARE.as_bytes());
        } else if self.made.is_multiple_of(10_000) {
            text.extend_from_slice(SELDOM.as_bytes());
        }
    }

    fn tag(&mut self) {
        if self.profile.tagged {
            push(&mut self.text, format_args!("#{:08} ", self.made));
        }
    }

    /// Text and dictionary: now and then too long for one datagram.
    fn body(&mut self, kind: &Kind) -> Vec<u8> {
        self.text.clear();
        self.tag();
        let mut body = std::mem::take(&mut self.text);
        kind.write(&mut body, &mut self.chance);
        self.mark(&mut body);
        if self.one_in(50) {
            let length = self.chance.within(1000..1800) as usize;
            while body.len() < length {
                body.extend_from_slice(b"; ");
                Kind::any(&mut self.chance).write(&mut body, &mut self.chance);
            }
        }
        body.push(b'\n');
        if let Some((subsystem, device)) = kind.device {
            push(&mut body, format_args!(" SUBSYSTEM={subsystem}\n DEVICE={device}\n"));
        }
        body
    }

    /// As `send_fragmented_body` in drivers/net/netconsole.c cuts it.
    fn pieces(&mut self, number: u32, head: &[u8], body: &[u8], stamp: Stamp) -> Vec<Slot> {
        if head.len() + 1 + body.len() <= DATAGRAM_MAX {
            return vec![self.push_datagram(number, &[head, b";", body], stamp, true)];
        }
        let mut slots = Vec::new();
        let mut sent = 0;
        while sent < body.len() {
            let mark = format!(",ncfrag={sent}/{};", body.len());
            let room = DATAGRAM_MAX - head.len() - mark.len();
            let piece = &body[sent..body.len().min(sent + room)];
            sent += piece.len();
            let parts = [head, mark.as_bytes(), piece];
            let last = sent == body.len();
            slots.push(self.push_datagram(number, &parts, stamp, last));
        }
        slots
    }

    fn push_datagram(
        &mut self,
        number: u32,
        parts: &[&[u8]],
        stamp: Stamp,
        ends_record: bool,
    ) -> Slot {
        let frames = &mut self.load.frames;
        let at = frames.len();
        let source = self.profile.first + number;
        let from = SocketAddrV4::new(self.profile.network.address(source), SOURCE_PORT);
        let length = parts.iter().map(|part| part.len()).sum();
        push_headers(frames, from, self.profile.target, length);
        for part in parts {
            frames.extend_from_slice(part);
        }
        sum_up(&mut frames[at..]);
        Slot {
            at,
            length: (HEADERS + length) as u16,
            sequence_at: stamp.sequence.map(|(_, at)| at),
            time_at: stamp.time.1,
            source,
            sequence: stamp.sequence.map_or(0, |(sequence, _)| sequence),
            time_us: stamp.time.0,
            record: self.made,
            ends_record,
        }
    }

    fn one_in(&mut self, many: u64) -> bool {
        self.chance.within(0..many) == 0
    }
}

fn push(out: &mut Vec<u8>, words: std::fmt::Arguments<'_>) {
    // Writing into memory cannot fail.
    out.write_fmt(words).unwrap_or_default();
}

/// Ends one text in a million.
pub(crate) const RARE: &str = " (bittern)";
/// Ends one text in ten thousand.
pub(crate) const SELDOM: &str = " (heron)";
/// `MAX_PRINT_CHUNK` in drivers/net/netconsole.c.
const DATAGRAM_MAX: usize = 1000;
/// Of eight digits, so that numbers keep their width.
const FIRST_SEQUENCE: u64 = 10_000_000;
/// Of twelve digits, in microseconds: more than a day after boot.
const FIRST_TIME: u64 = 100_000_000_000;
