//! `bedside store …`.

use std::time::Duration;

use clap::{Args, Subcommand};

use super::{DataArg, epilogue, values};

/// `bedside store`.
#[derive(Args, Clone, Debug)]
pub struct StoreArgs {
    /// What to do with it.
    #[command(subcommand)]
    pub command: StoreCommand,
}

/// What can be done with a store.
#[derive(Clone, Debug, Subcommand)]
pub enum StoreCommand {
    /// Make the catalogue anew from the segments; no doctor may be running
    #[command(after_help = epilogue::of("store rebuild").text())]
    Rebuild(DataArg),
    /// Read every block of every segment and tell what is damaged
    #[command(after_help = epilogue::of("store verify").text())]
    Verify(DataArg),
    /// Tell how much the store holds and how big it is
    #[command(after_help = epilogue::of("store stats").text())]
    Stats(StatsArgs),
    /// Delete the oldest segments; no doctor may be running
    #[command(after_help = epilogue::of("store prune").text())]
    Prune(PruneArgs),
}

/// `bedside store stats`.
#[derive(Args, Clone, Debug, Default)]
pub struct StatsArgs {
    /// Which store.
    #[command(flatten)]
    pub data: DataArg,
    /// Print one JSON object; the man page names its keys
    #[arg(long)]
    pub json: bool,
}

/// `bedside store prune`.
#[derive(Args, Clone, Debug, Default)]
#[group(id = "bound", required = true, multiple = true, args = ["max_size", "max_age"])]
pub struct PruneArgs {
    /// Which store.
    #[command(flatten)]
    pub data: DataArg,
    /// Delete the oldest sealed segments until all take up at most this: 500M, 20G
    #[arg(long, value_name = "SIZE", value_parser = values::size_above_zero)]
    pub max_size: Option<u64>,
    /// Delete sealed segments in which nothing was heard since: 30d, 12h
    #[arg(long, value_name = "SPAN", value_parser = values::length)]
    pub max_age: Option<Duration>,
}
