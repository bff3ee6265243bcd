//! The patient: everything behind the `bedside-patient` command.
//!
//! Each command is a module with a function that takes its parsed arguments and gives back an
//! [`Exit`], or an error that says what failed, on what, why, and what to try.

mod agent;
mod ask;
mod check;
pub mod cli;
mod down;
mod exit;
mod explain;
mod harvest;
mod heart;
mod reach;
mod relay;
mod seal;
mod signals;
mod status;
mod tell;
mod test;
mod up;

use bedside_host::Machine;

pub use exit::{Exit, conclude};

use cli::{Cli, Command};

/// Does what the command line says.
pub fn run(cli: &Cli) -> anyhow::Result<Exit> {
    let machine = Machine::new(&cli.root);
    match &cli.command {
        Command::Up(args) => up::run(&machine, args),
        Command::Down => down::run(&machine),
        Command::Status(args) => status::run(&machine, *args),
        Command::Check(args) => check::run(&machine, args),
        Command::Test(args) => test::run(&machine, args),
        Command::Relay(args) => relay::run(&machine, args),
        Command::Agent => agent::run(&machine),
        Command::Explain(args) => Ok(explain::run(args)),
    }
}
