//! What is in a store, counted by someone who knows only that it is zstd with lines in it, a record
//! on a line of its own or behind its semicolon below a head: no code is shared with the doctor.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::SocketAddrV4;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::generate::address::Network;

/// What was found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stored {
    /// Records of each source.
    pub(crate) records: Vec<u64>,
    /// Records of somebody else.
    pub(crate) strange: u64,
    /// Gaps that the doctor noted itself, by their causes.
    pub(crate) gaps: BTreeMap<String, u64>,
    /// Bytes of all lines.
    pub(crate) bytes: u64,
}

impl Stored {
    /// Reads the segments of the store in `dir`, whose doctor has ended.
    pub(crate) fn read(dir: &Path, network: Network) -> Result<Self> {
        let mut counts =
            Counts { network, runs: HashMap::new(), below: 0, stored: Self::default() };
        for path in segments(dir)? {
            let file = File::open(&path)?;
            let lines = zstd::Decoder::new(file).with_context(|| path.display().to_string())?;
            counts.read(BufReader::with_capacity(1 << 20, lines))?;
        }
        Ok(counts.sum_up())
    }

    /// Records that were sent and are not there, and records that are there and were not sent.
    pub(crate) fn differences(&self, sent: &[u64]) -> (u64, u64) {
        let longest = sent.len().max(self.records.len());
        let at = |list: &[u64], at: usize| list.get(at).copied().unwrap_or(0);
        let pairs = (0..longest).map(|source| (at(sent, source), at(&self.records, source)));
        pairs.fold((0, self.strange), |(missing, surplus), (sent, held)| {
            (missing + sent.saturating_sub(held), surplus + held.saturating_sub(sent))
        })
    }
}

struct Counts {
    network: Network,
    /// Of each run its records, and its source if that is one of ours.
    runs: HashMap<u64, (u64, Option<u32>)>,
    /// Whose head stood last.
    below: u64,
    stored: Stored,
}

impl Counts {
    fn read(&mut self, mut lines: impl BufRead) -> Result<()> {
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line)? > 0 {
            self.stored.bytes += line.len() as u64;
            self.line(&line).with_context(|| String::from_utf8_lossy(&line).into_owned())?;
            line.clear();
        }
        Ok(())
    }

    fn line(&mut self, line: &[u8]) -> Result<()> {
        match line.first() {
            Some(b'0'..=b'9') => {
                let digits = line.iter().position(|&byte| byte == b' ').context("a run alone")?;
                let run = std::str::from_utf8(&line[..digits])?.parse()?;
                if line.get(digits + 1) == Some(&b'#') {
                    self.below = run;
                } else {
                    self.runs.entry(run).or_default().0 += 1;
                }
            }
            Some(b';') => self.runs.entry(self.below).or_default().0 += 1,
            Some(b'R') => {
                let words = std::str::from_utf8(line)?;
                let mut fields = words[2..].split('\t');
                let run = fields.next().context("no run")?.trim_end().parse()?;
                let source = fields.find_map(|field| field.strip_prefix("source="));
                let source: SocketAddrV4 = source.context("no source")?.trim_end().parse()?;
                self.runs.entry(run).or_default().1 = self.network.number(*source.ip());
            }
            Some(b'G') => {
                let words: Vec<&str> = std::str::from_utf8(line)?.split_whitespace().collect();
                let [_, _, _, cause, count, ..] = words[..] else { bail!("a gap cut short") };
                *self.stored.gaps.entry(cause.to_owned()).or_default() += count.parse::<u64>()?;
            }
            // A kind of line that did not exist when this was written.
            _ => {}
        }
        Ok(())
    }

    fn sum_up(mut self) -> Stored {
        for (count, source) in self.runs.into_values() {
            let Some(source) = source.map(|source| source as usize) else {
                self.stored.strange += count;
                continue;
            };
            let longest = self.stored.records.len().max(source + 1);
            self.stored.records.resize(longest, 0);
            self.stored.records[source] += count;
        }
        self.stored
    }
}

/// The segments in order: a sealed one instead of the live one of the same number.
fn segments(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(dir.join("segments"))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let sealed = name.strip_suffix(".live.zst").map(|number| format!("{number}.zst"));
        if name.ends_with(".zst") && !sealed.is_some_and(|name| path.with_file_name(name).exists())
        {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}
