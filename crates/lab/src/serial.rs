//! The serial console of a run, the truth that what was heard is held against.

use crate::answer::Item;
use crate::oracle::{DECIDING, take_time};

/// One line that the kernel said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Microseconds since boot; nothing with `printk.time=0`.
    pub uptime_us: Option<u64>,
    /// The line without its time.
    pub text: Vec<u8>,
}

/// What a console showed: the kernel's lines of each boot, each once.
#[derive(Clone, Debug)]
pub struct Console {
    /// The boots in order.
    pub boots: Vec<Vec<Line>>,
}

/// What the doctor tells of one boot of one stream.
#[derive(Clone, Debug)]
pub struct Telling {
    /// Number of the boot.
    pub boot: u64,
    /// The doctor's port.
    pub port: u16,
    /// The format of the records.
    pub format: String,
    /// Lines and gaps in the order of the answer.
    pub words: Vec<Word>,
    /// How the boot ended.
    pub end: Option<String>,
}

/// A line or a gap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// One line of a record.
    Line(Line),
    /// So many records are said to be missing here.
    Gap(u64),
}

/// How the tellings of one stream stand to the console.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Lines heard that the console has too, in the same order.
    pub heard: usize,
    /// Lines heard that the console does not have, or not there.
    pub only_heard: Vec<Line>,
    /// Holes with a gap in their place: lines missing, records the gap counts.
    pub in_gaps: Vec<(usize, u64)>,
    /// Lines after the last one heard of each boot, with the boot's end.
    pub after_end: Vec<(String, usize)>,
    /// Lines missing for which the answer has no word.
    pub unexplained: Vec<Line>,
    /// Boots on the console of which nothing was heard.
    pub unheard_boots: usize,
}

impl Console {
    /// Picks the kernel's lines out of what a serial port wrote.
    pub fn parse(log: &[u8]) -> Self {
        let log = log.strip_suffix(b"\n").unwrap_or(log);
        let lines = log.split(|&byte| byte == b'\n');
        let mut lines = lines.map(|line| line.strip_suffix(b"\r").unwrap_or(line)).peekable();
        while lines.next_if(|line| line.starts_with(USER_SPACE)).is_some() {}
        let timed = lines.peek().is_some_and(|line| take_time(line).0.is_some());
        let lines: Vec<&[u8]> = lines.collect();
        // A line that a dying kernel's console was cut off in is said once more.
        let is_said_again = |at: usize| lines.get(at + 1).is_some_and(|next| *next == REPLAYING);
        let whole =
            lines.iter().enumerate().filter(|&(at, line)| *line != REPLAYING && !is_said_again(at));
        let lines =
            whole.filter_map(|(_, line)| if timed { timed_line(line) } else { untimed_line(line) });
        let mut boots: Vec<Vec<Line>> = Vec::new();
        for chunk in chunks(lines) {
            let again = |boot: &&mut Vec<Line>| are_of(chunk.iter(), boot);
            match boots.last_mut().filter(again) {
                Some(boot) => add(boot, chunk),
                None => boots.push(chunk),
            }
        }
        Self { boots }
    }

    /// Holds the tellings of one stream, in order of boots, against the console.
    pub fn compare(&self, tellings: &[&Telling]) -> Comparison {
        let mut comparison = Comparison::default();
        let mut next = 0;
        for telling in tellings {
            let found = (next..self.boots.len()).find(|&at| telling.may_be(&self.boots[at]));
            let Some(at) = found else {
                comparison.only_heard.extend(telling.lines().cloned());
                continue;
            };
            comparison.unheard_boots += at - next;
            compare_boot(&self.boots[at], telling, &mut comparison);
            next = at + 1;
        }
        comparison.unheard_boots += self.boots.len() - next;
        comparison
    }
}

impl Telling {
    fn lines(&self) -> impl Iterator<Item = &Line> {
        self.words.iter().filter_map(|word| match word {
            Word::Line(line) => Some(line),
            Word::Gap(_) => None,
        })
    }

    /// Without a time above 0 it may be any.
    fn may_be(&self, boot: &[Line]) -> bool {
        self.lines().all(|line| line.uptime_us <= Some(0)) || are_of(self.lines(), boot)
    }
}

