//! `cargo xtask kmod [--check]`: the logic of the kernel module as objects for any kernel.

mod kmod;

use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args[..] {
        ["kmod"] => kmod::make(),
        ["kmod", "--check"] => kmod::check(),
        _ => {
            eprintln!("usage: cargo xtask kmod [--check]");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
