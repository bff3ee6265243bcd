//! `bedside`: reads the command line and hands over to the command.

use std::io::{self, Write as _};

use bedside::cli::{self, Cli, Command};
use bedside::config::Config;
use bedside::{Exit, boots, check, conclude, demo, hosts, log, man, replay, serve, store};

fn main() -> Exit {
    match cli::parse(std::env::args_os()) {
        Ok(cli) => conclude(run(cli)),
        Err(error) => error.exit(),
    }
}

fn run(cli: Cli) -> anyhow::Result<Exit> {
    match cli.command {
        Command::Log(args) => log::run(&args),
        Command::Hosts(args) => hosts::run(&args),
        Command::Boots(args) => boots::run(&args),
        Command::Config(_) => print(Config::print_default()),
        Command::Completions(args) => man::completions(args),
        Command::Man(args) => man::run(&args),
        Command::Serve(args) => serve::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Demo(_) => demo::run(),
        Command::Check(args) => check::run(&args, |_| Vec::new()),
        Command::Store(args) => store::run(&args),
    }
}

fn print(text: &str) -> anyhow::Result<Exit> {
    io::stdout().write_all(text.as_bytes())?;
    Ok(Exit::Well)
}