/// Whether most of the first lines with a time above 0 are of this boot; the clock is coarse at
/// first, and a single line may be of several.
fn are_of<'a>(lines: impl Iterator<Item = &'a Line>, boot: &[Line]) -> bool {
    let deciding: Vec<&Line> =
        lines.filter(|line| line.uptime_us > Some(0)).take(DECIDING).collect();
    deciding.iter().filter(|line| boot.contains(line)).count() * 2 > deciding.len()
}

/// Sorts an answer by boot, port and format, in order of appearance.
pub fn tellings(items: &[Item]) -> Vec<Telling> {
    let mut tellings: Vec<Telling> = Vec::new();
    for item in items {
        let (Some(boot), Some(port)) = (item.place().boot, item.place().port) else { continue };
        match item {
            Item::Record(record) => {
                let words = record_words(record);
                telling_of(&mut tellings, boot, port, &record.format).words.extend(words);
            }
            Item::Gap(gap) => {
                for telling in tellings.iter_mut().filter(|t| (t.boot, t.port) == (boot, port)) {
                    telling.words.push(Word::Gap(gap.count));
                }
            }
            Item::Pstore(_) | Item::Boot(_) => {}
        }
    }
    for item in items {
        if let Item::Boot(end) = item {
            for telling in tellings.iter_mut().filter(|t| Some(t.boot) == end.place.boot) {
                telling.end = end.end.clone().or(telling.end.take());
            }
        }
    }
    tellings
}

fn telling_of<'a>(
    tellings: &'a mut Vec<Telling>,
    boot: u64,
    port: u16,
    format: &str,
) -> &'a mut Telling {
    let same = |t: &Telling| (t.boot, t.port, t.format.as_str()) == (boot, port, format);
    let at = tellings.iter().position(same).unwrap_or_else(|| {
        let format = format.to_owned();
        tellings.push(Telling { boot, port, format, words: Vec::new(), end: None });
        tellings.len() - 1
    });
    &mut tellings[at]
}

