//! `bedside`: reads the command line and hands over to the command.

use std::io::Write as _;

use bedside::alerts::{self, courier};
use bedside::cli::{self, AlertArgs, AlertCommand, Cli, Command};
use bedside::config::Config;
use bedside::render;
use bedside::{
    Exit, boots, check, conclude, demo, hosts, incidents, log, man, replay, serve, store, triage,
};
use tracing_subscriber::EnvFilter;

fn main() -> Exit {
    if courier::is_asked_for() {
        return conclude(courier::run().map(|()| Exit::Well));
    }
    match cli::parse(std::env::args_os()) {
        Ok(cli) => {
            tell_on_stderr(&cli.command);
            conclude(run(cli))
        }
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
        Command::Incidents(args) => incidents::list(&args),
        Command::Incident(args) => incidents::one(&args),
        Command::Alert(AlertArgs { command: AlertCommand::Test(args) }) => alerts::test(&args),
        Command::Triage(args) => triage::run(&args),
        Command::Serve(args) => serve::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Demo(_) => demo::run(),
        Command::Check(args) => check::run(&args),
        Command::Store(args) => store::run(&args),
    }
}

/// What a command has to say beside its output. `BEDSIDE_LOG` chooses how much, in the way of
/// `RUST_LOG`.
fn tell_on_stderr(command: &Command) {
    let usual = if matches!(command, Command::Serve(_)) { "info" } else { "warn" };
    let filter = EnvFilter::try_from_env("BEDSIDE_LOG").unwrap_or_else(|_| EnvFilter::new(usual));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(render::stderr)
        .with_ansi(render::colours_on_stderr())
        .with_target(false)
        .without_time()
        // A terminal that is gone is no reason to panic.
        .log_internal_errors(false)
        .init();
}

fn print(text: &str) -> anyhow::Result<Exit> {
    render::stdout().write_all(text.as_bytes())?;
    Ok(Exit::Well)
}
