//! The file of dumps: one JSON object a line, appended and synced.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use bedside_store::read::{BootSummary, OwnedRecord};
use bedside_stream::{RunId, StreamKey, Voice, WallTime};
use netconsole_wire::question::Nonce;
use netconsole_wire::{Format, basic_line, escape, unescape};
use serde::{Deserialize, Serialize};

use super::place::{Joined, Place, place};
use super::{Gathered, Name};
use crate::scribe;

/// A dump, and which boot's death it tells of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Death {
    v: u8,
    id: String,
    pub(crate) host: Option<String>,
    /// Who sent it, to which of our ports, from which boot.
    pub(crate) source: SocketAddr,
    port: u16,
    boot_id: String,
    /// Where it was found, and why it was written: `ramoops`, `Panic#1`.
    pub(crate) from: String,
    pub(crate) why: String,
    /// When it was written, by the dying machine's clock; seconds since 1970.
    pub(crate) died_s: u64,
    /// When its last line was received, microseconds since 1970.
    pub(crate) received: u64,
    /// A run of the boot that it tells of, and how that is known.
    run: Option<u64>,
    pub(crate) joined: Option<Joined>,
    /// Lines of it that never came.
    pub(crate) missing: usize,
    lines: Vec<Line>,
}

/// A line of a dump.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Line {
    /// Whether netconsole brought it too.
    heard: bool,
    /// What pstore has of it, escaped as printk does.
    line: String,
}

/// The doctor's end of the file.
#[derive(Debug)]
pub(super) struct File {
    data: PathBuf,
    most: u64,
}

impl File {
    /// Opens it, or makes it; with the dumps that are in it.
    pub(super) fn open(data: &Path, most: u64) -> io::Result<(File, HashSet<Name>)> {
        let file = File { data: data.to_owned(), most };
        if file.path().exists() {
            // A newline ends what a crash may have cut.
            file.append(b"\n")?;
        }
        let deaths = Deaths::read(data)?;
        let kept = deaths.deaths.iter().filter_map(Death::name);
        Ok((file, kept.collect()))
    }

    /// Finds the boot that it tells of, and adds it.
    pub(super) fn add(&mut self, dump: &Gathered) -> io::Result<()> {
        let place = place(&self.data, dump).map_err(io::Error::other)?;
        let death = Death::of(dump, &place);
        let (host, lines, new) = (dump.host.as_deref(), dump.lines.len(), death.unheard());
        tracing::info!(
            host,
            from = dump.from,
            why = dump.why,
            lines,
            new,
            joined = ?place.joined,
            "a dead kernel's last lines"
        );
        let mut text = serde_json::to_vec(&death)?;
        text.push(b'\n');
        let length = self.path().metadata().map_or(0, |found| found.len());
        let full = length + text.len() as u64 > self.most;
        if full && length > 0 {
            self.halve()?;
        }
        self.append(&text)
    }

    fn append(&self, text: &[u8]) -> io::Result<()> {
        let path = self.path();
        let is_new = !path.exists();
        drop(scribe::open(&path)?);
        let mut file = fs::OpenOptions::new().append(true).open(&path)?;
        file.write_all(text)?;
        file.sync_data()?;
        if is_new { scribe::sync_directory_of(&path) } else { Ok(()) }
    }

    /// Leaves the newest dumps, of half the size.
    fn halve(&self) -> io::Result<()> {
        let text = fs::read(self.path())?;
        let from = text.len().saturating_sub(self.most as usize / 2);
        let begins = text.iter().skip(from).position(|byte| *byte == b'\n');
        let rest = text.get(from + begins.map_or(0, |at| at + 1)..).unwrap_or_default();
        let lines =
            |text: &[u8]| text.split(|byte| *byte == b'\n').filter(|l| !l.is_empty()).count();
        let gone = lines(&text) - lines(rest);
        tracing::warn!(gone, "the oldest dumps made room (`pstore` under [store])");
        let new = self.data.join("pstore.new");
        let mut file = scribe::open(&new)?;
        file.set_len(0)?;
        file.write_all(rest)?;
        file.sync_all()?;
        fs::rename(&new, self.path())?;
        scribe::sync_directory_of(&self.path())
    }

    fn path(&self) -> PathBuf {
        path(&self.data)
    }
}

/// All dumps of a store, by the boots that they tell of.
#[derive(Clone, Debug, Default)]
pub(crate) struct Deaths {
    deaths: Vec<Death>,
    by_run: HashMap<u64, Vec<usize>>,
}