fn record_words(record: &crate::answer::Record) -> impl Iterator<Item = Word> {
    let uptime_us = record.uptime_us;
    let bytes = record.bytes().unwrap_or_default();
    let lines: Vec<Vec<u8>> = bytes.split(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect();
    lines.into_iter().map(move |text| Word::Line(Line { uptime_us, text }))
}

/// Walks through one boot: each line heard is looked for behind the one before.
fn compare_boot(console: &[Line], telling: &Telling, comparison: &mut Comparison) {
    let mut at = None;
    let mut gap = 0;
    for word in &telling.words {
        let line = match word {
            Word::Gap(count) => {
                gap += count;
                continue;
            }
            Word::Line(line) => line,
        };
        let behind = at.map_or(0, |at| at + 1);
        let Some(skipped) = console[behind..].iter().position(|l| l == line) else {
            comparison.only_heard.push(line.clone());
            continue;
        };
        comparison.heard += 1;
        if skipped > 0 && at.is_some() {
            if gap > 0 {
                comparison.in_gaps.push((skipped, gap));
            } else {
                comparison.unexplained.extend_from_slice(&console[behind..behind + skipped]);
            }
        }
        gap = 0;
        at = Some(behind + skipped);
    }
    let after = at.map_or(0, |at| console.len() - at - 1);
    comparison.after_end.push((telling.end.clone().unwrap_or_else(|| "null".into()), after));
}

/// The kernel's part of a line: user space writes to the same port without ending its line.
fn timed_line(line: &[u8]) -> Option<Line> {
    let begins = (0..line.len()).filter(|&at| line[at] == b'[');
    let mut stamped = begins.map(|at| take_time(&line[at..]));
    let (uptime_us, text) = stamped.find(|(uptime_us, _)| uptime_us.is_some())?;
    Some(Line { uptime_us, text: text.to_vec() })
}

/// Without times only its first word tells the initramfs from the kernel.
fn untimed_line(line: &[u8]) -> Option<Line> {
    if line.starts_with(USER_SPACE) {
        return None;
    }
    let (uptime_us, text) = take_time(line);
    Some(Line { uptime_us, text: text.to_vec() })
}

fn chunks(lines: impl Iterator<Item = Line>) -> Vec<Vec<Line>> {
    let mut chunks: Vec<Vec<Line>> = Vec::new();
    for line in lines {
        let first = line.text.starts_with(b"Linux version ") && line.uptime_us.unwrap_or(0) == 0;
        match chunks.last_mut() {
            Some(chunk) if !first => chunk.push(line),
            _ => chunks.push(vec![line]),
        }
    }
    chunks
}

/// Adds what was not printed before; a panic can print the whole ring buffer again.
fn add(boot: &mut Vec<Line>, chunk: Vec<Line>) {
    let mut held = boot.clone();
    for line in chunk {
        match held.iter().position(|known| *known == line) {
            Some(at) => drop(held.swap_remove(at)),
            None => boot.push(line),
        }
    }
}

/// How the recordings' initramfs begins what it says.
const USER_SPACE: &[u8] = b"vmlab: ";

/// What stands before a line that is said once more (`kernel/printk/printk.c`,
/// `console_prepend_replay`).
const REPLAYING: &[u8] = b"** replaying previous printk message **";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::{Capture, fixture};
    use crate::oracle;

    fn line(seconds: u64, text: &str) -> Line {
        Line { uptime_us: Some(seconds * 1_000_000), text: text.into() }
    }

    fn telling(words: Vec<Word>, end: &str) -> Telling {
        let (format, end) = ("extended".into(), Some(end.into()));
        Telling { boot: 1, port: 6666, format, words, end }
    }

    #[test]
    fn a_line_that_was_cut_off_is_the_one_that_is_said_again() {
        let log = b"[    1.000000] a\r\n[    2.000000] hal\r\n\
            ** replaying previous printk message **\r\n[    2.000000] halved\r\n";
        assert_eq!(Console::parse(log).boots, [[line(1, "a"), line(2, "halved")]]);
    }

    #[test]
    fn holes_ends_and_lines_without_a_word() {
        let log = b"[    1.000000] a\r\n[    2.000000] b\r\nvmlab: x[    3.000000] c\r\n\
            [    4.000000] d\r\n[    5.000000] e\r\n[    6.000000] f\r\n[    7.000000] g\r\n";
        let console = Console::parse(log);
        assert_eq!(console.boots[0].len(), 7);
        let heard = |seconds, text| Word::Line(line(seconds, text));
        let words =
            vec![heard(2, "b"), Word::Gap(1), heard(4, "d"), heard(6, "f"), heard(6, "never")];
        let comparison = console.compare(&[&telling(words, "silence")]);
        assert_eq!(comparison.heard, 3);
        assert_eq!(comparison.in_gaps, [(1, 1)]);
        assert_eq!(comparison.unexplained, [line(5, "e")]);
        assert_eq!(comparison.only_heard, [line(6, "never")]);
        assert_eq!(comparison.after_end, [("silence".to_owned(), 1)]);
    }

    #[test]
    fn a_console_knows_boots_from_replays() {
        let boots = |name| Console::parse(&fixture(name, "serial.log").unwrap()).boots.len();
        assert_eq!(boots("6.1.0/ext_panic_replay"), 1);
        assert_eq!(boots("6.1.0/ext_reboot_panic"), 4);
    }

    #[test]
    fn the_oracle_agrees_with_the_console() {
        let name = "6.1.0/ext_panic1";
        let streams = oracle::streams(&Capture::load(name).unwrap().datagrams);
        let records = streams[0].boots[0].records.iter();
        let words = records.flat_map(|record| {
            let uptime_us = record.uptime_us;
            let lines = record.text.split(|&byte| byte == b'\n');
            lines.map(move |text| Word::Line(Line { uptime_us, text: text.to_vec() }))
        });
        let telling = telling(words.collect(), "panic");
        let console = Console::parse(&fixture(name, "serial.log").unwrap());
        let comparison = console.compare(&[&telling]);
        assert_eq!(comparison.heard, console.boots[0].len());
        assert!(comparison.only_heard.is_empty() && comparison.unexplained.is_empty());
    }
}
