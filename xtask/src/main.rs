//! `cargo xtask kmod [--check]`: the logic of the kernel module as objects for any kernel.
//! `cargo xtask deb`: the module as a package for DKMS.

mod deb;
mod kmod;

use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args[..] {
        ["kmod"] => kmod::make(),
        ["kmod", "--check"] => kmod::check(),
        ["deb"] => deb::make().map(|package| say(&package)),
        _ => {
            eprintln!("usage: cargo xtask kmod [--check] | deb");
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

#[allow(clippy::print_stdout, reason = "where the package is")]
fn say(package: &std::path::Path) {
    println!("{}", package.display());
}
