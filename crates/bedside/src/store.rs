//! `bedside store`: looking after what is kept.

use std::io::Write as _;
use std::path::Path;

use bedside_store::Retention;
use bedside_store::maintain::{self, Stats};
use bedside_store::read::Reader;
use indicatif::HumanBytes;
use serde::Serialize;

use crate::cli::{DataArg, PruneArgs, StatsArgs, StoreArgs, StoreCommand};
use crate::render::many;
use crate::{Exit, incidents, reading, render, time};

/// Does what was asked for.
pub fn run(args: &StoreArgs) -> anyhow::Result<Exit> {
    match &args.command {
        StoreCommand::Rebuild(data) => rebuild(data),
        StoreCommand::Verify(data) => verify(data),
        StoreCommand::Stats(args) => stats(args),
        StoreCommand::Prune(args) => prune(args),
    }
}

fn rebuild(data: &DataArg) -> anyhow::Result<Exit> {
    let dir = reading::dir(data)?;
    let summary = maintain::rebuild(&dir)?;
    let (segments, runs) = (summary.segments.len(), summary.runs.len());
    let incidents = incidents::rebuild(&dir)?;
    let (segments, runs) = (many(segments as u64, "segment"), many(runs as u64, "run"));
    let incidents = many(incidents as u64, "incident");
    writeln!(render::stdout(), "rebuilt from {segments}: {runs}, {incidents}")?;
    Ok(Exit::Well)
}

fn verify(data: &DataArg) -> anyhow::Result<Exit> {
    let verified = maintain::verify(&reading::dir(data)?)?;
    let mut out = render::stdout();
    for fault in &verified.faults {
        writeln!(out, "damaged: {fault}")?;
    }
    if verified.unknown_lines > 0 {
        writeln!(
            out,
            "{} lines are of a kind that this version does not know",
            verified.unknown_lines
        )?;
    }
    if verified.tail_bytes > 0 {
        writeln!(
            out,
            "{} bytes at the end of live segments are being written, or torn: a doctor's next \
             start says what they held",
            verified.tail_bytes
        )?;
    }
    let Stats { sealed, live, blocks, records, .. } = verified.stats;
    let (segments, blocks) = (many(sealed + live, "segment"), many(blocks, "block"));
    writeln!(out, "looked at {segments}, {blocks}, {}", many(records, "record"))?;
    Ok(if verified.faults.is_empty() { Exit::Well } else { Exit::Problem })
}

fn stats(args: &StatsArgs) -> anyhow::Result<Exit> {
    let dir = reading::dir(&args.data)?;
    let stats = Everything::of(&dir)?;
    let mut out = render::stdout();
    let exit = if stats.damaged == 0 { Exit::Well } else { Exit::Problem };
    if args.json {
        render::write_line(&stats, &mut out)?;
        return Ok(exit);
    }
    let (bytes, text) = (HumanBytes(stats.bytes), HumanBytes(stats.text_bytes));
    let ratio = stats.text_bytes as f64 / stats.bytes.max(1) as f64;
    writeln!(out, "store     {}", dir.display())?;
    writeln!(
        out,
        "holds     {}, {} of {}",
        many(stats.records, "record"),
        many(stats.boots as u64, "boot"),
        many(stats.hosts as u64, "host")
    )?;
    writeln!(out, "size      {bytes}, for {text} of lines ({ratio:.1} to 1)")?;
    writeln!(
        out,
        "segments  {} sealed, {} live, {}",
        stats.sealed,
        stats.live,
        many(stats.blocks, "block")
    )?;
    if stats.damaged > 0 {
        let damaged = many(stats.damaged, "segment");
        writeln!(out, "damaged   {damaged}, in part or whole; `bedside store verify` tells more")?;
    }
    Ok(exit)
}

fn prune(args: &PruneArgs) -> anyhow::Result<Exit> {
    let (max_bytes, max_age) = (args.max_size.unwrap_or(0), args.max_age);
    let retention = Retention { max_bytes, max_age, ..Retention::default() };
    let deleted = maintain::prune(&reading::dir(&args.data)?, &retention)?;
    writeln!(render::stdout(), "deleted {}", many(deleted, "segment"))?;
    Ok(Exit::Well)
}

/// What `stats` tells.
#[derive(Debug, Serialize)]
struct Everything {
    v: u8,
    hosts: usize,
    boots: usize,
    records: u64,
    entries: u64,
    bytes: u64,
    text_bytes: u64,
    sealed: u64,
    live: u64,
    blocks: u64,
    damaged: u64,
}

impl Everything {
    fn of(dir: &Path) -> anyhow::Result<Everything> {
        let Stats { sealed, live, bytes, text_bytes, blocks, records, entries, damaged } =
            maintain::stats(dir)?;
        let boots = Reader::open(dir)?.boots(time::now());
        let mut hosts: Vec<&str> = boots.iter().map(|boot| &*boot.host).collect();
        hosts.sort_unstable();
        hosts.dedup();
        let (v, hosts, boots) = (render::VERSION, hosts.len(), boots.len());
        Ok(Everything {
            v,
            hosts,
            boots,
            records,
            entries,
            bytes,
            text_bytes,
            sealed,
            live,
            blocks,
            damaged,
        })
    }
}
