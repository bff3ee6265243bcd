//! `bedside-patient`: reads the command line and hands over to the command.

use bedside_patient::{Exit, cli, conclude, run};
use clap::Parser as _;

fn main() -> Exit {
    match cli::Cli::try_parse() {
        Ok(cli) => conclude(run(&cli)),
        Err(error) => error.exit(),
    }
}