impl Deaths {
    /// What a store knows; nothing, if no dump ever came.
    pub(crate) fn read(data: &Path) -> io::Result<Deaths> {
        let file = match fs::File::open(path(data)) {
            Ok(file) => BufReader::new(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Deaths::default()),
            Err(error) => return Err(scribe::unread(&path(data))(error)),
        };
        let mut found = Deaths::default();
        for line in file.split(b'\n') {
            // One that was cut off is sent again.
            let Ok(death) = serde_json::from_slice::<Death>(&line?) else { continue };
            if let Some(run) = death.run {
                found.by_run.entry(run).or_default().push(found.deaths.len());
            }
            found.deaths.push(death);
        }
        Ok(found)
    }

    /// Whether there are none.
    pub(crate) fn are_none(&self) -> bool {
        self.deaths.is_empty()
    }

    /// Those of a boot, in the order in which they came.
    pub(crate) fn of<'a>(&'a self, boot: &'a BootSummary) -> impl Iterator<Item = &'a Death> {
        let runs = boot.runs.iter().filter_map(|run| self.by_run.get(&run.0));
        runs.flatten().filter_map(|at| self.deaths.get(*at))
    }

    /// Those that belong to none of these boots.
    pub(crate) fn of_none<'a>(&'a self, boots: &[BootSummary]) -> impl Iterator<Item = &'a Death> {
        let runs: HashSet<u64> =
            boots.iter().flat_map(|boot| boot.runs.iter().map(|run| run.0)).collect();
        self.deaths.iter().filter(move |death| death.run.is_none_or(|run| !runs.contains(&run)))
    }
}

impl Death {
    fn of(dump: &Gathered, place: &Place) -> Death {
        let there = dump.lines.iter().filter_map(Option::as_deref);
        let lines = there.zip(&place.heard);
        let line = |(line, heard): (&[u8], &bool)| Line { heard: *heard, line: escaped(line) };
        Death {
            v: 1,
            id: dump.id.to_string(),
            host: dump.host.clone(),
            source: dump.key.source(),
            port: dump.key.port(),
            boot_id: dump.boot_id.clone(),
            from: dump.from.clone(),
            why: dump.why.clone(),
            died_s: dump.died_s,
            received: dump.received.0,
            run: place.run.map(|run| run.0),
            joined: place.joined,
            missing: dump.lines.iter().filter(|line| line.is_none()).count(),
            lines: lines.map(line).collect(),
        }
    }

    fn name(&self) -> Option<Name> {
        let id = Nonce::parse(self.id.as_bytes())?;
        Some((id, StreamKey::new(self.source, self.port).ip()))
    }

    /// Whether the machine died of a panic.
    pub(crate) fn is_panic(&self) -> bool {
        self.why.starts_with("Panic")
    }

    /// How many lines it has, and how many of them netconsole did not bring.
    pub(crate) fn lines(&self) -> usize {
        self.lines.len()
    }

    /// How many lines nobody heard.
    pub(crate) fn unheard(&self) -> usize {
        self.lines.iter().filter(|line| !line.heard).count()
    }

    /// The lines that nobody heard, as records of that boot.
    pub(crate) fn records<'a>(
        &'a self,
        boot: &'a BootSummary,
    ) -> impl DoubleEndedIterator<Item = OwnedRecord> + 'a {
        self.lines.iter().filter(|line| !line.heard).map(|line| {
            let bytes: Vec<u8> = unescape(line.line.as_bytes()).collect();
            let read = basic_line(&bytes);
            OwnedRecord {
                host: boot.host.clone(),
                boot: boot.number,
                run: RunId(self.run.unwrap_or_default()),
                source: self.source,
                port: self.port,
                voice: Voice::Plain,
                received: WallTime(self.received),
                format: Format::Basic,
                incomplete: false,
                release: None,
                prefix: read.prefix.map(|prefix| prefix.0),
                seq: None,
                time_us: read.time.map(|time| time.0),
                continued: false,
                caller: read.caller.map(<[u8]>::to_vec),
                text: read.text.to_vec(),
                fields: Vec::new(),
            }
        })
    }
}

fn escaped(line: &[u8]) -> String {
    let mut text = Vec::new();
    escape(line, &mut |piece: &[u8]| text.extend_from_slice(piece));
    String::from_utf8_lossy(&text).into_owned()
}

fn path(data: &Path) -> PathBuf {
    data.join("pstore")
}
